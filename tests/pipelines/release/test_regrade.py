"""The reward of a release says of the logged rollouts what curation said; else there is no release."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest
from pipelines.build import release_path, run_build
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.road.steps import release as steps

from filters.difficulty import DifficultyConfig, is_unread, outcome, verdict
from filters.regrade import count, reason
from filters.trace_verdicts import score_rollouts
from filters.verify.contracts import JudgeContract
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from generators.prompts import Prompt
from pipelines.release import regrade as regrading
from pipelines.release.parquet_shards import Shards
from pipelines.release.regrade import regrade
from pipelines.release.rollout_rows import SCHEMA
from pipelines.release.rows import ReleaseConfig, record, schema
from pipelines.store.media import MediaStore
from pipelines.store.workspace import Workspace
from schemas.answer import dump_answer
from schemas.errors import StageError
from schemas.ids import content_id

Copy = Callable[[Path], Path]
CONFIGS = ("sft", "rl", "preference", "holdout", "control", "unfiltered")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("regraded")
    tiny.write_source(folder, 20)
    run_build(tiny.make(folder))
    return folder


@pytest.fixture(scope="module")
def release(finished: Path) -> Path:
    return finished / "out" / "releases" / "tiny" / "v1"


@pytest.fixture(scope="module")
def manifest(release: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((release / "manifest.json").read_text())
    return found


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

    cache = str(release.parents[3] / "cache")
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

    cache = str(release.parents[3] / "cache")
    for config in CONFIGS:
        rows = load_dataset(str(release), config, split="train", cache_dir=cache).remove_columns("images")
        stored = pl.read_parquet(release / config / "*.parquet", columns=list(regrading._GOLD))
        assert {name: list(rows[name]) for name in regrading._GOLD} == stored.to_dict(as_series=False)


def test_manifest_and_card_say_what_was_graded(release: Path, manifest: dict[str, Any]) -> None:
    told = manifest["regraded"]
    rows = manifest["statistics"]["rollouts"]["rows"]
    assert (told["rollouts"], told["graded"], told["without_row"]) == (rows, rows, 0)
    assert manifest["needs_judge"] is False
    assert f"re-graded {rows} of {rows}" in " ".join((release / "README.md").read_text().split())
    assert f"| `rollouts` | {rows} |" in (release / "README.md").read_text()


def test_a_sample_of_many_is_whole_samples_and_the_same_every_time(release: Path, manifest: dict[str, Any]) -> None:
    told = [regrade(release, {**manifest["recipe"], "seed": seed}, most=30) for seed in (1, 1, 2)]
    assert told[0] == told[1]
    assert told[0]["graded"] == 28 and told[0]["rollouts"] == manifest["regraded"]["rollouts"]
    assert regrade(release, manifest["recipe"], most=1)["graded"] == 4, "one sample at least"
    said: list[tuple[int, int]] = []
    regrade(release, manifest["recipe"], most=30, report=lambda done, of: said.append((done, of)))
    assert said[-1] == (28, 28), "progress is told"
    drawn = [set(regrading._drawn(_logged(release), seed, 30)[0]["sample_id"]) for seed in (1, 2)]
    assert drawn[0] != drawn[1]


def _logged(release: Path) -> pl.LazyFrame:
    return pl.scan_parquet(release / "rollouts" / "*.parquet")


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
        reply = {"sample_id": id_, "model": "m", "text": case["response"], "finish_reason": "stop"}
        asked.setdefault(tags, []).append({**reply, **{name: row[name] for name in ("answer", "verifier", "options")}})
    assert len({row["answer"]["kind"] for row in golds.values()}) > 15
    with VerifierPool() as pool:
        scored = [score_rollouts(_rollouts(replies), pool, tags).kept for tags, replies in asked.items()]
    texts = pl.concat([_rollouts(replies).select("text") for replies in asked.values()])
    told = pl.concat(scored).with_columns(texts["text"], no_answer=is_unread())
    told = told.with_columns(verdict=verdict(), correct=outcome(DifficultyConfig()), reason=reason())
    counts = {id_: (k, n) for id_, _, k, n in count(told.lazy()).collect().iter_rows()}
    for name, shape, rows in (
        ("rl", schema("rl"), [_released(id_, row, counts[id_]) for id_, row in golds.items()]),
        ("rollouts", SCHEMA, told.select(SCHEMA.names).to_dicts()),
    ):
        with Shards(tmp_path / name, shape) as shards:
            shards.write(rows)
    recipe = {"seed": 0, "difficulty": {}, "rollouts": {"tags": "think_answer"}}
    assert regrade(tmp_path, recipe)["graded"] == len(cases)


def _rollouts(replies: list[dict[str, Any]]) -> pl.DataFrame:
    shape = {"options": pl.List(pl.String), "index": pl.Int32}
    return pl.DataFrame([{**reply, "index": i} for i, reply in enumerate(replies)], schema_overrides=shape)


def _released(id_: str, row: dict[str, Any], counts: tuple[int, int]) -> dict[str, Any]:
    facts = dict.fromkeys(schema("rl").names) | {"model": "m", "k": counts[0], "n": counts[1]}
    source = {"dataset": "cases", "row": None, "license": None}
    asked = {"id": id_, "question": "Which?", "media": [], "source": source, "solution": None}
    return record("rl", facts | asked | row, Prompt(), ReleaseConfig(), MediaStore(Path()))


# What parts reward and curation stops the build before there is a version.

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
def test_a_row_that_would_be_graded_otherwise_is_named(
    release: Path, manifest: dict[str, Any], tmp_path: Path, config: str, what: str
) -> None:
    broken = tampered(release, tmp_path, config, BROKEN[what])
    with pytest.raises(
        StageError, match=r"own reward disagrees with curation about sample [0-9a-f]+, rollout \d of 'vlm'"
    ):
        regrade(broken, manifest["recipe"])


@pytest.mark.parametrize("config", CONFIGS)
def test_a_row_that_states_another_k_is_named(
    release: Path, manifest: dict[str, Any], tmp_path: Path, config: str
) -> None:
    def change(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(k=pl.when(pl.int_range(pl.len()) == 0).then(pl.col("k") + 1).otherwise("k"))

    with pytest.raises(StageError, match=f"Row [0-9a-f]{{32}} of `{config}` says"):
        regrade(tampered(release, tmp_path, config, change), manifest["recipe"])


@pytest.mark.parametrize("change", ["text", "verdict", "score", "lost"])
def test_rollouts_that_say_something_else_are_named(
    release: Path, manifest: dict[str, Any], tmp_path: Path, change: str
) -> None:
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
    with pytest.raises(StageError, match="nothing was released"):
        regrade(tampered(release, tmp_path, "rollouts", changes[change]), manifest["recipe"])


def test_a_schema_that_was_not_measured_gives_no_version(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it once was: every row under `verify.tags`, whatever its rollouts were scored under."""
    out = copy_of(finished)
    monkeypatch.setattr(steps, "tags", lambda recipe: dict.fromkeys(CONFIGS, recipe.verify.tags))
    build = tiny.make(finished, "select.budget=0.7", out=out)
    said = r"was right with score 1.0 .* and the reward gives 0.0 under the tag schema 'think_an"
    with pytest.raises(StageError, match=said):
        run_build(build)
    assert [p.name for p in (out / "releases" / "tiny").iterdir()] == ["v1"]


