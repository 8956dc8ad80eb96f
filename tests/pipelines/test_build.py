"""The whole road on a small recipe with the real reference model: what is asked, what is asked again, what comes out."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from generators.scenes import iter_scenes, questions, render
from pipelines.build import records, release_path, run_build, up_to_date
from pipelines.completions import CompletionsLog
from pipelines.recipe import load_recipe
from pipelines.stage import Build
from pipelines.stages import road
from pipelines.why import story
from pipelines.workspace import Workspace
from schemas.errors import StageError

RECIPE = """\
name: tiny
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: scenes, path: SOURCE}
caption: {model: vlm, sampling: {temperature: 0.0, max_tokens: 24}}
distill:
  model: vlm
  prompt: "{question}"
  n: 2
  sampling: {temperature: 1.0, max_tokens: 8}
  answer_pattern: (?P<answer>.+)
rollouts: {model: vlm, n: 4, sampling: {max_tokens: 8}, tags: plain}
dedup: {}
split: {sft: 0.5, rl: 0.4, holdout: 0.1}
select: {budget: 0.8}
"""


def write_source(folder: Path, number: int) -> None:
    """One question about each of `number` scenes; row i is the same whatever the number."""
    rows = []
    for i, scene in enumerate(iter_scenes("curate", number, seed=3, levels=(1,))):
        path = folder / "images" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            render(scene).save(path)
        asked = next(q for q in questions(scene) if q.kind != "choice")
        rows.append({"image": str(path), "question": asked.question, "answer": asked.answer, "kind": asked.kind})
    (folder / "scenes.jsonl").write_text("\n".join(json.dumps(row) for row in rows))


def make(folder: Path, *overrides: str, replay: bool = False) -> Build:
    (folder / "tiny.yaml").write_text(RECIPE.replace("SOURCE", str(folder / "scenes.jsonl")))
    return Build(load_recipe(str(folder / "tiny.yaml"), overrides), Workspace(folder / "out"), replay=replay)


def asked(told: list[dict[str, Any]]) -> dict[str, int]:
    """Samples that models were asked for, by stage."""
    return {r["stage"]: r["asked"]["samples"] for r in told if "asked" in r}


def logged(folder: Path) -> int:
    """Completions in the log."""
    return CompletionsLog(folder / "out" / "log" / "completions").scan().collect().height


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished build of 20 samples; tests work on copies."""
    folder = tmp_path_factory.mktemp("finished")
    write_source(folder, 20)
    run_build(make(folder))
    return folder


@pytest.fixture
def built(finished: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "built"
    shutil.copytree(finished, folder)
    # Paths are part of a source, so the copy reads the original's: the images and the table of the finished folder.
    (folder / "scenes.jsonl").unlink()
    (folder / "scenes.jsonl").symlink_to(finished / "scenes.jsonl")
    return folder


def remake(built: Path, finished: Path, *overrides: str, replay: bool = False) -> Build:
    """The finished recipe, as it was, in the copied workspace."""
    return Build(load_recipe(str(finished / "tiny.yaml"), overrides), Workspace(built / "out"), replay=replay)


def digests(release: Path) -> dict[str, str]:
    files = (p for p in sorted(release.rglob("*")) if p.is_file())
    return {str(p.relative_to(release)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_every_stage_balances_and_every_split_is_there(finished: Path) -> None:
    build = make(finished)
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
    assert {f["path"].split("/")[0] for f in manifest["files"]} == {"sft", "rl", "holdout"}


def test_an_image_is_captioned_once_and_rolled_out_n_times(finished: Path) -> None:
    counts = asked(records(road(make(finished))))
    assert (counts["caption"], counts["rollouts"]) == (20, 80)


def test_no_group_is_on_two_sides(finished: Path) -> None:
    sides = road(make(finished)).table("split").collect()
    assert sides.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1


def test_a_second_build_has_nothing_to_do(built: Path, finished: Path) -> None:
    assert up_to_date(remake(built, finished))


def test_new_rows_cause_the_only_calls(built: Path, tmp_path: Path, finished: Path) -> None:
    more = tmp_path / "more.jsonl"
    write_source(finished, 25)
    shutil.move(finished / "scenes.jsonl", more)
    write_source(finished, 20)
    told = run_build(remake(built, finished, f"sources.0.path={more}"))
    assert (asked(told)["caption"], asked(told)["rollouts"]) == (5, 20)
    assert asked(told)["distill"] <= 10, "rows that tell the reasoner the same share its answer"


def test_another_system_prompt_asks_that_stage_again_and_no_other(built: Path, finished: Path) -> None:
    told = run_build(remake(built, finished, "rollouts.system=Answer in one word."))
    assert asked(told)["rollouts"] == 80
    assert logged(built) == logged(finished) + 80


def test_more_rollouts_ask_only_for_the_new_ones(built: Path, finished: Path) -> None:
    told = run_build(remake(built, finished, "rollouts.n=8"))
    assert asked(told)["rollouts"] == 20 * 4


def test_a_changed_verifier_budget_asks_nobody(built: Path, finished: Path) -> None:
    told = run_build(remake(built, finished, "verify.budget_s=1.5"))
    assert logged(built) == logged(finished)
    assert told[-1]["notes"]["release"] == "v1", "the same content is the same version"


def test_replays_are_equal_to_the_byte(built: Path, finished: Path) -> None:
    original = digests(finished / "out" / "releases" / "tiny" / "v1")
    for _ in range(2):
        shutil.rmtree(built / "out" / "builds")
        shutil.rmtree(built / "out" / "releases")
        run_build(remake(built, finished, replay=True))
        assert digests(built / "out" / "releases" / "tiny" / "v1") == original


def test_a_replay_asks_nobody(built: Path, finished: Path) -> None:
    with pytest.raises(StageError, match="80 completions of stage 'rollouts' are not in the log"):
        run_build(remake(built, finished, "rollouts.system=other", replay=True))


def test_other_content_is_the_next_version(built: Path, finished: Path) -> None:
    told = run_build(remake(built, finished, "select.budget=1"))
    assert told[-1]["notes"]["release"] == "v2"
    assert (built / "out" / "releases" / "tiny" / "v1" / "manifest.json").is_file()


def test_the_release_loads_as_it_is(finished: Path) -> None:
    from datasets import load_dataset

    release = str(finished / "out" / "releases" / "tiny" / "v1")
    for name in ("sft", "rl", "holdout"):
        rows = load_dataset(release, name, split="train", cache_dir=str(finished / "cache"))
        for row in rows:
            assert row["images"][0].size == (64, 64)
            assert row["solution"].startswith("$")
            assert row["prompt"][-1]["role"] == "user"


def test_every_row_has_its_story(finished: Path) -> None:
    build = make(finished)
    ids = road(build).table("ingest").select("id").collect()["id"]
    for id_ in ids:
        told = story(finished / "out", id_)
        assert told.end.startswith(("In the '", "Dropped by "))
    assert story(finished / "out", ids[0][:12]).id == ids[0]


def test_a_stage_that_loses_rows_fails_the_build(finished: Path, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines import steps
    from schemas.split import Split, no_drops

    monkeypatch.setattr(steps, "select_variance", lambda rows, config, seed: Split(rows.head(0).with_columns(value=0.0, rank=0), no_drops()))
    with pytest.raises(StageError, match="Stage 'select' lost rows"):
        run_build(remake(built, finished, "select.budget=2"))
