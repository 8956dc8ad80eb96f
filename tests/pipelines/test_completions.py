"""The completions log: nothing that was answered is lost, nothing is asked twice."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.completions import ANSWER_COLUMNS, WANTED, CompletionsLog, wanted_rows
from schemas.completion import COMPLETION, Completion, Message, ModelIdentity, Request, Sampling, prompt_key
from schemas.errors import StageError, StoreError

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
            writer.append(r, prompt_key(IDENTITY, r), [Completion(i, f"{r.id}-{i}", "stop") for i in range(r.n)])


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
    log.answers(path, tmp_path / "rows", tmp_path / "a")
    found = pl.read_parquet(tmp_path / "a")
    assert found["text"].to_list() == ["row-1-0", "row-1-0", None]
    assert found["note"].to_list() == [1, 2, 3]
    assert found["finish_reason"].to_list() == ["stop", "stop", None]


def test_the_columns_of_an_answer_are_known(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path / "log")
    answer(log, request("a"))
    pl.DataFrame({"id": ["row"]}).write_parquet(tmp_path / "rows")
    log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows", tmp_path / "a")
    assert set(pl.read_parquet(tmp_path / "a").columns) - {"id"} == ANSWER_COLUMNS - {"key"}


@pytest.mark.parametrize("name", sorted(ANSWER_COLUMNS))
def test_no_column_of_a_row_stands_for_one_of_its_answer(tmp_path: Path, name: str) -> None:
    """A rewritten trace has a `reasoning`, and so has the reply: neither may be read for the other, nor left out."""
    log = CompletionsLog(tmp_path / "log")
    pl.DataFrame({"id": ["row"], name: ["x"]}).write_parquet(tmp_path / "rows")
    with pytest.raises(StageError, match=f"have a column '{name}', and so have its answers"):
        log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows", tmp_path / "a")


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
    assert writer._journal is not None
    writer._journal.release()  # the kernel does this at kill -9: the lock goes, the lines stay
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
    later.select(list(COMPLETION)).write_parquet(tmp_path / "log" / "part-0.parquet")
    pl.DataFrame({"id": ["row"]}).write_parquet(tmp_path / "rows")
    log.answers(wanted(tmp_path / "w", request("a")), tmp_path / "rows", tmp_path / "a")
    assert pl.read_parquet(tmp_path / "a")["text"].to_list() == ["row-0"]


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
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        CompletionsLog(tmp_path / "log").heal()
