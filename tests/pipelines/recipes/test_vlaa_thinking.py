"""VLAA-Thinking: caption, trace, mended trace, verdict, and the split by cues."""

from demos import steps_of

NAME = "vlaa_thinking"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    assert steps["distill"].config.shown == ()
    assert steps["rewrite"].config.max_changed == 15
    assert set(steps["judge"].sources) == {"answer", "final"}  # not the question
    assert steps["split"].config.sides == {"rl": "cued > 0", "sft": "else"}
