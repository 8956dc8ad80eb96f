"""The entries of `steps`: a step type each, with or without a section, and names that nothing else has."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.recipe.mistakes import Places, Where
from schemas.errors import ConfigError

UNITS = frozenset({"sample", "trace", "rollout", "pair", "critique", "segment", "turn"})
"""The units that step types make; a recipe may make others."""

RESERVED = frozenset({"parent", "sample", "ingest", "selftest", "rows"})
"""What no step may be named: steps that are implied, and what a column's address starts with."""

MOST_STEPS = 300
"""Steps of a recipe. What a name means is looked up among all steps before, so thousands would take minutes to compile."""

STEP_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass
class StepDraft:
    """An entry of `steps`: a step type and its section. `places` are those of the section's keys."""

    type: str
    section: dict[str, Any]
    place: str
    places: Places = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.section.get("as") or self.type)


def drafted_steps(entries: Any, where: Where, places: Places) -> list[StepDraft]:
    """The entries of a list of steps at the keys `where`. Raises ConfigError with every mistake, a line each."""
    place = places[where]
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"{place}: '{where[-1]}': write a list of steps, each as `- type: {{key: value}}`.")
    if len(entries) > MOST_STEPS:
        raise ConfigError(f"{place}: a recipe has at most {MOST_STEPS} steps; this one has {len(entries):,}.")
    steps: list[StepDraft] = []
    wrong: list[str] = []
    for number, entry in enumerate(entries):
        here = (*where, number)
        try:
            steps.append(_step(entry, here, places))
        except ConfigError as error:
            wrong.append(str(error))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return steps


def check_names(steps: Sequence[StepDraft]) -> None:
    """Raise ConfigError, a line each, where two steps have one name."""
    first: dict[str, StepDraft] = {}
    wrong = [
        f"{step.place}: two steps are named '{step.name}', the first at {first[step.name].place}; add `as: …` to one."
        for step in steps
        if first.setdefault(step.name, step) is not step
    ]
    if wrong:
        raise ConfigError("\n".join(wrong))


def _step(entry: Any, where: Where, places: Places) -> StepDraft:
    place = places[where]
    if isinstance(entry, str) and entry:
        return _named(StepDraft(entry, {}, place))
    if not isinstance(entry, dict) or not entry:
        raise ConfigError(f"{place}: a step is its type, alone or with a section: `- type: {{key: value}}`.")
    if len(entry) > 1:
        first = next(iter(entry))
        keys = ", ".join(map(str, entry))
        cure = f"Write `- {entry['type']}: {{…}}`" if "type" in entry else f"Indent what belongs to '{first}' below it"
        raise ConfigError(f"{place}: a step has one key, its type; this one has {len(entry)}: {keys}. {cure}.")
    ((type_, section),) = entry.items()
    if not isinstance(type_, str) or not type_:
        raise ConfigError(f"{place}: {type_!r} is not a step type.")
    if section is not None and not isinstance(section, dict):
        raise ConfigError(f"{place}: '{type_}': write its section as a mapping, {{key: value}} (given: {section!r}).")
    above = (*where, type_)
    inner = {w[len(above) :]: p for w, p in places.items() if w[: len(above)] == above and len(w) > len(above)}
    return _named(StepDraft(type_, section or {}, place, inner))


def _named(step: StepDraft) -> StepDraft:
    """The step, if its name is one that columns and units leave free."""
    given = step.section.get("as")
    place = step.places.get(("as",), step.place)
    if given is not None and (not isinstance(given, str) or not STEP_NAME.fullmatch(given)):
        raise ConfigError(
            f"{place}: {given!r} is no name of a step: lower-case letters, digits and _, a letter first, at most 64."
        )
    makes = step.section.get("makes")  # a step that makes a unit's rows may have its name, as `rollout` has
    taken = "a unit" if step.name in UNITS and step.name not in {step.type, makes} else None
    taken = "reserved" if step.name in RESERVED else taken
    if taken is not None:
        raise ConfigError(f"{place}: a step cannot be named '{step.name}': that name is {taken}. Choose another `as`.")
    return step
