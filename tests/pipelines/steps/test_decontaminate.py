"""Decontaminate as a step: every hit of the rule is written down; sections that can find nothing are refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from filters.decontaminate.benchmarks import benchmark_table
from filters.decontaminate.contaminated import contaminated
from pipelines.steps.decontaminate import STEP, DecontaminateConfig


@pytest.fixture(scope="module")
def section(planted: Any) -> dict[str, Any]:
    """Three of the questions, about the images they ask about."""
    lines = (planted.folder / "scenes.jsonl").read_text().splitlines()[:3]
    path: Path = planted.folder / "exam.jsonl"
    path.write_text("\n".join(lines))
    return {"sources": [{"type": "jsonl", "name": "exam", "path": str(path)}]}


ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}


@pytest.mark.parametrize("encoders", [{}, ENCODERS])
def test_it_finds_what_the_rule_finds_and_drops_it_with_the_strongest_hit(
    planted: Any, section: dict[str, Any], encoders: dict[str, Any]
) -> None:
    out = STEP.body(planted.tables(), DecontaminateConfig.model_validate(section | encoders), planted.context("clean"))
    assert out.rows is None
    asked = planted.rows.filter(pl.col("source").struct.field("row").is_in(["0", "1", "2"]))
    exam = benchmark_table("exam", asked, planted.hashes)
    vectors = (planted.text_vectors, planted.image_vectors) if encoders else (None, None)
    hits = contaminated(
        planted.rows.sort("id"), exam, DecontaminateConfig(against=("MMMU",)).rule, planted.hashes, *vectors
    )
    assert out.tables["hits"].equals(hits)
    assert ("embedding" in set(hits["by"])) == bool(encoders)
    shown = {id_: str(scene) for id_, scene in planted.scenes.items() if scene < 3}
    assert set(shown.items()) <= set(hits.filter(by="image", score=1).select("id", "row").rows())
    assert set(out.drops["id"]) == set(hits["id"]) and set(out.drops["reason"]) == {"clean:exam"}
    evidence = {id_: json.loads(told) for id_, told in out.drops.select("id", "evidence").iter_rows()}
    for id_, row in shown.items():
        assert evidence[id_] == {"row": row, "benchmark": "exam", "by": "image", "score": 1.0}
    assert out.tables["evaluation_sets"].rows() == [("exam", 3, out.drops.height)]


def test_its_facts_change_with_the_evaluation_set(planted: Any, section: dict[str, Any]) -> None:
    config = DecontaminateConfig.model_validate(section)
    before = STEP.facts(config, planted.build)
    path = Path(section["sources"][0]["path"])
    text = path.read_text()
    path.write_text(text.splitlines()[0])
    assert STEP.facts(config, planted.build) != before
    path.write_text(text)


def test_images_have_to_fit_the_recipes_limits(planted: Any, section: dict[str, Any], tmp_path: Path) -> None:
    small = planted.build.recipe.ingest.model_copy(update={"max_pixels": 1})
    recipe = SimpleNamespace(**{**vars(planted.build.recipe), "ingest": small})
    build = replace(planted.build, recipe=recipe, workspace=type(planted.build.workspace)(tmp_path))
    vars(build).update(media=planted.build.media)
    out = STEP.body(planted.tables(), DecontaminateConfig.model_validate(section), planted.context("clean", build))
    assert "image" not in set(out.tables["hits"]["by"])


def test_an_empty_table_stays_one(planted: Any, section: dict[str, Any]) -> None:
    empty = planted.tables(rows=planted.rows.clear())
    out = STEP.body(empty, DecontaminateConfig.model_validate(section), planted.context("clean"))
    assert out.drops.is_empty() and out.tables["evaluation_sets"].rows() == [("exam", 3, 0)]


def test_it_reads_what_it_compares(known: Any) -> None:
    config = DecontaminateConfig(against=("MathVista",))
    assert {*STEP.reads(config, known).rows} == {"question", "options", "answer", "media"}
    assert STEP.gives(config, known).columns == {} and STEP.scope(config) == "all"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "name evaluation sets"),
        ({"against": ["MathVisto"]}, "Did you mean 'MathVista'"),
        ({"against": ["MathVista", "MathVista"]}, "two evaluation sets are named 'MathVista'"),
        ({"against": ["MathVista"], "image": {"model": "reference-vlm"}}, "name an encoder in 'text' too"),
    ],
)
def test_a_mistake_is_one_sentence(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DecontaminateConfig.model_validate(config)
