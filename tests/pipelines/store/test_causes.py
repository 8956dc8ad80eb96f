"""What the system says, by a number or in the words of an engine, is one clause with its cure."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from pipelines.store.causes import cause_of, shortage, shortages
from schemas.errors import ConfigError, StoreError

FULL = "the disk is full"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), FULL),
        (OSError("No space left on device (os error 28): /a/b"), FULL),
        (pl.exceptions.ComputeError("parquet: underlying IO error: File too large (os error 27)"), "ulimit -f"),
        (OSError(errno.ENOTCONN, "x"), os.strerror(errno.ENOTCONN) + " (ENOTCONN)"),
        (PermissionError(errno.EACCES, "x"), "permission denied"),
        (FileNotFoundError(errno.ENOENT, "x"), None),
        (BlockingIOError(errno.EAGAIN, "x"), None),
        (pl.exceptions.ComputeError("parquet: File out of specification"), None),
        (ValueError("No space left on device (os error 28)"), None),
        (ConfigError("No space left on device (os error 28)"), None),
    ],
)
def test_a_cause(error: Exception, words: str | None) -> None:
    found = cause_of(error)
    assert found is None if words is None else found is not None and words in found


def test_a_shortage_is_told_wherever_it_is_met(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"Cannot go on in {tmp_path}: {FULL}"), shortages(tmp_path):
        raise pl.exceptions.ComputeError("No space left on device (os error 28)")
    with pytest.raises(PermissionError), shortages(tmp_path):  # may be of a source, or of anything
        raise PermissionError(errno.EACCES, "x")
    with pytest.raises(FileNotFoundError), shortages(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "x")
    assert "TMPDIR" in (shortage(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in []")) or "")


WRITERS = {
    "duckdb": "duckdb.execute(f\"COPY (SELECT hash(i) h FROM range(100000) t(i)) TO '{path}' (FORMAT parquet)\")",
    "spill": (
        "db = duckdb.connect(); db.execute('SET memory_limit = \"30MB\"'); db.execute('SET threads = 1');"
        " db.execute(f\"SET temp_directory = '{path}'\");"
        " db.execute('CREATE TABLE x AS SELECT hash(i)::VARCHAR h FROM range(1000000) t(i)');"
        " db.execute('SELECT * FROM x ORDER BY h').fetchmany(1)"
    ),
    "polars": "rows.write_parquet(path)",
    "polars sink": "rows.lazy().sink_parquet(path)",
    "pyarrow": "pq.write_table(rows.to_arrow(), path)",
    "ours": "write_table(rows, path)",
}
CHILD = """
import resource, sys
from pathlib import Path
import duckdb, polars as pl, pyarrow.parquet as pq
from pipelines.store.workspace import store_errors, write_table
from schemas.errors import StoreError
folder = Path(sys.argv[1])
rows = pl.DataFrame({"a": range(100_000)}).with_columns(b=pl.col("a").hash())
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
for name, code in WRITERS.items():
    path = folder / name.replace(" ", "_")
    try:
        with store_errors(path):
            exec(code)
        print(name, "was written")
    except StoreError as error:
        print(name, "told" if "a file may not grow as large as this" in str(error) else error)
"""


def test_what_engines_cannot_write_is_a_sentence(tmp_path: Path) -> None:
    """They write by themselves, so it is the system that refuses here: no file may have more than 1,000 bytes."""
    if resource.getrlimit(resource.RLIMIT_FSIZE)[1] != resource.RLIM_INFINITY:
        pytest.skip("the size of files is limited here")
    code = f"WRITERS = {WRITERS!r}\n{CHILD}"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.splitlines() == [f"{name} told" for name in WRITERS], done.stderr
