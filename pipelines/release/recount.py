"""What a release says of itself in numbers, counted again from its tables."""

from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from pipelines.release.configs import configs_in
from pipelines.release.examples import examples
from pipelines.release.regrade import needs_judge
from pipelines.release.statistics import statistics
from pipelines.store.release_damage import MANIFEST
from pipelines.store.table_files import scan_table, tables_in


class FaultError(Exception):
    """What is not as the manifest says, as a sentence."""


class UnprovenError(Exception):
    """What the files of a release can neither prove nor refute, as a sentence."""


def rows(manifest: Mapping[str, Any], release: Path) -> str:
    """The rows of each table, by its footer. Raises FaultError, as `counts` and `sums` do."""
    total = 0
    for file in manifest["files"]:
        path = release / file["path"]
        if path.exists():
            count = pq.ParquetFile(path).metadata.num_rows
            if count != file["rows"]:
                raise FaultError(f"{file['path']} has {count:,} rows, and {MANIFEST} says {file['rows']:,}")
            total += count
    return f"{total:,} in {len(manifest['files']):,} tables"


def counts(manifest: Mapping[str, Any], release: Path, left_out: list[str]) -> str:
    """The statistics, computed again, and what follows from them; those of configs that a push left out are not there to be
    computed."""
    if manifest["needs_judge"] != needs_judge(manifest["statistics"], manifest["regraded"]):
        raise FaultError(f"{MANIFEST} says {manifest['needs_judge']!r} of needs_judge, and its rows say otherwise")
    for stated, found in zip_longest(manifest["examples"], examples(release)):
        if stated != found:
            row = next(one["id"] for one in (found, stated) if isinstance(one, dict))
            raise FaultError(f"the card shows row {row} otherwise than the tables do")
    if left_out:
        return _some_counts(manifest, release, left_out)
    first = next(apart(manifest["statistics"], statistics(release)), None)
    if first is not None:
        raise FaultError(first)
    return "statistics of all configs, computed again: the same"


def _some_counts(manifest: Mapping[str, Any], release: Path, left_out: list[str]) -> str:
    stated, found = manifest["statistics"], statistics(release)
    for name, facts in found["configs"].items():
        first = next(apart(stated["configs"].get(name), facts, f".configs.{name}"), None)
        if first is not None:
            raise FaultError(first)
    return f"statistics of all configs but {' and '.join(left_out)}, computed again: the same"


def measured_rows(release: Path) -> int:
    """How many rows of all configs say n."""
    tables = [scan_table(tables_in(release / name)) for name in configs_in(release)]
    return sum(int(table.select(pl.col("n").count()).collect().item()) for table in tables)


def apart(stated: Any, found: Any, where: str = "") -> Iterator[str]:
    """The first values that differ, by their place."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*stated, *found]):
            yield from apart(stated.get(key), found.get(key), f"{where}.{key}")
    elif stated != found:
        yield f"{MANIFEST} says {stated!r} of statistics{where}, and the tables come to {found!r}"


def sums(manifest: Mapping[str, Any], release: Path) -> str:
    """What went into each step against what came out, and its drops, by reason, against the table of drops."""
    drops = scan_table(release / "dropped.parquet").group_by("step", "reason").len().collect()
    found = {(step, reason): count for step, reason, count in drops.iter_rows()}
    for step in manifest["steps"]:
        name, dropped = step["step"], sum(step["dropped"].values())
        if not step["makes"] and step["in"] != step["kept"] + dropped:
            raise FaultError(
                f"{MANIFEST}: {step['in']:,} rows went into '{name}', {step['kept']:,} + {dropped:,} came out"
            )
        retired = step["notes"].get("retired", 0)
        for reason, count in {**step["dropped"], **({f"{name}:retired": retired} if retired else {})}.items():
            there = found.pop((name, reason), 0)
            if there != count:
                raise FaultError(f"{MANIFEST} counts {count:,} drops {reason}, and dropped.parquet holds {there:,}")
    for (name, reason), count in found.items():
        raise FaultError(f"dropped.parquet holds {count:,} drops {reason} of '{name}', and {MANIFEST} counts none")
    return f"{drops['len'].sum():,} drops of {len(manifest['steps'])} steps, each in dropped.parquet"
