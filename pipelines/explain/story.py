"""The story of a row of a build of steps: in step order, what was asked about it, what came back, what became of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pipelines.explain.asked import Exchange, exchanges
from pipelines.explain.query import find_build
from pipelines.explain.recorded import RecordedBuild, StepFacts, recorded_builds
from pipelines.explain.released import Place, places, refusals
from pipelines.explain.rows import Brood, Found, descendants, find, made_from, parents, row_of
from pipelines.store.step_tables import DROPS, RETIRED, ROWS
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

SHORTEST = 6
"""Characters of an id that are enough to look for it."""
_LISTED = 8
_IDS = frozenset({"id", "sample_id", "parent_id"})

What = Literal["made", "not made", "gave", "kept", "dropped", "retired", "passed by", "children", "unreleased"]


@dataclass(frozen=True)
class Chapter:
    """What one step did with the row. `values` are the columns that it wrote, or the evidence of a drop."""

    step: StepFacts
    what: What
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""
    asked: list[Exchange] = field(default_factory=list)
    brood: Brood | None = None


@dataclass(frozen=True)
class Relative:
    """A row that this one was made from, with the columns that the step that made it gave."""

    row: Found
    values: dict[str, Any]


@dataclass(frozen=True)
class RowStory:
    """All that a build knows of a row; `end` says in a sentence what became of it."""

    build: str
    row: Found
    chapters: list[Chapter]
    parents: list[Relative]
    children: list[Brood]
    released: list[Place]
    end: str
    others: list[str]


def row_story(workspace: Path, id_: str, recipe: str | None = None) -> RowStory:
    """The story of the row whose id is or starts with `id_`.

    The row may be of any unit, dropped ones and those that a step could not make among them. Raises ConfigError where no
    row has such an id, or several have, with their units; for fewer characters than SHORTEST; for an unknown `recipe`.
    """
    builds = [build for build in recorded_builds(workspace) if recipe in (None, build.name)]
    if not builds:
        find_build(workspace, recipe)
    if len(id_) < SHORTEST:
        raise ConfigError(f"'{id_}' is too short: give at least {SHORTEST} characters of the id.")
    found = [(build, row) for build in builds for row in find(build, id_)]
    exact = [pair for pair in found if pair[1].id == id_]
    found = exact or found
    if not found:
        raise ConfigError(f"No row of {workspace} has an id that starts with '{id_}'. `curate query` can list ids.")
    ids = {row.id: row for _, row in found}
    if len(ids) > 1:
        listed = ", ".join(f"{row.id} ({row.unit})" for row in list(ids.values())[:_LISTED])
        more = f" and {len(ids) - _LISTED:,} more" if len(ids) > _LISTED else ""
        raise ConfigError(f"'{id_}' is the start of {len(ids):,} ids: {listed}{more}; give more characters.")
    build, row = found[0]
    return story_of(Workspace(workspace), build, row, [other.name for other, _ in found[1:]])


def story_of(workspace: Workspace, build: RecordedBuild, row: Found, others: list[str] | None = None) -> RowStory:
    """The story of a row of one build; `others` are builds that have it too."""
    above = parents(build, row)
    gone = next((drop for one in above if (drop := _drop(build, one)) is not None), None)
    chapters = list(_chapters(workspace, build, row, len(build.steps) if gone is None else gone[0].number))
    released = places(workspace, build, row)
    steps = {step.name: step for step in build.steps}
    chapters += [
        Chapter(steps[out["step"]], "unreleased", _evidence(out), out["reason"])
        for out in refusals(workspace, build, row)
        if all((c.step.name, c.what) != (out["step"], "dropped") for c in chapters)
    ]
    relatives = [Relative(one, _values(build, one.step, one) or {}) for one in above]
    end = _end(build, row, chapters, gone, above, released)
    return RowStory(build.name, row, chapters, relatives, list(descendants(build, row)), released, end, others or [])


def _drop(build: RecordedBuild, row: Found) -> tuple[StepFacts, str] | None:
    """Which step dropped a row, and why."""
    for step in build.steps:
        if not step.makes and step.unit == row.unit:
            found = row_of(build, step.name, DROPS, row.bucket, row.id)
            if found is not None:
                return step, found["reason"]
    return None


def _chapters(workspace: Workspace, build: RecordedBuild, row: Found, until: int) -> Iterator[Chapter]:
    """In step order; `until` is the number of the step that dropped what the row was made from."""
    yield _birth(workspace, build, row)
    ended = not row.made
    for step in build.steps[row.step.number + 1 :]:
        if row.bucket not in build.buckets(step.name):
            continue
        if step.makes:
            yield from _offspring(workspace, build, step, row, ended=ended or step.number > until)
            if row_of(build, step.name, RETIRED, row.bucket, row.id) is not None:
                yield Chapter(step, "retired")
                ended = True
        elif not ended and step.works_on(row.unit, row.step.name):
            chapter = _visit(workspace, build, step, row)
            if chapter is None and step.number <= until:
                yield Chapter(step, "passed by")
            elif chapter is not None:
                yield chapter
                ended = chapter.what == "dropped"


def _birth(workspace: Workspace, build: RecordedBuild, row: Found) -> Chapter:
    """How the row came to be, or could not."""
    table = ROWS if row.made else DROPS
    found = row_of(build, row.step.name, table, row.bucket, row.id) or {}
    parent = found.get("parent_id")
    asked = [] if parent is None else exchanges(workspace, build, row.step, row.bucket, parent, row.id)
    if row.made:
        return Chapter(row.step, "made", _own(found), asked=asked)
    return Chapter(row.step, "not made", _evidence(found), found.get("reason", ""), asked)


def _visit(workspace: Workspace, build: RecordedBuild, step: StepFacts, row: Found) -> Chapter | None:
    """What a step that makes no rows did with this one; None where its `where` passed it by."""
    asked = exchanges(workspace, build, step, row.bucket, row.id)
    drop = row_of(build, step.name, DROPS, row.bucket, row.id)
    if drop is not None:
        return Chapter(step, "dropped", _evidence(drop), drop["reason"], asked)
    values = _values(build, step, row)
    if values is None:
        return None
    return Chapter(step, "gave" if values else "kept", values, asked=asked)


def _offspring(
    workspace: Workspace, build: RecordedBuild, step: StepFacts, row: Found, *, ended: bool
) -> Iterator[Chapter]:
    """What a step made of the row."""
    brood = made_from(build, step, row.bucket, {row.id})
    if brood.ids or brood.lost:
        yield Chapter(step, "children", asked=exchanges(workspace, build, step, row.bucket, row.id), brood=brood)
    elif not ended and step.where is not None and step.works_on(row.unit, row.step.name):
        yield Chapter(step, "passed by")


def _values(build: RecordedBuild, step: StepFacts, row: Found) -> dict[str, Any] | None:
    found = row_of(build, step.name, ROWS, row.bucket, row.id)
    return None if found is None else _own(found)


def _own(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in _IDS}


def _evidence(drop: dict[str, Any]) -> dict[str, Any]:
    try:
        found = json.loads(drop.get("evidence") or "{}")
    except ValueError:
        return {"evidence": drop["evidence"]}
    return found if isinstance(found, dict) else {"evidence": found}


def _end(
    build: RecordedBuild,
    row: Found,
    chapters: list[Chapter],
    gone: tuple[StepFacts, str] | None,
    above: list[Found],
    released: list[Place],
) -> str:
    last = next((c for c in reversed(chapters) if c.what in ("dropped", "not made", "retired")), None)
    if last is not None and last.what == "dropped":
        return f"Dropped by {last.step.name}: {last.reason}."
    if last is not None and last.what == "not made":
        return f"Never made: {last.step.name} dropped it as {last.reason}."
    if gone is not None:
        parent = next(one for one in above if _drop(build, one) == gone)
        return f"Gone with the {parent.unit} {parent.id}, which {gone[0].name} dropped: {gone[1]}."
    if last is not None:
        return f"Retired: the samples that {last.step.name} made took its place."
    return _alive(build, chapters, released)


def _alive(build: RecordedBuild, chapters: list[Chapter], released: list[Place]) -> str:
    """Where a row that nothing dropped is."""
    refused = next((c for c in chapters if c.what == "unreleased"), None)
    own = [place for place in released if place.own]
    if released and (own or refused is None):
        configs = ", ".join(dict.fromkeys(f"'{place.config}'" for place in own or released))
        what = "Released" if own else "Alive; its sample was released"
        return f"{what} as {configs} of {released[0].release}."
    if refused is not None:
        return f"Alive, and left out of the release: {refused.reason}."
    waiting = [step.name for step in build.steps if build.record(step.name) is None]
    return (
        f"Alive; {waiting[0]} has not run yet." if waiting else "Alive at the end of the pipeline, and in no release."
    )
