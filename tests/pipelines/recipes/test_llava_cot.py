"""LLaVA-CoT: replies in four sections by a teacher that is shown the gold, checked by a judge."""

from demos import steps_of

NAME = "llava_cot"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    teacher = steps["distill"].config
    assert (teacher.reply.tags, teacher.tries) == ("staged", 3)
    assert steps["distill"].gold_visible
    assert steps["judge"].config.reply.choice == ("yes", "no")
    assert set(steps["judge"].sources) == {"answer", "final"}
