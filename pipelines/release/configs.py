"""The configs of a release on disk, and how a row becomes a record of its parquet."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.release import rollout_rows
from pipelines.remote.places import whole
from pipelines.store.release_damage import EXTRAS
from pipelines.store.release_names import CONFIG

CONFIGS = ("sft", "rl", "preference", "holdout", "control", "unfiltered")
"""The well-known configs, in the order in which cards list them."""
BESIDE = EXTRAS
"""Those that are there to compare with: their samples are candidates of a selection, whether or not they went out."""
OTHERS = (rollout_rows.NAME, "images", "card_images")
"""Folders of a release that are no configs."""


@dataclass(frozen=True)
class Shape:
    """The Arrow schema of a config, and the record that a row of its table becomes."""

    schema: pa.Schema
    record: Callable[[Mapping[str, Any]], dict[str, Any]]


def in_order(names: Iterable[str]) -> list[str]:
    """Names of configs in the order in which cards list them: the well-known first, then as they come."""
    given = list(names)
    return [name for name in CONFIGS if name in given] + [name for name in given if name not in CONFIGS]


def configs_in(release: Path) -> list[str]:
    """The configs whose rows a release holds, `rollouts` aside."""
    found = sorted(path.name for path in whole(release).iterdir() if path.is_dir() and any(path.glob("part-*.parquet")))
    found = [name for name in found if CONFIG.fullmatch(name)]  # what lies in others was not proven
    return in_order(name for name in found if name not in OTHERS)


def schema_in(release: Path, config: str) -> pa.Schema:
    """The schema of a config, from its first file."""
    return pq.read_schema(min((release / config).glob("part-*.parquet")))
