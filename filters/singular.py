"""Nouns without their plural, so that "2 glasses" and "1 glass" name the same thing. English, and only what an `s` tells."""

_WITH_E = ("sses", "xes", "ches", "shes")
_SHORTEST = 4
"""Letters from which on a word may have a plural: "is" and "gas" have none."""


def singular(word: str) -> str:
    """The singular of a noun in lower case; other words stay nearly as they are, and always come out alike."""
    if word.endswith(_WITH_E):
        return word[:-2]
    return word if word.endswith("ss") or len(word) < _SHORTEST else word.removesuffix("s")
