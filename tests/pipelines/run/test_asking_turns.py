"""Asking in turns, with a real model: the reference VLM, whose words mean nothing here."""

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from tiny_build import questions, tiny_build

from generators.presets.distill import STEP
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.run.runner import Runner
from pipelines.steps.ingest import INGEST
from schemas.engine import ModelConfig
from schemas.step import StepConfig

pytestmark = pytest.mark.filterwarnings("ignore")

SECTION = {
    "model": "m", "sees": "nothing", "n": 2, "tries": 3, "conclude": "So the answer is", "conclude_tokens": 4,
    "sampling": {"temperature": 1.0, "max_tokens": 8},
}  # fmt: skip


def build(root: Path, *, replay: bool = False) -> tuple[Runner, pl.DataFrame]:
    config = STEP.config.model_validate(SECTION)
    entries = [Entry("ingest", INGEST, StepConfig(), "recipe.yaml:1"), Entry("distill", STEP, config, "recipe.yaml:2")]
    models = {"m": ModelConfig(model="reference-vlm", engine="transformers")}
    tiny = tiny_build(root / "out", questions(root / "sums.jsonl", 4), models=models)
    runner = Runner(replace(tiny, replay=replay), compile_steps(entries))
    runner.run_all()
    node = runner.pipeline.names.node("trace")
    names = ("model", "index", "text", "reasoning", "final", "tokens")
    sources = {name: runner.pipeline.names.find(node, (name,)) for name in names}
    buckets = range(runner.record.buckets)
    return runner, pl.concat([runner.tables.current(node, sources, b, 2) for b in buckets]).sort("id")


def test_later_turns_are_asked_once_and_replayed_from_the_log(tmp_path: Path) -> None:
    runner, traces = build(tmp_path)
    log = runner.build.log.scan().select("prompt_key", "index", "sampling").collect()
    tried = log.filter(pl.col("sampling").str.contains('"max_tokens":8'))
    # Four questions, two replies each, and for each reply that gives no answer two tries more.
    assert tried.height == 4 * 2 * 3
    assert log.height > tried.height, "nothing was made to conclude"
    assert log.unique().height == log.height
    assert traces.height == 4 * 2
    assert traces["text"].str.contains("So the answer is").any()

    shutil.rmtree(runner.build.folder)
    runner.build.workspace.prepare("tiny")
    again, replayed = build(tmp_path, replay=True)
    assert again.build.log.scan().select("prompt_key").collect().height == log.height
    assert replayed.equals(traces)
