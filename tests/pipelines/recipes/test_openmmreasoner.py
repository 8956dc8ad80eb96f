"""OpenMMReasoner: a seeing teacher answers eight times, and a rule and a judge decide."""

from demos import steps_of

NAME = "openmmreasoner"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    teacher = steps["distill"].config
    assert (teacher.n, teacher.tries, teacher.sampling.temperature, teacher.sampling.max_tokens) == (8, 3, 1.0, 16384)
    assert (steps["dedup"].config.near.text_threshold, steps["dedup"].config.near.image_threshold) == (0.99, 0.99)
    assert list(steps["drop"].config.if_) == ["by_rule", "by_judge"]
