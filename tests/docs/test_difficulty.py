"""The page on difficulty: what it says of the config `rollouts` is so."""

import re
from pathlib import Path

import duckdb
import polars as pl
from doc_blocks import ROOT

from filters.difficulty import VERDICTS, DifficultyConfig


def test_the_documented_query_gives_k_and_n(tmp_path: Path) -> None:
    """Also where the recipe counts replies without an answer as wrong."""
    page = (ROOT / "docs" / "difficulty.md").read_text(encoding="utf-8")
    query = re.search(r"```sql\n(SELECT sample_id, model.*?)```", page, re.DOTALL)
    assert query is not None
    counting = DifficultyConfig(no_answer="wrong", truncated="wrong")
    rows = {
        "sample_id": "a",
        "model": "m",
        "verdict": list(VERDICTS),
        "correct": [counting.counts(v) for v in VERDICTS],
    }
    (tmp_path / "rollouts").mkdir()
    pl.DataFrame(rows).write_parquet(tmp_path / "rollouts" / "part-0.parquet")
    counted = duckdb.sql(query[1].replace("rollouts/*.parquet", f"{tmp_path}/rollouts/*.parquet")).fetchall()
    assert counted == [("a", "m", 1, 4)]
