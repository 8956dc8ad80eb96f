# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Columns that samples keep of their source: their types, and what becomes of a value or a name that is none of them."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from pipelines.ingest.ingest import ingest
from pipelines.sources.files import JsonlSource, ParquetSource
from pipelines.sources.given import dtypes
from pipelines.store.media import MediaStore
from schemas.errors import ConfigError
from schemas.sample import SAMPLE


def source(path: Path, columns: Any, *rows: dict[str, Any], name: str = "t") -> JsonlSource:
    path.write_text("\n".join(json.dumps({"question": f"{i}?", "answer": str(i), **row}) for i, row in enumerate(rows)))
    return JsonlSource.model_validate({"name": name, "path": str(path), "columns": columns})


def samples(root: Path, *sources: JsonlSource | ParquetSource) -> tuple[pl.DataFrame, pl.DataFrame]:
    parts = list(ingest(sources, MediaStore(root / "media")))
    return pl.concat(part.kept for part in parts), pl.concat(part.dropped for part in parts)


@pytest.mark.parametrize(
    ("type_", "published", "value"),
    [
        ("str", "a caption", "a caption"),
        ("int", 3, 3),
        ("float", 3, 3.0),
        ("bool", True, True),
        (["str"], ["one", "two"], ["one", "two"]),
        (["str"], '["one", "two"]', ["one", "two"]),
        ([{"text": "str", "right": "bool"}], [{"text": "7", "right": True}], [{"text": "7", "right": True}]),
        ({"low": "float"}, '{"low": 0.5}', {"low": 0.5}),
        ("str", None, None),
    ],
)
def test_a_column_has_the_type_that_was_said(tmp_path: Path, type_: Any, published: Any, value: Any) -> None:
    kept, dropped = samples(tmp_path, source(tmp_path / "a.jsonl", {"own": type_}, {"own": published}, {"own": None}))
    assert dropped.is_empty()
    assert list(kept.schema) == [*SAMPLE, "own"]
    assert kept.filter(pl.col("question") == "0?")["own"].to_list() == [value]


def test_a_value_of_another_type_drops_its_row_and_says_which_column(tmp_path: Path) -> None:
    kept, dropped = samples(tmp_path, source(tmp_path / "a.jsonl", {"size": "int"}, {"size": "3"}, {"size": "big"}))
    assert kept["size"].to_list() == [3]
    assert dropped["reason"].to_list() == ["ingest:column_unparseable"]
    assert json.loads(dropped["evidence"][0])["column"] == "size"


def test_samples_of_a_source_without_the_column_have_nulls_there(tmp_path: Path) -> None:
    one = source(tmp_path / "a.jsonl", {"caption": "str"}, {"caption": "a cat"}, name="one")
    two = source(tmp_path / "b.jsonl", {}, {}, name="two")
    kept, _ = samples(tmp_path, one, two)
    assert kept["caption"].to_list() == ["a cat", None]


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"caption": "string"}, "a column has one of the types str, int, float, bool, a list of one ([str]), or an object ({text: str}). Did you mean 'str'?"),
        ({"question": "str"}, "'question' is a column that samples have already; rename yours in 'select'"),
        ({"My caption": "str"}, "'My caption' cannot name a column; use small letters, digits and underscores"),
        (["caption"], "write the columns that samples keep with their types, such as {caption: str}"),
    ],
)  # fmt: skip
def test_what_is_no_column_is_refused_with_the_recipe(tmp_path: Path, columns: Any, sentence: str) -> None:
    with pytest.raises(ValidationError) as error:
        source(tmp_path / "a.jsonl", columns, {})
    assert error.value.errors()[0]["msg"] == f"Value error, {sentence}"


def test_a_column_that_the_rows_have_not_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        samples(tmp_path, source(tmp_path / "a.jsonl", {"captoin": "str"}, {"caption": "a cat"}))
    assert (
        str(error.value)
        == "Source 't': columns: its rows have no 'captoin'. Did you mean 'caption'? Name it in 'select'."
    )


def test_two_sources_say_one_type_of_a_name() -> None:
    with pytest.raises(ConfigError, match="Two sources give 'size' different types: int and str"):
        dtypes([{"size": "int"}, {"size": "str"}])
