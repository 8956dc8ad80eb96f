"""Every export's reward, asked as its trainer asks it, gives each logged rollout the score that curation gave it."""

import ast
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from logged_release import logged_release, of_kinds, of_tags
from reward_calls import CALLS, NEEDED, reward_of

from filters.verify.catalogue import KINDS
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.write import export
from schemas.tags import TAG_SCHEMAS

REWARDING = [name for name, exporter in EXPORTERS.items() if exporter.reward is not None]
SKIPS = ("trl", "inspect")
"""Trainers that can leave out what nobody can score; with all others it is 0."""


def rows_of(home: Path, sheet: str, cache: Path) -> dict[str, Mapping[str, Any]]:
    from datasets import load_dataset

    data = load_dataset(str(home), sheet, split="train", cache_dir=str(cache))
    return {row["id"]: row for row in data}


def disagreements(release: Path, rollouts: pl.DataFrame, trainer: str, folder: Path) -> tuple[int, list[Any]]:
    """How many logged rollouts were scored by an export's reward, and those that it scores otherwise."""
    made = export(open_release(str(release), Path()), exporter_of(trainer), folder / "out")
    exporter, asked, found = EXPORTERS[trainer], 0, []
    assert exporter.reward is not None
    with NEEDED[trainer]() if trainer in NEEDED else contextlib.nullcontext():
        module = reward_of(folder / "out", exporter.reward.file)
        rows: dict[str, Mapping[str, Any]] = {}
        for sheet in (sheet.name for sheet in exporter.sheets if sheet.split == "rl" and made["rows"][sheet.name]):
            found_there = rows_of(folder / "out", sheet, folder / "cache")
            assert len(found_there) == made["rows"][sheet]
            rows |= found_there
        for id_, row in rows.items():
            logged = rollouts.filter(sample_id=id_)
            scores = CALLS[trainer](module, row, logged["text"].to_list())
            wanted = [score if score is not None or trainer in SKIPS else 0.0 for score in logged["score"]]
            asked += len(wanted)
            texts = zip(logged["text"], wanted, scores, strict=True)
            found += [(id_, *one) for one in texts if one[1] != pytest.approx(one[2], abs=1e-6)]
    return asked, found


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    return logged_release(tmp_path_factory.mktemp("logged"), [*of_kinds(golds=1, replies=3), *of_tags()])


def test_the_release_has_every_kind_and_every_tag_schema(logged: tuple[Path, pl.DataFrame]) -> None:
    release, rollouts = logged
    rows = pl.read_parquet(release / "rl" / "*.parquet")
    kinds = {json.loads(answer)["kind"] for answer in rows["answer"]} | set(rows["verifier"].str.split(":").list[0])
    assert kinds == set(KINDS) and set(rows["tags"]) == set(TAG_SCHEMAS)
    assert 0.3 < rollouts["score"].mean() < 0.8  # type: ignore[operator]
    assert rollouts["score"].null_count() > 0 and set(rows["images"].list.len()) == {0, 1, 2}


def test_every_reward_is_asked_as_its_trainer_does() -> None:
    assert set(CALLS) == set(REWARDING), "name in tests/support/reward_calls.py how the trainer calls it"


@pytest.mark.parametrize("trainer", REWARDING)
def test_every_logged_rollout_gets_curations_verdict(
    logged: tuple[Path, pl.DataFrame], trainer: str, tmp_path: Path
) -> None:
    asked, found = disagreements(*logged, trainer, tmp_path)
    assert asked > 0.6 * logged[1].height and found == [], "AReaL takes no rows without images beside others"


@pytest.mark.slow
@pytest.mark.parametrize("trainer", REWARDING)
def test_every_known_case_gets_curations_verdict(trainer: str, tmp_path: Path) -> None:
    release, rollouts = logged_release(tmp_path, list(of_kinds(golds=10_000, replies=10_000)))
    asked, found = disagreements(release, rollouts, trainer, tmp_path)
    assert asked > 0.6 * rollouts.height > 600 and found == []


WITHIN_TIME = {"reward", "accuracy_part", "compute_score", "easyr1_batch", "graded", "openrlhf"}
"""What judges within a limit for a batch, or an allowance for one at a time (tests/filters/verify/test_reward_parts.py)."""
OF_THE_LAYOUT = {"format_part", "format_of"}
ODD = ["", "\x00", "\ud800 7", "<answer>" * 2000, "7" * 1_000_000, "½" * 1000, "</think>", "\\boxed{" * 500]
TEXTS_ALONE = ("inspect", "verifiers", "openrlhf", "openrlhf_m")
"""These hand on texts: messages of their own types, or decoded tokens."""
ODDER: list[Any] = [None, 7, 0.5, b"7", [], {}, {"content": None}, [{"type": "text", "text": None}], [[["7"]]]]


@pytest.mark.parametrize("trainer", REWARDING)
def test_every_reward_asks_only_what_is_limited_in_time(shapes: Path, trainer: str, tmp_path: Path) -> None:
    exporter = EXPORTERS[trainer]
    assert exporter.reward is not None
    asked = {
        node.attr
        for node in ast.walk(ast.parse(exporter.reward.body))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "_verifier()"
    }
    assert asked & WITHIN_TIME and asked <= WITHIN_TIME | OF_THE_LAYOUT


@pytest.mark.parametrize("trainer", CALLS)
def test_no_reward_raises_on_what_a_model_may_say(shapes: Path, trainer: str, tmp_path: Path) -> None:
    replies = ODD if trainer in TEXTS_ALONE else [*ODD, *ODDER]
    exporter = EXPORTERS[trainer]
    made = export(open_release(str(shapes), Path()), exporter, tmp_path / "out")
    assert exporter.reward is not None
    with NEEDED[trainer]() if trainer in NEEDED else contextlib.nullcontext():
        module = reward_of(tmp_path / "out", exporter.reward.file)
        sheet = next(sheet.name for sheet in exporter.sheets if sheet.split == "rl" and made["rows"][sheet.name])
        row = next(iter(rows_of(tmp_path / "out", sheet, tmp_path / "cache").values()))
        scores = CALLS[trainer](module, row, replies)
    assert len(scores) == len(replies) and all(score in (None, 0.0) for score in scores)
