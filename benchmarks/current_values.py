"""How long `Tables.current` takes beside the same join written by hand: 1,000,000 rows, two overlays.

    python -m benchmarks.current_values [--rows 1000000] [--buckets 1 512]

A million samples of the sources get a column from one step, which a second step replaces for every other row and a third for
every tenth; a fourth gives a column to all. Read are the question, the column with its two overlays, and the fourth's. By
hand: the parts are read, laid over one another and joined by id in polars. Both read the same parquet files, in turns, best
of three.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from hashlib import md5
from pathlib import Path

import polars as pl

from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline
from pipelines.run.reading import SAMPLE_COLUMNS
from pipelines.steps.ingest import INGEST
from pipelines.store.current import Tables
from pipelines.store.step_tables import ROWS, part
from schemas.step import Gives, Out, Reads, StepConfig, StepType, read

READ = ("question", "value", "note")
GIVEN = {"first": "value", "second": "value", "third": "value", "fourth": "note"}
EVERY = {"first": 1, "second": 2, "third": 10, "fourth": 1}


def pipeline() -> Pipeline:
    """`ingest`, and the four steps that give columns."""
    entries = [Entry("ingest", INGEST, StepConfig(), "r:1")]
    for name, column in GIVEN.items():
        reads = Reads({"question": read("question", pl.String())})
        gives = Gives({column: pl.String()}, replaces=frozenset({column}))
        type_ = StepType(
            name,
            "",
            1,
            StepConfig,
            lambda c, k, r=reads: r,
            lambda c, k, g=gives: g,
            lambda t, c, x: Out(),
            of="sample",
        )
        entries.append(Entry(name, type_, StepConfig(), "r:2"))
    return compile_steps(entries)


def write(folder: Path, rows: int, buckets: int) -> None:
    """The parts of all steps."""
    for name in ("ingest", *GIVEN):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for bucket in range(buckets):
        mine = range(bucket, rows, buckets)
        ids = sorted(md5(str(number).encode()).hexdigest() for number in mine)
        samples = pl.DataFrame({"id": ids, "sample_id": ids}).with_columns(
            *(pl.lit(None, dtype).alias(column) for column, dtype in SAMPLE_COLUMNS.items() if column != "question"),
            parent_id=pl.lit(None, pl.String),
            question=pl.lit("What is ") + pl.col("id"),
        )
        samples.write_parquet(part(folder / "ingest", ROWS, bucket))
        for name, column in GIVEN.items():
            given = samples.gather_every(EVERY[name]).select("id", (pl.lit(name) + pl.col("id")).alias(column))
            given.write_parquet(part(folder / name, ROWS, bucket))


def by_hand(folder: Path, bucket: int) -> pl.DataFrame:
    """The join as one would write it for these tables."""
    tables = {name: pl.scan_parquet(part(folder / name, ROWS, bucket)) for name in GIVEN}
    value = pl.concat([tables["first"], tables["second"], tables["third"]]).unique("id", keep="last")
    rows = pl.scan_parquet(part(folder / "ingest", ROWS, bucket)).select("id", "sample_id", "parent_id", "question")
    return rows.join(value, on="id", how="left").join(tables["fourth"], on="id", how="left").sort("id").collect()


def by_current(tables: Tables, bucket: int) -> pl.DataFrame:
    names, steps = tables.pipeline.names, tables.pipeline.steps
    node = names.node("sample")
    return tables.current(node, {name: names.find(node, (name,)) for name in READ}, bucket, len(steps))


def best(work: dict[str, Callable[[], int]], rows: int, times: int = 3) -> dict[str, float]:
    """The seconds of the fastest of several runs of each, which take turns."""
    found: dict[str, float] = {}
    for _ in range(times):
        for name, run in work.items():
            started = time.perf_counter()
            assert run() == rows
            found[name] = min(found.get(name, float("inf")), time.perf_counter() - started)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--buckets", type=int, nargs="+", default=[1, 512])
    options = parser.parse_args()
    for buckets in options.buckets:
        with tempfile.TemporaryDirectory() as folder:
            write(Path(folder), options.rows, buckets)
            tables = Tables(pipeline(), Path(folder))
            took = best(
                {
                    "by hand": lambda n=buckets, at=folder: sum(by_hand(Path(at), b).height for b in range(n)),
                    "current": lambda n=buckets, t=tables: sum(by_current(t, b).height for b in range(n)),
                },
                options.rows,
            )
        ratio = took["current"] / took["by hand"]
        print(  # noqa: T201
            f"{options.rows:,} rows in {buckets} buckets: current {took['current']:.2f} s, by hand {took['by hand']:.2f} s, "
            f"ratio {ratio:.2f}"
        )


if __name__ == "__main__":
    main()
