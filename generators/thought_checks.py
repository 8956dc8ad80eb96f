"""Whether a thought about a scene is true, sentence by sentence, whoever wrote it.

Sentences are those that `generators.thoughts` writes; one of another kind counts as untrue, because nothing vouches for it.
What a thought says of its own (a sum, a list that is counted) is checked as well as what it says of the image.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from generators.thoughts import ENDS, Facts, fits, is_known, side_of, spot

_NAME = r"(?:an? )?(\w+)"


@dataclass
class _Read:
    """What has been read of a thought: the image's facts, the options, and how long the last list was."""

    facts: Facts
    options: Sequence[str]
    listed: int | None = field(default=None)


def untrue(facts: Facts, thought: str, options: Sequence[str] = ()) -> list[str]:
    """The sentences that are false of the image, or are no statement about it; "So the answer is …" is none."""
    read, false = _Read(facts, options), []
    for sentence in re.split(r"\.\s*", thought.strip()):
        if sentence and not sentence.startswith("So the answer is ") and not _holds(read, sentence):
            false.append(sentence)
    return false


def _holds(read: _Read, sentence: str) -> bool:
    for pattern, rule in _RULES:
        if match := pattern.fullmatch(sentence):
            return rule(read, *match.groups())
    return False


def _is_list(read: _Read, text: str, nouns: Sequence[str]) -> bool:
    """Whether a list is that of the objects that one of the nouns fits, each once; all with their places or none."""
    names = [] if text == "none" else text.split(", ")
    read.listed = len(names)
    items = [item for item in read.facts.items if any(fits(item, noun) for noun in nouns)]
    known = all(map(is_known, nouns))
    return known and Counter(names) in (Counter(i.name for i in items), Counter(i.whole for i in items))


def _are(read: _Read, noun: str, text: str) -> bool:
    return _is_list(read, text, [noun])


def _either(read: _Read, one: str, other: str, text: str) -> bool:
    return _is_list(read, text, [one, other])


def _makes(read: _Read, number: str) -> bool:
    return read.listed == int(number)


def _there(read: _Read, noun: str) -> bool:
    return is_known(noun) and any(fits(item, noun) for item in read.facts.items)


def _none(read: _Read, noun: str) -> bool:
    if is_known(noun) and not _there(read, noun):
        read.listed = 0
        return True
    return False


def _tally(read: _Read, text: str) -> bool:
    pairs = [part.partition(": ") for part in text.split(", ")]
    kinds = [(name.lower(), int(number)) for name, _, number in pairs]
    return all(is_known(n) and sum(fits(i, n) for i in read.facts.items) == number for n, number in kinds)


def _compared(_: _Read, one: str, how: str, other: str) -> bool:
    left, right = int(one), int(other)
    return {"more than": left > right, "fewer than": left < right, "equal to": left == right}[how]


def _minus(_: _Read, one: str, other: str, rest: str) -> bool:
    return int(one) - int(other) == int(rest)


def _digit(read: _Read, value: str, where: str) -> bool:
    return read.facts.digit == (value, where)


def _placed(read: _Read, noun: str, where: str) -> bool:
    return is_known(noun) and any(fits(item, noun) and item.place == where for item in read.facts.items)


def _lies(_: _Read, one: str, side: str, other: str) -> bool:
    return side == side_of(one, other, 0 if side in ("left of", "right of") else 1)


def _end(read: _Read, end: str, name: str) -> bool:
    axis, pick = ENDS[end]
    at = [spot(item.place)[axis] for item in read.facts.items]
    return bool(at) and [i.name for i, a in zip(read.facts.items, at, strict=True) if a == pick(at)] == [name]


def _is(read: _Read, noun: str, word: str) -> bool:
    fitting = [item for item in read.facts.items if fits(item, noun)]
    return is_known(noun) and bool(fitting) and all(word in (item.colour, item.shape) for item in fitting)


def _lone(read: _Read, word: str) -> bool:
    return sum(word in (item.colour, item.shape) for item in read.facts.items) == 1


def _twice(read: _Read, word: str) -> bool:
    seen = Counter(item.colour if word == "color" else item.shape for item in read.facts.items)
    return max(seen.values(), default=0) < 2


def _option(read: _Read, letter: str, word: str) -> bool:
    place = "ABCD".index(letter)
    return place < len(read.options) and read.options[place] == word


_RULES: tuple[tuple[re.Pattern[str], Callable[..., bool]], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (r"Either (\w+) or (\w+): (.+)", _either),
        (r"The (.+) are: (.+)", _are),
        (r"There is (?:a|an) (.+)", _there),
        (r"There (?:is|are) no (.+)", _none),
        (r"That makes (\d+)", _makes),
        (r"(\w+: \d+(?:, \w+: \d+)*)", _tally),
        (r"(\d+) is (more than|fewer than|equal to) (\d+)", _compared),
        (r"(\d+) - (\d+) = (-?\d+)", _minus),
        (r"The digit (\d) is at the (.+)", _digit),
        (r"The (leftmost|rightmost|highest|lowest) is the (\w+ \w+)", _end),
        (r"The (.+) is (left of|right of|above|below) the (.+)", _lies),
        (r"The (.+) is at the (.+)", _placed),
        (rf"The (.+) is {_NAME}", _is),
        (rf"Only one is {_NAME}", _lone),
        (r"No (color|shape) is there twice", _twice),
        (r"([A-D]) is (\w+)", _option),
    )
)
