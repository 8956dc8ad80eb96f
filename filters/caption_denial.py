"""What a thought says that its caption denies: another colour, another shape, another count than the caption names.

A reasoner that never saw the image knows of it what the caption says, so a colour that is neither there nor in the
question is its own invention. The measure is of closed classes alone, because only there does naming one thing deny
another, and a caption that names none of a class denies nothing of it. It is a flag, not a proof: a caption may leave
things out, and a derived shape ("both triangles form a rectangle") is flagged too, so whether it drops is the recipe's
choice (`quality.max_denied`).
"""

import re
from collections.abc import Sequence

from filters.singular import singular

COLOURS = (
    "red", "green", "blue", "yellow", "black", "white", "brown", "gray", "teal", "orange", "purple", "pink", "violet",
    "cyan", "magenta", "beige", "turquoise", "maroon", "navy", "golden", "silver",
)  # fmt: skip
SHAPES = (
    "circle", "triangle", "rectangle", "square", "diamond", "star", "cross", "pentagon", "hexagon", "octagon", "oval",
    "ellipse", "trapezoid", "rhombus", "parallelogram", "cube", "sphere", "cylinder", "cone", "pyramid",
)  # fmt: skip
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_SPELLINGS = {"grey": "gray", "crosses": "cross", **{f"{shape}s": shape for shape in SHAPES if shape != "cross"}}
_CLASSES = (frozenset(COLOURS), frozenset(SHAPES))
_WORD = re.compile(r"[a-z]+|\d+")
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])|\n+")
_NO_CLAIM = re.compile(
    r"\b(?:no|not|none|neither|nor|without|never|cannot|if|whether|could|might|would|should|question|asks?|asked|unless"
    r"|instead|rather|wait|options?|choices?)\b|n't\b|\?$"
)
"""What makes a sentence deny, suppose or ask; a word in it is not claimed of the image."""
_SAYS = re.compile(r"\b(?:is|are|was|were):?\s+(?:(?:an?|the|also|all|both|\w+ly|small|medium|large|big)\s+)*$")
"""What precedes a word that a sentence gives to something: "the circle is [red]", "there is a [red] shape"."""
_COUNT = re.compile(rf"\b(?P<n>\d+|{'|'.join(NUMBERS)}) (?P<noun>[a-z]{{3,}})\b")
_COUNTED = re.compile(r"\bthere (?:is|are)(?: only| exactly)? $|^(?:only |exactly )?$|\bcontains $|\bshows $")


def denied(thought: str | None, caption: str | None, question: str | None = "", answer: str | None = "") -> list[str]:
    """The words of a thought that its caption denies, in order, each once; none without a caption.

    A colour or a shape counts where the caption names others of its class but not this one, in a sentence that neither
    denies nor supposes nor asks. A word of the question counts only where the sentence gives it to something ("the circle is
    red"). A count (`3 shapes`) counts where it is stated ("there are 3 shapes") and the caption counts the same things once,
    otherwise. What the answer says is as right as the answer, so its words never count.
    """
    if not thought or not caption:
        return []
    described, asked, given = _words(caption), _words(question or ""), _words(answer or "")
    classes = [members for members in _CLASSES if members & described]
    counts = _counts(caption)
    found: list[str] = []
    for sentence in _SENTENCE.split(thought.lower()):
        text = sentence.strip()
        if not text or _NO_CLAIM.search(text):
            continue
        for match in _WORD.finditer(text):
            word = _SPELLINGS.get(match[0], match[0])
            named = any(word in members for members in classes) and word not in described | given
            if named and (word not in asked or _SAYS.search(text[: match.start()])):
                found.append(word)
        for match in _COUNT.finditer(text):
            number, known = _number(match["n"]), counts.get(singular(match["noun"]), ())
            stated = _COUNTED.search(text[: match.start()]) and str(number) not in given
            if stated and len(known) == 1 and number not in known:
                found.append(f"{match['n']} {match['noun']}")
    return list(dict.fromkeys(found))


def unvouched(thought: str | None, question: str | None, answer: str | None) -> list[str]:
    """The colours and shapes that a thought gives to something and that neither question nor answer names, each once.

    A verified answer vouches for what it and its question name. All else in a thought rests on the caption alone: "a green
    circle", where only the colour was asked, is as right as the captioner is about shapes.
    """
    known = _words(question or "") | _words(answer or "")
    found: list[str] = []
    for sentence in _SENTENCE.split((thought or "").lower()):
        if not _NO_CLAIM.search(sentence.strip()):
            words = (_SPELLINGS.get(word, word) for word in _WORD.findall(sentence))
            found += [word for word in words if word not in known and any(word in members for members in _CLASSES)]
    return list(dict.fromkeys(found))


def _words(text: str) -> set[str]:
    words = {_SPELLINGS.get(word, word) for word in _WORD.findall(text.lower())}
    return words | {str(NUMBERS.index(word)) for word in words & set(NUMBERS)}


def _counts(caption: str) -> dict[str, Sequence[int]]:
    """How often the caption counts each noun, by its singular."""
    found: dict[str, list[int]] = {}
    for match in _COUNT.finditer(caption.lower()):
        found.setdefault(singular(match["noun"]), []).append(_number(match["n"]))
    return {noun: sorted(set(numbers)) for noun, numbers in found.items()}


def _number(word: str) -> int:
    return NUMBERS.index(word) if word in NUMBERS else int(word)
