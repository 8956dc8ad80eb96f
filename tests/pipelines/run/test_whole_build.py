"""A whole recipe with the real reference model: what is asked, what a change asks again, and what comes out."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest
import tiny
from tiny import asked, built, config, digests, logged, manifest, records, release, without

from filters.verify.round_trip import GRADED_KINDS
from pipelines.store.build_record import read_record
from schemas.errors import StepError

Copy = Callable[[Path], Path]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished build of 20 samples; tests that go on from there copy its workspace."""
    folder = tmp_path_factory.mktemp("finished")
    tiny.write_source(folder, 20)
    built(folder)
    return folder


def test_every_step_balances_and_every_file_is_what_its_manifest_says(finished: Path) -> None:
    job = tiny.job(finished)
    for record in job.records():
        if not record["makes"]:
            assert record["in"] == record["kept"] + sum(record["dropped"].values()), record["step"]
    files = manifest(job)["files"]
    assert {"sft", "rl", "preference", "holdout", "control", "unfiltered"} <= {f["path"].split("/")[0] for f in files}
    for file in files:
        path = release(job) / file["path"]
        assert pl.read_parquet(path).height == file["rows"]
        assert hashlib.sha256(path.read_bytes()).hexdigest() == file["sha256"]


def test_every_number_of_the_manifest_can_be_counted_again(finished: Path) -> None:
    """Counted another way than the writer counts: with DuckDB, from the release's parquet alone."""
    job = tiny.job(finished)
    facts = manifest(job)
    assert facts["statistics"]["configs"]
    for name, counts in facts["statistics"]["configs"].items():
        if not config(job, name).height:
            continue
        table = f"read_parquet('{release(job) / name}/*.parquet')"
        sql = f'SELECT count(*), count(DISTINCT id), count(DISTINCT "group"), sum(len(images)), count(n) FROM {table}'
        assert duckdb.sql(sql).fetchone() == tuple(
            counts[f] for f in ("rows", "samples", "groups", "images", "measured")
        )
        assert dict(duckdb.sql(f"SELECT dataset, count(*) FROM {table} GROUP BY ALL").fetchall()) == counts["sources"]
        assert sum(f["rows"] for f in facts["files"] if f["path"].startswith(f"{name}/")) == counts["rows"]
    drops = f"read_parquet('{release(job)}/dropped.parquet')"
    for step in facts["steps"]:
        of_step = f"SELECT reason, count(*) FROM {drops} WHERE step = '{step['step']}' GROUP BY ALL"
        assert dict(duckdb.sql(of_step).fetchall()) == step["dropped"], step["step"]


def test_the_release_loads_as_it_is(finished: Path) -> None:
    from datasets import load_dataset

    job = tiny.job(finished)
    counts = {name: config(job, name).height for name in ("sft", "rl", "holdout")}
    assert counts["sft"] and counts["rl"]
    for name in (n for n, count in counts.items() if count):
        rows = load_dataset(str(release(job)), name, split="train", cache_dir=str(finished / "cache"))
        assert len(rows) == counts[name]
        for row in rows:
            assert row["images"][0].size == (64, 64)
            spelled = row["solution"].startswith("$")
            assert spelled == (row["verifier"] in GRADED_KINDS), row["solution"]
            assert row["prompt"][-1]["role"] == "user"


def test_an_image_is_captioned_once_and_rolled_out_n_times(finished: Path) -> None:
    counts = {
        name: sum(c["samples"] for c in r.get("asked", {}).values()) for name, r in records(tiny.job(finished)).items()
    }
    assert (counts["caption"], counts["rollout"]) == (20, 80)
    assert logged(finished / "out") == sum(counts.values())


@pytest.mark.parametrize(
    "option", [(), ("driver.max_retries=3",), ("models.vlm.concurrency=2",), ("driver.workers=1",)]
)
def test_there_is_nothing_left_to_do_however_it_is_run(finished: Path, copy_of: Copy, option: tuple[str, ...]) -> None:
    assert tiny.job(finished, *option, out=copy_of(finished)).up_to_date()


def test_a_step_that_the_recipe_leaves_out_leaves_no_tables(finished: Path, copy_of: Copy) -> None:
    out = copy_of(finished)
    assert (out / "builds" / "tiny" / "quality").exists()
    built(finished, out=out, edit=without("quality"))
    assert not (out / "builds" / "tiny" / "quality").exists()
    assert logged(out) == logged(finished / "out"), "and no model was asked"


