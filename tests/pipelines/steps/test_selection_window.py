"""Which rules may read counts of rollouts that stopped early."""

from typing import Any

import pytest
from step_types import TYPES, pipeline

from filters import difficulty_step
from filters.verify import step as verify
from pipelines.steps import rollout, select
from schemas.errors import ConfigError

EARLY = ("rollout", {"model": "vlm", "n": 6, "adaptive": {}})
AFTER: tuple[tuple[str, dict[str, Any]], ...] = (("verify", {"of": "rollout"}), ("difficulty", {}))


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (rollout.STEP, verify.STEP, difficulty_step.STEP, select.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


def early(band: list[int] | None) -> tuple[str, dict[str, Any]]:
    return ("rollout", {"model": "vlm", "n": 16, "adaptive": {"band": band}})


@pytest.mark.parametrize(
    ("rule", "band", "sentence"),
    [
        ({"type": "mm_eureka"}, None, "passes 2 to 14 right of n = 16"),
        ({"type": "mm_eureka"}, [2, 14], r"take the rule in_band and steps\.rollout\.adaptive\.band=\[2, 14\]"),
        ({"type": "vl_cogito"}, [0, 8], "passes 0 to 8 right of n = 16"),
        ({"type": "vl_rethinker"}, [0, 8], "passes 1 to 16 right of n = 16"),
        ({"type": "variance"}, [2, 14], "passes 1 to 15 right of n = 16"),
        ({"type": "variance", "min_correct": 2}, [2, 15], "passes 2 to 15 right of n = 16"),
        ({"type": "rap", "variant": "code"}, None, "'rap' counts out of a fixed number of rollouts"),
        ({"type": "rap", "lambda_a": None}, None, "'rap' counts out of a fixed number of rollouts"),
        ({"type": "neura_ladder", "hard": "7/8"}, None, "'neura_ladder' counts out of a fixed number of rollouts"),
    ],
)
def test_rules_that_count_out_of_n_are_refused(rule: dict[str, Any], band: list[int] | None, sentence: str) -> None:
    chosen = ("select", {"rule": rule, "blind": "difficulty"})
    with pytest.raises(ConfigError, match=sentence):
        pipeline(early(band), *AFTER, chosen)
    assert pipeline(("rollout", {"model": "vlm", "n": 16}), *AFTER, chosen)


@pytest.mark.parametrize(
    ("rule", "band"),
    [
        ("neura_ladder", None),
        ("variance", None),
        ("general_reasoner", [1, 15]),
        ("vl_rethinker", [1, 8]),
        ("univg_r1", [2, 14]),
        ("in_band", [2, 14]),
    ],
)
def test_a_window_that_the_stopping_decides_may_be_read(rule: str, band: list[int] | None) -> None:
    assert pipeline(early(band), *AFTER, ("select", {"rule": {"type": rule}}))


def test_each_student_has_a_window_of_its_own() -> None:
    other = ("rollout", {"as": "whole", "model": "vlm", "n": 6})
    counted = (("difficulty", {"as": "early", "of": "rollout"}), ("difficulty", {"as": "all_of_n", "of": "whole"}))
    judged = (("verify", {"as": "v1", "of": "rollout"}), ("verify", {"as": "v2", "of": "whole"}))
    steps = (EARLY, other, *judged, *counted)
    rules = {"small": "base_fails", "large": {"type": "general_reasoner"}}
    chosen = {"rule": {"type": "students", "rules": rules}}
    assert pipeline(*steps, ("select", chosen | {"k": {"small": "all_of_n", "large": "early"}}))
    with pytest.raises(ConfigError, match="'base_fails' passes 0 to 0 right of n = 6, and 'rollout' stops before n"):
        pipeline(*steps, ("select", chosen | {"k": {"small": "early", "large": "all_of_n"}}))


def test_the_counts_of_another_step_are_not_looked_at() -> None:
    other = ("rollout", {"as": "whole", "model": "vlm", "n": 6})
    counted = (("difficulty", {"as": "early", "of": "rollout"}), ("difficulty", {"as": "all_of_n", "of": "whole"}))
    judged = (("verify", {"as": "v1", "of": "rollout"}), ("verify", {"as": "v2", "of": "whole"}))
    rule = {"type": "variance", "min_correct": 2}
    assert pipeline(EARLY, other, *judged, *counted, ("select", {"rule": rule, "k": "all_of_n"}))
    with pytest.raises(ConfigError, match="'rollout' stops before n"):
        pipeline(EARLY, other, *judged, *counted, ("select", {"rule": rule, "k": "early"}))
