"""Builds with vLLM in process: its engine dies in the middle, a prompt is too long for it, and nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest
from recipe_build import opened, sums, write_recipe
from thinking_model import ANSWER, THOUGHTS, write_thinking_model
from vllm_args import vllm_args

from pipelines.run.receipt import Receipt
from schemas.errors import StepError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

ROWS, SAMPLES = 60, 4


def children() -> dict[int, psutil.Process]:
    return {process.pid: process for process in psutil.Process().children(recursive=True)}


def killing(after: int) -> Callable[[str, Receipt], None]:
    """A progress that kills, once, what was started since: as soon as so many samples of a step are answered."""
    before, left = set(children()), [after]

    def progress(step: str, receipt: Receipt) -> None:
        if left and receipt.samples >= left[0]:
            left.clear()
            for pid, process in children().items():
                if pid not in before and "resource_tracker" not in " ".join(process.cmdline()):
                    process.kill()

    return progress


def test_a_build_loses_nothing_to_a_dead_engine_nor_to_a_prompt_that_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    model = write_thinking_model(tmp_path / "model")
    args = vllm_args(max_model_len=512, reasoning_parser="deepseek_r1")
    ask = {"model": "m", "prompt": "{{ question }}", "sees": "nothing", "makes": "reply", "n": SAMPLES}
    recipe = write_recipe(
        tmp_path / "recipe",
        [{"ask": {**ask, "sampling": {"temperature": 0.2, "max_tokens": 100, "seed": 0}}}],
        [*sums(ROWS), {"question": "How many red circles are there? " * 100, "answer": "100"}],
        models={"m": {"model": str(model), "engine": "vllm", "concurrency": 4, "args": args}},
    )
    ended = opened(recipe, tmp_path / "out", "driver.max_restarts=0", progress=killing(12))
    with pytest.raises(StepError, match=r"The engine died once with: .* run the same command again") as raised:
        ended.run()
    assert "\n" not in str(raised.value)

    job = opened(recipe, tmp_path / "out", progress=killing(12))
    records: list[dict[str, Any]] = job.run()
    (asked,) = (record for record in records if record["step"] == "ask")
    assert 12 <= asked["asked"]["m"]["samples"] <= (ROWS + 1) * SAMPLES - 12  # those of the long prompt are refused
    assert asked["asked"]["m"]["cache"]["prompt_tokens"] > 0
    assert len(asked["dropped"]) == 1, asked["dropped"]
    (reason,) = asked["dropped"]
    assert (reason.split(":")[0], asked["dropped"][reason]) == ("ask", SAMPLES)
    replies = job.rows("reply", ["text", "reasoning", "finish_reason"])
    assert replies.height == ROWS * SAMPLES
    assert replies.filter(finish_reason="stop").height > ROWS * SAMPLES * 0.8
    whole = replies.filter(pl.col("reasoning").str.contains(THOUGHTS, literal=True))
    assert whole.height > ROWS * SAMPLES * 0.8
    assert whole["text"].str.contains(ANSWER, literal=True).all()
