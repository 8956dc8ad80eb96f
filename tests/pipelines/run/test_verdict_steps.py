"""The steps that judge and measure, compiled and run: verify, difficulty, agree, quality, pick and pair."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_runs import record, rows, run
from step_types import GIVE, TYPES, pipeline
from tiny_build import questions

from filters import agree, difficulty_step, pair, pick, quality_step
from filters.verify import step as verify
from schemas.errors import ConfigError

# A student by script: its replies follow from the gold, and count as those of one who never saw it.
SAY = replace(GIVE, name="say", verdict=True)
STEPS = (SAY, verify.STEP, difficulty_step.STEP, agree.STEP, quality_step.STEP, pick.STEP, pair.STEP)


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in STEPS:
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl")


def replies(unit: str, name: str, n: int, said: str, **columns: str) -> list[tuple[str, dict[str, Any]]]:
    """Rows of `unit` made by `name` that say `said`."""
    made = {
        "text": said,
        "final": said,
        "reasoning": "'I add the two numbers, which gives ' || " + said,
        "model": "'vlm'",
        "finish_reason": "'stop'",
        "tokens": "CAST(100 - length(draft) AS INTEGER)",
        **columns,
    }
    return [
        ("make", {"as": name, "makes": unit, "n": n, "column": "draft"}),
        ("say", {"as": f"{name}_says", "of": name, "columns": made}),
    ]


PLACE = "CAST(split_part(draft, '-', 2) AS INTEGER)"
TWO_OF_FOUR = f"CASE WHEN {PLACE} < 2 THEN answer WHEN {PLACE} = 2 THEN '-1' ELSE 'no idea' END"


def test_rollouts_are_judged_counted_and_keep_what_a_later_drop_takes(tmp_path: Path, source: Path) -> None:
    steps = [
        *replies("rollout", "rollout", 4, TWO_OF_FOUR),
        ("verify", {"of": "rollout"}),
        ("cut", {"of": "rollout", "when": "NOT correct"}),
        ("difficulty", {"no_answer": "wrong"}),
    ]
    runner = run(tmp_path, source, *steps)
    found = rows(runner, "sample", "k", "n", "asked", "no_answer", "model", "difficulty.pass_rate")
    assert set(found.drop("id", "sample_id", "parent_id", "made_by").rows()) == {(2, 4, 4, 1, "vlm", 0.5)}
    assert found.height == 12
    assert record(runner, "difficulty")["notes"] == {"right": 24, "wrong": 12, "no_answer": 12}
    assert rows(runner, "rollout", "verdict")["verdict"].unique().to_list() == ["right"]


def test_the_rows_are_the_same_for_any_number_of_buckets(tmp_path: Path, source: Path) -> None:
    steps = [
        *replies("trace", "distill", 4, TWO_OF_FOUR),
        ("verify", {}),
        ("quality", {}),
        ("pair", {"of": "trace", "chosen": "verdict = 'right'", "rejected": "verdict = 'wrong'", "cap": 1}),
        ("pick", {"take": "random", "most": 2}),
    ]
    one, four = (run(tmp_path / str(buckets), source, *steps, buckets=buckets) for buckets in (1, 4))
    for unit, column in (("trace", "verdict"), ("trace", "cues"), ("pair", "chosen"), ("pair", "rejected_id")):
        assert rows(one, unit, column).equals(rows(four, unit, column))
    assert record(four, "pick")["dropped"] == {"pick:not_picked": 24}
    assert rows(four, "pair", "chosen")["chosen"].is_in(["-1", "no idea"]).sum() == 0


def test_two_students_are_two_difficulties_with_addresses(tmp_path: Path, source: Path) -> None:
    steps = [
        *replies("rollout", "seen", 2, "answer"),
        *replies("rollout", "blind", 2, "'-1'"),
        ("verify", {"of": "rollout"}),
        ("difficulty", {"of": "seen"}),
        ("difficulty", {"as": "text_only", "of": "blind"}),
    ]
    found = rows(run(tmp_path, source, *steps), "sample", "difficulty.k", "text_only.k")
    assert found.select("difficulty.k", "text_only.k").unique().rows() == [(2, 0)]


def test_only_rows_that_were_replied_to_are_counted_on(tmp_path: Path, source: Path) -> None:
    steps = [
        ("make", {"as": "described", "makes": "description", "n": 2, "column": "draft_of"}),
        ("make", {"as": "drawn", "makes": "description", "n": 1, "column": "draft_of"}),
        *replies("rollout", "solved", 2, "answer"),
        ("verify", {"of": "solved"}),
        ("difficulty", {"of": "solved", "to": "description"}),
        ("difficulty", {"as": "whole", "of": "solved", "to": "sample"}),
    ]
    steps[2][1]["of"] = "described"
    runner = run(tmp_path, source, *steps)
    counts = rows(runner, "description", "made_by", "k", "n").select("made_by", "k", "n")
    assert counts.unique().sort("made_by").rows() == [("described", 2, 2), ("drawn", None, None)]
    assert record(runner, "difficulty")["dropped"] == {}
    assert rows(runner, "sample", "whole.k")["whole.k"].unique().to_list() == [4]


def test_answers_of_two_steps_are_compared_on_their_sample(tmp_path: Path, source: Path) -> None:
    steps = [
        *replies("trace", "a1", 1, "answer"),
        *replies("trace", "a2", 1, "CASE WHEN answer = '4' THEN '5' WHEN answer = '6' THEN 'no idea' ELSE answer END"),
        ("agree", {"between": ["a1", "a2"]}),
        ("cut", {"when": "NOT agreed"}),
    ]
    runner = run(tmp_path, source, *steps)
    assert record(runner, "cut")["dropped"] == {"cut:cut": 1}
    assert rows(runner, "sample", "agreed")["agreed"].value_counts().sort("agreed").rows() == [(None, 1), (True, 10)]


def test_what_is_measured_on_a_replaced_answer_is_outdated(tmp_path: Path, source: Path) -> None:
    measured = [*replies("trace", "distill", 1, "answer"), ("verify", {}), ("difficulty", {"of": "trace"})]
    again = ("give", {"as": "mend", "of": "trace", "columns": {"final": "final || '!'"}})
    with pytest.raises(ConfigError, match=r"recipe.yaml:7: cut: `k` is outdated"):
        pipeline(*measured, again, ("cut", {"when": "k > 0"}))


def test_a_typo_in_a_section_names_the_line_and_the_nearest_column(tmp_path: Path, source: Path) -> None:
    made = replies("trace", "distill", 2, "answer")
    for step, message in (
        (("pair", {"of": "trace", "chosen": "corect", "rejected": "NOT correct"}), "corect"),
        (("difficulty", {"of": "trace", "correct": "corect"}), "corect"),
        (("pick", {"take": "most", "by": "tokns"}), "tokns"),
        (("agree", {"between": ["distil"]}), "distil"),
        (("verify", {"column": "fnal"}), "fnal"),
        (("pick", {"of": "sample", "take": "random"}), "select"),
    ):
        with pytest.raises(ConfigError, match=rf"recipe.yaml:5: {step[0]}: .*{message}"):
            pipeline(*made, ("verify", {"as": "judged"}), step)
