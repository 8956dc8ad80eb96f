"""Small pipelines run for tests of step types, and what they come to."""

from pathlib import Path
from typing import Any

import polars as pl
from step_types import pipeline
from tiny_build import tiny_build

from pipelines.run.runner import Runner


def run(root: Path, source: Path, *steps: Any, buckets: int = 2) -> Runner:
    """A finished run of steps written as `(type, section)`."""
    runner = Runner(tiny_build(root, source, buckets=buckets), pipeline(*steps))
    runner.run_all()
    return runner


def rows(runner: Runner, unit: str, *columns: str) -> pl.DataFrame:
    """The current rows of a unit, or of the rows that a step made, at the end of the pipeline."""
    names = runner.pipeline.names
    node = names.node(unit)
    sources = {name: names.find(node, tuple(name.split(".")), text=True) for name in columns}
    end = len(runner.pipeline.steps)
    return pl.concat(
        [runner.tables.current(node, sources, bucket, end) for bucket in range(runner.record.buckets)]
    ).sort("id")


def record(runner: Runner, step: str) -> Any:
    """What is recorded of a step, which has one."""
    found = runner.record.step(step)
    assert found is not None
    return found
