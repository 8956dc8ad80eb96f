"""Files that unpack without end, rows of any size and long lists cost their source or themselves, in little memory."""

import gzip
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources import unpacking
from pipelines.sources.batches import BATCH_BYTES, Bounds
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.read import check_source, read_rows
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore
from schemas.errors import ConfigError

LINE = json.dumps({"question": "x" * 1000, "answer": "1"}).encode() + b"\n"
CELL = b"x" * 1000 + b",1\n"
PEAK = """
import sys
from pathlib import Path
from pipelines.sources.batches import Bounds
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.read import read_rows
from schemas.errors import ConfigError
def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) >> 10
kind, first, path, memory = sys.argv[1:]
kind = {"csv": CsvSource, "jsonl": JsonlSource, "parquet": ParquetSource}[kind]
sum(rows.height for rows in read_rows(kind(name="t", path=first)))
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
try:
    outcome = sum(rows.height for rows in read_rows(kind(name="t", path=path), bounds=Bounds(int(memory) << 20)))
except ConfigError as error:
    outcome = str(error)
print(resident("VmHWM") - before, outcome)
"""


def _peak(kind: str, first: Path, path: Path, memory: int) -> tuple[int, str]:
    """The MiB that reading `path` takes at most, and what it comes to, after another file was read."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")
    command = [sys.executable, "-c", PEAK, kind, str(first), str(path), str(memory)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    peak, _, outcome = said.strip().partition(" ")
    return int(peak), outcome


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "FREE", 1 << 20)


def _gzipped(path: Path, data: bytes) -> Path:
    path.write_bytes(gzip.compress(data))
    return path


def _zipped(path: Path, name: str, data: bytes, packing: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr(name, data)
    return path


BOMBS: dict[str, Callable[[Path], SourceSection]] = {
    "jsonl.gz": lambda to: JsonlSource(name="t", path=str(_gzipped(to / "a.jsonl.gz", LINE * 20_000))),
    "csv.gz": lambda to: CsvSource(name="t", path=str(_gzipped(to / "a.csv.gz", b"question,answer\n" + CELL * 20_000))),
    "utf-16": lambda to: JsonlSource(
        name="t", path=str(_gzipped(to / "a.jsonl.gz", (LINE * 20_000).decode().encode("utf-16")))
    ),
    "zip": lambda to: JsonlSource(name="t", path=str(_zipped(to / "a.zip", "a.jsonl", LINE * 20_000))),
    "gz in zip": lambda to: JsonlSource(
        name="t", path=str(_zipped(to / "a.zip", "a.jsonl.gz", gzip.compress(LINE * 20_000)))
    ),
    "address": lambda to: JsonlSource(name="t", path=f"file://{_gzipped(to / 'a.jsonl.gz', LINE * 20_000)}"),
}


@pytest.mark.parametrize("form", BOMBS)
def test_a_file_that_unpacks_without_end_is_one_sentence(tmp_path: Path, form: str, small: None) -> None:
    with pytest.raises(
        ConfigError, match=r"unpacks to more than 200 times its own size .* unpack or rewrite it"
    ) as caught:
        check_source(BOMBS[form](tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", BOMBS)
def test_a_small_file_may_unpack_to_more(tmp_path: Path, form: str) -> None:
    assert sum(rows.height for rows in read_rows(BOMBS[form](tmp_path))) == 20_000


def test_the_rows_of_a_parquet_file_are_counted_too(tmp_path: Path, small: None) -> None:
    table = pa.table({"question": [f"{'x' * 5000}" for _ in range(2000)], "answer": ["1"] * 2000})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    with pytest.raises(ConfigError, match="unpacks to more than 200 times"):
        list(read_rows(ParquetSource(name="t", path=str(tmp_path / "a.parquet"))))
    plain = ParquetSource(name="t", path=str(tmp_path / "a.parquet"), select="SELECT 'q' AS question, answer FROM raw")
    assert sum(rows.height for rows in read_rows(plain)) == 2000


@pytest.mark.parametrize("name", ["a.jsonl.zst", "a.jsonl.xz", "a.jsonl.bz2", "a.tar", "a.JSONL.ZST"])
def test_other_packings_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(LINE)
    with pytest.raises(ConfigError, match=r"is packed in a way that is not read; unpack it, or use \.gz"):
        check_source(JsonlSource(name="t", path=str(tmp_path / name)))


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_that_python_unpacks_at_once_are_refused(tmp_path: Path, packing: int) -> None:
    path = _zipped(tmp_path / "a.zip", "a.jsonl", LINE, packing)
    with pytest.raises(ConfigError, match=r"'a\.jsonl' is packed in an unusual way; zip it anew, or unpack it"):
        check_source(JsonlSource(name="t", path=str(path)))


def test_a_damaged_gzip_file_is_one_sentence(tmp_path: Path) -> None:
    whole = gzip.compress(b"".join(json.dumps({"question": str(n), "answer": "1"}).encode() for n in range(1000)))
    for name, data in {"cut": whole[:-20], "flipped": whole[:200] + b"\xff\xff" + whole[202:]}.items():
        (tmp_path / f"{name}.jsonl.gz").write_bytes(data)
        with pytest.raises(ConfigError, match="Source 't' cannot be read"):
            check_source(JsonlSource(name="t", path=str(tmp_path / f"{name}.jsonl.gz")))


def test_a_row_that_is_too_large_costs_itself(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {
        "question": ["1 + 1?", "x" * 3000, "2 + 2?", "3 + 3?"],
        "answer": ["2", "4", "4", "6"],
        "options": [[], [], ["y" * 3000], []],
        "image": [None, None, None, {"bytes": b"z" * 3000, "path": None}],
    }
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet")
    source = ParquetSource(name="t", path=str(tmp_path / "a.parquet"))
    (part,) = ingest([source], MediaStore(tmp_path / "media"), IngestConfig(max_bytes=1400))
    assert part.kept["question"].to_list() == ["1 + 1?"]
    assert set(part.dropped["reason"]) == {"ingest:row_too_large"}
    told = [json.loads(evidence) for evidence in part.dropped["evidence"]]
    assert [each["row"] for each in told] == ["1", "2", "3"] and all(3000 < each["bytes"] < 3100 for each in told)


def test_batches_are_cut_by_their_bytes_whatever_the_memory(tmp_path: Path) -> None:
    sizes = [1 << 20] * 100 + [BATCH_BYTES + 1] + [10] * 2000
    rows = {"question": ["q"] * len(sizes), "answer": ["a"] * len(sizes), "image": [b"\0" * size for size in sizes]}
    pl.DataFrame(rows).write_parquet(tmp_path / "a.parquet", row_group_size=50, compression="zstd")
    source = ParquetSource(name="t", path=str(tmp_path / "a.parquet"))
    cuts = [[rows.height for rows in read_rows(source, bounds=Bounds(memory << 20))] for memory in (1024, 4096)]
    assert cuts[0] == cuts[1] == [63, 37, 1, 1024, 976]


def test_one_long_text_for_many_rows_is_refused_before_it_is_copied(tmp_path: Path) -> None:
    """A file of a kilobyte, whose rows hold 400 MB, is a dictionary of one text until DuckDB hands its rows out."""
    pl.DataFrame({"question": ["q"], "answer": ["1"]}).write_parquet(tmp_path / "first.parquet")
    table = pa.table({"question": ["x" * (4 << 20)] * 100, "answer": ["1"] * 100})
    pq.write_table(table, tmp_path / "a.parquet", compression="zstd")
    peak, outcome = _peak("parquet", tmp_path / "first.parquet", tmp_path / "a.parquet", 256)
    assert peak < 200 and "MiB in rows that are read at once, and there is room for 128 MiB" in outcome


def test_a_list_without_end_is_refused(tmp_path: Path) -> None:
    pl.DataFrame({"question": ["q"], "answer": ["1"]}).write_parquet(tmp_path / "first.parquet")
    options = pl.Series([["a"]]).list.eval(pl.element().repeat_by(30_000_000).explode())
    pl.DataFrame({"question": ["q"], "answer": ["1"], "options": options}).write_parquet(tmp_path / "a.parquet")
    peak, outcome = _peak("parquet", tmp_path / "first.parquet", tmp_path / "a.parquet", 256)
    assert peak < 400 and "cannot be read in 256 MiB of memory" in outcome and "ingest: {memory: …}" in outcome


def test_a_csv_file_is_read_in_the_memory_that_there_is(tmp_path: Path) -> None:
    """DuckDB's own choice of buffers would be 2 GiB, which it refuses where it may not have them."""
    (tmp_path / "a.csv").write_text("question,answer\n" + "q,a\n" * 100_000)
    peak, outcome = _peak("csv", tmp_path / "a.csv", tmp_path / "a.csv", 400)
    assert peak < 400 and outcome == "100000"
