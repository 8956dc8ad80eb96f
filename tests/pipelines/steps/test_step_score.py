"""Step scores: what is continued, what counts, and where a response is left alone."""

import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scripted_engine import MODEL, Scripted, question_of
from step_types import TYPES, pipeline
from tiny_build import questions, tiny_build

from filters import segment
from filters.verify import step as verify
from generators.presets import distill
from pipelines.run.driver_config import DriverConfig
from pipelines.run.runner import Runner
from pipelines.steps import step_score
from schemas.completion import Request
from schemas.errors import ConfigError

Steps = tuple[tuple[str, dict[str, Any]], ...]
PROMPT = "{{ question }}\nGo step by step."
ASKED = ("distill", {"model": "vlm", "prompt": PROMPT, "system": "You add.", "sampling": {"temperature": 0.0}})
STEPS: Steps = (ASKED, ("segment", {}))


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (distill.STEP, segment.STEP, step_score.STEP, verify.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions(tmp_path_factory.mktemp("source") / "sums.jsonl", 4)


def says(request: Request, index: int) -> str:
    """Responses to odd sums go wrong in their second step. Every third continuation comes to nothing."""
    found = re.search(r"What is (\d+)", question_of(request))
    assert found
    number = int(found[1])
    if not request.prefix:
        return f"I add.\n\n{'That is wrong.' if number % 2 else f'It is {number} and {number}.'}\n\nThe end."
    if index == 2:
        return "\n\nThat goes on…" if number == 0 else " I do not know."
    return "\n\nThe answer is -1." if "wrong" in request.prefix else f"\n\nThe answer is {2 * number}."


def run(root: Path, source: Path, score: dict[str, Any], **more: Any) -> Runner:
    driver = DriverConfig(workers=1, max_retries=0)
    build = tiny_build(root, source, buckets=2, models={"vlm": MODEL}, driver=driver)
    runner = Runner(build, pipeline(*more.get("steps", STEPS), ("step_score", {"model": "vlm", "n": 3, **score})))
    runner.run_all()
    return runner


COLUMNS = ("right", "tried", "score", "step_right")


def scored(runner: Runner) -> dict[tuple[str, int], tuple[Any, ...]]:
    """The scores by question and place."""
    node = runner.pipeline.names.node("segment")
    names = (*COLUMNS, "place", "question")
    sources = {name: runner.pipeline.names.find(node, (name,), text=True) for name in names}
    tables = [runner.tables.current(node, sources, bucket, 99) for bucket in range(2)]
    return {(row[0], row[1]): row[2:] for row in pl.concat(tables).select("question", "place", *COLUMNS).iter_rows()}


def test_later_steps_of_a_response_that_is_lost_are_left_alone(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    found = scored(run(tmp_path, source, {"stop_at": 0}))
    right, wrong, never = (2, 2, 1.0, True), (0, 2, 0.0, False), (None,) * 4
    for number in range(4):
        mine = [found[f"What is {number} + {number}?", place] for place in range(3)]
        assert mine == ([right, wrong, never] if number % 2 else [right] * 3)
    assert len(engine.asked) == 4 + 3 * (2 * 3 + 2 * 2)


def test_without_a_stop_every_step_is_continued_in_one_turn(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    found = scored(run(tmp_path, source, {"no_answer": "wrong", "truncated": "wrong"}))
    assert found["What is 1 + 1?", 2] == (0, 3, 0.0, False)
    assert found["What is 0 + 0?", 2] == found["What is 2 + 2?", 0] == (2, 3, 2 / 3, True)
    assert len(engine.asked) == 4 + 12 * 3


def test_responses_are_continued_as_they_were_asked_for(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    run(tmp_path, source, {})
    first = {request.messages for request, _ in engine.asked if not request.prefix}
    assert {request.messages for request, _ in engine.asked if request.prefix} == first
    assert {turn.role for messages in first for turn in messages} == {"system", "user"}
    whole = [request.prefix for request, _ in engine.asked if question_of(request).startswith("What is 2")]
    assert set(whole) == {"", "I add.", "I add.\n\nIt is 2 and 2.", "I add.\n\nIt is 2 and 2.\n\nThe end."}


def test_a_prompt_of_its_own_is_put_instead(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Scripted(says).install(monkeypatch)
    run(tmp_path, source, {"prompt": "Sum: {{ question }}"})
    assert {question_of(r).split()[0] for r, _ in engine.asked if r.prefix} == {"Sum:"}


def test_what_was_not_reached_is_no_wrong_continuation_and_is_asked_again(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scripted(lambda r, i: None if "wrong" in r.prefix else says(r, i)).install(monkeypatch)
    runner = run(tmp_path, source, {"stop_at": 0})
    found = scored(runner)
    assert found["What is 1 + 1?", 1] == (0, 0, None, None)
    assert found["What is 1 + 1?", 2] == (None,) * 4
    engine = Scripted(says).install(monkeypatch)
    again = run(tmp_path, source, {"stop_at": 0})
    assert scored(again)["What is 1 + 1?", 1] == (0, 2, 0.0, False)
    assert len(engine.asked) == 2 * 3
    assert Runner(again.build, again.pipeline).stale() == []


def test_the_gold_is_shown_to_nobody_and_the_scores_may_be_read_by_prompts(source: Path) -> None:
    found = pipeline(*STEPS, ("step_score", {"model": "vlm"})).step("step_score")
    assert not found.gold_visible
    shown = pipeline(*STEPS, ("step_score", {"model": "vlm", "prompt": "{{ question }} {{ answer }}"}))
    assert shown.step("step_score").gold_visible


def test_another_prompt_of_the_response_makes_the_scores_stale(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scripted(says).install(monkeypatch)
    runner = run(tmp_path, source, {})
    before = runner.record.fingerprint(runner.pipeline.step("step_score"))
    other: Steps = (("distill", {**ASKED[1], "system": "You sum up."}), ("segment", {}))
    changed = Runner(runner.build, pipeline(*other, ("step_score", {"model": "vlm", "n": 3})))
    assert changed.record.fingerprint(changed.pipeline.step("step_score")) != before


@pytest.mark.parametrize(
    ("steps", "score", "sentence"),
    [
        (
            (ASKED, ("distill", {**ASKED[1], "as": "more"}), ("segment", {})),
            {},
            "'distill' and 'more' made the rows, so no one prompt is theirs; write `prompt`",
        ),
        ((("make", {}), ("segment", {})), {}, "'make', which made the rows, asked no model"),
        (
            (("give", {"as": "own", "columns": {"text": "question"}}), ("distill", {**ASKED[1], "prompt": "{{ text }}"}),
             ("segment", {})),
            {},
            "the prompt of 'distill' reads `text`, and segments have one of their own",
        ),
    ],
)  # fmt: skip
def test_what_it_cannot_put_is_refused(steps: Any, score: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        pipeline(*steps, ("step_score", {"model": "vlm", **score}))


def test_the_embedded_model_continues_its_own_responses(tmp_path: Path, source: Path) -> None:
    short = {"temperature": 1.0, "max_tokens": 6}
    steps: Steps = (("distill", {**ASKED[1], "sampling": {"temperature": 0.0, "max_tokens": 6}}), ("segment", {}))
    found = scored(run(tmp_path, source, {"n": 2, "sampling": short, "stop_at": 0, "no_answer": "wrong"}, steps=steps))
    assert found
    assert all(right is None or 0 <= right <= tried <= 2 for right, tried, _, _ in found.values())
    assert any(tried == 2 for _, tried, _, _ in found.values())
