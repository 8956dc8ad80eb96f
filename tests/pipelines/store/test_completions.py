"""The completions log: nothing that was answered is lost, nothing is asked twice."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.store.completions import ANSWER_COLUMNS, WANTED, CompletionsLog, no_answers, wanted_rows
from pipelines.store.memory import Memory
from schemas.completion import COMPLETION, Completion, Message, ModelIdentity, Request, Sampling, prompt_key
from schemas.errors import StepError, StoreError

IDENTITY = ModelIdentity("model", "revision", "template")


def request(text: str, id_: str = "row", n: int = 1, **sampling: float) -> Request:
    return Request(id_, (Message("user", (text,)),), Sampling(**sampling), n=n)  # type: ignore[arg-type]


def wanted(path: Path, *requests: Request) -> Path:
    rows = [row for r in requests for row in wanted_rows(r, prompt_key(IDENTITY, r))]
    pl.DataFrame(rows, schema=WANTED, orient="row").write_parquet(path)
    return path


def answer(log: CompletionsLog, *requests: Request) -> None:
    with log.writer(IDENTITY) as writer:
        for r in requests:
            writer.append(r, prompt_key(IDENTITY, r), [Completion(i, f"{r.id}-{i}", "stop") for i in r.indexes])


def test_all_is_missing_from_an_empty_log(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    log.heal()
    assert log.missing(wanted(tmp_path / "w", request("a", n=3)), tmp_path / "m") == 3


def test_what_was_answered_is_not_missing(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a", n=8))
    assert log.missing(wanted(tmp_path / "w", request("a", n=8)), tmp_path / "m") == 0


def test_raising_n_misses_exactly_the_new_samples(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a", n=8))
    assert log.missing(wanted(tmp_path / "w", request("a", n=16)), tmp_path / "m") == 8
    assert pl.read_parquet(tmp_path / "m")["indexes"].to_list() == [list(range(8, 16))]


def test_samples_may_begin_at_any_index(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a", n=4))
    assert log.missing(wanted(tmp_path / "w", replace(request("a", n=4), first=2)), tmp_path / "m") == 2
    assert pl.read_parquet(tmp_path / "m")["indexes"].to_list() == [[4, 5]]


def test_a_prompt_that_rows_share_is_missing_once(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    path = wanted(tmp_path / "w", request("a", "row-1"), request("a", "row-2"), request("b", "row-3"))
    assert log.missing(path, tmp_path / "m") == 2
    assert pl.read_parquet(tmp_path / "m")["id"].to_list() == ["row-1", "row-3"]


def test_answers_reach_every_row_that_wants_them(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a", "row-1"))
    path = wanted(tmp_path / "w", request("a", "row-1"), request("a", "row-2"), request("b", "row-3"))
    rows = pl.DataFrame({"id": ["row-1", "row-2", "row-3"], "note": [1, 2, 3]})
    rows.write_parquet(tmp_path / "rows")
    found = pl.concat(log.answers(path, tmp_path / "rows"))
    assert found["text"].to_list() == ["row-1-0", "row-1-0", None]
    assert found["note"].to_list() == [1, 2, 3]
    assert found["finish_reason"].to_list() == ["stop", "stop", None]


def test_the_columns_of_an_answer_are_known(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a"))
    pl.DataFrame({"id": ["row"]}).write_parquet(tmp_path / "rows")
    found = pl.concat(log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows"))
    assert found.schema == no_answers(tmp_path / "rows").schema
    assert set(found.columns) - {"id"} == ANSWER_COLUMNS - {"key"}


@pytest.mark.parametrize("name", sorted(ANSWER_COLUMNS))
def test_no_column_of_a_row_stands_for_one_of_its_answer(tmp_path: Path, name: str) -> None:
    """A rewritten trace has a `reasoning`, and so has the reply: neither may be read for the other, nor left out."""
    log = CompletionsLog(tmp_path / "log")
    pl.DataFrame({"id": ["row"], name: ["x"]}).write_parquet(tmp_path / "rows")
    with pytest.raises(StepError, match=f"have a column '{name}', and so have its answers"):
        next(log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows"))


@pytest.mark.parametrize(
    "other",
    [
        Request("row", (Message("system", ("s",)), Message("user", ("a",)))),
        Request("row", (Message("user", ("a",)),), Sampling(temperature=0.5)),
        Request("row", (Message("user", ("a",)),), Sampling(max_tokens=1)),
        Request("row", (Message("user", ("a",)),), prefix="So"),
        Request("row", (Message("user", ("a ",)),)),
    ],
    ids=["system", "temperature", "max_tokens", "prefix", "blank"],
)
def test_whatever_decides_the_answer_is_in_the_key(other: Request) -> None:
    assert prompt_key(IDENTITY, other) != prompt_key(IDENTITY, request("a"))


@pytest.mark.parametrize("field", ["model", "revision", "template"])
def test_the_model_is_in_the_key(field: str) -> None:
    changed = ModelIdentity(**{**IDENTITY.to_json(), field: "other"})
    assert prompt_key(changed, request("a")) != prompt_key(IDENTITY, request("a"))


def test_what_does_not_decide_the_answer_is_not_in_the_key() -> None:
    assert prompt_key(IDENTITY, request("a", "row-1", n=1)) == prompt_key(IDENTITY, request("a", "row-2", n=9))


def test_a_killed_writer_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    writer = log.writer(IDENTITY)
    writer.__enter__()
    r = request("a", n=2)
    writer.append(r, prompt_key(IDENTITY, r), [Completion(0, "x", "stop"), Completion(1, "y", "length")])
    assert writer._answers.journal is not None
    writer._answers.journal.give_up()  # as at kill -9: the lock goes, the lines stay
    journal = next((tmp_path / "log").glob("journal-*"))
    journal.write_bytes(journal.read_bytes() + b'{"key": "torn')
    log.heal()
    assert not list((tmp_path / "log").glob("journal-*"))
    assert log.missing(wanted(tmp_path / "w", r), tmp_path / "m") == 0
    assert sorted(log.scan().collect()["finish_reason"]) == ["length", "stop"]


def test_a_living_journal_is_left_alone(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    with log.writer(IDENTITY) as writer:
        r = request("a")
        writer.append(r, prompt_key(IDENTITY, r), [Completion(0, "x", "stop")])
        log.heal()
        assert list((tmp_path / "log").glob("journal-*"))
    assert log.scan().collect().height == 1


def test_of_two_answers_to_one_key_the_first_counts(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a"))
    first = log.scan().collect()
    later = first.with_columns(text=pl.lit("later"), created_at=pl.lit(datetime(2999, 1, 1, tzinfo=UTC)))
    log.files.write(later.select(list(COMPLETION)))
    pl.DataFrame({"id": ["row"]}).write_parquet(tmp_path / "rows")
    found = pl.concat(log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows"))
    assert found["text"].to_list() == ["row-0"]


@given(text=st.text(st.characters(), max_size=40))
@settings(max_examples=50, deadline=None)
def test_any_text_survives(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("log")
    log = CompletionsLog(root)
    r = request("a")
    with log.writer(IDENTITY) as writer:
        writer.append(r, prompt_key(IDENTITY, r), [Completion(0, text, "stop")])
    assert log.scan().collect()["text"].to_list() == [text.encode("utf-8", "replace").decode()]


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="a file is where a folder is needed"):
        CompletionsLog(tmp_path / "log").heal()


def test_of_two_answers_in_the_same_microsecond_the_same_one_always_counts(tmp_path: Path) -> None:
    """Which part holds which of them says nothing: parts are named by their keys, and `gc` joins them."""
    pl.DataFrame({"id": ["row"]}).write_parquet(tmp_path / "rows")
    found = set()
    for order in (("one", "two", None), (None, "two", "one"), ("two", "one", None)):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        log = CompletionsLog(root)
        answer(log, request("a"))
        first = log.scan().collect()
        (told,) = root.glob("part-*")
        told.unlink()
        for text in order:
            log.files.write(first.with_columns(text=pl.lit(text, pl.String)))
        asked = wanted(tmp_path / "w", request("a"))
        found |= {piece["text"].item() for piece in log.answers(asked, tmp_path / "rows")}
        assert log.join_parts(1 << 20) == 3
        found |= {piece["text"].item() for piece in CompletionsLog(root).answers(asked, tmp_path / "rows")}
    assert len(found) == 1


def test_joined_parts_hold_every_answer_once(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path)
    for start in range(5):
        answer(log, *(request(f"{i}", f"row-{i}", n=2) for i in range(start, start + 3)))
    before = log.scan().collect()
    old = {path: path.read_bytes() for path in tmp_path.glob("part-*")}
    assert log.join_parts(1 << 20) == 5
    for path, data in old.items():  # the kill: the joined part is there, and the old ones still are
        path.write_bytes(data)
    assert log.scan().collect().sort("key", "created_at").equals(before.sort("key", "created_at"))
    assert log.join_parts(1 << 20) == 0
    assert len(list(tmp_path.glob("part-*"))) == 1
    assert log.scan().collect().sort("key", "created_at").equals(before.sort("key", "created_at"))
    assert log.join_parts(1 << 20) == 0


@given(
    held=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=30),
    asked=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=6, unique_by=lambda pair: pair[0]),
    shared=st.booleans(),
)
@settings(max_examples=25, deadline=None)
def test_answers_are_the_join_of_what_is_wanted_and_what_is_there(
    held: list[tuple[int, int]], asked: list[tuple[int, int]], shared: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """By id and index, each wanted sample once, with its answer where there is one."""
    root = tmp_path_factory.mktemp("log")
    log = CompletionsLog(root / "log", Memory(64 << 20))
    for half in (held[::2], held[1::2]):
        with log.writer(IDENTITY) as writer:
            for prompt, index in half:
                r = request(f"{prompt}", n=4)
                writer.append(r, prompt_key(IDENTITY, r), [Completion(index, f"{prompt}-{index}", "stop")])
    requests = [request("0" if shared else f"{prompt}", f"row-{prompt}", n=n) for prompt, n in asked]
    pl.DataFrame({"id": sorted(r.id for r in requests)}, schema={"id": pl.String}).write_parquet(root / "rows")
    found = [
        row
        for piece in log.answers(wanted(root / "w", *requests), root / "rows")
        for row in piece.select("id", "index", "text").rows()
    ]
    there = {(f"{prompt}", index) for prompt, index in held}
    expected = []
    for prompt, n in sorted(asked):
        of = "0" if shared else f"{prompt}"
        expected += [(f"row-{prompt}", i, f"{of}-{i}" if (of, i) in there else None) for i in range(n)]
    assert found == expected


def test_too_little_memory_is_a_sentence_with_the_cure(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log", Memory(8 << 20))
    keys = [f"{i:064x}" for i in range(100_000)]
    rows = {"id": keys, "prompt_key": keys, "index": [0] * len(keys), "key": keys}
    pl.DataFrame(rows, schema=WANTED).write_parquet(tmp_path / "w")
    with pytest.raises(StoreError, match=r"need more memory than the 4 MB .* --set driver.memory=1GB"):
        log.missing(tmp_path / "w", tmp_path / "m")
