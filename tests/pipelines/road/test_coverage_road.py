"""Coverage and clusters on a small real build: real encoders, real vectors, and the control beside them."""

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.build import run_build
from pipelines.explain.query import open_tables
from pipelines.recipe.sections import select_encoders
from pipelines.road.selection import check_vectors, encoder_identities
from pipelines.road.stages import road
from schemas.errors import ConfigError

LEAN = (
    "caption=null",
    "distill=null",
    "preference=null",
    "rollouts.n=2",
    "split={sft: 0.1, rl: 0.8, holdout: 0.1}",
    "dedup={text: {model: all-minilm-l6-v2}, image: {model: reference-vlm}, near: {image_threshold: 1}}",
)
SELECT = (
    "select={rule: univg_r1, budget: 5, coverage: {value_weight: 0}, clusters: {clusters: 3}, "
    "quotas: {by: [cluster], shares: equal}}"
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("coverage")
    tiny.write_source(folder, 16)
    run_build(tiny.make(folder, *LEAN, SELECT))
    return folder


def test_a_selection_covers_its_clusters_and_so_does_the_control(finished: Path, tiny: SimpleNamespace) -> None:
    plan = road(tiny.make(finished, *LEAN, SELECT))
    clusters = plan.table("select", "clusters").collect()
    kept = plan.table("select").filter(pl.col("rank").is_not_null()).select("id").collect()
    beside = plan.table("select", "control").collect()
    assert clusters["cluster"].n_unique() == 3
    assert kept.height == beside.height == 5
    sizes = dict(clusters.group_by("cluster").len().iter_rows())
    seats, random = (dict(ids.join(clusters, on="id").group_by("cluster").len().iter_rows()) for ids in (kept, beside))
    assert seats == random
    assert all(seats[c] == sizes[c] or seats[c] >= max(seats.values()) - 1 for c in sizes)
    with open_tables(finished / "out") as db:
        assert db.sql("SELECT count(*) FROM clusters").fetchone() == (clusters.height,)


def test_the_stage_says_how_it_searched_and_what_coverage_gained(finished: Path, tiny: SimpleNamespace) -> None:
    plan = road(tiny.make(finished, *LEAN, SELECT))
    record = plan.record(plan.stage("select"))
    assert record is not None
    candidates = plan.table("select", "clusters").collect().height
    (search,) = record["notes"]["searches"]
    assert (search["index"], search["rows"], search["recall"]) == ("exact", candidates, None)
    near = plan.table("select", "comparison").filter(figure="mean nearness").collect().row(0, named=True)
    assert near["candidates"] == 1
    assert 0 < near["control"] < near["selected"] < 1
    dropped = set(pl.read_parquet(plan.path("select", "dropped"))["reason"])
    assert dropped <= {"select:covered", "select:quota", "select:budget"}
    assert "select:covered" in dropped


def test_encoders_are_those_of_dedup_unless_named(finished: Path, tiny: SimpleNamespace) -> None:
    recipe = tiny.make(finished, *LEAN, SELECT).recipe
    text, image = select_encoders(recipe.select, recipe.dedup)
    assert text is not None
    assert image is not None
    assert (text.model, image.model) == ("all-minilm-l6-v2", "reference-vlm")
    alone = tiny.make(finished, *LEAN, SELECT, "select.vectors.by=[image]")
    assert select_encoders(alone.recipe.select, alone.recipe.dedup).text is None
    found = encoder_identities(alone)
    assert found is not None
    assert [told["model"] for told in found] == ["reference-vlm"]
    assert encoder_identities(tiny.make(finished, *LEAN, "select={budget: 5}")) is None


@pytest.mark.parametrize(
    ("select", "sentence"),
    [
        (
            "{budget: 5, coverage: {}}",
            r"select\.coverage compares questions, so name an encoder in `select\.vectors\.text` or in `dedup\.text`\.",
        ),
        ("{budget: 5, quotas: {by: [cluster]}}", r"select\.quotas\.by: \[cluster\] compares questions, so name"),
        (
            "{budget: 5, coverage: {}, vectors: {by: [image], text: {model: all-minilm-l6-v2}}}",
            r"select\.coverage compares pictures, so name an encoder in `select\.vectors\.image`",
        ),
    ],
)
def test_a_missing_encoder_is_one_sentence(select: str, sentence: str, finished: Path, tiny: SimpleNamespace) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_vectors(tiny.make(finished, "dedup={}", f"select={select}").recipe)


def test_another_selection_of_vectors_is_another_table(finished: Path, tiny: SimpleNamespace) -> None:
    plan = road(tiny.make(finished, *LEAN, SELECT, "select.vectors.by=[text]"))
    assert next(stage.name for stage in plan.stale()) == "select"
