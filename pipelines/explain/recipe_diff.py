"""How two recipes differ: models, sources and steps by their names, each key with both of its values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from itertools import takewhile
from typing import Any, Literal

from pipelines.recipe.document import Document

HEAD = ("seed", "limit", "ingest", "uses")
"""Keys of a recipe that decide a release too, beside its models, sources and steps."""


@dataclass(frozen=True)
class Change:
    """One difference: in `place` (`models`, `sources`, `steps` or a key of the head), of `name` (a step, or `step.key`).

    `how`: `only first` or `only second`, with the value of the recipe that has it; `changed`, with both; or `moved`, of a
    step that both have, with its two places.
    """

    place: str
    name: str
    how: Literal["only first", "only second", "changed", "moved"]
    before: Any = None
    after: Any = None


def recipe_changes(first: Document, second: Document) -> list[Change]:
    """All that differs but name, `about` and description, steps in the order of the first recipe and then of the second."""
    one, two = _plain(first), _plain(second)
    found = [*_keys("models", "", one["models"], two["models"]), *_keys("sources", "", one["sources"], two["sources"])]
    found += [
        change for key in HEAD if key in one or key in two for change in _keys(key, "", _one(one, key), _one(two, key))
    ]
    return [*found, *_steps(first, second)]


COMPARED = 4_000_000
"""Lines of one text times those of another up to which they are compared line by line: where the same lines come again and
again, that takes the square of their number and more."""


def text_changes(before: str, after: str) -> list[str]:
    """Two texts as the lines of a diff, without heads. Of long ones (`COMPARED`) what is between their common beginning and
    end went and came whole."""
    one, two = before.splitlines(), after.splitlines()
    if len(one) * len(two) <= COMPARED:
        lines = list(unified_diff(one, two, lineterm="", n=1))[2:]
        return [line for line in lines if not line.startswith("@@")]
    start = _alike(one, two)
    one, two = one[start:], two[start:]
    end = _alike(reversed(one), reversed(two))
    gone, new = (lines[: len(lines) - end] for lines in (one, two))
    return [*(f"-{line}" for line in gone), *(f"+{line}" for line in new)]


def _alike(one: Iterable[str], two: Iterable[str]) -> int:
    """How many lines two texts have in common before the first that differs."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))


def _plain(document: Document) -> dict[str, Any]:
    found = document.model_dump(mode="json", by_alias=True, exclude={"steps", "uses"}, exclude_unset=True)
    return {
        **found,
        "models": found.get("models", {}),
        "sources": {source["name"]: source for source in found["sources"]},
        "uses": [use.name for use in document.uses],
    }


def _one(tree: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: tree[key]} if tree.get(key) else {}


def _steps(first: Document, second: Document) -> Iterator[Change]:
    one, two = ({entry.name: entry for entry in document.steps} for document in (first, second))
    common = [name for name in one if name in two]
    kept = _in_order(common, [name for name in two if name in one])
    for name, entry in one.items():
        if name not in two:
            yield Change("steps", name, "only first", {"type": entry.type, **_section(entry.section)})
            continue
        other = two[name]
        if name not in kept:
            yield Change("steps", name, "moved", _after(list(one), name), _after(list(two), name))
        if entry.type != other.type:
            yield Change("steps", f"{name}.type", "changed", entry.type, other.type)
        yield from _keys("steps", f"{name}.", _section(entry.section), _section(other.section))
    yield from (
        Change("steps", name, "only second", None, {"type": entry.type, **_section(entry.section)})
        for name, entry in two.items()
        if name not in one
    )


def _section(section: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if key != "as"}


def _in_order(one: Sequence[str], two: Sequence[str]) -> set[str]:
    """The names that keep their order from one list to the other, as many as there can be."""
    blocks = SequenceMatcher(None, one, two, autojunk=False).get_matching_blocks()
    return {name for block in blocks for name in one[block.a : block.a + block.size]}


def _after(names: Sequence[str], name: str) -> str:
    place = names.index(name)
    return f"after {names[place - 1]}" if place else "first"


def _keys(place: str, prefix: str, one: Mapping[str, Any], two: Mapping[str, Any]) -> Iterator[Change]:
    for key in dict.fromkeys((*one, *two)):
        name = f"{prefix}{key}"
        if key not in two:
            yield Change(place, name, "only first", one[key])
        elif key not in one:
            yield Change(place, name, "only second", None, two[key])
        elif one[key] != two[key]:
            if isinstance(one[key], dict) and isinstance(two[key], dict):
                yield from _keys(place, f"{name}.", one[key], two[key])
            else:
                yield Change(place, name, "changed", one[key], two[key])
