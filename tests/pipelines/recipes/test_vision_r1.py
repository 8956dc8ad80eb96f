"""Vision-R1: two looks at the image become a description, from which a blind reasoner answers."""

from demos import steps_of

NAME = "vision_r1"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    assert steps["pseudo"].gold_visible
    assert steps["distill"].gold_visible  # what it reads was written by who had seen the gold
    assert steps["distill"].config.shown == ()
    assert steps["description"].config.model == steps["pseudo"].config.model
