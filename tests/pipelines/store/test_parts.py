"""Rows of parts by their places."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import some_answers
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store import parts, row_groups
from pipelines.store.part_folder import GROUPS, PartFolder
from pipelines.store.parts import NOWHERE, read_places
from pipelines.store.row_groups import Groups, TableWriter

TEXT = pl.Schema({"key": pl.String(), "text": pl.String()})


def table(rows: int, letters: int = 1) -> pl.DataFrame:
    return pl.DataFrame({"key": [f"{n:032x}" for n in range(rows)], "text": [str(n) * letters for n in range(rows)]})


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 39)), max_size=60), st.integers(1, 400))
def test_rows_come_by_their_places(
    tmp_path_factory: pytest.TempPathFactory, group: int, wanted: list[tuple[int, int]], at_once: int
) -> None:
    """However large the groups are, and how many are read at once; what lies nowhere is null."""
    folder = tmp_path_factory.mktemp("parts")
    files = [folder / "a.parquet", folder / "b.parquet"]
    for number, file in enumerate(files):
        with TableWriter(file, TEXT, Groups(group, 1 << 20)) as writer:
            writer.add(table(40).with_columns(text=pl.lit(f"{number}:") + pl.col("text")))
    places = [(NOWHERE if part == 2 else part, row) for part, row in wanted]
    asked = pl.DataFrame(sorted(places), schema={"part": pl.Int64, "row": pl.Int64}, orient="row")
    asked.write_parquet(folder / "places.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_BYTES", at_once)
        found = pl.concat(
            [asked.head(0).with_columns(text=pl.lit("")), *read_places(files, folder / "places.parquet", ("text",))]
        )
    assert found.select("part", "row").equals(asked)
    assert found["text"].to_list() == [None if part == NOWHERE else f"{part}:{row}" for part, row in sorted(places)]


@pytest.mark.parametrize(("rows", "letters"), [(3000, 1), (400, 4000)])
def test_row_groups_of_parts_are_small_in_rows_and_in_bytes(tmp_path: Path, rows: int, letters: int) -> None:
    """Who needs one reply reads, and proves, no more than such a group."""
    import pyarrow.parquet as pq

    folder = PartFolder(tmp_path, "log", lambda found: found == TEXT)
    (path,) = folder.write(table(rows, letters))
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    assert max(group.num_rows for group in groups) <= GROUPS.rows < row_groups.GROUP_ROWS
    written = pl.read_parquet(path)
    longest = max(row_groups.row_bytes(written).to_list())
    at = 0
    for group in groups:
        own = written.slice(at, group.num_rows)
        assert row_groups.row_bytes(own).sum() < GROUPS.bytes + longest
        at += group.num_rows
    assert len(groups) > 1


def test_whoever_looks_for_answers_loads_no_pandas(tmp_path: Path) -> None:
    """PyArrow loads it, where there is one, for an array of Python's numbers: a third of a second of every process."""
    code = f"""
import sys
from pathlib import Path

import polars as pl

from pipelines.store.completions import WANTED, CompletionsLog, wanted_rows
from some_answers import IDENTITY, answer

folder = Path({str(tmp_path)!r})
log = CompletionsLog(folder / "log")
asked = [answer(number) for number in range(3)]
with log.writer(IDENTITY) as writer:
    for one in asked:
        writer.append(*one)
wanted, rows = folder / "wanted.parquet", folder / "rows.parquet"
keys = [row for request, prompt, _ in asked for row in wanted_rows(request, prompt)]
pl.DataFrame(keys, schema=WANTED, orient="row").write_parquet(wanted)
pl.DataFrame({{"id": [request.id for request, *_ in asked]}}).write_parquet(rows)
assert log.missing(wanted, folder / "missing.parquet") == 0
assert sum(piece["text"].count() for piece in log.answers(wanted, rows)) == 3
assert "pandas" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(some_answers.__file__).parent)])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
