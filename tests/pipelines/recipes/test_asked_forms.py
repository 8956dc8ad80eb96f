"""Replies in the form that a prompt asks for are read: by the steps that verify them, and by the reward of released rows."""

import re
from collections.abc import Iterator
from functools import cache

import pytest

from filters.verify.reward import reward
from generators.asking.config import AskConfig
from generators.template import Template
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.job import compile_recipe
from pipelines.recipe.library import RECIPES, recipe_names
from pipelines.steps.as_asked import ask_of
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_measured import verifies
from pipelines.steps.release_plan import Planned, plan
from pipelines.steps.release_prompts import Put
from schemas.reading import read_reply
from schemas.tags import TAG_SCHEMAS, render_trace

NAMES = sorted({path.relative_to(RECIPES).with_suffix("").as_posix() for path in recipe_names().values()})
GOLD = "brown"
ANSWER = '{"kind":"text","raw":"brown","value":"brown","aliases":[]}'


def forms(words: str) -> list[str]:
    """The marks of the form that a prompt asks for: sections, a last line, a box; none where it asks for the answer."""
    sections = [f"<{name}>" for name in re.findall(r"<([A-Za-z]+)>", words) if f"</{name}>" in words]
    line = re.search(r'line\s+"([^"]+)"', words)
    box = ["\\boxed{"] if "\\boxed{}" in words else []
    return [*dict.fromkeys(sections), *box] if sections else [line[1]] if line else box


def obedient(words: str, answer: str = GOLD) -> str:
    """A reply in the form that a prompt asks for."""
    marks = forms(words)
    boxed = f"\\boxed{{{answer}}}" if "\\boxed{" in marks else answer
    sections = [mark for mark in marks if mark[0] == "<"]
    if sections:
        behind = sections[-1] == "<think>"  # no section for the answer, which comes after the thought
        texts = [boxed if mark == sections[-1] and not behind else "I look at it." for mark in sections]
        laid_out = [f"{mark}{text}</{mark[1:]}" for mark, text in zip(sections, texts, strict=True)]
        return "\n".join([*laid_out, boxed] if behind else laid_out)
    return "I look at it.\n" + (boxed if boxed != answer else marks[0] + answer) if marks else answer


def words_of(ask: AskConfig) -> str:
    return f"{ask.system or ''}\n{ask.prompt}"


def words_put(put: Put) -> str:
    if put.config is not None:
        return words_of(put.config)
    return "\n".join(template.source for template in (put.system, put.prompt) if isinstance(template, Template))


@cache
def released(name: str) -> tuple[Pipeline, tuple[Planned, ...]]:
    pipeline = compile_recipe(name).pipeline
    [release] = [step for step in pipeline.steps if isinstance(step.config, ReleaseConfig)]
    return pipeline, plan(release.config, Before(pipeline.names, pipeline.before(release)))


def read(verify: Step, ask: AskConfig) -> str:
    """What a `verify` puts to the gold of an obedient reply."""
    reply, whole = obedient(words_of(ask)), verify.sources["response"].columns[-1].name == "text"
    return reply if whole else read_reply(reply, None, ask.answer_pattern).final or ""


def verified(pipeline: Pipeline) -> Iterator[tuple[str, str, str]]:
    """The steps that ask for replies which a `verify` reads, with an obedient reply and how it is graded."""
    for verify in filter(verifies, pipeline.steps):
        for name in verify.node.makers if verify.type.name == "verify" else ():
            ask = ask_of(pipeline.step(name))
            if ask is not None and (ask.reply == "text" or ask.reply.tags) and forms(words_of(ask)) and not ask.prefix:
                yield name, read(verify, ask), verify.config.tags or "plain"


def graded(reply: str, tags: str) -> float | None:
    return reward([reply], [ANSWER], ["text"], ["{}"], [None], [tags])[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_verifier_reads_the_form_that_was_asked_for(name: str) -> None:
    lost = [(step, tags) for step, reply, tags in verified(released(name)[0]) if graded(reply, tags) != 1]
    assert not lost


@pytest.mark.parametrize("name", NAMES)
def test_the_reward_of_a_row_reads_the_form_that_its_prompt_asks_for(name: str) -> None:
    """A prompt may ask for no form where the completions of the same release teach the one that is read."""
    configs = released(name)[1]
    taught = {one.tags for one in configs if one.holds == "completions"}
    lost = [
        (one.name, one.tags)
        for one in configs
        for words in map(words_put, one.puts)
        if one.holds != "completions" and (forms(words) or one.tags not in taught)
        if graded(obedient(words), one.tags) != 1
    ]
    assert not lost


@pytest.mark.parametrize("name", NAMES)
def test_completions_have_the_form_that_their_prompt_asks_for(name: str) -> None:
    lost = [
        (one.name, one.tags, mark)
        for one in released(name)[1]
        for words in map(words_put, one.puts)
        if one.holds == "completions" and not one.as_given
        for mark in forms(words)
        if mark.strip() not in render_trace(TAG_SCHEMAS[one.tags], "I look at it.", GOLD)
    ]
    assert not lost


def test_forms_are_those_that_prompts_ask_for() -> None:
    assert forms("Think between <think> and </think>, and answer between <answer> and </answer>.") == [
        "<think>",
        "<answer>",
    ]
    assert obedient('End with a line "### Answer: " and the answer.') == "I look at it.\n### Answer: brown"
    assert obedient("Think between <think> and </think>, and put the answer into \\boxed{}.") == (
        "<think>I look at it.</think>\n\\boxed{brown}"
    )
    assert obedient("Put it into \\boxed{}.") == "I look at it.\n\\boxed{brown}"
    assert (forms("Which?"), obedient("Which?")) == ([], "brown")
