"""One spelling for what readers take as the same: blanks, widths, dashes, quotes, LaTeX wrappers, full stops."""

import re
import unicodedata

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
)
_SUPERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_SUPER = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+")
_BLANKS = re.compile(r"\s+")
_WRAPPER = re.compile(r"^\\(?:text|textbf|textit|mathrm|mathbf|mathit|mbox|boxed|rm|bf)\s*\{([^{}]*)\}$")
_DOLLARS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"), ("**", "**"), ("`", "`"))
_PREFIX = re.compile(
    r"^(?:(?:so|thus|therefore|hence)[, ]+)?(?:the )?(?:final |correct )?(?:answer|result|option|choice)"
    r"(?: is|:| is:|=)\s*:?\s*",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:a|an|the)\s+")
MOST_MARKS = 30
_MARKED = re.compile(rf"[^\w\s\x00-\x7f]{{{MOST_MARKS + 1},}}")
_EDGES = " \t\r\n.,;:!?\"'`*"


def flat(text: str) -> str:
    """NFKC (x² first becomes x^2), one kind of dash and quote, single blanks."""
    if text.isascii():
        return _BLANKS.sub(" ", text).strip()
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
    """`flat`, without dollar signs, `\\text{}`, bold marks and one final full stop around the whole."""
    text = flat(text)
    while True:
        before = text
        for left, right in _DOLLARS:
            inside = text[len(left) : len(text) - len(right)]
            if text.startswith(left) and text.endswith(right) and len(text) > len(left + right) and left not in inside:
                text = inside.strip()
        if text.startswith("\\") and (match := _WRAPPER.match(text)):
            text = match.group(1).strip()
        text = text[: _before_stops(text)]
        if text == before:
            return text


def _before_stops(text: str) -> int:
    """Where a text ends without its final full stops; those of an ellipsis stay."""
    end = len(text)
    while end and text[end - 1] == "." and text[max(end - 2, 0) : end] != "..":
        end -= 1
        while end and text[end - 1].isspace():
            end -= 1
    return end


def unprefixed(text: str) -> str:
    """`bare`, without "The answer is" and its like in front."""
    text = bare(text)
    return bare(text[match.end() :]) if (match := _PREFIX.match(text)) else text


@remembered()
def words(text: str) -> str:
    """The spelling under which two short texts are the same: `bare`, case folded, no leading article, no edge marks."""
    text = bare(text).casefold().strip(_EDGES)
    return _ARTICLE.sub("", text)
