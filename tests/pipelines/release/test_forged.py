"""Releases whose author sealed what is not so: what their own files contradict is found, what they cannot tell is said."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sealing import resealed, rewritten

from pipelines.release.examples import examples
from pipelines.release.proof import Check
from pipelines.release.statistics import statistics
from pipelines.release.verify import verify_release

CONFIGS = ("rl", "sft", "control", "unfiltered")


def rollouts(release: Path, **values: Any) -> None:
    rewritten(release / "rollouts" / "part-00000.parquet", lambda rows: rows.with_columns(**values))


def rows(release: Path, **values: Any) -> None:
    for config in CONFIGS:
        rewritten(release / config / "part-00000.parquet", lambda table: table.with_columns(**values))


def check(release: Path, name: str, edit: Callable[[dict[str, Any]], object] = lambda manifest: None) -> Check:
    """What a check says of a release that was sealed again, with all that its author would count again."""

    def counted(manifest: dict[str, Any]) -> None:
        edit(manifest)
        manifest["statistics"] = statistics(release)

    resealed(release, counted)
    return next(one for one in verify_release(release).checks if one.name == name)


ALL_RIGHT = {"verdict": pl.lit("right"), "correct": pl.lit(True)}


@pytest.mark.parametrize("tier", ["timeout", "crash"])
def test_what_ran_out_of_time_is_never_right(release: Path, tier: str) -> None:
    rollouts(release, tier=pl.lit(tier), score=pl.lit(1.0), **ALL_RIGHT)
    rows(release, k=pl.col("n"))
    found = check(release, "rollouts", lambda manifest: manifest["regraded"].update(undecided=20))
    assert found.holds is False and "disagrees with curation" in found.words


@pytest.mark.parametrize("verdict", [None, "perfect"])
def test_a_verdict_that_there_is_not_is_found(release: Path, verdict: str | None) -> None:
    rollouts(release, verdict=pl.lit(verdict, pl.String), correct=pl.lit(True))
    rows(release, k=pl.col("n"))
    found = check(release, "rollouts")
    assert found.holds is False and "counts as True" in found.words


def test_what_a_judge_decided_is_taken_and_not_called_graded(release: Path) -> None:
    rows(release, verifier=pl.lit("open"), k=pl.col("n"))
    rollouts(release, tier=pl.lit("judge"), score=pl.lit(1.0), **ALL_RIGHT)

    def edit(manifest: dict[str, Any]) -> None:
        manifest["regraded"].update(judged=20)
        manifest["needs_judge"] = True

    found = check(release, "rollouts", edit)
    assert found.holds is None
    assert found.words.startswith("none of 20 can be graded here: 20 that a judge decided")


def test_rollouts_of_no_row_are_not_called_graded(release: Path) -> None:
    rollouts(release, sample_id="x" + pl.col("sample_id"), **ALL_RIGHT)
    rows(release, k=pl.lit(None, pl.Int32), n=pl.lit(None, pl.Int32), band=pl.lit(None, pl.String))
    zero = {"graded": 0, "without_row": 20, "cut_off": 0, "cut_off_paid": 0, "judged": 0, "undecided": 0}
    found = check(release, "rollouts", lambda manifest: manifest["regraded"].update(zero))
    assert found.holds is None and "20 of samples with no row here" in found.words


def test_k_of_n_without_rollouts_is_not_proven(release: Path) -> None:
    shutil.rmtree(release / "rollouts")
    rows(release, k=pl.col("n"))
    gone = {"regraded": None, "counted_by": None}
    found = check(release, "rollouts", lambda manifest: manifest.update(gone))
    assert found.holds is False and "says how k of n was measured" in found.words
    found = check(release, "rollouts", lambda manifest: manifest.update(measured=None, examples=examples(release)))
    assert found.holds is None and re.search(r"\d+ rows say k of n, and there are no rollouts", found.words)


@pytest.mark.parametrize(
    ("name", "edit", "words"),
    [
        ("counts", lambda m: m.update(needs_judge=True), "says True of needs_judge"),
        (
            "counts",
            lambda m: m["examples"][0].update(question="What is nice?"),
            "the card shows row [0-9a-f]+ otherwise",
        ),
        ("counts", lambda m: m["examples"].pop(), "the card shows row [0-9a-f]+ otherwise"),
        ("rollouts", lambda m: m["counting"].update(truncated="wrong"), "of how rollouts count"),
        ("rollouts", lambda m: m["measured"].update(tags="boxed"), "of how rollouts count"),
    ],
)
def test_the_manifest_agrees_with_itself_and_the_rows(
    release: Path, name: str, edit: Callable[[dict[str, Any]], object], words: str
) -> None:
    assert json.loads((release / "manifest.json").read_text())["counting"]["truncated"] == "unscored"
    found = check(release, name, edit)
    assert found.holds is False and re.search(words, found.words), found
