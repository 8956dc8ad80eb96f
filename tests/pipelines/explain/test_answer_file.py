"""The answer of a query is what one reads from the file that it was saved to."""

from pathlib import Path

import polars as pl
import pytest
import recipe_build

from pipelines.explain.query import run_query
from schemas.errors import ConfigError

SQL = "SELECT id, question, answer.raw AS gold, length(question) AS letters FROM samples ORDER BY id"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    recipe_build.built(recipe_build.write_recipe(folder, ["dedup"], recipe_build.sums(5)), folder / "ws")
    return folder / "ws"


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_an_answer_is_saved_whole(space: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"out.{kind}"
    path.write_text("what was there")
    assert run_query(space, SQL, to=path) == f"5 rows in {path}"
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[kind]
    found = read(path).cast({"gold": pl.String})
    assert found.columns == ["id", "question", "gold", "letters"]
    assert found["id"].is_sorted() and set(found["gold"]) == {"0", "2", "4", "6", "8"}
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert run_query(space, f"{SQL} LIMIT 0", to=path) == f"0 rows in {path}"
    assert kind == "jsonl" or read(path).columns == found.columns


def test_what_cannot_be_saved_is_told_before_anything_is_written(space: Path, tmp_path: Path) -> None:
    for name, words in (("out.xlsx", "end it in .parquet, .csv, .jsonl"), ("out", "end it in")):
        with pytest.raises(ConfigError, match=words):
            run_query(space, SQL, to=tmp_path / name)
    with pytest.raises(ConfigError, match="which only builds write"):
        run_query(space, SQL, to=space / "media" / "out.csv")
    with pytest.raises(ConfigError, match="CSV cannot hold the column 'answer'"):
        run_query(space, "SELECT id, answer FROM samples", to=tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="only reads"):
        run_query(space, "COPY samples TO 'out.csv'", to=tmp_path / "out.csv")
    with pytest.raises(ConfigError, match="The query failed"):
        run_query(space, "SELECT nobody FROM samples", to=tmp_path / "out.csv")
    assert not list(tmp_path.iterdir())
