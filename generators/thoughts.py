"""Thoughts that are true: a reasoner without a model, which answers a question about a scene from the scene's own facts.

It reads the question as it is written and reasons over what the caption tells: colours, shapes, places, a digit. So it knows
the questions of `generators.scenes`, those of `generators.puzzles`, and easy-VQA's.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from generators.scenes import COLOURS, SHAPES, Scene, cell, place

_COLUMN = {"left": 0, "right": 2}
_ROW = {"top": 0, "bottom": 2}
ENDS = {"leftmost": (0, min), "rightmost": (0, max), "highest": (1, min), "lowest": (1, max)}


@dataclass(frozen=True)
class Item:
    """One object as a caption names it."""

    colour: str
    shape: str
    place: str = ""

    @property
    def name(self) -> str:
        """Colour and shape: "red circle"."""
        return f"{self.colour} {self.shape}"

    @property
    def whole(self) -> str:
        """Colour, shape and place: "red circle at the top left"."""
        return f"{self.name} at the {self.place}"


@dataclass(frozen=True)
class Facts:
    """What there is to know of one image: its objects in reading order, and a digit with its place."""

    items: tuple[Item, ...]
    digit: tuple[str, str] | None = None


def facts_of(scene: Scene) -> Facts:
    """The facts of a procedural scene, in the order in which its caption tells them."""
    items = sorted(scene.objects, key=lambda o: (*cell(o.x, o.y)[::-1], o.x, o.y))
    digit = (str(scene.digit.value), place(scene.digit.x, scene.digit.y)) if scene.digit else None
    return Facts(tuple(Item(o.colour, o.shape, place(o.x, o.y)) for o in items), digit)


# --- thinking -----------------------------------------------------------------------------------------------------


def think(facts: Facts, question: str, options: Sequence[str] = ()) -> tuple[str, str] | None:
    """The thought and the answer that it comes to: a word, a number, or an option's letter; None: no such question.

    Options are given apart, or on a second line of the question ("A) red B) blue").
    """
    stem, _, listed = question.partition("\n")
    options = tuple(options) or tuple(re.findall(r"[A-D]\) (\w+)", listed))
    text = stem.strip().rstrip("?").lower()
    for pattern, rule in _RULES:
        if match := pattern.fullmatch(text):
            found = rule(facts, *match.groups())
            return _concluded(*found, options) if found else None
    return None


def _concluded(steps: str, answer: str, options: Sequence[str]) -> tuple[str, str] | None:
    if options:
        if answer not in options:
            return None
        letter = "ABCD"[options.index(answer)]
        steps, answer = f"{steps} {letter} is {answer}.", letter
    return f"{steps} So the answer is {answer}.", answer


def _listed(items: Sequence[Item], *, whole: bool = False) -> str:
    return ", ".join(item.whole if whole else item.name for item in items)


def _all(facts: Facts, *, whole: bool = False) -> str:
    return f"The shapes are: {_listed(facts.items, whole=whole)}."


def fits(item: Item, noun: str) -> bool:
    """Whether a noun such as "red circles", "shape" or "star at the top left" fits an object."""
    kind, _, where = noun.partition(" at the ")
    words = [_single(word) for word in kind.split()]
    right = all(word in (item.colour, item.shape, "shape") for word in words)
    return right and (not where or where == item.place)


def _single(word: str) -> str:
    return "cross" if word == "crosses" else word if word in ("cross", *COLOURS) else word.removesuffix("s")


def is_known(noun: str) -> bool:
    words = [_single(word) for word in noun.partition(" at the ")[0].split()]
    return bool(words) and all(word in (*COLOURS, *SHAPES, "shape") for word in words)


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


_Found = tuple[str, str] | None


def _colour(facts: Facts, noun: str) -> _Found:
    return _named(facts, noun, lambda item: item.colour)


def _shape(facts: Facts, noun: str | None = None) -> _Found:
    return _named(facts, noun or "shape", lambda item: item.shape)


def _named(facts: Facts, noun: str, word: Callable[[Item], str]) -> _Found:
    fitting = [item for item in facts.items if fits(item, noun)]
    if not is_known(noun) or not fitting or len({word(item) for item in fitting}) > 1:
        return None
    answer = word(fitting[0])
    shown = answer if answer in COLOURS else _a(answer)
    return f"{_all(facts, whole=' at the ' in noun)} The {noun} is {shown}.", answer


def _exists(facts: Facts, *groups: str | None) -> _Found:
    denied, noun = any(groups[:-1]), str(groups[-1])
    if not is_known(noun):
        return None
    there = any(fits(item, noun) for item in facts.items)
    return f"{_all(facts)} There is {_a(noun) if there else f'no {noun}'}.", "yes" if there != denied else "no"


def _count(facts: Facts, noun: str) -> _Found:
    fitting = [item for item in facts.items if fits(item, noun)]
    if not is_known(noun):
        return None
    some = "" if noun == "shapes" or not fitting else f" The {noun} are: {_listed(fitting)}."
    none = f" There are no {noun}." if not fitting else ""
    return f"{_all(facts)}{some}{none} That makes {len(fitting)}.", str(len(fitting))


def _either(facts: Facts, one: str, other: str) -> _Found:
    fitting = [item for item in facts.items if fits(item, one) or fits(item, other)]
    if not is_known(one) or not is_known(other):
        return None
    return f"{_all(facts)} Either {one} or {other}: {_listed(fitting) or 'none'}. That makes {len(fitting)}.", str(
        len(fitting)
    )


def _tally(facts: Facts, nouns: Sequence[str]) -> tuple[str, list[int]]:
    numbers = [sum(fits(item, noun) for item in facts.items) for noun in nouns]
    counted = ", ".join(f"{noun}: {number}" for noun, number in zip(nouns, numbers, strict=True))
    return f"{counted[0].upper()}{counted[1:]}.", numbers


def _compare(facts: Facts, one: str, other: str) -> _Found:
    counted, (left, right) = _tally(facts, (one, other))
    verdict = "more" if left > right else "fewer" if left < right else "equal"
    joint = {"more": "more than", "fewer": "fewer than", "equal": "equal to"}[verdict]
    return f"{_all(facts)} {counted} {left} is {joint} {right}.", verdict


def _gap(facts: Facts, one: str, other: str) -> _Found:
    counted, (left, right) = _tally(facts, (one, other))
    return (f"{_all(facts)} {counted} {left} - {right} = {left - right}.", str(left - right)) if left >= right else None


def _most(facts: Facts, word: str) -> _Found:
    seen = Counter(item.colour if word == "color" else item.shape for item in facts.items)
    names = list(seen)
    best = max(seen.values(), default=0)
    if sum(number == best for number in seen.values()) != 1:
        return None
    counted = ", ".join(f"{name}: {seen[name]}" for name in names)
    return f"{_all(facts)} {counted[0].upper()}{counted[1:]}.", next(name for name in names if seen[name] == best)


def _alike(facts: Facts, word: str) -> _Found:
    seen = Counter(item.colour if word == "color" else item.shape for item in facts.items)
    name = next((name for name, number in seen.items() if number > 1), None)
    if name is None:
        return f"{_all(facts)} No {word} is there twice.", "no"
    noun = f"{name} shapes" if name in COLOURS else _many(name)
    fitting = [item for item in facts.items if name in (item.colour, item.shape)]
    return f"{_all(facts)} The {noun} are: {_listed(fitting)}.", "yes"


def _many(shape: str) -> str:
    return f"{shape}es" if shape == "cross" else f"{shape}s"


def _extreme(facts: Facts, word: str, end: str) -> _Found:
    axis, pick = ENDS[end]
    at = [spot(item.place)[axis] for item in facts.items]
    if not at or at.count(pick(at)) != 1:
        return None
    item = facts.items[at.index(pick(at))]
    return f"{_all(facts, whole=True)} The {end} is the {item.name}.", item.colour if word == "color" else item.shape


def spot(name: str) -> tuple[int, int]:
    """Column and row of a place by its name."""
    words = name.split()
    column = next((_COLUMN[word] for word in words if word in _COLUMN), 1)
    return column, next((_ROW[word] for word in words if word in _ROW), 1)


def side_of(first: str, second: str, axis: int) -> str | None:
    """How one place lies to another: "left of", "below", …; None where they share the column or the row."""
    one, two = spot(first)[axis], spot(second)[axis]
    low, high = (("left of", "right of"), ("above", "below"))[axis]
    return None if one == two else low if one < two else high


def _relation(facts: Facts, one: str, claim: str, other: str) -> _Found:
    found = _placed(facts, one, other, 0 if claim in ("left of", "right of") else 1)
    return found and (found[0], "yes" if found[1] == claim else "no")


def _where(facts: Facts, one: str, other: str, low: str) -> _Found:
    found = _placed(facts, one, other, 0 if low == "left" else 1)
    return found and (found[0], found[1].removesuffix(" of"))


def _placed(facts: Facts, one: str, other: str, axis: int) -> tuple[str, str] | None:
    first, second = ([item for item in facts.items if fits(item, noun)] for noun in (one, other))
    if len(first) != 1 or len(second) != 1 or (side := side_of(first[0].place, second[0].place, axis)) is None:
        return None
    where = " ".join(f"The {item.name} is at the {item.place}." for item in (first[0], second[0]))
    return f"{where} The {first[0].place} is {side} the {second[0].place}.", side


def _digit(facts: Facts) -> _Found:
    return facts.digit and (f"The digit {facts.digit[0]} is at the {facts.digit[1]}.", facts.digit[0])


def _odd(facts: Facts, word: str) -> _Found:
    seen = Counter(item.colour if word == "color" else item.shape for item in facts.items)
    lone = [name for name, number in seen.items() if number == 1]
    if len(lone) != 1:
        return None
    only = lone[0] if word == "color" else _a(lone[0])
    return f"{_all(facts)} Only one is {only}.", lone[0]


_RULES: tuple[tuple[re.Pattern[str], Callable[..., _Found]], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"what color is the (leftmost|rightmost|highest|lowest) shape", lambda f, end: _extreme(f, "color", end)),
        (r"what is the (leftmost|rightmost|highest|lowest) shape", lambda f, end: _extreme(f, "shape", end)),
        (r"what color is the (.+)", _colour),
        (r"what is the color of the (.+)", _colour),
        (r"what is the (.+)", _shape),
        (r"what shape (?:is in the image|is present|does the image contain)", _shape),
        (r"is any (shape|color) there twice", _alike),
        (r"is there (not )?(?:a|an) (.+?)(?: in the image)?", _exists),
        (r"does the image (not )?contain (?:a|an) (.+)", _exists),
        (r"is (?:a|an|(no)) (.+) present", _exists),
        (r"how many shapes are either (\w+) or (\w+)", _either),
        (r"how many more (.+) than (.+) are there", _gap),
        (r"how many (.+) are there", _count),
        (r"compare (.+) with (.+): are there more, fewer or an equal number", _compare),
        (r"is the (.+) (left of|right of|above|below) the (.+)", _relation),
        (r"where is the (.+) from the (.+), (left|above) or (?:right|below)", _where),
        (r"what digit is in the image", _digit),
        (r"which (shape|color) is the odd one out", _odd),
        (r"which (shape|color) is there most often", _most),
    )
)
