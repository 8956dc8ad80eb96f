"""The section of `ask` that rows were asked by, whatever preset asked it."""

import pytest
from step_types import TYPES, pipeline

from filters import segment
from generators.presets import distill
from pipelines.steps.as_asked import asked_by, makers_above


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (distill.STEP, segment.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


TRACES = ("distill", {"model": "vlm", "prompt": "Think. {{ question }}"})


def test_the_section_of_a_preset_is_one_of_ask() -> None:
    name, section = asked_by({"distill"}, pipeline(TRACES).steps)
    assert (name, section.prompt, section.makes) == ("distill", "Think. {{ question }}", "trace")


def test_segments_were_made_of_what_the_step_above_made() -> None:
    steps = pipeline(TRACES, ("segment", {})).steps
    assert makers_above({"segment"}, steps) == {"distill"}
    assert makers_above({"distill"}, steps) == {"ingest"}


@pytest.mark.parametrize("makers", [set(), {"distill", "more"}, {"ingest"}])
def test_rows_without_one_prompt_are_a_sentence(makers: set[str]) -> None:
    with pytest.raises(ValueError, match="write"):
        asked_by(makers, pipeline(TRACES, ("distill", {**TRACES[1], "as": "more"})).steps)
