"""The tables of a build of steps, by what the report wants of them: a step is found by its type and the unit of its rows."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.store.workspace import read_json

_FACTS = ("unit", "in", "kept", "dropped")


class _Wanted(NamedTuple):
    unit: str
    type: str | None
    """None: the steps that make the rows."""


WANTED = {
    "ingest": _Wanted("sample", "ingest"),
    "caption": _Wanted("sample", "caption"),
    "difficulty": _Wanted("sample", "difficulty"),
    "distill": _Wanted("trace", None),
    "verify": _Wanted("trace", "verify"),
    "rollouts": _Wanted("rollout", None),
    "score": _Wanted("rollout", "verify"),
}
"""What holds samples, captions, difficulties, traces and their verdicts, rollouts and theirs."""


_REPLIES = {"verify": "distill", "score": "rollouts"}
"""Verdicts, by what they are of: its sample and its length are known there."""


def rows_of(manifest: Mapping[str, Any], build: Path, name: str) -> pl.LazyFrame | None:
    """The rows that the steps of a kind wrote, each row as the last of them wrote it; None where there is no such step."""
    wanted = WANTED.get(name)
    found = [] if wanted is None else [path for step in _steps(manifest, wanted) for path in _parts(build, step)]
    if not found:
        return None
    tables = [pl.scan_parquet(path, glob=False) for path in found]
    if name == "caption" and any("caption" not in table.collect_schema() for table in tables):
        return None
    rows = pl.concat(tables, how="diagonal_relaxed").unique("id", keep="last", maintain_order=True)
    replies = rows_of(manifest, build, _REPLIES[name]) if name in _REPLIES else None
    return rows if replies is None else rows.join(replies.select("id", "sample_id", "tokens"), on="id", how="left")


def _steps(manifest: Mapping[str, Any], wanted: _Wanted) -> Iterator[str]:
    for step in manifest["steps"]:
        made = wanted.type is None and step["of"] != step["unit"]
        if step["unit"] == wanted.unit and (made or step["type"] == wanted.type):
            yield step["step"]


def _parts(build: Path, step: str) -> list[Path]:
    return sorted((build / step).glob("rows-*.parquet"))


def as_stages(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The funnel of steps, as the page reads it."""
    facts = {"stage": "step", "unit": "unit", "rows_in": "in", "kept": "kept", "dropped": "dropped", "notes": "notes"}
    return [{name: step.get(fact) for name, fact in facts.items()} for step in steps]


def same_build(manifest: Mapping[str, Any], folder: Path) -> bool:
    """Whether the build in a folder has the steps of the manifest, with the same counts."""
    record = read_json(folder / "build.json")
    steps = record.get("steps") if isinstance(record, dict) else None
    if not isinstance(steps, dict):
        return False
    others = (step for step in manifest["steps"] if step["type"] != "release")  # whose record is of a later moment
    return all(
        step["step"] in steps and all(steps[step["step"]].get(fact) == step.get(fact) for fact in _FACTS)
        for step in others
    )
