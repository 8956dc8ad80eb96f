"""Rollouts are outcomes, whatever they look like."""

import pytest
from asked import CUT, IMAGE, converse, run, table
from pydantic import ValidationError

from generators.presets.rollout import STEP, RolloutConfig
from schemas.completion import Sampling
from schemas.reply_shape import Form

ROW = {"question": "How many?", "options": None, "media": [IMAGE]}


def test_a_student_answers_freely_and_several_times() -> None:
    [[request]] = converse(STEP, table(ROW), RolloutConfig(model="m", tags="think_answer"), lambda r, i: "4")[1]
    assert (request.n, request.constraint) == (8, None)
    assert request.sampling == Sampling(temperature=1.0, max_tokens=2048)


def test_its_sections_may_be_held_to_expressions() -> None:
    held = RolloutConfig(model="m", tags="think_answer", constrain={"answer": "[A-D]"})
    [[request]] = converse(STEP, table(ROW), held, lambda r, i: "A")[1]
    assert request.constraint is not None
    assert request.constraint.value.endswith("<answer>(?:[A-D])</answer>")
    with pytest.raises(ValidationError, match="'plain' has no section 'think'"):
        RolloutConfig(model="m", constrain={"think": "a"})


@pytest.mark.parametrize(
    ("tags", "text", "final"),
    [
        ("plain", "4", "4"),
        ("plain", "<think>Hm.</think>4", "4"),
        ("think_answer", "<think>Hm.</think><answer>4</answer>", "4"),
        ("think_answer", "4", None),
        ("think_answer", "so <answer>4</answer>, I think", "4"),
    ],
)
def test_a_reply_of_any_form_is_kept_with_its_answer(tags: str, text: str, final: str | None) -> None:
    out = run(STEP, table(ROW), RolloutConfig(model="m", tags=tags, n=2), lambda r, i: text)
    assert out.rows is not None
    assert out.rows.select("text", "final").rows() == [(text, final)] * 2


def test_only_what_could_not_be_had_is_lost() -> None:
    said = ["4", CUT, "", None]
    out = run(STEP, table(ROW), RolloutConfig(model=("a", "b"), n=4), lambda r, i: said[i])
    assert out.rows is not None
    assert out.rows.group_by("model").len()["len"].to_list() == [3, 3]
    assert out.drops["reason"].to_list() == ["rollout:unanswered"] * 2


def test_a_form_is_said_once() -> None:
    with pytest.raises(ValidationError, match="`tags` and `reply` both say"):
        RolloutConfig(model="m", tags="plain", reply="text")
    with pytest.raises(ValidationError, match="Did you mean 'think_answer'"):
        RolloutConfig(model="m", tags="think_anser")
    with pytest.raises(ValidationError, match="the tag schema plain says where the answer is"):
        RolloutConfig(model="m", answer_pattern="(?P<answer>x)")
    assert STEP.expand is not None
    assert STEP.expand(RolloutConfig(model="m", reply="text")).reply == "text"
    assert STEP.expand(RolloutConfig(model="m")).reply == Form(tags="plain")
