"""Where a report's data come from: the release, and the tables of its build where they are still there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from filters.select.bands import BandConfig
from pipelines.release.configs import configs_in
from pipelines.release.versions import find_release
from pipelines.remote.places import copy_of
from pipelines.report.steps import rows_of, same_build, tables_of
from pipelines.store.media import MediaStore
from pipelines.store.release_seal import sound
from pipelines.store.table_files import scan_table, tables_in
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError


@dataclass(frozen=True)
class Origin:
    """A release with its manifest. `build` is the folder of its build's tables, None where they are another version's."""

    release: Path
    manifest: Mapping[str, Any]
    workspace: Workspace
    build: Path | None

    @property
    def label(self) -> str:
        """`quickstart/v1`."""
        return f"{self.manifest['name']}/{self.manifest['version']}"

    @property
    def loss(self) -> str | None:
        """What cannot be shown because the build's tables are gone, as a sentence with its cure; None where none is."""
        if self.build is not None:
            return None
        return (
            f"The tables of the build of {self.label} are gone, damaged or of another version, so captions, dropped traces "
            "and rollouts are not in this report. Build the same recipe again to see them; its log answers what was asked."
        )

    @property
    def bands(self) -> BandConfig:
        """The recipe's bands of difficulty."""
        steps = self.manifest["recipe"]["steps"]
        selections = [section for step in steps for type_, section in step.items() if type_ == "select"]
        try:
            return BandConfig.model_validate((selections[0] if selections else {}).get("bands") or {})
        except ValidationError as error:
            raise ConfigError(
                f"{self.release} has bands in its recipe that are none: {error.errors()[0]['msg']}."
            ) from None

    @property
    def media(self) -> MediaStore:
        return MediaStore(self.workspace.media)

    def rows(
        self, unit: str, *columns: str, of: pl.Series | None = None, made: str | None = None
    ) -> pl.LazyFrame | None:
        """`id, sample_id` and columns of the rows of a unit that the build made (`pipelines.report.steps.rows_of`)."""
        return None if self.build is None else rows_of(self.manifest, self.build, unit, columns, of, made)

    def tables(self, type_: str, table: str | None = None) -> list[pl.LazyFrame]:
        """What the steps of a type wrote, or the table that each keeps beside its rows."""
        return [] if self.build is None else tables_of(self.manifest, self.build, type_, table)

    def config(self, name: str) -> pl.LazyFrame | None:
        """A config of the release, read without its images unless they are asked for; None where it has none."""
        found = tables_in(self.release / name)
        return scan_table(found) if found else None

    def configs(self) -> list[tuple[str, pl.LazyFrame]]:
        """Every config of the release that has a table."""
        return [(name, table) for name in configs_in(self.release) if (table := self.config(name)) is not None]

    def holding(self, holds: str) -> list[pl.LazyFrame]:
        """The configs of the release that hold `prompts`, `completions` or `pairs`."""
        known = self.manifest["configs"]
        return [table for name, table in self.configs() if known.get(name, {}).get("holds") == holds]

    def dropped(self) -> pl.LazyFrame:
        """Every row that a step dropped: `step, unit, id, sample_id, reason, evidence`."""
        return scan_table(self.release / "dropped.parquet")


def find_origin(name: str, workspace: Path) -> Origin:
    """The release that `name` means: a recipe's name (its latest), `recipe/v3`, or a release's folder.

    Raises ConfigError where there is none, or where it is damaged.
    """
    release = find_release(name, workspace).resolve()
    manifest = sound(release, "statistics", "steps", "configs")
    beside = release.parents[2] if release.parent.parent.name == "releases" else workspace
    home = Workspace(beside)
    folder = home.build(manifest["name"])
    same = same_build(manifest, folder)
    if same and (copy := copy_of(folder)) is not None:
        copy.builds.bring(folder.name)
    return Origin(release, manifest, home, folder if same else None)
