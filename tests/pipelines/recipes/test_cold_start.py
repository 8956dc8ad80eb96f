"""The cold start: one wording and one tag schema for thoughts and rollouts, and traces enough to teach a format."""

from demos import steps_of

from generators.puzzles import PUZZLES
from pipelines.job import compile_recipe

NAME = "cold_start"


def test_thoughts_and_rollouts_share_words_and_tags() -> None:
    steps = steps_of(NAME)
    release = steps["release"].config
    assert release.tags == steps["rollout"].config.tags == steps["verify"].config.tags == "think_answer"
    assert release.configs["sft"].system == steps["rollout"].config.system
    assert steps["rollout"].config.where == "side <> 'sft'"


def test_sft_has_two_thousand_traces() -> None:
    [source] = compile_recipe(NAME).document.sources
    split = steps_of(NAME)["split"].config
    assert source.length() * split.shares.sft >= 2000


def test_three_in_four_questions_are_of_one_step_as_its_description_says() -> None:
    document = compile_recipe(NAME).document
    tasks = [question.task for _, asked in document.sources[0]._asked() for _, question in asked]
    assert 0.72 < sum(task not in PUZZLES for task in tasks) / len(tasks) < 0.78
    assert "of one step (three in four) and of two" in document.description
