"""MPO / MMPR, whole: pairs by answer and by image, step scores, and the prompts that no try solves."""

from pathlib import Path

import demo
import pytest
import tiny

from pipelines.job import compile_recipe

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"question": "Is there a circle in the image?", "answer": "seven", "kind": "text"},  # which no reply says
    {"question": "Is there a triangle in the image?", "answer": "no", "kind": "boolean"},
    {"question": "Is there a circle in the image?", "answer": "no", "kind": "boolean"},
    {"question": "Describe the image.", "answer": "shapes", "kind": "open"},
    {"question": "What shape is in the image?", "answer": "shapes", "kind": "open"},  # one word has no first half
]


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("mpo_mmpr")
    tries, score = (recipe.pipeline.step(name).config for name in ("tries", "step_score"))
    assert (tries.n, tries.sampling.temperature, tries.sampling.top_k) == (32, 0.7, 50)
    assert (score.n, score.stop_at) == (16, 0)
    assert recipe.pipeline.step("by_answer").config.cap == 15
    assert recipe.pipeline.step("segment").config.most == 12
    assert recipe.pipeline.unread == ()


def test_every_branch_makes_rows_and_every_config_is_filled(tmp_path: Path) -> None:
    job = demo.run("mpo_mmpr", tmp_path / "out", demo.shown(tmp_path, "asked", ROWS), seeing=40, blind=40)
    counts = demo.counts(job)
    assert counts["tries"] == (3 * 32, 0)
    assert counts["solution"] == (3 * 4, 0)
    assert demo.reasons(job)["half:nothing_left"] == 1
    assert (counts["seeing"], counts["half"], counts["blind"]) == ((2, 0), (1, 1), (1, 0))
    assert 1 <= counts["by_answer"][0] <= 15
    assert counts["by_image"] == (1, 0)
    scores = tiny.rows(job, "step_score")
    assert set(scores["step_right"]) == {True, False}
    assert set(scores["tried"]) == {16}

    preference, steps, hard = (demo.loaded(job, name, tmp_path / "cache") for name in ("preference", "scores", "hard"))
    assert len(preference) == counts["by_answer"][0] + 1
    assert all(("\\boxed{}" in row["prompt"][-1]["content"]) == (row["solution"] != "$shapes$") for row in preference)
    described = next(row for row in preference if row["solution"] == "$shapes$")
    chosen, rejected = (described[side][0]["content"] for side in ("chosen", "rejected"))
    words = chosen.split()
    assert rejected.startswith(" ".join(words[: len(words) // 2]))
    assert chosen != rejected
    assert len(steps) == 12
    assert all(0 <= segment["score"] <= 1 for row in steps for segment in row["segment"])
    assert [row["solution"] for row in hard] == ["$seven$"]
