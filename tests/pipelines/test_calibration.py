"""Trust: the checks put to the test, through the same log and stages as a build."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.calibration import calibrate_judge, selftest_verifiers
from schemas.errors import ConfigError


def test_every_verifier_of_a_recipe_is_tried(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, 6)
    told = selftest_verifiers(tiny.make(tmp_path))
    assert set(told["check"]) >= {"self", "other", "empty", "refusal"}
    assert told["passed"].to_list() == told["tried"].to_list()


def test_a_judge_is_asked_once_for_its_calibration(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, 6)
    judge = "judge={model: vlm, sampling: {max_tokens: 4}}"
    first = calibrate_judge(tiny.make(tmp_path, judge))
    (row,) = first.to_dicts()
    assert row["rows"] == row["scored"] + row["unscored"] > 6
    answers = tiny.logged(tmp_path / "out")
    assert calibrate_judge(tiny.make(tmp_path, judge)).equals(first)
    assert tiny.logged(tmp_path / "out") == answers


def test_a_recipe_without_a_judge_says_so(tmp_path: Path, tiny: SimpleNamespace) -> None:
    tiny.write_source(tmp_path, 2)
    with pytest.raises(ConfigError, match="'tiny' has no `judge` section"):
        calibrate_judge(tiny.make(tmp_path))
