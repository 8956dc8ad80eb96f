"""Several students side by side: each is asked, each is measured, the first decides."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import duckdb
import polars as pl
import pytest

from filters.difficulty import VERDICTS, DifficultyConfig
from pipelines.build import release_path, run_build
from pipelines.explain.query import open_tables
from pipelines.explain.why import story
from pipelines.plan import make_plan
from pipelines.recipe.load import load_recipe
from pipelines.road.stages import road
from schemas.errors import ConfigError

TWO = (
    "models.other={model: reference-vlm, engine: transformers, args: {dtype: float64}}",
    "rollouts.model=[vlm, other]",
    "rollouts.n=2",
    "rollouts.sampling={max_tokens: 8, temperature: 2.0, seed: 0}",
    "preference={per_prompt: 2, splits: [sft, rl]}",
    "caption=null",
    "distill=null",
    # Whatever replies are drawn, every sample is measured and may be selected.
    "difficulty={truncated: wrong, no_answer: wrong}",
    "select.rule={type: variance, min_correct: 0, min_wrong: 0}",
)

SIDES = ("chosen", "rejected")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("students")
    tiny.write_source(folder, 6)
    run_build(tiny.make(folder, *TWO))
    return folder


def test_every_student_has_a_row_a_sample(finished: Path, tiny: SimpleNamespace) -> None:
    plan = road(tiny.make(finished, *TWO))
    measures = plan.table("difficulty", "measures").collect()
    assert measures.group_by("model").len().sort("model").rows() == [("other", 6), ("vlm", 6)]
    assert measures["weights"].unique().to_list() == ["reference-vlm"]
    assert measures.filter(pl.col("sampling").str.contains('"max_tokens":8')).height == 12
    assert plan.table("difficulty").collect()["model"].unique().to_list() == ["vlm"]
    assert plan.table("rollouts").collect()["id"].n_unique() == 24


def test_records_hold_text_verdict_and_length(finished: Path) -> None:
    with open_tables(finished / "out") as db:
        records = db.sql("SELECT model, text, correct, score, tokens, finish_reason FROM records").pl()
    assert records.height == 24
    assert records["text"].null_count() == 0


def test_why_shows_both_students(finished: Path, tiny: SimpleNamespace) -> None:
    id_ = road(tiny.make(finished, *TWO)).table("difficulty").collect()["id"][0]
    told = story(finished / "out", id_)
    assert sorted(row["model"] for view, row in told.chapters if view == "measures") == ["other", "vlm"]


def test_both_sides_of_a_pair_are_of_one_student(finished: Path, tiny: SimpleNamespace) -> None:
    plan = road(tiny.make(finished, *TWO))
    students = plan.table("rollouts").select("id", "model").collect()
    pairs = plan.table("prefer", "pairs").collect()
    models = [pairs.join(students, left_on=side, right_on="id", maintain_order="left")["model"] for side in SIDES]
    assert pairs.height > 0
    assert models[0].equals(models[1])


def rows(release: Path, config: str) -> pl.DataFrame:
    return pl.read_parquet(release / config / "*.parquet")


def test_a_pair_names_who_gave_each_side(finished: Path) -> None:
    release = finished / "out" / "releases" / "tiny" / "v1"
    given = {(r["sample_id"], r["text"], r["model"]) for r in rows(release, "rollouts").to_dicts()}
    pairs = rows(release, "preference")
    for side in SIDES:
        for row in pairs.to_dicts():
            assert (row["id"], row[side][0]["content"], row[f"{side}_model"]) in given
    assert pairs.height > 0


def test_without_traces_every_row_of_rl_is_a_selected_one(finished: Path) -> None:
    """`split.sft` and `select.splits` are at their defaults: nothing is dealt to a side that can hold no row."""
    release = finished / "out" / "releases" / "tiny" / "v1"
    rl, every = rows(release, "rl"), rows(release, "unfiltered")
    told = json.loads((release / "manifest.json").read_text())["selection"]
    selected = next(row["selected"] for row in told if row["figure"] == "rows")
    assert rl.height == selected > 0
    assert rl["value"].null_count() == 0
    assert every["split"].unique().to_list() == ["rl"]


@pytest.fixture(scope="module")
def by_the_second(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("second")
    tiny.write_source(folder, 6)
    build = tiny.make(folder, *TWO, "select.model=other", "release.extras=[control]")
    run_build(build)
    found: Path = release_path(build, road(build))
    return found


def test_a_row_says_the_counts_that_selection_read(by_the_second: Path) -> None:
    rl, control = rows(by_the_second, "rl"), rows(by_the_second, "control")
    assert rl.height > 0
    assert set(rl["model"]) | set(control["model"]) == {"other"}
    told = json.loads((by_the_second / "manifest.json").read_text())["selection"]
    for row in told:
        for name, table in (("selected", rl), ("control", control)):
            if row["figure"] == "share of band":
                assert row[name] == pytest.approx((table["band"] == row["value"]).mean())


def test_the_documented_query_gives_k_and_n(tmp_path: Path) -> None:
    """Also where the recipe counts replies without an answer as wrong."""
    page = (Path(__file__).parents[3] / "docs" / "difficulty.md").read_text()
    query = re.search(r"```sql\n(SELECT sample_id, model.*?)```", page, re.DOTALL)
    assert query is not None
    counting = DifficultyConfig(no_answer="wrong", truncated="wrong")
    told = {
        "sample_id": "a",
        "model": "m",
        "verdict": list(VERDICTS),
        "correct": [counting.counts(v) for v in VERDICTS],
    }
    (tmp_path / "rollouts").mkdir()
    pl.DataFrame(told).write_parquet(tmp_path / "rollouts" / "part-0.parquet")
    counted = duckdb.sql(query[1].replace("rollouts/*.parquet", f"{tmp_path}/rollouts/*.parquet")).fetchall()
    assert counted == [("a", "m", 1, 4)]


def test_a_control_without_what_there_was_to_choose_from_has_a_card(by_the_second: Path) -> None:
    both = rows(by_the_second, "control").join(rows(by_the_second, "rl"), on="id", how="semi").height
    of = rows(by_the_second, "control").height
    assert (
        f"and {both} of its {of} rows stand in a split of this release too" in (by_the_second / "README.md").read_text()
    )


def test_a_plan_counts_every_student(finished: Path, tiny: SimpleNamespace) -> None:
    planned = {p.stage: p for p in make_plan(tiny.make(finished, *TWO, "rollouts.n=3"))}
    assert planned["rollouts"].missing == 12


def test_a_student_must_be_known_and_named_once(finished: Path) -> None:
    recipe = str(finished / "tiny.yaml")
    with pytest.raises(ConfigError, match=r"no model named 'vln'\. Did you mean 'vlm'"):
        load_recipe(recipe, ["rollouts.model=[vlm, vln]"])
    with pytest.raises(ConfigError, match="'vlm' is named twice"):
        load_recipe(recipe, ["rollouts.model=[vlm, vlm]"])
