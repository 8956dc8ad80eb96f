"""The reward of a release says of the logged rollouts what curation said; else there is no release."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
import tiny

from filters.difficulty import DifficultyConfig, outcome
from filters.regrade import count, reason
from filters.verify import reward
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.step import judged
from pipelines.job import Job
from pipelines.release import regrade as regrading
from pipelines.release.parquet_shards import Shards
from pipelines.release.regrade import regrade
from pipelines.release.rollout_rows import SCHEMA
from pipelines.steps import release_plan
from schemas.answer import dump_answer
from schemas.errors import StepError
from schemas.ids import content_id
from schemas.verdict import Verdict

CONFIGS = ("sft", "rl", "preference", "holdout", "control", "unfiltered")
BY: dict[str, Any] = {"seed": 0, "tags": "plain", "difficulty": {}}
"""What the rollouts of the tiny recipe are counted by."""


def uncaptioned(recipe: dict[str, Any]) -> None:
    tiny.without("caption")(recipe)
    tiny.section(recipe, "release")["sft"] = {"of": "trace"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("regraded")
    tiny.write_source(folder, 20)
    return tiny.built(folder, edit=uncaptioned)


@pytest.fixture(scope="module")
def release(finished: Job) -> Path:
    return tiny.release(finished)


@pytest.fixture(scope="module")
def manifest(finished: Job) -> dict[str, Any]:
    return tiny.manifest(finished)


@pytest.mark.parametrize("config", CONFIGS)
def test_k_and_n_can_be_counted_again_from_the_release_alone(release: Path, config: str) -> None:
    """By SQL, as a stranger would."""
    again = f"""
        SELECT r.id, r.k, r.n, count(*) FILTER (correct) AS k2,
               count(correct) AS n2
        FROM (SELECT DISTINCT id, model, k, n FROM read_parquet('{release}/{config}/*.parquet')) r
        JOIN read_parquet('{release}/rollouts/*.parquet') o ON o.sample_id = r.id AND o.model = r.model
        GROUP BY ALL
    """
    counted = duckdb.sql(again).fetchall()
    rows = pl.read_parquet(release / config / "*.parquet", columns=["id"])["id"]
    assert {row[0] for row in counted} == set(rows) and len(rows)
    assert all((k, n) == (k2, n2) for _, k, n, k2, n2 in counted)


def test_every_candidate_is_there_selected_or_not(release: Path, manifest: dict[str, Any]) -> None:
    from datasets import load_dataset

    cache = str(release.parents[2] / "cache")
    rollouts = load_dataset(str(release), "rollouts", split="train", cache_dir=cache)
    candidates = pl.concat(
        [pl.read_parquet(release / c / "*.parquet", columns=["id"]) for c in ("unfiltered", "holdout")]
    )
    assert set(rollouts["sample_id"]) == set(candidates["id"])
    assert set(candidates["id"]) > set(pl.read_parquet(release / "rl" / "*.parquet", columns=["id"])["id"])
    assert len(rollouts) == 4 * candidates.height == manifest["statistics"]["rollouts"]["rows"]
    assert {"right", "wrong"} <= set(rollouts["verdict"]) == set(manifest["statistics"]["rollouts"]["verdicts"])
    shards = [f for f in manifest["files"] if f["path"].startswith("rollouts/")]
    assert sum(f["rows"] for f in shards) == len(rollouts)


def test_rows_are_graded_as_load_dataset_gives_them(release: Path) -> None:
    from datasets import load_dataset

    cache = str(release.parents[2] / "cache")
    for config in CONFIGS:
        rows = load_dataset(str(release), config, split="train", cache_dir=cache).remove_columns("images")
        stored = pl.read_parquet(release / config / "*.parquet", columns=list(regrading._GOLD))
        assert {name: list(rows[name]) for name in regrading._GOLD} == stored.to_dict(as_series=False)


def test_manifest_and_card_say_what_was_graded(release: Path, manifest: dict[str, Any]) -> None:
    regraded = manifest["regraded"]
    rows = manifest["statistics"]["rollouts"]["rows"]
    assert (regraded["rollouts"], regraded["graded"], regraded["without_row"]) == (rows, rows, 0)
    assert manifest["needs_judge"] is False
    assert f"re-graded {rows} of {rows}" in " ".join((release / "README.md").read_text().split())
    assert f"| `rollouts` | {rows} |" in (release / "README.md").read_text()


def test_a_sample_of_many_is_whole_samples_and_the_same_every_time(release: Path, manifest: dict[str, Any]) -> None:
    twice = [regrade(release, {**BY, "seed": seed}, most=30) for seed in (1, 1, 2)]
    assert twice[0] == twice[1]
    assert twice[0]["graded"] == 28 and twice[0]["rollouts"] == manifest["regraded"]["rollouts"]
    assert regrade(release, BY, most=1)["graded"] == 4, "one sample at least"
    reported: list[tuple[int, int]] = []
    regrade(release, BY, most=30, report=lambda done, of: reported.append((done, of)))
    assert reported[-1] == (28, 28), "progress is reported"
    drawn = [set(regrading._drawn(_logged(release), seed, 30)[0]["sample_id"]) for seed in (1, 2)]
    assert drawn[0] != drawn[1]


def _logged(release: Path) -> pl.LazyFrame:
    return pl.scan_parquet(release / "rollouts" / "*.parquet")


ROW = pa.schema(
    {
        **dict.fromkeys(("id", "answer", "verifier", "verifier_params", "tags", "model"), pa.string()),
        "options": pa.list_(pa.string()),
        **dict.fromkeys(("k", "n"), pa.int32()),
    }
)


def test_every_kind_of_answer_is_graded_as_it_was_scored(tmp_path: Path) -> None:
    """The whole table of known cases: scored as a build scores rollouts, released, graded again."""
    table = Path(__file__).parents[2] / "filters" / "verify" / "cases"
    cases = [
        json.loads(line) for path in sorted(table.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()
    ]
    golds: dict[str, dict[str, Any]] = {}
    asked: dict[str, list[dict[str, Any]]] = {}
    for case in cases:
        params, options = case.get("params", {}), case.get("options", [])
        parsed = parse_gold(case["kind"], case["gold"], options=options, params=params)
        tags = case.get("tags", "think_answer")
        row = {
            "answer": {"kind": case["kind"], "raw": case["gold"], "parsed": dump_answer(parsed)},
            "verifier": {"id": case.get("verifier", case["kind"]), "params": json.dumps(params)},
            "options": options,
            "tags": tags,
        }
        id_ = content_id(row)
        golds[id_] = row
        reply = {"sample_id": id_, "model": "m", "response": case["response"], "finish_reason": "stop"}
        asked.setdefault(tags, []).append({**reply, **{name: row[name] for name in ("answer", "verifier", "options")}})
    assert len({row["answer"]["kind"] for row in golds.values()}) > 15
    with VerifierPool() as pool:
        scored = [judged(_rollouts(replies), pool, tags) for tags, replies in asked.items()]
    known = pl.concat(scored, how="diagonal").rename({"response": "text"})
    known = known.with_columns(correct=outcome(DifficultyConfig()), reason=reason())
    counts = {id_: (k, n) for id_, _, k, n in count(known.lazy()).collect().iter_rows()}
    for name, shape, rows in (
        ("rl", ROW, [_released(id_, row, counts[id_]) for id_, row in golds.items()]),
        ("rollouts", SCHEMA, known.select(SCHEMA.names).to_dicts()),
    ):
        with Shards(tmp_path / name, shape) as shards:
            shards.write(rows)
    by = {"seed": 0, "difficulty": {}, "tags": "think_answer"}
    assert regrade(tmp_path, by)["graded"] == len(cases)


def _rollouts(replies: list[dict[str, Any]]) -> pl.DataFrame:
    shape = {"options": pl.List(pl.String), "index": pl.Int32}
    return pl.DataFrame(
        [{**reply, "id": str(i), "index": i} for i, reply in enumerate(replies)], schema_overrides=shape
    )


def _released(id_: str, row: dict[str, Any], counts: tuple[int, int]) -> dict[str, Any]:
    """What a row of `rl` tells a reward."""
    gold = {
        "answer": row["answer"]["parsed"],
        "verifier": row["verifier"]["id"],
        "verifier_params": row["verifier"]["params"],
    }
    counted = {"model": "m", "k": counts[0], "n": counts[1]}
    return {"id": id_, **gold, "options": row["options"], "tags": row["tags"], **counted}


# What makes reward and curation differ stops the build before there is a version.

NOBODY = dump_answer(parse_gold("text", "what nobody says"))
BROKEN: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
    "tags": lambda rows: rows.with_columns(tags=pl.lit("think_answer_boxed")),
    "verifier": lambda rows: rows.with_columns(verifier=pl.lit("open")),
    "answer": lambda rows: rows.with_columns(answer=pl.lit(NOBODY), verifier=pl.lit("text")),
}


def tampered(release: Path, folder: Path, config: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    copy = folder / "release"
    shutil.copytree(release, copy)
    (file,) = (copy / config).glob("*.parquet")
    change(pl.read_parquet(file)).write_parquet(file)
    return copy


@pytest.mark.parametrize("config", ["rl", "holdout", "control", "unfiltered"])
@pytest.mark.parametrize("what", [*BROKEN])
def test_a_row_that_would_be_graded_otherwise_is_named(release: Path, tmp_path: Path, config: str, what: str) -> None:
    broken = tampered(release, tmp_path, config, BROKEN[what])
    with pytest.raises(
        StepError, match=r"own reward disagrees with curation about sample [0-9a-f]+, rollout \d of 'vlm'"
    ):
        regrade(broken, BY)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_row_that_states_another_k_is_named(release: Path, tmp_path: Path, config: str) -> None:
    def change(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(k=pl.when(pl.int_range(pl.len()) == 0).then(pl.col("k") + 1).otherwise("k"))

    with pytest.raises(StepError, match=f"Row [0-9a-f]{{32}} of `{config}` says"):
        regrade(tampered(release, tmp_path, config, change), BY)


@pytest.mark.parametrize("change", ["text", "verdict", "score", "lost"])
def test_rollouts_that_say_something_else_are_named(release: Path, tmp_path: Path, change: str) -> None:
    first = pl.int_range(pl.len()) == 0
    other = {"right": "wrong", "wrong": "right"}
    changes: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
        "text": lambda rows: rows.filter(verdict="right").with_columns(text=pl.lit("nothing of it")),
        "verdict": lambda rows: rows.with_columns(
            verdict=pl.when(first).then(pl.col("verdict").replace(other)).otherwise("verdict")
        ),
        "score": lambda rows: rows.with_columns(score=pl.when(first).then(0.5).otherwise("score")),
        "lost": lambda rows: rows.filter(~first),
    }
    with pytest.raises(StepError, match="nothing was released"):
        regrade(tampered(release, tmp_path, "rollouts", changes[change]), BY)


def again(finished: Job, out: Path, *overrides: str, **how: Any) -> Job:
    """Another build in a copy of the workspace."""
    shutil.copytree(finished.build.workspace.root, out)
    return tiny.built(finished.build.workspace.root.parent, *overrides, out=out, edit=uncaptioned, **how)


def test_a_schema_that_was_not_measured_gives_no_version(
    finished: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it once was: every row under the schema of completions, whatever its rollouts were scored under."""
    monkeypatch.setattr(release_plan, "measured_tags", lambda measured, before: "think_answer")
    wrong = r"was right with score 1.0 .* and the reward gives 0.0 under the tag schema 'think_an"
    with pytest.raises(StepError, match=wrong):
        again(finished, tmp_path / "out", "steps.release.images=reference")
    assert [p.name for p in (tmp_path / "out" / "releases" / "tiny").iterdir()] == ["v1"]


