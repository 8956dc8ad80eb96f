"""The whole road on a small recipe with the real reference model: what is asked, what is asked again, what comes out."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import polars as pl
import pytest

from pipelines.build import records, records_before_error, release_path, run_build, up_to_date
from pipelines.explain.why import story
from pipelines.road.stages import road
from pipelines.road.steps import select
from schemas.errors import StageError
from schemas.split import Split, no_drops

Copy = Callable[[Path], Path]


def asked(told: list[dict[str, Any]]) -> dict[str, int]:
    """Samples that models were asked for, by stage."""
    return {r["stage"]: sum(a["samples"] for a in r["asked"].values()) for r in told if "asked" in r}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    """A folder with a finished build of 20 samples; tests that go on from there copy its workspace."""
    folder = tmp_path_factory.mktemp("finished")
    tiny.write_source(folder, 20)
    run_build(tiny.make(folder))
    return folder


def test_a_failed_build_is_told_of_as_far_as_it_came(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    build = tiny.make(finished, out=copy_of(finished))
    every = records(road(build))
    failed = next(stage for stage in road(build).stages if stage.name == "score")
    (build.folder(failed) / "stage.json").unlink()
    told = records_before_error(road(build))
    assert told == every[: len(told)] and told[-1]["stage"] == "rollouts"
    assert "release" in {record["stage"] for record in records(road(build))}, "of the build before"


def test_every_stage_balances_and_every_split_is_there(finished: Path, tiny: SimpleNamespace) -> None:
    build = tiny.make(finished)
    told = records(road(build))
    assert [r["stage"] for r in told] == [s.name for s in road(build).stages]
    for record in told:
        assert record["rows_in"] == record["kept"] + sum(record["dropped"].values())
    release = release_path(build, road(build))
    manifest = json.loads((release / "manifest.json").read_text())
    for file in manifest["files"]:
        path = release / file["path"]
        assert pl.read_parquet(path).height == file["rows"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]
    assert {f["path"].split("/")[0] for f in manifest["files"]} == {
        "sft",
        "rl",
        "preference",
        "holdout",
        "control",
        "unfiltered",
        "rollouts",
        "dropped.parquet",
    }


def test_an_image_is_captioned_once_and_rolled_out_n_times(finished: Path, tiny: SimpleNamespace) -> None:
    counts = asked(records(road(tiny.make(finished))))
    assert (counts["caption"], counts["rollouts"]) == (20, 80)


def test_no_group_is_on_two_sides(finished: Path, tiny: SimpleNamespace) -> None:
    sides = road(tiny.make(finished)).table("split").collect()
    assert sides.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


def test_a_stage_that_the_recipe_leaves_out_leaves_no_tables(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy
) -> None:
    out = copy_of(finished)
    run_build(tiny.make(finished, "select=null", out=out))
    assert not (out / "builds" / "tiny" / "select").exists()


def test_a_second_build_has_nothing_to_do(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    assert up_to_date(tiny.make(finished, out=copy_of(finished)))


def test_new_rows_cause_the_only_calls(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    more = tiny.write_source(finished, 25, "more.jsonl")
    out = copy_of(finished)
    told = run_build(tiny.make(finished, f"sources.0.path={more}", out=out))
    assert (asked(told)["caption"], asked(told)["rollouts"]) == (5, 20)
    assert asked(told)["distill"] <= 10, "rows that tell the reasoner the same share its answer"


def test_another_system_prompt_asks_that_stage_again_and_no_other(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy
) -> None:
    out = copy_of(finished)
    told = run_build(tiny.make(finished, "rollouts.system=Answer in one word.", out=out))
    assert asked(told)["rollouts"] == 80
    assert tiny.logged(out) == tiny.logged(finished / "out") + 80


def test_more_rollouts_ask_only_for_the_new_ones(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(finished)
    told = run_build(tiny.make(finished, "rollouts.n=8", out=out))
    assert asked(told)["rollouts"] == 20 * 4


def test_a_changed_verifier_budget_asks_nobody(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(finished)
    told = run_build(tiny.make(finished, "verify.budget_s=1.5", out=out))
    assert tiny.logged(out) == tiny.logged(finished / "out")
    assert told[-1]["notes"]["release"] == "v1", "the same content is the same version"


def test_replays_are_equal_to_the_byte(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(finished)
    original = tiny.digests(finished / "out" / "releases" / "tiny" / "v1")
    for _ in range(2):
        shutil.rmtree(out / "builds")
        shutil.rmtree(out / "releases")
        run_build(tiny.make(finished, out=out, replay=True))
        assert tiny.digests(out / "releases" / "tiny" / "v1") == original


def test_a_replay_asks_nobody(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(finished)
    with pytest.raises(StageError, match="80 completions of stage 'rollouts' are not in the log"):
        run_build(tiny.make(finished, "rollouts.system=other", out=out, replay=True))


def test_other_content_is_the_next_version(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    out = copy_of(finished)
    told = run_build(tiny.make(finished, "select.rule={type: variance, min_wrong: 0}", out=out))
    assert told[-1]["notes"]["release"] == "v2"
    assert (out / "releases" / "tiny" / "v1" / "manifest.json").is_file()


def test_the_release_loads_as_it_is(finished: Path, tiny: SimpleNamespace) -> None:
    from datasets import load_dataset

    release = finished / "out" / "releases" / "tiny" / "v1"
    counts = {
        name: pl.scan_parquet(release / name).select(pl.len()).collect().item() for name in ("sft", "rl", "holdout")
    }
    assert counts["sft"] and counts["rl"]
    for name in (n for n, count in counts.items() if count):
        rows = load_dataset(str(release), name, split="train", cache_dir=str(finished / "cache"))
        assert len(rows) == counts[name]
        for row in rows:
            assert row["images"][0].size == (64, 64)
            assert row["solution"].startswith("$")
            assert row["prompt"][-1]["role"] == "user"


def test_every_row_has_its_story(finished: Path, tiny: SimpleNamespace) -> None:
    build = tiny.make(finished)
    ids = road(build).table("ingest").select("id").collect()["id"]
    for id_ in ids:
        told = story(finished / "out", id_)
        assert told.end.startswith(("In the '", "Dropped by "))
    assert story(finished / "out", ids[0][:12]).id == ids[0]


def test_a_stage_that_loses_rows_fails_the_build(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copy_of(finished)
    monkeypatch.setattr(
        select,
        "select",
        lambda rows, *_: Split(
            rows.head(0).with_columns(value=0.0, rank=0, weight=0.0, order=0, evidence=pl.lit("")), no_drops()
        ),
    )
    with pytest.raises(StageError, match="Stage 'select' lost rows"):
        run_build(tiny.make(finished, "select.budget=2", out=out))


def test_a_stage_without_one_answer_fails_the_build(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, 2)
    wordy = f"rollouts.system={'look closely ' * 2_000}"
    build = tiny.make(tmp_path, wordy, "caption=null", "distill=null", "preference=null")
    # The second time the failures stand in the log and nothing is asked.
    for sentence in ("All 2 requests failed", "Stage 'rollouts' got no answer, all 8 requests failed"):
        with pytest.raises(StageError, match=f"{sentence}.*leaves no room in a context"):
            run_build(build)


def test_preference_pairs_are_of_one_prompt_and_opposite_verdicts(finished: Path, tiny: SimpleNamespace) -> None:
    build = tiny.make(finished)
    plan = road(build)
    verdict = dict(plan.table("score").select("id", "correct").collect().iter_rows())
    pairs = plan.table("prefer", "pairs").collect()
    assert pairs.height
    assert all(verdict[row["chosen"]] and not verdict[row["rejected"]] for row in pairs.iter_rows(named=True))
    released = pl.read_parquet(release_path(build, plan) / "preference" / "*.parquet")
    assert released["id"].to_list() == pairs["id"].to_list()


def test_every_number_of_the_manifest_can_be_counted_again(finished: Path, tiny: SimpleNamespace) -> None:
    """Counted another way than the writer counts: with DuckDB, from the release's parquet alone."""
    build = tiny.make(finished)
    release = release_path(build, road(build))
    manifest = json.loads((release / "manifest.json").read_text())
    for name, facts in manifest["statistics"]["configs"].items():
        table = f"read_parquet('{release / name}/*.parquet')"
        sql = f'SELECT count(*), count(DISTINCT id), count(DISTINCT "group"), sum(len(images)), count(n) FROM {table}'
        counted = duckdb.sql(sql).fetchone()
        assert counted == tuple(facts[f] for f in ("rows", "samples", "groups", "pictures", "measured"))
        sources = duckdb.sql(f"SELECT dataset, count(*) FROM {table} GROUP BY ALL").fetchall()
        assert dict(sources) == facts["sources"]
        assert sum(f["rows"] for f in manifest["files"] if f["path"].startswith(f"{name}/")) == facts["rows"]
    drops = f"read_parquet('{release}/dropped.parquet')"
    reasons = duckdb.sql(f"SELECT reason, count(*) FROM {drops} GROUP BY ALL").fetchall()
    assert dict(reasons) == manifest["statistics"]["dropped"]
    for stage in manifest["stages"]:
        of_stage = f"SELECT reason, count(*) FROM {drops} WHERE stage = '{stage['stage']}' GROUP BY ALL"
        assert dict(duckdb.sql(of_stage).fetchall()) == stage["dropped"]
        assert stage["rows_in"] == stage["kept"] + sum(stage["dropped"].values())
    kept = {s["stage"]: s["kept"] for s in manifest["stages"]}
    measured = sum(r["samples"] for rows in manifest["statistics"]["pass_rates"].values() for r in rows)
    assert measured == kept["round_trip"]


