"""Texts of the samples that are most like one, by the vectors of questions and images."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import recipe_build

from pipelines.job import compile_recipe
from pipelines.steps.neighbours import STEP, NeighboursConfig
from schemas.errors import ConfigError
from schemas.step import Tables

ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}


def config(**section: Any) -> NeighboursConfig:
    return NeighboursConfig.model_validate({"text": ENCODERS["text"], "gives": {"like": "question"}} | section)


def tables(planted: Any, rows: pl.DataFrame | None = None, **texts: pl.Expr) -> Tables:
    shown = {f"text:{name}": text for name, text in ({"question": pl.col("question")} | texts).items()}
    return planted.tables(*(text.alias(name) for name, text in shown.items()), rows=rows)


def test_no_neighbour_is_of_its_own_group_and_texts_of_one_neighbour_share_a_place(planted: Any) -> None:
    wanted = config(image=ENCODERS["image"], k=3, gives={"like": "question", "its_id": "name"})
    out = STEP.body(tables(planted, name=pl.col("id")), wanted, planted.context("neighbours"))
    assert out.rows is not None and out.drops.is_empty()
    groups = dict(planted.rows.select("id", "group_id").iter_rows())
    questions = dict(planted.rows.select("id", "question").iter_rows())
    assert out.rows["id"].to_list() == sorted(groups)
    for id_, like, ids in out.rows.select("id", "like", "its_id").iter_rows():
        assert len(ids) == 3 == len({*ids})
        assert groups[id_] not in {groups[other] for other in ids}
        assert like == [questions[other] for other in ids]


def test_what_is_asked_alike_is_near(planted: Any) -> None:
    alone = planted.rows.with_columns(group_id="id")
    out = STEP.body(
        tables(planted, alone, name=pl.col("id")), config(gives={"of": "name"}), planted.context("neighbours")
    )
    assert out.rows is not None
    asked = dict(planted.rows.select("id", pl.col("question").str.to_lowercase()).iter_rows())
    pairs = [(id_, of[0]) for id_, of in out.rows.select("id", "of").iter_rows()]
    assert all(asked[id_] == asked[other] for id_, other in pairs)  # its own question in capitals, or of another scene


def test_who_has_no_text_is_nobodys_neighbour(planted: Any) -> None:
    one = planted.rows["id"].min()
    only = pl.when(pl.col("id") == one).then("id")
    alone = planted.rows.with_columns(group_id="id")
    out = STEP.body(tables(planted, alone, name=only), config(gives={"of": "name"}, k=2), planted.context("neighbours"))
    assert out.rows is not None
    assert out.rows.filter(pl.col("id") == one)["of"].to_list() == [[]]
    assert {tuple(of) for of in out.rows.filter(pl.col("id") != one)["of"]} <= {(one,), ()}


def test_an_empty_table_stays_one(planted: Any) -> None:
    out = STEP.body(tables(planted, planted.rows.clear()), config(), planted.context("neighbours"))
    assert out.rows is not None and out.rows.is_empty()


def test_its_facts_are_the_identities_of_the_encoders(planted: Any) -> None:
    text, image = STEP.facts(config(image=ENCODERS["image"]), planted.build)
    assert text["model"] == "all-minilm-l6-v2" and image["model"] == "reference-vlm"
    assert STEP.scope(config()) == "all"


def _steps(**section: Any) -> list[Any]:
    prompt = "{% for one in like %}{{ one }}\n{% endfor %}{{ question }}"
    return [
        {"neighbours": {"text": ENCODERS["text"], "gives": {"like": "question"}} | section},
        {"distill": {"model": "reader", "sees": "nothing", "prompt": prompt}},
        "verify",
        {"release": {"sft": {"of": "trace"}}},
    ]


@pytest.mark.parametrize(("column", "shown"), [("question", False), ("answer", True)])
def test_a_prompt_that_shows_golds_of_others_counts_as_one_that_shows_golds(
    tmp_path: Path, column: str, shown: bool
) -> None:
    models = {"reader": {"model": "smollm2-135m-instruct"}}
    path = recipe_build.write_recipe(tmp_path, _steps(gives={"like": column}), recipe_build.sums(2), models=models)
    steps = {step.name: step for step in compile_recipe(str(path)).pipeline.steps}
    assert steps["distill"].gold_visible is shown


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"text": None}, "name an encoder in `text` or `image`"),
        ({"gives": {}}, "gives"),
        ({"gives": {"like": "questions"}}, "questions"),
        ({"gives": {"like": "options"}}, "options"),
    ],
)
def test_what_cannot_be_had_is_refused(tmp_path: Path, section: dict[str, Any], sentence: str) -> None:
    models = {"reader": {"model": "smollm2-135m-instruct"}}
    path = recipe_build.write_recipe(tmp_path, _steps(**section), recipe_build.sums(2), models=models)
    with pytest.raises(ConfigError, match=sentence):
        compile_recipe(str(path))