def test_the_memo_of_scoring_is_not_asked(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reward that was changed after scoring is found, although every verdict was given a moment ago."""
    from filters.verify import reward

    monkeypatch.setattr(reward, "_judge", lambda items: iter([judged(item) for item in items]))

    def judged(item: Any) -> Any:
        from schemas.verdict import Verdict

        return Verdict(0.0, False, None, "always", "rule")

    with pytest.raises(StageError, match=r"the reward gives 0\.0"):
        run_build(tiny.make(finished, "rollouts.n=5", out=copy_of(finished)))


@pytest.mark.parametrize(("truncated", "tokens"), [("wrong", 1), ("unscored", 3)])
def test_a_cut_off_reply_counts_by_rule_and_the_row_says_what_its_text_is_worth(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy, truncated: str, tokens: int
) -> None:
    cut = (
        f"rollouts.sampling.max_tokens={tokens}",
        f"difficulty.truncated={truncated}",
        "preference=null",
        "difficulty.min_n=1",
    )
    cut += ("rollouts.sampling.temperature=3.0",) if tokens > 1 else ()  # of replies of two tokens, some grow longer
    every = "select.rule={type: variance, min_correct: 0, min_wrong: 0}"
    build = tiny.make(finished, *cut, every, out=copy_of(finished))
    run_build(build)
    folder = release_path(build, road(build))
    rows = pl.read_parquet(folder / "rollouts" / "*.parquet")
    told = json.loads((folder / "manifest.json").read_text())["regraded"]
    cut_off = rows.filter(finish_reason="length")
    assert cut_off.height == told["cut_off"] > 0
    assert set(cut_off["verdict"]) == {"truncated"} and set(cut_off["reason"]) == {"the reply was cut off"}
    assert set(cut_off["correct"]) == {False if truncated == "wrong" else None}
    assert cut_off.filter(score=1.0).height == told["cut_off_paid"]
    card = " ".join((folder / "README.md").read_text().split())
    assert f"were cut off and count as {truncated} whatever their text says" in card
    if truncated == "wrong":
        assert told["cut_off_paid"] > 0, "a one-word answer, cut before its end, is right"


JUDGED = """\
name: judged
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: rows, path: SOURCE}
judge: {model: m, sampling: {max_tokens: 4}}
rollouts: {model: m, n: 2, sampling: {max_tokens: 8, seed: 0}, tags: plain}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
"""


def test_where_a_judge_decided_the_reward_gives_none_and_the_manifest_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"question": "Why is the sky blue?", "answer": "Air scatters short waves most.", "kind": "open"},
        {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(JUDGED.replace("SOURCE", str(tmp_path / "rows.jsonl")))
    # The tiny judge says nothing readable; whatever it says counts as a yes.
    monkeypatch.setattr(JudgeContract, "read", lambda self, text: 1.0)
    build = Build(load_recipe(str(tmp_path / "r.yaml")), Workspace(tmp_path / "out"))
    run_build(build)
    release = release_path(build, road(build))
    manifest = json.loads((release / "manifest.json").read_text())
    told = manifest["regraded"]
    rollouts = pl.read_parquet(release / "rollouts" / "*.parquet")
    judged = rollouts.filter(tier="judge")
    assert judged.height == told["judged"] > 0 and manifest["needs_judge"] is True
    assert set(judged["verdict"]) == {"right"}
    assert told["graded"] == rollouts.height, "what rules decided is graded as ever"
    assert "were decided by a judge: there the reward gives None" in (release / "README.md").read_text()
