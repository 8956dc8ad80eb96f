"""Who looks for keys reads these, and the groups of rows that have one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.keyed_log import KeyedLog
from pipelines.store.part_file import Proof
from schemas.ids import content_id

COLUMNS = pl.Schema({"key": pl.String(), "vector": pl.Array(pl.Float16(), 3), "found": pl.List(pl.Float64())})


def table(numbers: list[int]) -> pl.DataFrame:
    vectors = np.array([[n, n + 1, n + 2] for n in numbers], dtype=np.float16).reshape(-1, 3)
    facts = {"key": [content_id(n) for n in numbers], "vector": vectors, "found": [[0.5] * (n % 3) for n in numbers]}
    return pl.DataFrame(facts, schema=COLUMNS)


def log_of(folder: pytest.TempPathFactory) -> KeyedLog:
    return KeyedLog(folder.mktemp("log"), "log", lambda found: found == COLUMNS)


NUMBERS = st.lists(st.integers(0, 60), max_size=40, unique=True)


@settings(max_examples=20)
@given(st.lists(NUMBERS, max_size=3), NUMBERS)
def test_what_is_there_and_what_is_missing(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]], wanted: list[int]
) -> None:
    log = log_of(tmp_path_factory)
    for numbers in parts:
        log.append(table(numbers))
    keys, there = table(wanted)["key"], {n for numbers in parts for n in numbers}
    assert log.missing(keys).to_list() == [content_id(n) for n in wanted if n not in there]
    found = pl.concat([table([]), *log.rows(keys)])
    assert found.schema == COLUMNS
    written = {frozenset(numbers) for numbers in parts}  # the same rows are the same part
    assert found.height == sum(n in numbers for numbers in written for n in wanted)
    assert found.unique("key").sort("key").equals(table([n for n in wanted if n in there]).sort("key"))


def test_of_a_large_part_only_groups_with_wanted_rows_are_proven(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, read = log_of(tmp_path_factory), list[int]()
    log.append(table(list(range(5000))))
    check = Proof.check

    def noted(proof: Proof, groups: list[int] | None = None, columns: object = None) -> None:
        if columns is None:
            read.extend(range(len(proof.rows)) if groups is None else groups)
        check(proof, groups)

    monkeypatch.setattr(Proof, "check", noted)
    keys = table([7])["key"]
    assert log.missing(keys).is_empty()
    assert pl.concat(log.rows(keys)).equals(table([7]))
    assert len(set(read)) == 1
