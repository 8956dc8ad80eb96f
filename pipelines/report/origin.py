"""Where a report's data come from: the release, and the tables of its build where they are still there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from filters.select.bands import BandConfig
from pipelines.release.configs import configs_in
from pipelines.release.manifest import read_manifest
from pipelines.release.versions import find_release
from pipelines.report.steps import as_stages, rows_of, same_build
from pipelines.store.media import MediaStore
from pipelines.store.workspace import Workspace, read_json
from schemas.errors import ConfigError

_RECORD = ("stage", "unit", "rows_in", "kept", "dropped")


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
            f"The tables of the build of {self.label} are gone or of another version, so captions, dropped traces and "
            "rollouts are not in this report. Build the same recipe again to see them; its log answers what was asked."
        )

    @property
    def bands(self) -> BandConfig:
        """The recipe's bands of difficulty."""
        recipe = self.manifest["recipe"]
        sections = [section for step in recipe.get("steps", ()) for type_, section in step.items() if type_ == "select"]
        select = sections[0] if sections else recipe.get("select")
        return BandConfig.model_validate((select or {}).get("bands") or {})

    @property
    def media(self) -> MediaStore:
        return MediaStore(self.workspace.media)

    def table(self, stage: str, table: str = "kept") -> pl.LazyFrame | None:
        """A table of the build; None where the recipe left the stage out or the tables are gone."""
        if "steps" in self.manifest:
            return rows_of(self.manifest, self.build, stage) if self.build is not None else None
        path = self.build and self.build / stage / f"{table}.parquet"
        return pl.scan_parquet(path) if path and path.is_file() else None

    def config(self, name: str) -> pl.LazyFrame | None:
        """A config of the release, read without its pictures unless they are asked for; None where it has none."""
        found = sorted((self.release / name).glob("*.parquet"))
        return pl.scan_parquet(found) if found else None

    def configs(self) -> list[tuple[str, pl.LazyFrame]]:
        """Every config of the release that has a table."""
        return [(name, table) for name in configs_in(self.release) if (table := self.config(name)) is not None]

    def dropped(self) -> pl.LazyFrame:
        """Every row that a stage dropped: `stage, unit, id, sample_id, reason, evidence`."""
        table = pl.scan_parquet(self.release / "dropped.parquet")
        return table.rename({"step": "stage"}) if "steps" in self.manifest else table

    @property
    def sample(self) -> str:
        """What the unit of samples is called in `dropped`."""
        return "sample" if "steps" in self.manifest else "samples"

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The funnel: `stage, unit, rows_in, kept, dropped` of each."""
        return as_stages(self.manifest["steps"]) if "steps" in self.manifest else list(self.manifest["stages"])


def find_origin(name: str, workspace: Path) -> Origin:
    """The release that `name` means: a recipe file, a recipe's name (its latest), `recipe/v3`, or a release's folder.

    Raises ConfigError where there is none, or where it is not whole.
    """
    release = find_release(_recipe_name(name), workspace).resolve()
    manifest = read_manifest(release, "statistics")
    if "steps" not in manifest:
        manifest = read_manifest(release, "stages", "statistics")
    if not (release / "dropped.parquet").is_file():
        raise ConfigError(
            f"{release} has no dropped.parquet, so its report cannot say what was dropped. Copy it whole."
        )
    beside = release.parents[2] if release.parent.parent.name == "releases" else workspace
    home = Workspace(beside)
    return Origin(release, manifest, home, _build_of(manifest, home))


def _recipe_name(name: str) -> str:
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        return name
    try:
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        cause = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path} cannot be read as a recipe: {cause}.") from error
    if not isinstance(recipe, dict) or not isinstance(recipe.get("name"), str):
        raise ConfigError(f"{path} is no recipe: it has no 'name'.")
    return str(recipe["name"])


def _build_of(manifest: Mapping[str, Any], workspace: Workspace) -> Path | None:
    """The build's folder, if each of its stages has its table and wrote down the same counts as the manifest did."""
    folder = workspace.build(manifest["name"])
    if "steps" in manifest:
        return folder if same_build(manifest, folder) else None
    for stage in manifest["stages"]:
        found = folder / stage["stage"]
        record = read_json(found / "stage.json")
        if record is None or any(record[fact] != stage[fact] for fact in _RECORD):
            return None
        if not (found / "kept.parquet").is_file():
            return None
        if stage["stage"] == "release" and record["notes"]["release"] != manifest["version"]:
            return None
    return folder
