"""Current values of a step's rows are those of the join that one would write by hand."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.current_values import READ, by_current, by_hand, pipeline, write
from pipelines.store.current import Tables
from pipelines.store.step_tables import DROPS, STEP_DROPS, part


@pytest.mark.parametrize("buckets", [1, 4])
def test_overlays_are_the_join_by_hand(tmp_path: Path, buckets: int) -> None:
    write(tmp_path, 500, buckets)
    tables, seen = Tables(pipeline(), tmp_path), 0
    for bucket in range(buckets):
        found = by_current(tables, bucket)
        assert found.select("id", *READ).equals(by_hand(tmp_path, bucket).select("id", *READ))
        givers = found["value"].str.head(5).value_counts()
        assert set(givers["value"]) == {"first", "secon", "third"}, "each step gave the value of some rows"
        seen += found.height
    assert seen == 500


def test_dropped_rows_are_read_where_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, 20, 1)
    steps = pipeline()
    tables, node = Tables(steps, tmp_path), steps.names.node("sample")
    gone = tables.made(node, 0)["id"].head(3)
    drops = pl.DataFrame({"id": gone, "reason": "fourth:test", "evidence": "{}"}).with_columns(parent_id=pl.lit(None))
    drops.select(list(STEP_DROPS)).cast(STEP_DROPS).write_parquet(part(tmp_path / "fourth", DROPS, 0))
    sources = {"question": steps.names.find(node, ("question",))}
    after = len(steps.steps)
    assert tables.alive(node, 0, after).height == 17
    assert tables.current(node, sources, 0, after)["id"].to_list() == tables.alive(node, 0, after)["id"].to_list()
    assert tables.current(node, sources, 0, after - 1).height == 20, "a step does not see drops of its own"
    assert set(tables.current(node, sources, 0, after, dropped=True)["id"]) > set(gone)
    assert tables.with_parent(node, 0, after).is_empty()


def test_what_no_step_has_written_yet_is_no_row(tmp_path: Path) -> None:
    steps = pipeline()
    node = steps.names.node("sample")
    found = Tables(steps, tmp_path).current(node, {n: steps.names.find(node, (n,)) for n in READ}, 0, len(steps.steps))
    assert found.is_empty()
    assert found.columns == ["id", "sample_id", "parent_id", "made_by", *READ]
