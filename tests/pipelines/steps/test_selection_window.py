"""Which rules may read counts of rollouts that stopped early."""

from typing import Any

import pytest
from step_types import TYPES, pipeline

from filters import difficulty_step
from filters.verify import step as verify
from pipelines.steps import rollout, select
from schemas.errors import ConfigError

EARLY = ("rollout", {"model": "vlm", "n": 6, "adaptive": {}})
FIXED = ("rollout", {"model": "vlm", "n": 6})
AFTER: tuple[tuple[str, dict[str, Any]], ...] = (("verify", {"of": "rollout"}), ("difficulty", {}))


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (rollout.STEP, verify.STEP, difficulty_step.STEP, select.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


@pytest.mark.parametrize("rule", [{"type": "vl_cogito"}, {"type": "variance", "min_correct": 2}])
def test_rules_that_count_out_of_n_are_refused(rule: dict[str, Any]) -> None:
    chosen = ("select", {"rule": rule})
    assert pipeline(FIXED, *AFTER, chosen)
    with pytest.raises(ConfigError, match="and 'rollout' stops before n; take the rule in_band"):
        pipeline(EARLY, *AFTER, chosen)


@pytest.mark.parametrize("rule", ["mm_eureka", "general_reasoner", "in_band"])
def test_a_window_that_the_stopping_decides_may_be_read(rule: str) -> None:
    assert pipeline(EARLY, *AFTER, ("select", {"rule": {"type": rule}}))


def test_the_counts_of_another_step_are_not_looked_at() -> None:
    other = ("rollout", {"as": "whole", "model": "vlm", "n": 6})
    counted = (("difficulty", {"as": "early", "of": "rollout"}), ("difficulty", {"as": "all_of_n", "of": "whole"}))
    judged = (("verify", {"as": "v1", "of": "rollout"}), ("verify", {"as": "v2", "of": "whole"}))
    rule = {"type": "variance", "min_correct": 2}
    assert pipeline(EARLY, other, *judged, *counted, ("select", {"rule": rule, "k": "all_of_n"}))
    with pytest.raises(ConfigError, match="'rollout' stops before n"):
        pipeline(EARLY, other, *judged, *counted, ("select", {"rule": rule, "k": "early"}))
