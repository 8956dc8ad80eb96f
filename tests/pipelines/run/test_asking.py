"""A step that asks a real model, the reference VLM, about rows without images: words of it mean nothing, its forms do."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_build import questions, tiny_build

from generators.ask import STEP as ASK
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.run.runner import Runner
from pipelines.steps.ingest import INGEST
from schemas.engine import ModelConfig
from schemas.step import StepConfig

pytestmark = pytest.mark.filterwarnings("ignore")


def asked(root: Path, section: dict[str, Any], **model: Any) -> Runner:
    ask = {"as": "size", "model": "m", "prompt": "{{ question }}", "sees": "nothing", "sampling": {"max_tokens": 12}}
    config = ASK.config.model_validate(ask | section)
    steps = compile_steps(
        [Entry("ingest", INGEST, StepConfig(), "recipe.yaml:1"), Entry("size", ASK, config, "recipe.yaml:2")]
    )
    source = questions(root / "sums.jsonl", 6)
    models = {"m": ModelConfig(model="reference-vlm", engine="transformers", **model)}
    runner = Runner(tiny_build(root / "out", source, models=models), steps)
    runner.run_all()
    return runner


def counts(runner: Runner) -> tuple[int, int]:
    record = runner.record.step("size")
    assert record is not None
    return record["kept"], sum(record["dropped"].values())


def test_every_reply_has_the_form_of_its_step(tmp_path: Path) -> None:
    runner = asked(tmp_path, {"reply": {"choice": ["small", "large"]}})
    assert counts(runner) == (6, 0)
    texts = runner.build.log.scan().select("text").collect()["text"].to_list()
    assert set(texts) <= {"small", "large"}


@pytest.mark.parametrize("model", [{"thinking": True}, {"structured": ["json"]}])
def test_a_model_that_is_held_to_no_such_form_answers_freely(tmp_path: Path, model: dict[str, Any]) -> None:
    runner = asked(tmp_path, {"reply": {"choice": ["small", "large"]}, "unreadable": "keep"}, **model)
    texts = runner.build.log.scan().select(pl.col("text")).collect()["text"].to_list()
    assert texts
    assert not set(texts) & {"small", "large"}
