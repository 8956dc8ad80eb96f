"""The section of `checks`: which names it takes, whom it asks, what it may cost."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.steps.checks_section import ChecksStepConfig, gives


def section(*checks: dict[str, Any]) -> ChecksStepConfig:
    return ChecksStepConfig.model_validate({"model": "vlm", "checks": checks, "n": 4})


@pytest.mark.parametrize(
    ("checks", "sentence"),
    [
        ([{"type": "text_only"}, {"type": "text_only"}], "two checks are named 'text_only'"),
        ([{"type": "guess", "prompt": "{{ answer }}"}], "this prompt may read question, and no `answer`"),
        ([], "at least 1 item"),
    ],
)
def test_a_section_that_is_refused(checks: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        section(*checks)


def test_each_check_asks_its_own_model_and_a_vote_asks_nobody() -> None:
    assert section({"type": "guess", "model": "small"}, {"type": "vote"}).models == ("small",)
    assert section({"type": "guess", "model": "small"}, {"type": "text_only"}).models == ("small", "vlm")


def test_what_a_row_may_cost_of_each_model() -> None:
    asked = section(
        {"type": "text_only"},
        {"type": "option_shuffle", "replies": 3, "n": 2},
        {"type": "question_form", "n": 1},
        {"type": "reverify", "most": 5},
        {"type": "guess", "model": "small", "n": 3},
        {"type": "vote"},
    )
    assert {model: asked.most(model) for model in asked.models} == {"vlm": 4 + 3 * 2 + 3 + 5, "small": 3}


@pytest.mark.parametrize(
    ("checks", "counted"),
    [
        ([{"type": "option_shuffle"}], set()),
        ([{"type": "text_only"}], {"k_text", "n_text", "gain_text", "p_text", "certainty_text", "k_text_formed"}),
        ([{"type": "guess"}, {"type": "vote"}], {"k_guess", "n_guess"}),
    ],
)
def test_what_nobody_measured_has_no_column(checks: list[dict[str, str]], counted: set[str]) -> None:
    config = ChecksStepConfig.model_validate({"model": "vlm", "checks": checks})
    assert set(gives(config)) == {"flags", "blind", "label_suspect"} | counted
