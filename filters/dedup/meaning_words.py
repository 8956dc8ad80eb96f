"""The words that change a question's meaning while leaving its embedding where it was.

Sentence encoders put "Add 3 and 5" beside "Add 3 and 6", and "the red ball" beside "the blue ball". So before any
similarity is asked, the numbers, symbols and contrast words of two questions have to be the same, in the same order.
A paraphrase that reorders them is kept by mistake; a changed number is never dropped by mistake.
"""

import polars as pl

from filters.dedup.text_folding import folded

_ONES = (
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth twentieth"
)
_PARTS = "thirds fourths fifths sixths sevenths eighths ninths tenths"

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
    "half": "halves",
    "quarter": "quarters",
    "0": "zero nought",
    "percent": "%",
    "degree": "degrees °",
    "mm": "millimeter millimeters millimetre millimetres",
    "cm": "centimeter centimeters centimetre centimetres",
    "km": "kilometer kilometers kilometre kilometres",
    "meter": "meters metre metres",
    "kg": "kilogram kilograms",
    "gram": "grams",
    "ml": "milliliter milliliters millilitre millilitres",
    "liter": "liters litre litres",
    "inch": "inches",
    "foot": "feet",
    "yard": "yards",
    "mile": "miles",
    "minute": "minutes",
    "hour": "hours",
    "day": "days",
    "week": "weeks",
    "month": "months",
    "year": "years",
    "dollar": "dollars",
    "cent": "cents",
    "euro": "euros €",
    "≤": r"\le \leq \leqslant",
    "≥": r"\ge \geq \geqslant",
    "≠": r"\ne \neq",
    "×": r"\times",
    "·": r"\cdot",
    "÷": r"\div",
    "√": r"\sqrt",
    "±": r"\pm",
    "sin": r"\sin",
    "cos": r"\cos",
    "tan": r"\tan",
    "log": r"\log",
    "ln": r"\ln",
}
"""Canonical word → other spellings of the same contrast."""

_BARE = (
    "red green blue yellow black white brown orange purple pink teal cyan magenta violet gold silver "
    "inside outside front behind before after last top bottom middle center centre corner upper north south east west "
    "longest shortest tallest oldest youngest nearest farthest closest "
    "vertical horizontal clockwise counterclockwise parallel perpendicular odd even positive negative "
    "pentagon hexagon octagon ellipse oval diamond diamonds cross crosses star stars cube sphere cylinder cone "
    "area perimeter circumference volume radius diameter median mode sum difference product quotient "
    "man woman boy girl male female he she night cot sec csc exp seconds "
    "once twice thrice double triple dozen hundred thousand million billion hundredth thousandth hundredths thousandths "
    "monday tuesday wednesday thursday friday saturday sunday possible impossible correct incorrect valid invalid "
    "january february april june july august september october november december "
    "add subtract multiply divide plus minus times start end begin open closed true false"
)


def _canonical() -> dict[str, str]:
    table = {word: str(value) for value, word in enumerate(_ONES.split(), start=2)}
    table |= {word: str(10 * value) for value, word in enumerate(_TENS.split(), start=2)}
    table |= {word: f"#{value}" for value, word in enumerate(_ORDINALS.split(), start=1)}
    table |= {word: f"#{value}" for value, word in enumerate(_PARTS.split(), start=3)}
    for canonical, others in CONTRASTS.items():
        table |= dict.fromkeys([canonical, *others.split()], canonical)
    return table | {word: word for word in _BARE.split()}


_TABLE = _canonical()
_WORDS = "|".join(sorted((word for word in _TABLE if word.isalpha()), key=len, reverse=True))
_NUMBER = r"(?:-\s?)?\.?\d+(?:[.,/:]\d+)*!?"
_COMMAND = r"\\[A-Za-z]+"
_LETTERS = r"\b[A-Za-z]\s?-\s?[A-Za-z]\b|\b[A-Z]{1,4}\d*\b|\b[IVXLCDM]{5,}\b|\b[b-hj-z]\d*\b|\{[ai]\}"
_SIGNS = r"[+*×÷·=<>≤≥≠≈±√∑∫∪∩∈⊂⊆∀∃∞π°%€^|/]|['′″]+\("
_CJK_NUMBERS = "零〇一二三四五六七八九十百千万萬亿億两兩"
_CJK_CONTRASTS = "不没沒非无無未否左右上下前后後内內外大小多少高低长長短红紅蓝藍绿綠黄黃黑白加减減乘除正负負"
_CJK = f"[{_CJK_NUMBERS}]+|[{_CJK_CONTRASTS}]"
_PATTERN = rf"{_NUMBER}|{_COMMAND}|\b(?i:{_WORDS})\b|{_LETTERS}|{_SIGNS}|{_CJK}"
_IGNORED = ("A", "I", "一")
_LAYOUT = r"\\(?:left|right|[bB]igg?[lrm]?|displaystyle|q?quad|text[a-z]*|math(?:rm|bf|it|sf)|operatorname)\b"
_TWENTIES = rf"(?i)\b({_TENS.replace(' ', '|')}|hundred|thousand|million|billion)(?:\s+and)?[-\s]one\b"


def marks(text: pl.Expr) -> pl.Expr:
    """The numbers, symbols and contrast words of a text, in order, canonical, joined by blanks ("" where none).

    Digits of any script, English number words and ordinals ("one" by itself is left out: mostly a pronoun), negations,
    directions, colours, comparatives, units, operators, LaTeX commands, single letters and short capitals (`x`, `AB`),
    Chinese numbers and contrasts. Number words of other languages are not known.
    """
    plain = (
        folded(text)
        .str.replace_all(r"(?i)n['’]t\b", " not")
        .str.replace_all(r"(?i)['’](?:s|re|ll|d|m|ve)\b", " ")
        .str.replace_all(r"(\d),(\d{3})\b", "${1}${2}")
        .str.replace_all(_TWENTIES, "${1} 1")
        .str.replace_all(_LAYOUT, " ")
        .str.replace_all(r"\\[dt]frac\b", r"\frac")
        .str.replace_all("_", " ", literal=True)
        .str.replace_all(r"(\d)([A-Za-z])", "${1} ${2}")
    )
    found = plain.str.extract_all(_PATTERN).list.eval(pl.element().str.replace_all(r"\s", ""))
    lowered = pl.element().str.to_lowercase()
    return found.list.eval(
        pl.when(lowered.is_in(list(_TABLE)))
        .then(lowered.replace(_TABLE))
        .otherwise(pl.element())
        .filter(~pl.element().is_in(_IGNORED))
    ).list.join(" ")
