"""Labels are one of several."""

from typing import Any

import pytest
from asked import IMAGE, run, table
from pydantic import ValidationError

from generators.presets.label import STEP, LabelConfig


def test_a_row_gets_the_class_as_the_recipe_spells_it() -> None:
    config = LabelConfig.model_validate(
        {"as": "image_kind", "model": "m", "prompt": "Which is it?", "reply": {"choice": ["Bar chart", "scene"]}}
    )
    out = run(
        STEP, table({"media": [IMAGE]}, {"media": [IMAGE]}), config, lambda r, i: ["bar chart.", "map"][int(r.id[1])]
    )
    assert out.rows is not None
    assert out.rows.rows() == [("r0", "Bar chart")]
    assert out.drops["reason"].to_list() == ["image_kind:unreadable"]


@pytest.mark.parametrize("section", [{}, {"reply": "text"}, {"reply": {"score": [0, 9]}}])
def test_there_are_classes(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"Field required|a label is one of several"):
        LabelConfig.model_validate({"model": "m", "prompt": "Which?", **section})