def test_new_rows_cause_the_only_calls(finished: Path, copy_of: Copy) -> None:
    more = tiny.write_source(finished, 25, "more.jsonl")
    found = asked(built(finished, f"sources.scenes.path={more}", out=copy_of(finished)))
    assert (found["caption"], found["rollout"]) == (5, 20)
    assert found["distill"] <= 10, "rows that ask the reasoner the same share its answer"


@pytest.mark.parametrize(
    "option",
    [
        "steps.rollout.system=Answer in one word.",
        "steps.rollout.sampling={max_tokens: 8, seed: 1}",
        "steps.rollout.n=8",
    ],
)
def test_a_change_asks_for_what_is_missing_of_that_step_and_of_no_other(
    finished: Path, copy_of: Copy, option: str
) -> None:
    out = copy_of(finished)
    found = asked(built(finished, option, out=out))
    assert found == {"caption": 0, "distill": 0, "rollout": 80}
    assert logged(out) == logged(finished / "out") + 80


@pytest.mark.parametrize(
    "option", ["steps.select.budget=0.5", "steps.split.holdout=0.2", "steps.scored.tags=plain_boxed"]
)
def test_a_change_of_a_rule_asks_nobody(finished: Path, copy_of: Copy, option: str) -> None:
    out = copy_of(finished)
    override = option if "split" not in option else "steps.split={sft: 0.5, rl: 0.3, holdout: 0.2}"
    assert set(asked(built(finished, override, out=out)).values()) == {0}
    assert logged(out) == logged(finished / "out")


def test_other_content_is_the_next_version_and_the_same_content_is_not(finished: Path, copy_of: Copy) -> None:
    out = copy_of(finished)
    rule = "steps.select.rule={type: variance, min_wrong: 0}"
    assert [release(built(finished, *option, out=out)).name for option in ((rule,), (), (rule,))] == ["v2", "v1", "v2"]


def test_replays_are_equal_to_the_byte(finished: Path, copy_of: Copy) -> None:
    out, original = copy_of(finished), digests(release(tiny.job(finished)))
    for _ in range(2):
        for name in ("builds", "releases"):
            shutil.rmtree(out / name)
        assert digests(release(built(finished, out=out, replay=True))) == original


def test_a_replay_asks_nobody(finished: Path, copy_of: Copy) -> None:
    with pytest.raises(StepError, match="80 completions of step 'rollout' are not in the log"):
        built(finished, "steps.rollout.system=other", out=copy_of(finished), replay=True)


def test_a_step_without_one_answer_fails_the_build(tmp_path: Path) -> None:
    tiny.write_source(tmp_path, 2)
    others = without(
        "caption", "distill", "verify", "drop", "quality", "select", "pair", "difficulty", "scored", "release"
    )
    # The second time the failures are in the log and nothing is asked.
    for sentence in ("All 2 requests failed", "Step 'rollout' got no answer: all of its 2 rows' requests failed"):
        with pytest.raises(StepError, match=f"{sentence}.*leaves no room in a context"):
            built(tmp_path, f"steps.rollout.system={'look closely ' * 2_000}", edit=others)


def test_a_preference_pair_is_of_one_sample_and_of_opposite_verdicts(finished: Path) -> None:
    job = tiny.job(finished)
    found = job.rows("pair", ["chosen_id", "rejected_id"])
    verdict = dict(job.rows("rollout", ["correct"]).select("id", "correct").iter_rows())
    sample = dict(job.rows("rollout", ["correct"]).select("id", "sample_id").iter_rows())
    assert found.height
    for chosen, rejected in found.select("chosen_id", "rejected_id").iter_rows():
        assert verdict[chosen] and verdict[rejected] is False and sample[chosen] == sample[rejected]


def test_two_processes_cannot_build_one_recipe_at_once(finished: Path, copy_of: Copy) -> None:
    from schemas.errors import ConfigError

    job = tiny.job(finished, out=copy_of(finished))
    with job.build.workspace.lock("tiny"), pytest.raises(ConfigError, match="Another build of 'tiny' is running"):
        job.run()
    assert (read_record(job.build.folder) or {})["steps"]
