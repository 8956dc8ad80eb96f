"""One spelling for what readers take as the same: blanks, widths, dashes, quotes, LaTeX wrappers, full stops."""

import re
import unicodedata

from filters.verify.lead_in import unled
from filters.verify.markup import PUNCTUATION, unmarked
from schemas.remembered import remembered

_CHARS = str.maketrans(
    {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "\u200b": None,
        "\ufeff": None,
    }
    | PUNCTUATION
)
_SUPERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_VULGAR = re.compile("[¼-¾⅐-⅞]")
"""`1½` is one and a half, and no 11/2."""
_BLANKS = re.compile(r"\s+")
_ARTICLE = re.compile(r"^(?:a|an|the)\s+")
MOST_MARKS = 30
_MARKED = re.compile(rf"[^\w\s\x00-\x7f]{{{MOST_MARKS + 1},}}")
_EDGES = " \t\r\n.,;:!?\"'`*"


def flat(text: str) -> str:
    """NFKC (x² first becomes x^2), one kind of dash and quote, single blanks."""
    if text.isascii():
        return _BLANKS.sub(" ", text).strip()
    text = _VULGAR.sub(lambda match: " " + unicodedata.normalize("NFKC", match.group()).replace("⁄", "/"), text)
    text = _SUPER.sub(lambda match: "^" + match.group().translate(_SUPERS), _MARKED.sub(_few_marks, text))
    return _BLANKS.sub(" ", unicodedata.normalize("NFKC", text).translate(_CHARS)).strip()


def _few_marks(match: re.Match[str]) -> str:
    """A run of signs with as many combining marks on a letter as Unicode's stream-safe format allows (UAX #15, section 13).

    Normalising sorts the marks of a letter one by one: a hundred thousand of them take minutes.
    """
    kept, marks = [], 0
    for char in match.group():
        marks = marks + 1 if unicodedata.combining(char) else 0
        if marks <= MOST_MARKS:
            kept.append(char)
    return "".join(kept)


def bare(text: str) -> str:
    """`flat`, without the markup around the whole (`filters.verify.markup`) and the final full stops."""
    return unmarked(flat(text))


def unprefixed(text: str) -> str:
    """`bare`, without "The answer is" in front, ", definitely" behind, and their like in other languages (`unled`)."""
    return unled(flat(text))


_TURNS = 4


@remembered()
def words(text: str) -> str:
    """The spelling under which two short texts are the same: `bare`, case folded, no leading article, no edge marks."""
    for _ in range(_TURNS):  # marks may lie below marks ("=~?"), and what is spelled once must be spelled so for good
        text = _ARTICLE.sub("", bare(text).casefold().strip(_EDGES))
        if not text or (text[0].isalnum() and text[-1].isalnum() and not _ARTICLE.match(text)):
            break
    return text
