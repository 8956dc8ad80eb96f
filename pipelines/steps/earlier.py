"""What earlier releases of a recipe gave away: rows that once went out keep their side, and stay.

Tables are held to the manifest before they are read; a release of another format gave its rows away too.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.release.configs import BESIDE, configs_in
from pipelines.release.write import released
from pipelines.steps.set_context import SetBuild
from pipelines.store.release_damage import MANIFEST
from pipelines.store.release_seal import check_tables
from pipelines.store.table_files import scan_table, tables_in
from pipelines.store.workspace import read_json

UNSELECTED = "unfiltered"
"""The folder of a release that holds all candidates of its selection."""


def released_sides(build: SetBuild, sides: Sequence[str]) -> pl.DataFrame | None:
    """`id, side` of every sample that a release gave away, also as a candidate; its oldest side counts. None without one."""
    found = [side for release in _releases(build) for side in [*_sides(release, sides), *_unselected(release, sides)]]
    return pl.concat(found).unique("id", keep="first", maintain_order=True).collect() if found else None


def latest_rows(build: SetBuild) -> pl.DataFrame | None:
    """`id` of the samples of the latest release; None without one."""
    releases = _releases(build)
    configs = [name for name in configs_in(releases[-1]) if name not in BESIDE] if releases else []
    found = [rows.select("id") for name in configs for rows in _samples(releases[-1], name)]
    return pl.concat(found).unique("id", maintain_order=True).collect() if found else None


def latest_section(build: SetBuild, name: str) -> dict[str, Any] | None:
    """The section of the step `name` in the recipe of the latest release, as its manifest has it."""
    releases = _releases(build)
    if releases:
        check_tables(releases[-1], ())  # the manifest, too, is what was written
    manifest = read_json(releases[-1] / MANIFEST) if releases else None
    for entry in (manifest or {}).get("recipe", {}).get("steps") or ():
        type_, section = (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))
        if ((section or {}).get("as") or type_) == name:
            return dict(section or {})
    return None


def _releases(build: SetBuild) -> list[Path]:
    return released(build.workspace.former(build.recipe.name))


def _sides(release: Path, sides: Sequence[str]) -> list[pl.LazyFrame]:
    return [rows.select("id", side=pl.lit(side)) for side in sides for rows in _samples(release, side)]


def _unselected(release: Path, sides: Sequence[str]) -> list[pl.LazyFrame]:
    found = []
    for rows in _samples(release, UNSELECTED):
        name = "side" if "side" in rows.collect_schema() else "split"
        found.append(rows.select("id", side=name).filter(pl.col("side").is_in(sides)))
    return found


def _samples(release: Path, config: str) -> list[pl.LazyFrame]:
    """The rows of a config by the sample that they belong to: those of traces name it in `sample_id`."""
    files = tables_in(release / config)
    if not files:
        return []
    check_tables(release, files)
    rows = scan_table(files)
    return [rows.with_columns(id="sample_id") if "sample_id" in rows.collect_schema() else rows]
