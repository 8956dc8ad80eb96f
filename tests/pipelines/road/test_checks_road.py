"""The checks on the road, with the real reference model."""

import json
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest

from filters.checks.measure import FLAGS
from filters.checks.rules import CheckRules
from filters.select.select import SelectConfig
from generators.checks.catalogue import CheckConfig
from generators.scenes import iter_scenes, questions, render
from pipelines.build import run_build
from pipelines.explain.query import open_tables
from pipelines.explain.why import story
from pipelines.plan import make_plan
from pipelines.recipe.load import load_recipe
from pipelines.road.contents import describe_tables
from pipelines.road.stage import Build, Road
from pipelines.road.stages import road
from pipelines.road.steps.candidates import check_candidates
from pipelines.store.workspace import Workspace, read_json, write_json, write_table
from schemas.errors import ConfigError

RECIPE = """\
name: checked
models:
  vlm: {model: reference-vlm, engine: transformers}
  small: {model: reference-vlm, engine: transformers, args: {max_model_len: 512}}
sources:
  - {type: jsonl, name: scenes, path: SOURCE}
caption: {model: vlm, sampling: {temperature: 0.0, max_tokens: 24}}
distill: {model: vlm, prompt: "{question}", n: 1, sampling: {max_tokens: 8}, answer_pattern: "(?P<answer>.+)"}
rollouts: {model: vlm, n: 2, sampling: {max_tokens: 6}, tags: plain}
difficulty: {truncated: wrong, no_answer: wrong}  # so that n is what was asked, whatever was replied
checks:
  - {type: text_only}
  - {type: grey_image}
  - {type: patch_mask}
  - {type: evidence_mask}
  - {type: random_mask}
  - {type: option_shuffle, replies: 2}
  - {type: caption_only, n: 1}
  - {type: drop_cot}
  - {type: frame_shuffle}
  - {type: question_form, n: 1}
  - {type: guess, model: small, n: 3}
  - {type: reverify, traces: all}
  - {type: vote}
release: {allow_empty: [sft, rl, holdout]}
"""


def _source(folder: Path, number: int) -> Path:
    rows: list[dict[str, Any]] = []
    for i, scene in enumerate(iter_scenes("curate", number, seed=5, levels=(1,))):
        render(scene).save(folder / f"{i}.png")
        images: list[str] = [f"{i}.png"] if i % 4 else [f"{i}.png", f"{(i + 1) % number}.png"]
        found = questions(scene)
        asked = next((q for q in found if q.kind == ("choice" if i % 2 else "text")), found[0])
        row = {"image": images, "question": asked.stem, "answer": asked.answer, "kind": asked.kind}
        if asked.options:
            row["options"] = list(asked.options)
        box = scene.objects[0]
        around = [box.x - box.radius, box.y - box.radius, box.x + box.radius, box.y + box.radius]
        row["meta"] = json.dumps({"evidence": [around]})
        rows.append(row)
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


def _build(folder: Path, *overrides: str, replay: bool = False) -> Build:
    (folder / "r.yaml").write_text(RECIPE.replace("SOURCE", str(folder / "rows.jsonl")))
    return Build(load_recipe(str(folder / "r.yaml"), overrides), Workspace(folder / "out"), replay=replay)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Road:
    folder = tmp_path_factory.mktemp("checked")
    _source(folder, 8)
    run_build(_build(folder))
    return road(_build(folder))


def test_no_row_is_lost_and_no_sample_dropped(checked: Road) -> None:
    for name in ("variants", "check_rollouts", "check_scores", "checks"):
        record = checked.record(checked.stage(name))
        assert record is not None
        assert record["rows_in"] == record["kept"] + sum(record["dropped"].values())
    alive = checked.table("difficulty").select("id").collect()["id"].sort().to_list()
    assert checked.table("checks").collect()["id"].to_list() == alive


