"""The quickstart, as it is."""

from demos import steps_of

NAME = "quickstart"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    assert steps["distill"].config.shown == ()
    assert len(steps["distill"].config.shots) == 4
    assert steps["rollout"].config.n == 8
    assert steps["split"].config.shares.holdout == 0.1
