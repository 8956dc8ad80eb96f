"""Which datasets an export of a release has: those of its trainer, and one more for each config of a name of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.export.rows import Release
from pipelines.export.selection import Selection
from pipelines.export.sheet import Exported, Exporter, Sheet, Start
from pipelines.release.configs import BESIDE, configs_in, schema_in
from schemas.errors import ConfigError, nearest

KNOWN = ("sft", "rl", "preference", "holdout")
"""Configs for which exporters have datasets of their own, as far as their trainer has a use for them."""


def sheets_of(exporter: Exporter, release: Release) -> list[Sheet]:
    """The trainer's own, then for each config of another name those that its shape fits: `sft_cold` of a config `cold`.

    What fits none of them stays in the release (`kept_back`), and so do configs that are not chosen.
    """
    chosen = release.selection.configs
    return [
        sheet for sheet in [*exporter.sheets, *_others(exporter.sheets, release)] if not chosen or sheet.split in chosen
    ]


def choose(release: Release, exporter: Exporter, where: str | None, configs: Sequence[str]) -> Release:
    """The release with only such of its rows in view as an export is to hold.

    Raises ConfigError, with the nearest name, for a config that is not there or of which the trainer has no use, for what
    is no condition or reads a column that the rows of a chosen config do not have, and where no row is left.
    """
    there = configs_in(release.path)
    for name in configs:
        if name not in there:
            raise ConfigError(
                f"{release.label} has no config '{name}'; it has {', '.join(there)}.{nearest(name, there)}"
            )
    chosen = replace(release, selection=Selection(where, tuple(dict.fromkeys(configs))))
    sheets = sheets_of(exporter, chosen)
    for name in configs:
        if name not in {sheet.split for sheet in sheets}:
            raise ConfigError(f"The exporter {exporter.name} has no use for rows such as those of config '{name}'.")
    files = {sheet.split: chosen.files(sheet.split) for sheet in sheets}
    for split, tables in files.items():
        for table in tables[:1]:
            chosen.selection.check(split, table)
    if where is not None and all(next(chosen.records(split), None) is None for split in files):
        raise ConfigError(f"--where: no row of {release.label} meets `{where}`.")
    return chosen


def _others(sheets: Sequence[Sheet], release: Release) -> Iterator[Sheet]:
    for config in configs_in(release.path):
        if config not in KNOWN and (config not in BESIDE or config in release.selection.configs):
            alike = shape_of(release, config)
            yield from (
                replace(sheet, name=f"{sheet.name}_{config}", split=config, like=sheet.name)
                for sheet in sheets
                if sheet.split == alike
            )


def starts_of(exporter: Exporter, exported: Exported) -> Iterator[tuple[Start, str, str]]:
    """Each way to start, the sheet it is for, and its file: of sheets that have rows alone."""
    for start in exporter.starts:
        for name, sheet in exported.sheets.items():
            if sheet.base == start.sheet:
                yield start, name, f"{name}.{start.suffix}"


def kept_back(release: Release) -> list[str]:
    """The configs of a release that are no dataset of any trainer."""
    return [
        name
        for name in release.selection.configs or configs_in(release.path)
        if name not in (*KNOWN, *BESIDE) and shape_of(release, name) is None
    ]


def left_behind(release: Release, sheets: Sequence[Sheet]) -> list[str]:
    """The other configs of a release of which an export has nothing, though none were chosen."""
    here = {sheet.split for sheet in sheets} | set(kept_back(release))
    return [] if release.selection.configs else [name for name in configs_in(release.path) if name not in here]


def check_use(exporter: Exporter, release: Release, sheets: Sequence[Sheet]) -> None:
    """Raise ConfigError where a release has no config of which the trainer has a use."""
    if not any(release.files(sheet.split) for sheet in sheets):
        wanted = ", ".join(dict.fromkeys(sheet.split for sheet in exporter.sheets))
        there = ", ".join(configs_in(release.path))
        raise ConfigError(
            f"{exporter.name} takes {wanted}, and {release.label} has none of them; it has {there}. "
            "Export it for another trainer."
        )


def shape_of(release: Release, config: str) -> str | None:
    """The known config whose rows are like those of this one; None for completions that are not there to be imitated."""
    schema = schema_in(release.path, config)
    if "chosen" in schema.names:
        return "preference"
    if "completion" not in schema.names:
        return "rl"
    return None if _holds_verdicts(release, config, schema) else "sft"


def _holds_verdicts(release: Release, config: str, schema: pa.Schema) -> bool:
    """Whether completions go out with what was found of them, right or wrong, as for a reward model or a critic: their parts
    have scores or verdicts, or they themselves have some that are not all true."""
    if any(_scored(field.type) for field in schema):
        return True
    own = [field.name for field in schema if field.type == pa.bool_() and field.name.split("_")[-1] == "correct"]
    parts = (release.path / config).glob("part-*.parquet") if own else ()
    return any(
        not pc.all(column.fill_null(False)).as_py() for part in parts for column in pq.read_table(part, columns=own)
    )


def _scored(kind: pa.DataType) -> bool:
    """Whether a column is a list of parts that have scores or verdicts."""
    parts = kind.value_type if pa.types.is_list(kind) or pa.types.is_large_list(kind) else None
    if parts is None or not pa.types.is_struct(parts):
        return False
    return any(pa.types.is_floating(part.type) or pa.types.is_boolean(part.type) for part in parts.fields)
