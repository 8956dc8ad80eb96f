"""The words that change a question's meaning while leaving its embedding where it was.

Sentence encoders put "Add 3 and 5" beside "Add 3 and 6", and "the red ball" beside "the blue ball". So before any
similarity is asked, the numbers, symbols and contrast words of two questions have to be the same, in the same order.
A paraphrase that reorders them is kept by mistake; a changed number is never dropped by mistake.
"""

import polars as pl

_ONES = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"

CONTRASTS: dict[str, str] = {
    "not": "no nor never none nothing nobody neither without except cannot n't",
    "most": "largest biggest greatest highest maximum max",
    "least": "smallest fewest lowest minimum min",
    "more": "larger bigger greater higher",
    "less": "smaller fewer lower",
    "long": "longer",
    "short": "shorter",
    "increase": "increases increased increasing",
    "decrease": "decreases decreased decreasing",
    "gray": "grey",
    "up": "upward upwards",
    "down": "downward downwards",
    "over": "above",
    "under": "below beneath underneath",
    "mean": "average",
    "round": "circle circles circular",
    "square": "squares",
    "triangle": "triangles triangular",
    "rectangle": "rectangles rectangular",
    "left": "leftmost",
    "right": "rightmost",
}
"""Canonical word → other spellings of the same contrast."""

_BARE = (
    "red green blue yellow black white brown orange purple pink teal cyan magenta violet gold silver "
    "inside outside front behind before after last top bottom middle center centre corner upper north south east west "
    "longest shortest tallest oldest youngest nearest farthest closest "
    "vertical horizontal clockwise counterclockwise parallel perpendicular odd even positive negative "
    "pentagon hexagon octagon ellipse oval diamond diamonds cross crosses star stars cube sphere cylinder cone "
    "area perimeter circumference volume radius diameter median mode sum difference product quotient "
    "man woman boy girl male female he she day night "
    "half twice double triple quarter dozen hundred thousand million billion "
    "add subtract multiply divide plus minus times start end begin open closed true false"
)


def _canonical() -> dict[str, str]:
    table = {word: str(value) for value, word in enumerate(_ONES.split(), start=2)}
    table |= {word: str(10 * value) for value, word in enumerate(_TENS.split(), start=2)}
    table |= {word: f"#{value}" for value, word in enumerate(_ORDINALS.split(), start=1)}
    for canonical, others in CONTRASTS.items():
        table |= dict.fromkeys([canonical, *others.split()], canonical)
    return table | {word: word for word in _BARE.split()}


_TABLE = _canonical()
_WORDS = "|".join(sorted(_TABLE, key=len, reverse=True))
_CJK = "[零〇一二三四五六七八九十百千万亿两]+"
_PATTERN = rf"[-−]?\d+(?:[.,/:]\d+)*|\b(?i:{_WORDS})\b|\b[A-Z]{{1,4}}\d*\b|\b[b-hj-z]\b|{_CJK}"
_IGNORED = ("A", "I", "一")


def marks(text: pl.Expr) -> pl.Expr:
    """The numbers, symbols and contrast words of a text, in order, canonical, joined by blanks ("" where none).

    Digits, number words and ordinals ("one" is left out: mostly a pronoun), negations, directions, colours,
    comparatives, single letters and short capitals (`x`, `AB`).
    """
    plain = (
        text.fill_null("")
        .str.normalize("NFKC")
        .str.replace_all(r"(?i)n['’]t\b", " not")
        .str.replace_all(r"(?i)['’](?:s|re|ll|d|m|ve)\b", " ")
        .str.replace_all(r"(\d),(\d{3})\b", "${1}${2}")
        .str.replace_all("−", "-")
    )
    found = plain.str.extract_all(_PATTERN)
    lowered = pl.element().str.to_lowercase()
    return found.list.eval(
        pl.when(lowered.is_in(list(_TABLE)))
        .then(lowered.replace(_TABLE))
        .otherwise(pl.element())
        .filter(~pl.element().is_in(_IGNORED))
    ).list.join(" ")
