"""Records that a build is loud about, and records that it is not."""

from typing import Any

import pytest
from pipelines.road.stages import ROAD

from pipelines.run.warnings import CURES, MEANT, all_warnings, cure_of, warnings_of


def record(stage: str = "verify", rows: int = 100, **more: Any) -> dict[str, Any]:
    return {"stage": stage, "unit": "traces", "rows_in": rows, "dropped": {}, "notes": {}, "warnings": [], **more}


@pytest.mark.parametrize(
    ("rows", "dropped"),
    [
        (100, {"verify:no_answer": 94}),  # a share that data may have
        (100, {"verify:no_answer": 50, "verify:wrong": 50}),  # no one cause
        (4, {"verify:wrong": 4}),  # too few to say
        (100, {"select:budget": 99}),  # on purpose
        (100, {"pick:longer": 96}),  # the shortest of many
        (100, {}),
    ],
)
def test_what_is_no_alarm(rows: int, dropped: dict[str, int]) -> None:
    assert warnings_of(record(rows=rows, dropped=dropped)) == []


@pytest.mark.parametrize(
    ("stage", "cause", "words"),
    [
        ("verify", "verify:no_answer", "distill.system"),
        ("distill", "distill:truncated", "distill.sampling.max_tokens"),
        ("difficulty", "difficulty:unmeasured", "rollouts.tags"),
        ("ingest", "ingest:image_missing", "image_root"),
        ("select", "select:too_hard", "stronger"),
        ("dedup", "dedup:near", "curate why ID"),
        ("pick", "pick:chance", "traces.beats_chance"),
        ("nowhere", "unheard:of", "curate why ID"),
    ],
)
def test_one_cause_for_almost_all(stage: str, cause: str, words: str) -> None:
    (told,) = warnings_of(record(stage, dropped={cause: 95, "other": 2}))
    assert told.startswith(f"{stage}: 95 of 100 traces dropped as {cause}")
    assert words in told


def test_rollouts_that_hold_no_answer() -> None:
    (told,) = warnings_of(record("difficulty", notes={"verdicts": {"no_answer": 39, "right": 1}}))
    assert told.startswith("difficulty: 39 of 40 rollouts hold no readable answer")
    assert "rollouts.system" in told
    assert warnings_of(record("difficulty", notes={"verdicts": {"no_answer": 30, "right": 10}})) == []
    assert warnings_of(record("difficulty", notes={"verdicts": {"right": 40}})) == [], "a student that knows it all"


def test_what_a_stage_told_itself_comes_first() -> None:
    told = warnings_of(record(dropped={"verify:wrong": 100}, warnings=["look here."]))
    assert told[0] == "verify: look here." and len(told) == 2


def test_all_stages_in_order() -> None:
    records = [record("distill", dropped={"distill:truncated": 100}), record("verify", dropped={"verify:wrong": 100})]
    assert [told.split(":")[0] for told in all_warnings(records)] == ["distill", "verify"]


def test_cures_name_stages_that_there_are() -> None:
    stages = {stage.name for stage in ROAD}
    assert {start.split(":")[0] for start in (*CURES, *MEANT)} <= stages


def test_the_longest_beginning_counts() -> None:
    assert cure_of("ingest:gold_unparseable") != cure_of("ingest:image_broken")
