"""Which datasets an export of a release has: those of its trainer, and one more for each config of a name of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pipelines.export.rows import Release
from pipelines.export.sheet import Exporter, Sheet
from pipelines.release.configs import BESIDE, configs_in, schema_in

KNOWN = ("sft", "rl", "preference", "holdout")
"""Configs whose datasets a trainer names itself."""


def sheets_of(exporter: Exporter, release: Release) -> list[Sheet]:
    """The trainer's own, then for each config of another name those that its shape fits: `sft_cold` of a config `cold`."""
    return [*exporter.sheets, *_others(exporter.sheets, release)]


def _others(sheets: Sequence[Sheet], release: Release) -> Iterator[Sheet]:
    for config in configs_in(release.path):
        if config not in (*KNOWN, *BESIDE):
            alike = shape_of(release, config)
            yield from (
                replace(sheet, name=f"{sheet.name}_{config}", split=config) for sheet in sheets if sheet.split == alike
            )


def shape_of(release: Release, config: str) -> str:
    """The known config whose rows have the columns that the rows of this one have."""
    names = set(schema_in(release.path, config).names)
    return "preference" if "chosen" in names else "sft" if "completion" in names else "rl"
