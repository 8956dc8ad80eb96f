"""Every export's reward, asked as its trainer asks it, gives each logged rollout the score that curation gave it."""

import ast
import asyncio
import contextlib
import json
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from logged_release import logged_release, of_kinds, of_tags
from reward_calls import CALLS, NEEDED, reward_of, roll_scores

from filters.verify.catalogue import KINDS
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.sheet import GOLD
from pipelines.export.write import export
from schemas.tags import TAG_SCHEMAS

REWARDING = [name for name, exporter in EXPORTERS.items() if exporter.reward is not None]
SKIPS = ("trl", "inspect")
"""Trainers that can leave out what nobody can score; with all others it is 0."""


def rows_of(home: Path, sheet: str, cache: Path) -> dict[str, Mapping[str, Any]]:
    from datasets import load_dataset

    data = load_dataset(str(home), sheet, split="train", cache_dir=str(cache))
    return {row["id"]: row for row in data}


def disagreements(release: Path, rollouts: pl.DataFrame, trainer: str, folder: Path) -> tuple[set[str], list[Any]]:
    """The rows whose logged rollouts were scored by an export's reward, and the rollouts that it scores otherwise."""
    made = export(open_release(str(release), Path()), exporter_of(trainer), folder / "out")
    exporter, found = EXPORTERS[trainer], []
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
            texts = zip(logged["text"], wanted, scores, strict=True)
            found += [(id_, *one) for one in texts if one[1] != pytest.approx(one[2], abs=1e-6)]
    return set(rows), found


def gradable_in(release: Path, trainer: str) -> set[str]:
    """The rows of a release that an export for a trainer holds: all for TRL, which skips what no rule can score; for others
    those that a rule can score; for AReaL those that show an image."""
    ruled = {name for name, kind in KINDS.items() if not kind.judged}
    rows = pl.read_parquet(release / "rl" / "*.parquet").iter_rows(named=True)
    return {
        row["id"]
        for row in rows
        if (trainer == "trl" or row["verifier"].partition(":")[0] in ruled) and (trainer != "areal" or row["images"])
    }


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
    assert asked == gradable_in(logged[0], trainer) and found == []


@pytest.mark.slow
@pytest.mark.parametrize("trainer", REWARDING)
def test_every_known_case_gets_curations_verdict(trainer: str, tmp_path: Path) -> None:
    release, rollouts = logged_release(tmp_path, list(of_kinds(golds=10_000, replies=10_000)))
    asked, found = disagreements(release, rollouts, trainer, tmp_path)
    assert asked == gradable_in(release, trainer) and rollouts.height > 1000 and found == []


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


@contextlib.contextmanager
def rewarding(release: Path, trainer: str, folder: Path) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    """The reward of an export, loaded, and a row of it."""
    exporter = EXPORTERS[trainer]
    made = export(open_release(str(release), Path()), exporter, folder / "out")
    assert exporter.reward is not None
    with NEEDED[trainer]() if trainer in NEEDED else contextlib.nullcontext():
        sheet = next(sheet.name for sheet in exporter.sheets if sheet.split == "rl" and made["rows"][sheet.name])
        row = next(iter(rows_of(folder / "out", sheet, folder / "cache").values()))
        yield reward_of(folder / "out", exporter.reward.file), row


@pytest.mark.parametrize("trainer", CALLS)
def test_no_reward_raises_on_what_a_model_may_say(shapes: Path, trainer: str, tmp_path: Path) -> None:
    replies = ODD if trainer in TEXTS_ALONE else [*ODD, *ODDER]
    with rewarding(shapes, trainer, tmp_path) as (module, row):
        scores = CALLS[trainer](module, row, replies)
    assert len(scores) == len(replies) and all(score in (None, 0.0) for score in scores)


WITHOUT_GOLD: list[Any] = [None, "", "{", "[]", '{"answer": null}', '{"answer": {"kind": "?"}}', 7, {}, []]


def _with_gold(row: Any, gold: Any) -> Any:
    """A row in which whatever our reward judges by is `gold`."""
    judged = ("ground_truth", *GOLD)
    changed = {name: gold if name in judged else value for name, value in row.items()}
    structs = {name: _with_gold(value, gold) for name, value in row.items() if isinstance(value, dict)}
    return changed | {name: value for name, value in structs.items() if name not in judged}


@pytest.mark.parametrize("trainer", CALLS)
def test_no_reward_raises_on_a_row_without_a_gold(shapes: Path, trainer: str, tmp_path: Path) -> None:
    with rewarding(shapes, trainer, tmp_path) as (module, row):
        for gold in WITHOUT_GOLD:
            scores = CALLS[trainer](module, _with_gold(row, gold), ["7", "<answer>7</answer>"])
            assert [score or 0.0 for score in scores] == [0.0, 0.0], gold


SAID = types.SimpleNamespace(response="7")
GOLDLESS: dict[str, Callable[[Any], Sequence[float]]] = {
    "nemo_rl": lambda m: (
        m.CurateEnvironment({}).step([[{"role": "assistant", "content": "7"}]] * 2, [{}, None])[3].tolist()
    ),
    "skyrl": lambda m: [
        m.CurateEnv(None, extras).step("7").reward for extras in ({}, None, {"reward_spec": None}, {"reward_spec": {}})
    ],
    "rllm": lambda m: [m.evaluate(*asked)["reward"] for asked in (({}, {"output": "7"}), (None, None), ({}, {}))],
    "slime": lambda m: asyncio.run(m.reward(None, [SAID, types.SimpleNamespace(label=None), None])),
    "areal": lambda m: [m.reward_fn(), m.reward_fn("", "7", [], [])],
    "easyr1": lambda m: [one["overall"] for one in m.compute_score([{}, None, {"response": "7"}])],
    "ms_swift": lambda m: m.orms["curate"]()(["7", None]),
    "verl": lambda m: [m.compute_score("", "7", None)["score"]],
    "openrlhf": lambda m: m.reward_func(["7", None], None, None)["rewards"].tolist(),
    "openrlhf_m": lambda m: m.reward_func(["7", None], None, None).tolist(),
    "trl": lambda m: [score or 0.0 for score in m.reward(["7", None])],
    "roll": lambda m: roll_scores(m, ["7", ""], {}),
}
"""How trainers ask a reward about rows in which the place of the gold is not there at all."""


@pytest.mark.parametrize("trainer", GOLDLESS)
def test_no_reward_raises_on_a_row_in_which_the_place_of_the_gold_is_not_there(
    shapes: Path, trainer: str, tmp_path: Path
) -> None:
    with rewarding(shapes, trainer, tmp_path) as (module, _):
        assert set(GOLDLESS[trainer](module)) == {0.0}