def test_a_leaking_trace_is_mended_and_a_poor_one_dropped(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    """The word yes stands for a mention of the caption: the reasoning says indeed instead, the answer stays what it was."""
    out = copy_of(finished)
    plain = pl.read_parquet(out / "releases" / "tiny" / "v1" / "sft" / "*.parquet")
    build = tiny.make(finished, "quality.leaks=['\\byes\\b']", "rewrite.phrases={'\\byes\\b': indeed}", out=out)
    run_build(build)
    plan = road(build)
    assert plan.record(plan.stage("rewrite"))["rows_in"] > 0
    sft = pl.read_parquet(release_path(build, plan) / "sft" / "*.parquet")
    assert sft.select("id", "index").equals(plain.select("id", "index"))
    texts = (t["completion"].list.first().struct.field("content") for t in (plain, sft))
    for before, after in zip(*texts, strict=True):
        head, _, tail = before.partition("</think>")
        assert after == head.replace("yes", "indeed") + "</think>" + tail
    assert tiny.logged(out) == tiny.logged(finished / "out"), "no model was asked"
    strict = tiny.make(finished, "quality.leaks=['\\byes\\b']", "quality.max_leaks=0", out=out)
    told = {record["stage"]: record for record in run_build(strict)}
    assert told["quality"]["dropped"] == {"quality:leaks": told["quality"]["rows_in"] - told["quality"]["kept"]}
    assert told["quality"]["dropped"]["quality:leaks"] > 0


def test_shares_of_right_traces_are_the_tables_own_and_stand_in_the_card(
    finished: Path, tiny: SimpleNamespace, copy_of: Copy
) -> None:
    build = tiny.make(finished, "traces.beats_chance=true", out=copy_of(finished))
    run_build(build)
    told, release = road(build), release_path(build, road(build))
    shares = pl.DataFrame(json.loads((release / "manifest.json").read_text())["verified_shares"])
    traces = told.table("distill").collect().height
    wrong = told.table("verify", "dropped").filter(pl.col("reason") == "verify:wrong").collect().height
    assert shares["right"].sum() >= told.table("verify").collect().height
    assert shares["answered"].sum() - shares["right"].sum() == wrong
    assert shares["answered"].sum() <= traces
    guessed = told.table("pick", "dropped").filter(pl.col("reason") == "pick:chance").collect()
    for evidence in map(json.loads, guessed["evidence"]):
        assert evidence["answered"] < 2 or evidence["right"] / evidence["answered"] <= evidence["chance"]
    assert "## Right traces against chance" in (release / "README.md").read_text()


def test_one_trace_a_question_and_prompts_in_order(finished: Path, tiny: SimpleNamespace, copy_of: Copy) -> None:
    build = tiny.make(
        finished,
        "traces={pick: shortest}",
        "select={rule: {type: variance, min_correct: 0, min_wrong: 0}, order: easy_to_hard}",
        out=copy_of(finished),
    )
    told = {r["stage"]: r for r in run_build(build)}
    assert told["pick"]["rows_in"] == told["pick"]["kept"] + sum(told["pick"]["dropped"].values())
    release = release_path(build, road(build))
    sft = pl.read_parquet(release / "sft" / "*.parquet", columns=["id"])
    assert sft["id"].n_unique() == sft.height
    rl = pl.read_parquet(release / "rl" / "*.parquet", columns=["k", "order", "weight"])
    assert rl["order"].to_list() == list(range(rl.height))
    assert rl["k"].is_sorted(descending=True)
    assert "## Selection against chance" in (release / "README.md").read_text()
