"""The steps that shape rows and those over a whole set, compiled and run."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from step_runs import record, rows, run
from step_types import TYPES, pipeline
from tiny_build import questions

from filters import promote, segment, trim
from pipelines.run.runner import Runner
from pipelines.steps import decontaminate, dedup, select, split
from schemas.errors import ConfigError

Steps = list[tuple[str, dict[str, Any]]]
STEPS = (trim.STEP, segment.STEP, promote.STEP, dedup.STEP, decontaminate.STEP, split.STEP, select.STEP)


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in STEPS:
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl")


THOUGHTS: Steps = [
    ("make", {"as": "distill", "column": "draft"}),
    (
        "give",
        {
            "as": "thinks",
            "of": "trace",
            "columns": {"text": "CASE WHEN answer = '0' THEN '' ELSE 'Add ' || answer || '.\n\nWait, halve it.' END"},
        },
    ),
]
DRAFTS: Steps = [
    ("make", {"as": "written", "makes": "draft", "column": "mark"}),
    (
        "give",
        {
            "as": "filled",
            "of": "draft",
            "columns": {
                "new_question": "'Twice ' || question",
                "new_answer": "CASE WHEN answer = '4' THEN 'four-ish' ELSE answer || '0' END",
            },
        },
    ),
    ("promote", {"as": "qa", "of": "draft", "question": "new_question", "answer": "new_answer", "kind": "number"}),
]


def test_texts_are_cut_and_split_where_they_lie(tmp_path: Path, source: Path) -> None:
    runner = run(
        tmp_path,
        source,
        *THOUGHTS,
        ("trim", {"as": "half", "before": ["wait"], "gives": {"opening": "text"}}),
        ("segment", {}),
    )
    assert record(runner, "half")["dropped"] == {"half:no_text": 1}
    found = rows(runner, "segment", "text", "place", "before", "parent.opening")
    assert found.height == 22
    assert set(found.filter(pl.col("place") == 1)["text"]) == {"Wait, halve it."}
    assert (found["before"] == "").sum() == 11
    assert (found["parent.opening"] == found["text"]).sum() == 11


def test_new_samples_go_the_way_of_all_samples(tmp_path: Path, source: Path) -> None:
    exam = questions(tmp_path / "exam.jsonl", 3)
    steps = [
        *DRAFTS,
        ("dedup", {}),
        ("decontaminate", {"sources": [{"type": "jsonl", "name": "exam", "path": str(exam), "kind": "number"}]}),
        ("give", {"as": "difficulty", "columns": {"k": "CAST(answer AS INTEGER) % 5", "n": "4"}}),
        ("split", {"sides": {"rl": "k > 1", "sft": "else"}}),
        ("select", {"budget": 3, "k": "difficulty"}),
    ]
    runner = run(tmp_path, source, *steps)
    assert record(runner, "qa")["dropped"] == {"qa:unparsable_gold": 1}
    assert record(runner, "decontaminate")["dropped"] == {"decontaminate:exam": 3}
    assert record(runner, "split")["gone"] == 2  # samples that were made of those that the exam holds
    found = rows(runner, "sample", "side", "split_group", "value", "k", "parent_id")
    assert found.group_by("split_group").agg(pl.col("side").n_unique())["side"].max() == 1
    assert record(runner, "select")["dropped"] == {"select:budget": 1, "select:too_easy": 1, "select:too_hard": 5}
    assert dict(found.group_by("side").len().rows()) == {"rl": 3, "sft": 8}
    assert found["value"].count() == 3
    control = pl.read_parquet(tmp_path / "builds" / "tiny" / "select" / "control.parquet")
    assert control.height == 3
    assert not list((tmp_path / "builds" / "tiny").rglob("*.npy"))
    again = Runner(runner.build, runner.pipeline)
    assert again.stale() == []


def test_the_rows_are_the_same_for_any_number_of_buckets(tmp_path: Path, source: Path) -> None:
    steps = [
        *THOUGHTS,
        ("segment", {"split_at": "sentence"}),
        *DRAFTS,
        ("dedup", {}),
        ("split", {"rl": 0.5, "sft": 0.5}),
    ]
    one, four = (run(tmp_path / str(buckets), source, *steps, buckets=buckets) for buckets in (1, 4))
    for unit, column in (("segment", "text"), ("sample", "side"), ("sample", "split_group"), ("qa", "question")):
        assert rows(one, unit, column).equals(rows(four, unit, column))


def test_samples_retire_that_new_ones_take_the_place_of(tmp_path: Path, source: Path) -> None:
    steps = [*DRAFTS[:2], (DRAFTS[2][0], DRAFTS[2][1] | {"parents": "retire"}), ("dedup", {})]
    found = rows(run(tmp_path, source, *steps), "sample", "variant", "question")
    assert dict(found.group_by("variant").len().rows()) == {"orig": 1, "qa": 11}
    assert found.filter(variant="orig")["question"].to_list() == ["What is 2 + 2?"]  # whose draft has no usable gold


def test_a_new_question_can_keep_the_gold_of_its_sample(tmp_path: Path, source: Path) -> None:
    steps = [*DRAFTS[:2], ("promote", {"as": "qa", "of": "draft", "question": "new_question", "kind": "number"})]
    found = rows(run(tmp_path, source, *steps), "qa", "question", "answer")
    asked = dict(found.select("question", "answer").rows())
    assert len(asked) == 12 and asked["Twice What is 3 + 3?"] == "6"


def test_what_was_measured_before_a_split_is_not_outdated_by_it(tmp_path: Path, source: Path) -> None:
    steps = [*DRAFTS, ("split", {"rl": 1}), ("cut", {"of": "sample", "when": "question = '' OR group_id = ''"})]
    assert record(run(tmp_path, source, *steps), "cut")["dropped"] == {}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([("split", {"rl": 1}), *DRAFTS], "it makes sample rows after 'split'"),
        ([("split", {"sides": {"rl": "cued > 0"}})], "reads `cued`, and no step"),
        ([("select", {})], "reads `k`, and no step"),
        ([("trim", {"words": 0.5})], "nothing before it makes 'trace'"),
        (
            [*DRAFTS[:2], ("promote", {"of": "draft", "question": "new_questio", "answer": "new_answer"})],
            "new_question",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(steps: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pipeline(*steps)
