"""What steps over a whole set share: scratch files, what searches say, encoders that are checked with the recipe."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from filters.dedup.index import Choice
from filters.dedup.search import Search
from pipelines.steps.set_context import (
    SEARCHES,
    ImageEncoder,
    TextEncoder,
    build_of,
    matrices,
    recall_notes,
    searches_table,
)
from pipelines.steps.vectors import Searches
from pipelines.store.workspace import Workspace


@pytest.fixture
def build(tmp_path: Path) -> Any:
    return SimpleNamespace(workspace=Workspace(tmp_path), recipe=SimpleNamespace(name="tiny"))


def test_matrices_lie_in_files_of_ones_own_that_are_gone_afterwards(build: Any, tmp_path: Path) -> None:
    with matrices(build) as first, matrices(build) as second:
        assert len({*first, *second}) == 4
        for file in (*first, *second):
            file.write_bytes(b"x")
            assert file.is_relative_to(tmp_path / "builds" / "tiny")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_they_are_gone_after_an_error_too(build: Any, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), matrices(build) as (text, _):
        text.write_bytes(b"x")
        raise RuntimeError
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_build_is_that_of_the_context(build: Any) -> None:
    assert build_of(SimpleNamespace(build=build)) is build  # type: ignore[arg-type]


def test_searches_are_a_table_also_where_there_was_none() -> None:
    searches = Searches()
    assert searches_table(searches).schema == SEARCHES
    for search in (
        Search(Choice("exact", 10, 4)),
        Search(Choice("ivf", 500, 4), 0.99, 20, 400),
        Search(Choice("exact", 7, 4)),
    ):
        searches.report(search)
    found = searches_table(searches)
    assert found.schema == SEARCHES
    assert recall_notes(found) == {"recall": 9900, "recall_low": 9746, "recall_high": 9961} and not recall_notes(
        found[:1]
    )
    assert found.select("index", "searches", "rows", "recall").rows() == [("exact", 2, 17, None), ("ivf", 1, 500, 0.99)]


@pytest.mark.parametrize(("encoder", "model"), [(TextEncoder, "reference-vlm"), (ImageEncoder, "all-minilm-l6-v2")])
def test_a_model_of_the_other_kind_is_refused_with_the_recipe(encoder: Any, model: str) -> None:
    with pytest.raises(ValidationError, match=f"'{model}' is no .* encoder"):
        TypeAdapter(encoder).validate_python({"model": model})
