"""A small release with every shape of row, and how its rows are read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import shaped_release


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with text-only, one-image and many-image rows, and texts that mention marks."""
    return shaped_release.make_release(tmp_path_factory.mktemp("shapes"))


@pytest.fixture
def make_release(tmp_path: Path) -> Callable[..., Path]:
    """Makes such a release of given rows, with its images inside or beside the parquet, and a system turn."""
    return lambda rows=None, **config: shaped_release.make_release(tmp_path, rows, **config)


@pytest.fixture(scope="session")
def stored() -> Callable[[Path, str], list[dict[str, Any]]]:
    """The rows of a split as they lie in the release."""
    return lambda release, split: pq.read_table(release / split).to_pylist()


@pytest.fixture(scope="session")
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    """The rows of a JSONL file."""
    return lambda path: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
