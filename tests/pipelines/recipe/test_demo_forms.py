"""The published columns that a demo writes are those that the schema of that name reads."""

import json

import polars as pl
import pytest

from pipelines.recipe.demo_forms import FORMS, LIKE
from pipelines.sources.read import read_rows
from pipelines.sources.schemas import SCHEMAS
from pipelines.sources.section import KINDS
from pipelines.sources.tasks import TasksSource


def test_every_schema_has_a_form() -> None:
    assert set(FORMS) == set(SCHEMAS)
    assert set(LIKE) <= set(KINDS)


@pytest.mark.parametrize("schema", FORMS)
def test_what_is_written_is_read_back(schema: str) -> None:
    task, raw = FORMS[schema]
    source = TasksSource(task=task, n=4, raw=raw, schema=schema)
    rows = pl.concat(read_rows(source))
    truth = source.rows
    golds = truth.select(pl.coalesce("letter", "answer"))["letter"] if task in {"choice", "mixed"} else truth["answer"]
    read = [json.loads(text)[0] if text.startswith("[") else text for text in rows["answer"]]
    assert read == golds.to_list()
    assert [text.removeprefix("<image>").strip() for text in rows["question"]] == truth["question"].to_list()
    assert rows["images"].list.len().to_list() == [1] * 4
    if task == "choice":
        assert rows["options"].to_list() == truth["options"].to_list()