def test_every_check_says_something(checked: Road) -> None:
    results = checked.table("checks", "results").collect()
    # The model writes no reasoning, so there is nothing to conclude from: all its traces are refused.
    asked = {check.label for check in checked.build.recipe.checks} - {"vote", "reverify"}
    assert set(results["check"]) == asked
    counted = results.filter(pl.col("check") == "text_only")
    assert counted["n"].to_list() == [2] * counted.height
    assert checked.table("checks").select(pl.col("majority_share").is_not_null().any()).collect().item()


def test_a_replay_gives_the_same_tables(checked: Road) -> None:
    build = checked.build
    before = {t: checked.table("checks", t).collect() for t in ("kept", "results", "variants")}
    again = Build(build.recipe.model_copy(update={"check_rules": CheckRules(alpha=0.01)}), build.workspace, replay=True)
    stale = [stage.name for stage in road(again).stale()]
    assert stale == ["checks", "release"], "and the release, if one is dropped now"
    back = Build(
        build.recipe.model_copy(update={"seed": 0, "checks": build.recipe.checks[::-1]}), build.workspace, replay=True
    )
    run_build(back)
    after = {t: road(back).table("checks", t).collect() for t in ("kept", "results", "variants")}
    assert all(before[t].equals(after[t]) for t in before)


def test_derived_pictures_know_where_they_come_from(checked: Road) -> None:
    rows = checked.table("variants").filter(pl.col("check") == "grey_image").explode("media").unnest("media").collect()
    origin = json.loads(rows["derived_from"][0])
    assert (origin["op"], len(origin["media"])) == ("grey", 64)
    assert rows["sha256"].n_unique() == 1  # all pictures are of one size
    checked.build.media.read(rows["sha256"][0])


def test_rap_reads_its_two_pass_rates_from_one_view(checked: Road) -> None:
    with open_tables(checked.build.workspace.root, "checked") as db:
        rows = db.sql("SELECT id, k, n, k_text, n_text FROM checks ORDER BY id").pl()
        replies = db.sql("SELECT count(*) FROM check_replies").fetchall()[0][0]
    assert rows["n"].to_list() == rows["n_text"].to_list() == [2] * rows.height
    assert replies == checked.table("check_scores").collect().height
    told = story(checked.build.workspace.root, rows["id"][0])
    assert {"checks", "check_results", "check_variants"} <= {view for view, _ in told.chapters}


def test_the_bill_is_known_before_anything_runs(tmp_path: Path) -> None:
    _source(tmp_path, 2)
    planned = {p.stage: p for p in make_plan(_build(tmp_path, "limit=2"))}
    # text, grey, patch, evidence, random, drop_cot, frames: 2 each; shuffle 2, caption 1, forms 1 + 2, traces 4; guess 3
    assert planned["check_rollouts"].missing == 2 * (7 * 2 + 2 + 1 + 3 + 4 + 3)
    assert not planned["check_rollouts"].exact


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("checks=[{type: text_only}, {type: text_only}]", "two checks are named 'text_only'"),
        ("checks=[{type: guess, model: smal}]", "no model named 'smal'. Did you mean 'small'?"),
        ("caption=null", "'caption_only' reads captions"),
        ("distill=null", "'reverify' reads traces"),
        ("rollouts=null", "variants of the student's rollouts"),
        ("checks=[{type: text}]", "has no choice 'text'"),
        ("checks=[{type: text_only, prompt: '{image}'}]", "{image} is no field of this prompt; it knows {question};"),
        ("rollouts.prompt='{image} {question}'", "{image} is no field of this prompt; it knows {question};"),
        ("checks=[{type: vote, n: 3}]", "a vote reads the rollouts and asks nobody; leave `n` out"),
        ("checks=[{type: reverify}]", "`distill.prompt` does not name {answer}; set its `traces` to all"),
    ],
)
def test_a_check_that_cannot_work_is_told_before_anything_starts(tmp_path: Path, override: str, sentence: str) -> None:
    _source(tmp_path, 1)
    with pytest.raises(ConfigError, match=sentence):
        _build(tmp_path, override)


