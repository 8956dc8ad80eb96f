"""A part is proven by its name: whatever of it changes, in whatever place, is known."""

import random
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from flips import FLIPPED
from some_answers import a_line

from pipelines.store import part_file
from pipelines.store.journal_lines import read_lines
from pipelines.store.part_file import DamagedError, Proof, part_name, seal
from pipelines.store.part_folder import PartFolder
from pipelines.store.part_keys import pack
from pipelines.store.row_groups import TableWriter
from schemas.completion import completion_fault

IDS = [f"{number:032x}" for number in (1, 2, 3)]
TABLE = pl.DataFrame({"key": ["a", "b", "c"], "text": ["one", "two", None], "logprobs": [[0.5], None, []]})


def write(folder: Path, tables: list[pl.DataFrame], of: str = "log") -> Path:
    """A part of a row group a table."""
    path = folder / "new.parquet"
    with TableWriter(path, tables[0].schema) as writer:
        for table in tables:
            writer.add(table)
            writer.end_group()
    return path.rename(folder / part_name("", seal(path, of, pack(pl.concat(tables)["key"]))))


def damaged(path: Path) -> bool:
    try:
        Proof(path, "log").check()
    except DamagedError:
        return True
    return False


def test_a_part_is_a_parquet_file_as_any_other(tmp_path: Path) -> None:
    path = write(tmp_path, [TABLE, TABLE])
    both = pl.concat([TABLE, TABLE])
    assert pl.read_parquet(path).equals(both)
    assert duckdb.sql(f"SELECT * FROM read_parquet('{path}')").pl().equals(both)
    proof = Proof(path, "log")
    proof.check()
    assert (proof.rows, proof.schema, proof.keys()) == ([3, 3], TABLE.schema, None)


@pytest.mark.parametrize("bits", [1, pytest.param(8, marks=pytest.mark.slow)])
def test_every_bit_of_a_part_counts(tmp_path: Path, bits: int) -> None:
    """One bit of each byte, or all of them."""
    path = write(tmp_path, [TABLE.with_columns(key=pl.Series(IDS))])
    data = path.read_bytes()
    assert not damaged(path)
    for place in range(len(data)):
        for bit in random.Random(place).sample(range(8), bits):
            changed = bytearray(data)
            changed[place] ^= 1 << bit
            path.write_bytes(changed)
            assert damaged(path), (place, bit)


def test_a_part_that_ends_anywhere_is_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, [TABLE])
    data = path.read_bytes()
    for end in range(len(data)):
        path.write_bytes(data[:end])
        assert damaged(path), end


def test_a_part_is_of_one_log_and_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DamagedError, match="a part of another log or model"):
        Proof(write(tmp_path, [TABLE], "another"), "log")
    monkeypatch.setattr(part_file, "LAYOUT", part_file.LAYOUT + 1)
    path = write(tmp_path, [TABLE])
    monkeypatch.undo()
    with pytest.raises(DamagedError, match="written by another edition"):
        Proof(path, "log")


def test_what_is_not_read_is_not_proven(tmp_path: Path) -> None:
    """A build that needs a few rows of a part reads their row groups, and the keys of all."""
    other = TABLE.with_columns(key=pl.Series(["x", "y", "z"]), text=pl.lit("other"))
    path = write(tmp_path, [TABLE, other])
    data = bytearray(path.read_bytes())
    texts = pq.read_metadata(path).row_group(1).column(1)
    data[texts.data_page_offset + texts.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    proof = Proof(path, "log")
    proof.check(None, ("key",))
    proof.check([0])
    assert proof.groups_of([0, 2]) == [0] and proof.groups_of([2, 3]) == [0, 1]
    files = PartFolder(tmp_path, "log", lambda found: found == TABLE.schema)
    assert files.parts_with(["b"]) == [path]
    assert files.parts_with(["y"]) == []
    assert [p.name for p in tmp_path.iterdir()] == [f"aside-{path.stem}-bytes.parquet"]


@pytest.mark.parametrize("ids", [True, False])
def test_of_a_part_without_wanted_keys_no_column_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ids: bool
) -> None:
    """Of keys that are no content ids, the keys are."""
    table = TABLE.with_columns(key=pl.Series(IDS)) if ids else TABLE
    files, spans = PartFolder(tmp_path, "log", lambda found: found == TABLE.schema), list[int]()
    (path,) = files.write(table)
    real = part_file.span_hash

    def noted(file: Any, start: int, size: int) -> str:
        spans.append(start)
        return real(file, start, size)

    monkeypatch.setattr(part_file, "span_hash", noted)
    assert files.parts_with(["f" * 32]) == [] and len(spans) == (0 if ids else 1)
    assert files.parts_with([table["key"][1]]) == [path] and len(spans) == 3


def test_a_part_whose_keys_were_damaged_is_set_aside(tmp_path: Path) -> None:
    files = PartFolder(tmp_path, "log", lambda found: found == TABLE.schema)
    (path,) = files.write(TABLE.with_columns(key=pl.Series(IDS)))
    data = bytearray(path.read_bytes())
    place = data.index(pack(pl.Series(IDS)))
    data[place + 1] ^= 1
    path.write_bytes(data)
    assert files.parts(()) == [path], "what is not read is not proven"
    assert files.parts_with(IDS) == []
    assert [p.name for p in tmp_path.iterdir()] == [f"aside-{path.stem}-keys.parquet"]


def test_the_same_rows_are_the_same_part_and_models_are_apart(tmp_path: Path) -> None:
    files = PartFolder(tmp_path, "log", lambda found: True, by=("model",))
    table = TABLE.with_columns(model=pl.Series(["one", "two", "one"]))
    first = files.write(table.reverse())
    assert files.write(table) == first and len(first) == 2
    rows = [pl.read_parquet(path).select("model", "key").rows() for path in first]
    assert sorted(rows) == [[("one", "a"), ("one", "c")], [("two", "b")]]


def test_a_damaged_part_that_cannot_be_renamed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, [TABLE])
    path.write_bytes(path.read_bytes()[:-1])

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    files = PartFolder(tmp_path, "log", lambda found: True)
    assert files.parts() == files.parts() == []
    assert caplog.text.count("It is left out (Read-only file system).") == 1


def test_a_bit_of_a_journal_that_flips_costs_its_line_alone() -> None:
    """Or two, where it makes one line of them. No row is another than it was; what is lost is kept, but for a torn end."""
    lines = [a_line(number) for number in range(6)]
    data, rows = b"".join(lines), read_lines(b"".join(lines), completion_fault).rows
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1 << random.Random(place).randrange(8)
        FLIPPED["journal"] += 1
        found = read_lines(bytes(changed), completion_fault)
        assert all(row in rows for row in found.rows)
        joins = data[place : place + 1] == b"\n" and place + 1 < len(data)
        assert len(found.rows) == 6 - (2 if joins else 1)
        assert bool(found.odd) == (place + 1 < len(data))
