"""A step that asks a real model, the reference VLM, about rows without images: words of it mean nothing, its forms do."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scripted_engine import Scripted
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


def test_what_was_asked_is_kept_once_a_prompt(tmp_path: Path) -> None:
    runner = asked(tmp_path, {"makes": "trace", "n": 2, "sampling": {"max_tokens": 4, "temperature": 1.0}})
    requested = pl.read_parquet(runner.build.folder / "size" / "asked-0000.parquet")
    assert (requested.height, requested["prompt_key"].n_unique()) == (12, 6)
    prompts = runner.build.prompts.messages(requested["prompt_key"])
    assert runner.build.prompts.scan().collect().height == prompts.height == 6
    assert set(prompts["messages"].str.json_path_match("$[0].content[0].text")) == {
        f"What is {n} + {n}?" for n in range(6)
    }
    assert set(requested["key"]) == set(runner.build.log.scan().select("key").collect()["key"])
    more = asked(tmp_path, {"makes": "trace", "n": 3, "sampling": {"max_tokens": 4, "temperature": 1.0}})
    assert more.build.prompts.scan().collect().height == 6


def test_the_record_tells_this_run_from_those_before(tmp_path: Path) -> None:
    section = {"reply": {"choice": ["small", "large"]}}
    first, again = asked(tmp_path, section), asked(tmp_path, section)
    record = again.record.step("size")
    assert record is not None
    assert record["run"] == first.build.run != again.build.run
    assert {part["run"] for part in record["buckets"].values()} == {first.build.run}


def test_what_answers_call_for_is_sent_in_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(lambda request, index: "small" if index == 2 else "?").install(monkeypatch)
    tried = {"reply": {"choice": ["small", "large"]}, "tries": 4, "sampling": {"temperature": 1.0}}
    assert counts(asked(tmp_path, tried)) == (6, 0)
    assert sorted(index for _, index in engine.asked) == [0] * 6 + [1] * 6 + [2] * 6
