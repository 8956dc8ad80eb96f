"""The release that a build wrote: its tables, and where a row is in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipelines.explain.recorded import RecordedBuild
from pipelines.explain.rows import Found, parents
from pipelines.release.configs import configs_in
from pipelines.remote.places import whole
from pipelines.store.release_seal import check_tables
from pipelines.store.table_files import read_table, scan_table, tables_in
from pipelines.store.workspace import Workspace


class Place(NamedTuple):
    """A config of a release that holds a row, or with `own` False only rows of its sample."""

    release: Path
    config: str
    own: bool


def places(workspace: Workspace, build: RecordedBuild, row: Found) -> list[Place]:
    """The configs of the build's release that hold the row; only what its latest release step wrote is looked at."""
    line = [row, *parents(build, row)]
    samples = [one.id for one in line if one.unit == "sample"]
    return [place for release in releases(workspace, build) for place in _in(release, row, samples[:1])]


def refusals(workspace: Workspace, build: RecordedBuild, row: Found) -> Iterator[dict[str, Any]]:
    """Why a release step left the row out although it was alive: rows of its table of drops (`step, reason, evidence`)."""
    for release in releases(workspace, build):
        path = release / "dropped.parquet"
        if path.is_file():
            check_tables(release, [path])
            drops = scan_table(path)
            if "step" in drops.collect_schema():
                out = [step.name for step in build.steps if step.type == "release"]
                mine = drops.filter((pl.col("id") == row.id) & pl.col("step").is_in(out)).collect()
                yield from mine.iter_rows(named=True)


def releases(workspace: Workspace, build: RecordedBuild) -> Iterator[Path]:
    """The folders of the releases that the latest run of the build's release steps wrote, or found to be as they are."""
    for step in build.steps:
        path = build.tables(step.name).get("version") if step.type == "release" else None
        if path is not None:
            release = workspace.releases(build.name) / str(read_table(path)["version"][0])
            if release.is_dir():
                yield whole(release)


def config_files(release: Path) -> dict[str, list[Path]]:
    """The files of each config of a release that has any, by its name; those of `rollouts` too."""
    folders = sorted(path for path in whole(release).iterdir() if path.is_dir())
    return {folder.name: files for folder in folders if (files := tables_in(folder))}


def _in(release: Path, row: Found, samples: list[str]) -> Iterator[Place]:
    for config in configs_in(release):
        files = tables_in(release / config)
        check_tables(release, files)
        rows = scan_table(files)
        columns = rows.collect_schema()
        if "row" in columns and rows.filter(pl.col("row") == row.id).select("id").head(1).collect().height:
            yield Place(release, config, own=True)
        elif rows.filter(pl.col("id").is_in(samples)).select("id").head(1).collect().height:
            yield Place(release, config, own=row.unit == "sample")
