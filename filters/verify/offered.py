r"""Options as a row gives them: one text that lists them ("A. cat\nB. dog"), or texts that carry letters of their own."""

import re

from schemas.remembered import remembered

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MARK = (
    r"[ \t]{0,8}(?:[-*•][ \t]{1,8})?\*{0,2}"  # a bullet, bold
    r"[(\[（]?(?P<letter>[A-Za-z])(?:[)\]）][.:]?|[.:、．：])\*{0,2}[ \t]{0,8}(?=\S)"
)
_BARE = r"|[ \t]{0,8}(?P<bare>[A-Z])[ \t]{1,8}(?=\S)"
_LISTS = (
    re.compile(rf"(?:\A|[\n;])(?:{_MARK}{_BARE})"),  # "A. cat\nB. dog", "A) 12; B) 17", "A cat\nB dog"
    re.compile(rf"(?:\A|[,|])(?:{_MARK})"),  # "A) 12, B) 17"
    re.compile(rf"(?:\A|\s)(?:{_MARK})"),  # "(A) 12 (B) 17"
)
"""What separates options, from the surest on: a list is read by the first under which its letters are A, B, … in order."""
_OWN_LABEL = re.compile(r"\s*[(\[]?([A-Za-z]|\d\d?)(?:[)\]][.:]?\s*|[.:]\s+)(?=\S)")


def listed_in(text: str) -> tuple[str, ...]:
    r"""The options that one text lists under A, B, … ("A. cat\nB. dog", "A) 12; B) 17"); empty where it lists none.

    A heading that ends in a colon ("Options:") may be on a line of its own before them.
    """
    for pattern in _LISTS:
        marks = list(pattern.finditer(text))
        letters = "".join((mark["letter"] or mark.groupdict().get("bare") or "") for mark in marks)
        before = text[: marks[0].start()].strip() if marks else ""
        if (
            len(marks) > 1
            and letters.upper() == ALPHABET[: len(marks)]
            and (not before or before.endswith((":", "：")))
        ):
            ends = [mark.start() for mark in marks[1:]] + [len(text)]
            return tuple(text[mark.end() : end].strip(" \t\r\n;,|") for mark, end in zip(marks, ends, strict=True))
    return ()


@remembered(size=lambda options, allowed: sum(map(len, options), len(options)))
def unlabelled(options: tuple[str, ...], allowed: str) -> tuple[str, ...]:
    """The options without letters of their own ("A. cat", "(B) dog") or numbers, where each carries that of its place."""
    marks = [_OWN_LABEL.match(option) for option in options]
    found = [mark.group(1) if mark else "" for mark in marks]
    places = range(len(options))
    if len(options) > 1 and found in ([*allowed], [str(i) for i in places], [str(i + 1) for i in places]):
        return tuple(option[mark.end() :] for option, mark in zip(options, marks, strict=True) if mark)
    return options
