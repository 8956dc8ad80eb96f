"""What a release says of itself in numbers. Each is computed from the release's own parquet, so anybody can do it again."""

from itertools import combinations
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.release import rollout_rows
from pipelines.release.configs import BESIDE, configs_in
from pipelines.store.table_files import scan_table, tables_in


def statistics(release: Path) -> dict[str, Any]:
    """Rows, samples, groups, images, sources, verifiers and answer kinds by config; rollouts by verdict; pass rates by
    model; drops by reason.

    Reads the parquet below `release` lazily and no image at all.
    """
    found = configs_in(release)
    configs = {name: _config(release / name) for name in found}
    if "control" in found:
        configs["control"]["in_splits"] = _in_splits(release, [name for name in found if name not in BESIDE])
    return {
        "configs": configs,
        "overlaps": _overlaps(release, [name for name in found if name not in BESIDE]),
        "rollouts": _rollouts(release / rollout_rows.NAME),
        "pass_rates": _pass_rates(release, found),
        "dropped": _dropped(release / "dropped.parquet"),
    }


def _config(folder: Path) -> dict[str, Any]:
    rows = scan_table(tables_in(folder))
    kind = pl.col("answer").str.json_path_match("$.kind").alias("kind")
    counts = rows.select(
        rows=pl.len(), samples=pl.col("id").n_unique(), groups=pl.col("group").n_unique(), measured=pl.col("n").count()
    ).collect()
    facts: dict[str, Any] = dict(counts.row(0, named=True))
    facts["images"] = _images(folder)
    for name, column in (("sources", pl.col("dataset")), ("kinds", kind), ("verifiers", pl.col("verifier"))):
        facts[name] = _counts(rows, column.alias("name"))
    if "band" in rows.collect_schema():
        facts["bands"] = _counts(rows.filter(pl.col("band").is_not_null()), pl.col("band").alias("name"))
    if "gold_visible" in rows.collect_schema():
        facts["gold_visible"] = int(rows.select(pl.col("gold_visible").sum()).collect().item())
    if "completion" in rows.collect_schema():
        length = pl.col("completion").list.first().struct.field("content").str.len_chars()
        quantiles = {f"p{q}": length.quantile(q / 100, "nearest") for q in (5, 50, 95)}
        facts["completion_chars"] = rows.select(**quantiles).collect().row(0, named=True)
    return facts


def _rollouts(folder: Path) -> dict[str, Any] | None:
    """Rollouts, their samples and their verdicts; None where nobody was asked."""
    if not any(folder.glob("*.parquet")):
        return None
    rows = scan_table(tables_in(folder))
    facts = dict(rows.select(rows=pl.len(), samples=pl.col("sample_id").n_unique()).collect().row(0, named=True))
    return {**facts, "verdicts": _counts(rows, pl.col("verdict").alias("name"))}


def _in_splits(release: Path, splits: list[str]) -> int:
    """How many rows of the control are of samples that another config holds too."""
    control, *given = (scan_table(tables_in(release / name)).select("id") for name in ("control", *splits))
    both = control.join(pl.concat(given), on="id", how="semi") if given else control.head(0)
    return int(both.select(pl.len()).collect().item())


def _overlaps(release: Path, configs: list[str]) -> list[dict[str, Any]]:
    """Each two configs that hold rows of the same group, with how many samples and groups they have in common."""
    rows = {name: scan_table(tables_in(release / name)).select("id", "group").collect() for name in configs}
    found = []
    for one, other in combinations(configs, 2):
        both = {
            name: rows[one].select(name).unique().join(rows[other].select(name).unique(), on=name).height
            for name in ("id", "group")
        }
        if both["group"]:
            found.append({"configs": [one, other], "samples": both["id"], "groups": both["group"]})
    return found


def _counts(rows: pl.LazyFrame, column: pl.Expr) -> dict[str, int]:
    counted = rows.select(column).group_by("name").len().sort("len", "name", descending=[True, False]).collect()
    return {str(name): count for name, count in counted.iter_rows()}


def _images(folder: Path) -> int:
    """Images in the rows of a config, counted by their names alone."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    total = 0
    for path in tables_in(folder):
        for batch in pq.ParquetFile(path).iter_batches(columns=["images.list.element.path"]):
            total += pc.sum(pc.list_value_length(batch.column(0))).as_py() or 0
    return total


def _pass_rates(release: Path, configs: list[str]) -> dict[str, list[dict[str, int]]]:
    """How many samples had k right of n, by the model that was measured; each sample of any config once.

    Samples that no model was asked about have none.
    """
    names = sorted(configs, key=lambda name: name != "unfiltered")  # which holds all that was measured
    found_tables = (scan_table(tables_in(release / name)) for name in names)
    tables = [
        table.select("id", "model", "n", "k").filter(pl.col("n").is_not_null() & pl.col("model").is_not_null())
        for table in found_tables
        if {"model", "n", "k"} <= table.collect_schema().keys()
    ]
    if not tables:
        return {}
    counted = (
        pl.concat(tables).unique("id").group_by("model", "n", "k").len("samples").sort("model", "n", "k").collect()
    )
    found: dict[str, list[dict[str, int]]] = {}
    for row in counted.iter_rows(named=True):
        found.setdefault(row.pop("model"), []).append(row)
    return found


def _dropped(path: Path) -> dict[str, int]:
    counted = scan_table(path).group_by("reason").len().sort("len", "reason", descending=[True, False]).collect()
    return dict(counted.iter_rows())
