"""Words that join clauses, turn them or deny them, written once: by what they do and by language.

Rules that read sentences derive their patterns from these tables. A table holds alternatives of a regular expression;
`whole_words` matches them as words. The tables `…_CJK` are for Chinese, Japanese and Korean, which write words together.
"""

from collections.abc import Mapping

START, END = r"(?<![\w\u0900-\u097f])", r"(?![\w\u0900-\u097f])"
"""Edges of words. Devanagari's vowel signs are no word characters to Python."""

AND = {"en": "and", "de": "und", "fr": "et", "es": "y|e", "pt": "e", "it": "e", "ru": "и", "ar": "و", "hi": "और"}
AND_CJK = "和|与|與|以及|及び?|および|と|와|과|그리고"

OR = {
    "en": "or|and/or|versus|vs", "de": "oder", "fr": "ou|soit", "es": "o|u", "pt": "ou", "it": "o|oppure",
    "ru": "или|либо", "ar": "أو", "hi": "या|अथवा",
}  # fmt: skip
OR_CJK = "或者?|还是|還是|또는|혹은|または|あるいは|もしくは"

NOT = {
    "en": r"not|never|cannot|can ?not|\w+n't|except", "de": "nicht|kein|keine|keiner|keinen|nie|niemals",
    "fr": "pas|jamais|sauf", "es": "nunca|jamás|excepto|salvo", "pt": "nunca|exceto", "it": "mai|tranne|eccetto",
    "ru": "не|кроме", "ar": "ليس|ليست|لم|لن", "hi": "नहीं|मत",
}  # fmt: skip
NO = {"en": "no", "es": "no", "pt": "não", "it": "non", "ar": "لا"}
"""Not, before a verb; alone, the answer no."""

SO = {
    "en": "so|therefore|thus|hence|consequently", "de": "daher|somit|deshalb|folglich", "fr": "donc|par conséquent",
    "es": "por lo tanto|por tanto", "pt": "portanto|logo(?=,| [ao] )", "it": "quindi|dunque|pertanto",
    "ru": "следовательно|поэтому|таким образом|итак|значит", "ar": "لذلك|لذا|إذن|وبالتالي", "hi": "इसलिए|अतः",
}  # fmt: skip
"""German "also" is left out: English has it for something else."""
SO_CJK = "所以|因此|综上所述|综上|したがって|よって|따라서|그러므로"

BECAUSE = {
    "en": "because|since|given that|due to|owing to", "de": "weil|denn", "fr": "parce que|puisque",
    "es": "porque|ya que|puesto que", "pt": "porque|já que", "it": "perché|poiché",
    "ru": "потому что|так как|поскольку", "ar": "لأن|لان", "hi": "क्योंकि",
}  # fmt: skip
"""French "car" is left out for the same reason."""
BECAUSE_CJK = "因为|因為|由于|由於|なぜなら|왜냐하면"


def any_of(*tables: Mapping[str, str]) -> str:
    """The alternatives of all languages of some tables, one after another."""
    return "|".join(words for table in tables for words in table.values())


def whole_words(*tables: Mapping[str, str]) -> str:
    """A pattern for any word of some tables."""
    return f"{START}(?:{any_of(*tables)}){END}"
