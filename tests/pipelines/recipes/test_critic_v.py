"""Critic-V, whole: errors are put into answers, critics look for them, and the best critique is preferred to the worst."""

from pathlib import Path

import demo
import pytest
import tiny

from pipelines.job import compile_recipe

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"question": question, "answer": "shapes", "kind": "open"}
    for question in ("Describe the image.", "Describe the image.", "What shape is in the image?")
]


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("critic_v")
    assert len(recipe.pipeline.step("critique").config.models) == 3
    assert "0.1 * grade" in recipe.pipeline.step("total").config.gives["total"]
    assert recipe.pipeline.unread == ()


def test_critiques_are_scored_by_what_was_put_in_and_paired(tmp_path: Path) -> None:
    job = demo.run(
        "critic_v", tmp_path / "out", demo.shown(tmp_path, "asked", ROWS), answered=32, spoiled=128, critique=48
    )
    counts = demo.counts(job)
    spoiled = counts["spoiled"][0]
    kept, dropped = counts["unspoiled"]
    assert kept >= 1
    assert (kept + dropped, dropped >= 1) == (spoiled, True)
    assert counts["critique"][0] + counts["critique"][1] == kept * 3 * 2
    scores = tiny.rows(job, "overlap").join(tiny.rows(job, "grade"), on="id").join(tiny.rows(job, "total"), on="id")
    assert scores.filter((scores["overlap"] / 100 + 0.1 * scores["grade"] - scores["total"]).abs() > 1e-9).is_empty()
    assert 1 <= counts["pair"][0] <= kept

    preference = demo.loaded(job, "preference", tmp_path / "cache")
    critiques = demo.loaded(job, "critiques", tmp_path / "cache")
    assert len(preference) == counts["pair"][0]
    for row in preference:
        assert row["margin"] >= 0.01
        assert row["injected"]
        assert row["chosen"] != row["rejected"]
    assert all("Somebody answers:" in row["prompt"][0]["content"] for row in critiques)
    assert len(critiques) == counts["total"][0]
