"""Small parts are joined beside builds: nobody who reads sees it, whatever is damaged or killed on the way."""

from pathlib import Path

import polars as pl
import pytest
from some_answers import IDENTITY, answer

from pipelines.store import journalled
from pipelines.store.completions import CompletionsLog
from pipelines.store.holding import holding
from pipelines.store.joining import join_small, remove_replaced


def filled(root: Path, parts: int, rows: int = 3) -> CompletionsLog:
    log = CompletionsLog(root)
    for part in range(parts):
        with log.writer(IDENTITY) as writer:
            for number in range(part * rows, (part + 1) * rows):
                writer.append(*answer(number))
    return log


def rows(log: CompletionsLog) -> pl.DataFrame:
    return log.scan().collect().sort("key")


def names(log: CompletionsLog) -> set[str]:
    return {path.name for path in log.files.folder.glob("part-*")}


def test_what_is_replaced_is_passed_over_and_stays_until_it_is_removed(tmp_path: Path) -> None:
    log = filled(tmp_path, 4)
    before, old = rows(log), names(log)
    assert join_small(log.files, log.rows.same) == 4
    assert names(log) > old and len(log.files.parts()) == 1 and rows(log).equals(before)
    assert join_small(log.files, log.rows.same) == 0
    remove_replaced(log.files)
    assert len(names(log)) == 1 and not names(log) & old and rows(log).equals(before)


@pytest.mark.parametrize("place", [100, -40])
def test_a_joined_part_that_was_damaged_brings_back_what_it_replaced(tmp_path: Path, place: int) -> None:
    """In its rows or in its footer, before or after somebody read it."""
    log = filled(tmp_path, 4)
    before, old = rows(log), names(log)
    join_small(log.files, log.rows.same)
    (joined,) = log.files.parts(())
    data = bytearray(joined.read_bytes())
    data[place] ^= 1
    joined.write_bytes(data)
    again = CompletionsLog(tmp_path)
    remove_replaced(again.files)
    assert names(again) == old, "nothing is removed for a part that does not hold"
    assert rows(again).equals(before)


def test_who_looked_up_a_damaged_joined_part_finds_the_others(tmp_path: Path) -> None:
    log = filled(tmp_path, 4)
    key = rows(log)["key"][5]
    join_small(log.files, log.rows.same)
    (joined,) = log.files.parts(())
    data = bytearray(joined.read_bytes())
    data[100] ^= 1
    joined.write_bytes(data)
    wanted = rows_wanted(tmp_path, CompletionsLog(tmp_path), key)
    assert CompletionsLog(tmp_path).missing(wanted, tmp_path / "missing") == 0


def rows_wanted(folder: Path, log: CompletionsLog, key: str) -> Path:
    table = pl.DataFrame({"id": ["row"], "prompt_key": ["p"], "index": pl.Series([0], dtype=pl.Int32), "key": [key]})
    table.write_parquet(folder / "wanted")
    return folder / "wanted"


def test_a_build_joins_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journalled, "FLUSH_ROWS", 1)
    monkeypatch.setattr(journalled, "JOINED", 5)
    log = CompletionsLog(tmp_path)
    with log.writer(IDENTITY) as writer:
        for number in range(12):
            writer.append(*answer(number))
            writer._answers._wait()
    assert len(log.files.parts()) < 5 and len(names(log)) > 12
    assert rows(log)["text"].sort().to_list() == sorted(f"answer {number}" for number in range(12))
    filled(tmp_path, 5)
    assert len(log.files.parts()) < 5, "so do builds of few answers"


def test_one_process_joins_at_a_time(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    with holding(tmp_path / ".joining"):
        assert join_small(log.files, log.rows.same) == 0
    assert join_small(log.files, log.rows.same) == 3


def test_few_parts_are_left_as_they_are_and_models_are_apart(tmp_path: Path) -> None:
    log = filled(tmp_path, 3)
    other = rows(log).with_columns(model=pl.lit("other"))
    log.files.write(other)
    assert join_small(log.files, log.rows.same, least=5) == 0
    assert join_small(log.files, log.rows.same) == 3
    assert len(log.files.parts()) == 2
