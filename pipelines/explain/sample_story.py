"""What happened to a sample and to all that was made from it: in step order, what models were asked, and what became of
each of their replies."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import polars as pl

from pipelines.explain.asked import Exchange
from pipelines.explain.recorded import RecordedBuild, StepFacts, plural
from pipelines.explain.rows import Found, by_id
from pipelines.explain.story import Chapter, RowStory, story_of
from pipelines.store.workspace import Workspace

_NOTHING_READ = frozenset(
    ("text", "reasoning", "model", "index", "thinking", "finish_reason", "tokens", "gold_visible", "error")
)
"""Columns of replies that do not say what was read in them."""


@dataclass(frozen=True)
class Outcome:
    """Equal conversations, what was read in the last reply of each and what became of it; `count` is how many there are."""

    turns: tuple[Exchange, ...]
    became: str
    count: int = 1


@dataclass(frozen=True)
class Event:
    """What a step did: it asked a model about `about` (`outcomes`, which all begin with the same prompt), or gave the
    sample `values`, or did what `words` say."""

    step: StepFacts
    about: Found
    outcomes: tuple[Outcome, ...] = ()
    values: dict[str, Any] | None = None
    words: str = ""

    @property
    def model(self) -> str:
        return self.outcomes[0].turns[0].model if self.outcomes else ""


@dataclass(frozen=True)
class SampleStory:
    """A sample with its own story, and the events of its family in step order."""

    story: RowStory
    events: tuple[Event, ...]


class KeptBuild(RecordedBuild):
    """A build of few rows, each table of which is read once."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self._table = cache(super().table)

    def table(self, step: str, table: str, bucket: int) -> pl.DataFrame | None:
        return self._table(step, table, bucket)


def sample_story(workspace: Workspace, build: RecordedBuild, row: Found) -> SampleStory:
    """The story of a sample and of everything that was made from it, directly or not."""
    own = story_of(workspace, build, row)
    family = {row.id: own}
    for brood in own.children:
        for id_ in brood.ids:
            found = by_id(build, id_, row.bucket)
            if found is not None:
                family[id_] = story_of(workspace, build, found)
        for id_, _ in brood.lost:
            family[id_] = story_of(workspace, build, Found(id_, brood.step.unit, brood.step, row.bucket, made=False))
    events = [event for story in family.values() for event in _events(family, story, own=story is own)]
    return SampleStory(own, tuple(sorted(events, key=lambda event: event.step.number)))


def _events(family: dict[str, RowStory], story: RowStory, *, own: bool) -> Iterator[Event]:
    for chapter in story.chapters:
        if chapter.what == "children" and chapter.brood is not None:
            brood = chapter.brood
            made = [family[id_] for id_ in (*brood.ids, *(id_ for id_, _ in brood.lost))]
            if chapter.asked:
                exchanges = [(tuple(child.chapters[0].asked), _became_of_row(child)) for child in made]
                yield from _asked(chapter.step, story.row, exchanges)
            else:
                yield Event(chapter.step, story.row, words=_made(len(brood.ids), brood.step.unit, brood.lost))
        elif chapter.what in ("made", "not made"):
            continue
        elif chapter.asked:
            models = dict.fromkeys(exchange.model for exchange in chapter.asked)
            exchanges = [(tuple(e for e in chapter.asked if e.model == model), _read(chapter)) for model in models]
            yield from _asked(chapter.step, story.row, exchanges)
        elif own and chapter.what == "dropped":
            yield Event(chapter.step, story.row, values=chapter.values, words=f"dropped: {chapter.reason}")
        elif own and chapter.what == "gave":
            yield Event(chapter.step, story.row, values=chapter.values)
        elif own and chapter.what == "passed by":
            yield Event(chapter.step, story.row, words=f"passed by: not {chapter.step.where}")


def _asked(step: StepFacts, about: Found, exchanges: list[tuple[tuple[Exchange, ...], str]]) -> Iterator[Event]:
    """An event for each first prompt, with equal conversations counted."""
    found: dict[str, dict[str, Outcome]] = {}
    for turns, became in exchanges:
        if not turns:
            continue
        first = json.dumps([turns[0].model, turns[0].messages, turns[0].prefix])
        same = found.setdefault(first, {})
        key = json.dumps([became, *(_contents(turn) for turn in turns)])
        before = same.get(key)
        same[key] = Outcome(turns, became, 1 if before is None else before.count + 1)
    for same in found.values():
        yield Event(step, about, tuple(same.values()))


def _contents(turn: Exchange) -> list[Any]:
    return [turn.messages, turn.prefix, [(r.text, r.reasoning, r.finish_reason, r.error) for r in turn.replies]]


def _read(chapter: Chapter) -> str:
    """What a step that gives columns read in the replies, or why it dropped the row."""
    if chapter.reason:
        return chapter.reason
    texts = {reply.text for exchange in chapter.asked for reply in exchange.replies}
    return _values(chapter.values, texts)


def _became_of_row(story: RowStory) -> str:
    """What was read in the reply that a row was made of, the verdicts on it, and what dropped it or left it out."""
    birth, *later = story.chapters
    if birth.what == "not made":
        return birth.reason
    extracted = next((e for chapter in later if (e := chapter.values.get("extracted")) is not None), None)
    values = birth.values if extracted is None else {**birth.values, "final": extracted}
    parts = [_values(values, {reply.text for exchange in birth.asked for reply in exchange.replies})]
    for chapter in later:
        if verdict := chapter.values.get("verdict"):
            parts.append(str(verdict))
        if chapter.what in ("dropped", "unreleased"):
            parts.append(chapter.reason)
    return ", ".join(word for word in parts if word)


def _values(values: dict[str, Any], texts: set[str]) -> str:
    given = {name: v for name, v in values.items() if name not in _NOTHING_READ and v is not None}
    read = {name: v for name, v in given.items() if not (isinstance(v, str) and v in texts)}
    if "final" in values:
        return "no answer read" if values["final"] is None else f"read as {values['final']!r}"
    if not read:
        return "nothing read" if values and all(value is None for value in values.values()) else ""
    if len(read) == 1:
        return f"read as {json.dumps(next(iter(read.values())), ensure_ascii=False, default=str)}"
    return "read as " + json.dumps(read, ensure_ascii=False, default=str)


def _made(count: int, unit: str, lost: tuple[tuple[str, str], ...]) -> str:
    reasons = ", ".join(sorted({reason for _, reason in lost}))
    return f"made {count:,} {plural(unit, count)}" + (f"; {len(lost):,} not made: {reasons}" if lost else "")
