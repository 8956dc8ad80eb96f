"""Every kind of row in every trainer: read as it is in the release, from a folder that was moved, or dropped."""

from pathlib import Path

import pytest
from export_readers import READERS
from row_kinds import ORDER, alone_in, cells, on_page, order_table, release_of_kinds

from pipelines.export.catalogue import EXPORTERS


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return release_of_kinds(tmp_path_factory.mktemp("kinds")), alone_in(tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("trainer", EXPORTERS)
def test_every_kind_of_row_is_read_or_its_reason_is_on_the_page(
    releases: tuple[Path, Path], trainer: str, tmp_path: Path
) -> None:
    """Where this fails after a change that is meant: `python tests/support/row_kinds.py`."""
    line = f"| {' | '.join(cells(trainer, *releases, tmp_path))} |"
    assert line in on_page().splitlines()


def test_every_exporter_has_a_reader_and_a_line() -> None:
    assert set(READERS) == set(EXPORTERS)
    assert len(on_page().splitlines()) == len(EXPORTERS) + 2


def test_the_page_says_how_each_trainer_keeps_the_order() -> None:
    """Where this fails after a change that is meant: `python tests/support/row_kinds.py`."""
    assert order_table() == on_page(ORDER)
