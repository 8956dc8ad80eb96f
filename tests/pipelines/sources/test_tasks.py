"""Procedural tasks as a source, in forms that published datasets have."""

from typing import Any, get_args

import polars as pl
import pytest
from pydantic import ValidationError

from generators.tasks.catalogue import TASKS
from generators.tasks.rows import TASK
from generators.tasks.spoil import FAULTS
from pipelines.sources.read import check_source, fingerprint, read_rows
from pipelines.sources.tasks import Fault, TaskName, TasksSource
from schemas.errors import ConfigError


def read(**section: Any) -> pl.DataFrame:
    return pl.concat(read_rows(TasksSource(**{"task": "choice", "n": 4, **section})))


def test_its_choices_are_those_that_there_are() -> None:
    assert get_args(TaskName) == tuple(TASKS)
    assert set(get_args(Fault)) == set(FAULTS)


def test_without_a_form_it_has_all_columns_under_their_names() -> None:
    rows = read(columns={"caption": "str", "turns": [{"question": "str", "answer": "str"}]})
    assert rows["row"].to_list() == [f"choice-{n:04d}" for n in range(4)]
    assert set(rows["answer"]) <= set("ABCD")
    assert rows["options"].list.len().min() >= 3
    assert rows["images"].list.len().to_list() == [1] * 4
    assert rows["given.turns"].list.len().min() >= 1


def test_its_form_is_read_as_that_of_any_dataset() -> None:
    turns = "[{'from': 'human', 'value': question}, {'from': 'gpt', 'value': answer}]"
    rows = read(
        raw=f"SELECT image, {turns} AS conversations FROM task",
        select="SELECT image, conversations[1].value AS question, conversations[2].value AS answer FROM raw",
    )
    assert rows["question"].str.starts_with("What").all()
    assert rows.height == 4


def test_another_name_or_seed_gives_other_rows_and_spoiled_ones_are_there() -> None:
    assert not read(name="a")["images"].equals(read(name="b")["images"])
    assert not read(seed=1)["images"].equals(read(seed=2)["images"])
    assert read(spoiled={"duplicates": 2}).height == 6


def test_its_fingerprint_is_that_of_its_section_and_code() -> None:
    one, same, other = (TasksSource(task="text", n=n) for n in (3, 3, 4))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"raw": "COPY task TO 'x.csv'"}, "one SELECT"),
        ({"raw": "SELECT * FROM read_csv('/etc/passwd')"}, "read_csv"),
        ({"raw": "SELECT * FROM other"}, "other"),
        ({"task": "riddle"}, "choice"),
        ({"spoiled": {"typos": 1}}, "wrong_gold"),
    ],
)
def test_what_cannot_be_is_refused(section: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TasksSource(**{"task": "text", **section})


def test_a_form_of_columns_that_there_are_not_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"Source 'tasks': 'raw' does not work: .*colour"):
        check_source(TasksSource(task="text", raw="SELECT colour FROM task"))
    with pytest.raises(ConfigError, match="Source 'tasks': spoiled: 2 rows are too few"):
        check_source(TasksSource(task="text", n=2, spoiled={"proof": 3}))
    with pytest.raises(ConfigError, match="spoiled: 2 rows are too few"):  # at once
        check_source(TasksSource(task="text", n=2, spoiled={"duplicates": 10**15}))
    assert "spoiled" in TASK
