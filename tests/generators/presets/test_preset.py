"""Presets stand for an `ask`, and give what that gives."""

from typing import Any

import pytest
from asked import IMAGE, converse, run, table

from generators import ask
from generators.asking.config import AskConfig
from generators.presets import caption, critique, distill, judge, label, rollout
from schemas.reply_row import REPLY
from schemas.step import StepType

ROW = {
    "question": "How many?",
    "options": None,
    "media": [IMAGE],
    "answer": "4",
    "final": "4",
    "text": "So 4.",
    "kind": None,
}
SECTIONS: dict[str, tuple[StepType[Any], dict[str, Any], str]] = {
    "caption": (caption.STEP, {}, "a star"),
    "distill": (distill.STEP, {"n": 2}, "<think>Two and two.</think>4"),
    "rollout": (rollout.STEP, {"n": 3}, "4"),
    "judge": (judge.STEP, {}, "yes"),
    "critique": (critique.STEP, {}, "It skips a step."),
    "label": (label.STEP, {"prompt": "Which?", "reply": {"choice": ["chart", "scene"]}}, "chart"),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_preset_is_the_ask_that_it_stands_for(name: str) -> None:
    step, section, said = SECTIONS[name]
    config, rows = step.config.model_validate({"model": "m", **section}), table(ROW, ROW)
    assert step.expand is not None
    whole = step.expand(config)
    assert type(whole) is AskConfig
    assert AskConfig.model_validate(whole.model_dump(by_alias=True, exclude_unset=False)) == whole
    assert step.reads(config, None) == ask.STEP.reads(whole, None)  # type: ignore[arg-type]
    assert step.gives(config, None) == ask.STEP.gives(whole, None)  # type: ignore[arg-type]
    one, other = run(step, rows, config, lambda r, i: said), run(ask.STEP, rows, whole, lambda r, i: said)
    assert one.rows is not None and other.rows is not None
    assert one.rows.height >= 2 and one.rows.equals(other.rows)
    assert converse(step, rows, config, lambda r, i: said)[1] == converse(ask.STEP, rows, whole, lambda r, i: said)[1]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_preset_may_have_another_name(name: str) -> None:
    step, section, _ = SECTIONS[name]
    config = step.config.model_validate({"model": "m", "as": "other", **section})
    out = run(step, table(ROW), config, lambda r, i: None)
    assert set(out.drops["reason"]) == {"other:unanswered"}
    gives = step.gives(config, None)  # type: ignore[arg-type]
    assert gives.makes is not None or set(gives.columns) == {"other"}


@pytest.mark.parametrize(("name", "unit"), [("distill", "trace"), ("rollout", "rollout"), ("critique", "critique")])
def test_rows_of_replies_have_their_contract(name: str, unit: str) -> None:
    step, section, _ = SECTIONS[name]
    gives = step.gives(step.config.model_validate({"model": "m", **section}), None)  # type: ignore[arg-type]
    assert (gives.makes, dict(gives.columns)) == (unit, dict(REPLY))
