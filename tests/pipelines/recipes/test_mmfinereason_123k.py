"""MMFineReason: questions are cleaned, a teacher and a judge check the gold, and only what is hard goes out."""

from demos import steps_of

NAME = "mmfinereason_123k"


def test_it_compiles_as_published() -> None:
    steps = steps_of(NAME)
    assert (steps["rollout"].config.n, steps["rollout"].config.sampling.temperature) == (4, 1.0)
    teacher = steps["distill"].config
    assert (teacher.n, teacher.tries, teacher.sampling.top_p, teacher.sampling.max_tokens) == (1, 2, 0.95, 16384)
    assert steps["clean"].config.sampling.temperature == 0.0
    assert steps["select"].config.rule.max_correct == 0


def test_the_judge_is_asked_about_nothing_that_the_rule_calls_right() -> None:
    judge = steps_of(NAME)["judge"]
    assert judge.where.text == "correct IS NOT TRUE"
    assert [column.step for column in judge.where_sources["correct"].columns] == ["verify"]