def test_the_memo_of_scoring_is_not_asked(finished: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reward that was changed after scoring is found, although every verdict was given a moment ago."""
    never = Verdict(0.0, False, None, "always", "rule")
    monkeypatch.setattr(reward, "_judge", lambda items: iter([never for _ in items]))
    with pytest.raises(StepError, match=r"the reward gives 0\.0"):
        again(finished, tmp_path / "out", "steps.release.images=reference")


def measured_only(recipe: dict[str, Any]) -> None:
    """The recipe without traces, pairs and choice."""
    del recipe["steps"][1:5]
    uncaptioned(recipe)
    tiny.without("select", "pair", "dedup", "split")(recipe)
    tiny.section(recipe, "release").clear()
    tiny.section(recipe, "release")["rl"] = {"of": "sample"}


@pytest.mark.parametrize(("truncated", "tokens"), [("wrong", 1), ("unscored", 3)])
def test_a_cut_off_reply_counts_by_rule_and_the_row_says_what_its_text_is_worth(
    tmp_path: Path, truncated: str, tokens: int
) -> None:
    tiny.write_source(tmp_path, 12)
    hot = ("steps.rollout.sampling.temperature=3.0",) if tokens > 1 else ()  # some replies then end by themselves
    job = tiny.built(
        tmp_path, f"steps.rollout.sampling.max_tokens={tokens}", f"steps.difficulty.truncated={truncated}",
        "steps.difficulty.min_n=1", *hot, edit=measured_only,
    )  # fmt: skip
    rows, regraded = tiny.config(job, "rollouts"), tiny.manifest(job)["regraded"]
    cut_off = rows.filter(finish_reason="length")
    assert cut_off.height == regraded["cut_off"] > 0
    assert set(cut_off["verdict"]) == {"truncated"} and set(cut_off["reason"]) == {"the reply was cut off"}
    assert set(cut_off["correct"]) == {False if truncated == "wrong" else None}
    assert cut_off.filter(score=1.0).height == regraded["cut_off_paid"]
    card = " ".join((tiny.release(job) / "README.md").read_text().split())
    assert f"were cut off and count as {truncated} whatever their text says" in card
    if truncated == "wrong":
        assert regraded["cut_off_paid"] > 0, "a one-word answer, cut before its end, is right"
