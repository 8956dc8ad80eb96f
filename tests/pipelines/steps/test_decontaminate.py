"""Decontaminate as a step: the hits of the fixed road, each written down; sections that can find nothing are refused."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pipelines.road.decontaminate import drop_evaluation_rows
from pydantic import ValidationError

from pipelines.steps.decontaminate import STEP, DecontaminateConfig


@pytest.fixture(scope="module")
def section(planted: Any) -> dict[str, Any]:
    """Three of the questions, about the images they ask about."""
    lines = (planted.folder / "scenes.jsonl").read_text().splitlines()[:3]
    path: Path = planted.folder / "exam.jsonl"
    path.write_text("\n".join(lines))
    return {"sources": [{"type": "jsonl", "name": "exam", "path": str(path)}]}


@pytest.mark.parametrize("encoders", [{}, {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}])
def test_it_finds_what_the_fixed_road_finds(
    tiny: SimpleNamespace, planted: Any, section: dict[str, Any], encoders: dict[str, Any], tmp_path: Path
) -> None:
    build = tiny.make(
        planted.folder, f"decontaminate={json.dumps(section | encoders | {'embeddings': bool(encoders)})}"
    )
    old = drop_evaluation_rows(build, planted.rows, tmp_path)
    out = STEP.body(planted.tables(), DecontaminateConfig.model_validate(section | encoders), planted.context("clean"))
    assert out.rows is None
    assert out.tables["hits"].sort("id", "row", "by").equals(old.hits.sort("id", "row", "by"))
    assert set(out.drops["reason"]) == {"clean:exam"}
    assert out.drops.drop("reason").sort("id").equals(old.split.dropped.drop("reason").sort("id"))
    assert out.drops.height >= 9  # three questions, three times each
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
    recipe = planted.build.recipe.model_copy(update={"ingest": small})
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