def test_rap_selects_by_the_blind_rollouts(checked: Road) -> None:
    rule = {"type": "rap", "lambda_a": None, "lambda_c": "1/2"}
    select = SelectConfig.model_validate({"rule": rule, "splits": ["sft", "rl", "holdout"]})
    build = Build(checked.build.recipe.model_copy(update={"select": select}), checked.build.workspace, replay=True)
    run_build(build)
    plan = road(build)
    rows = plan.table("checks").collect()
    kept = plan.table("select").collect()["id"].to_list()
    sure = rows.filter((pl.col("k") - pl.col("k_text") > 1) & (pl.col("k") < pl.col("n")))["id"].to_list()
    assert set(sure) <= set(kept)
    lost = pl.read_parquet(plan.path("select", "dropped"))
    assert set(lost["reason"]) <= {"select:cde", "select:too_easy"}
    assert len(kept) + lost.height == rows.height


def test_a_rule_that_reads_what_no_check_gives_is_told(tmp_path: Path) -> None:
    _source(tmp_path, 1)
    build = _build(tmp_path, "checks=[{type: vote}]", "select={rule: {type: rap, lambda_a: null}}")
    with pytest.raises(ConfigError, match="reads 'k_text', so the recipe needs a `checks: "):
        check_candidates(build.recipe)


def test_flagged_samples_are_no_candidates_when_asked(checked: Road) -> None:
    # What a model this small gets flagged for is chance, so two samples are flagged by hand in the finished table.
    path = checked.path("checks")
    before = pl.read_parquet(path)
    out = before["id"].to_list()[:2]
    flags = pl.when(pl.col("id").is_in(out)).then(pl.lit(["order_free", "blind"])).otherwise(pl.lit(["order_free"]))
    select = SelectConfig.model_validate({"without": ["blind"], "splits": ["sft", "rl", "holdout"]})
    build = Build(checked.build.recipe.model_copy(update={"select": select}), checked.build.workspace, replay=True)
    try:
        _write_by_hand(checked, "checks", before.with_columns(flags=flags))
        run_build(build)
    finally:
        _write_by_hand(checked, "checks", before)
    plan = road(build)
    lost = pl.read_parquet(plan.path("select", "dropped")).filter(pl.col("reason") == "select:blind")
    assert sorted(lost["id"]) == sorted(out)
    assert json.loads(lost["evidence"][0]) == {"flags": ["order_free", "blind"]}
    assert set(out).isdisjoint(plan.table("select").collect()["id"])
    assert set(out).isdisjoint(plan.table("select", "control").collect()["id"])
    record = plan.record(plan.stage("select"))
    assert record is not None
    assert record["rows_in"] == record["kept"] + sum(record["dropped"].values()) == before.height


def _write_by_hand(plan: Road, stage: str, kept: pl.DataFrame) -> None:
    """Put a table in the place of a stage's own, and into its record."""
    write_table(kept, plan.path(stage))
    folder = plan.path(stage).parent
    write_json({**read_json(folder / "stage.json"), "tables": describe_tables(folder)}, folder / "stage.json")


def test_a_flag_without_checks_is_told(tmp_path: Path) -> None:
    _source(tmp_path, 1)
    build = _build(tmp_path, "checks=[]", "select={without: [blind]}")
    with pytest.raises(ConfigError, match="so the recipe needs `checks`"):
        check_candidates(build.recipe)


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("blnd", "select.without 'blnd' is no flag of any check; there are answers_anyway, blind,"),
        ("label_suspect", "select.without 'label_suspect' needs a check of type vote in `checks`"),
        ("blind", None),
    ],
)
def test_a_flag_that_no_check_gives_is_told(tmp_path: Path, flag: str, sentence: str | None) -> None:
    _source(tmp_path, 1)
    build = _build(tmp_path, "checks=[{type: grey_image}]", f"select={{without: [{flag}]}}")
    if sentence is None:
        check_candidates(build.recipe)
        return
    with pytest.raises(ConfigError, match=sentence):
        check_candidates(build.recipe)


def test_every_check_says_which_flags_it_gives() -> None:
    tags = {member.model_fields["type"].default for member in get_args(get_args(CheckConfig)[0])}
    assert tags == set(FLAGS)
