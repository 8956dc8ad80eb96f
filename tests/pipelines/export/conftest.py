"""A small release with every shape of row, and how its rows are read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import shaped_release

TEXTS = [
    ("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42."),
    ("A half <image>?", 0, "number", "0.5", [], "½"),
]
AMONG = [
    ("Is  the same as ?", 2, "boolean", "no", [], "One is red.", 3, 16),
    ("What is here: ", 1, "text", "a circle", [], "It is round.", 14),
    ("Of  and  the <image> tag says", 2, "choice", "B", ["a", "b"], "The second.", 3, 8),
]
"""Rows that show their images among their words, at the places that stand last."""
KINDS = {
    "text-only": TEXTS,
    "one image": [shaped_release.ROWS[0], shaped_release.ROWS[3]],
    "many images": [shaped_release.ROWS[2], shaped_release.ROWS[5]],
    "images among words": AMONG,
    "mixed": [*shaped_release.ROWS[:4], *AMONG],
}
"""The kinds of releases that a trainer may be given."""


@pytest.fixture(scope="session", params=KINDS)
def kinds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of each kind of rows, one after the other."""
    folder = tmp_path_factory.mktemp("kinds")
    return shaped_release.make_release(folder, KINDS[request.param], system="Think <image>, then answer.")


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
