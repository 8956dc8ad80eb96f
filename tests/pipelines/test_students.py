"""Several students side by side: each is asked, each is measured, the first decides."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.build import run_build
from pipelines.plan import make_plan
from pipelines.query import open_tables
from pipelines.recipe import load_recipe
from pipelines.stages import road
from pipelines.why import story
from schemas.errors import ConfigError

TWO = (
    "models.other={model: reference-vlm, engine: transformers, args: {dtype: float64}}",
    "rollouts.model=[vlm, other]",
    "rollouts.n=2",
    "rollouts.sampling={max_tokens: 8, temperature: 2.0}",
    "preference={per_prompt: 2, splits: [sft, rl]}",
    "caption=null",
    "distill=null",
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


def test_a_plan_counts_every_student(finished: Path, tiny: SimpleNamespace) -> None:
    planned = {p.stage: p for p in make_plan(tiny.make(finished, *TWO, "rollouts.n=3"))}
    assert planned["rollouts"].missing == 12


def test_a_student_must_be_known_and_named_once(finished: Path) -> None:
    recipe = str(finished / "tiny.yaml")
    with pytest.raises(ConfigError, match=r"no model named 'vln'\. Did you mean 'vlm'"):
        load_recipe(recipe, ["rollouts.model=[vlm, vln]"])
    with pytest.raises(ConfigError, match="'vlm' is named twice"):
        load_recipe(recipe, ["rollouts.model=[vlm, vlm]"])
