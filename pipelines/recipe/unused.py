"""What a recipe asks for in vain: a section that nothing reads, a rule that nothing can pass.

Nobody would miss what such a section was meant to do, so the recipe is refused and says what is missing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from filters.checks.rules import CheckRules
from filters.difficulty import DifficultyConfig
from filters.select.clusters import ClusterConfig
from filters.select.draw import DrawConfig
from filters.select.select import clusters_wanted, how_drawn, rule_of
from filters.select.trace_choice import TracesConfig
from filters.trace_quality import QualityConfig
from generators.prompts import fields
from pipelines.recipe.recipe import Recipe
from pipelines.recipe.sections import DedupConfig, SelectSection, SplitSection, VectorsSection, reader, select_encoders


class Part(NamedTuple):
    """A part of the recipe: whether it was asked for, whether anything reads it, why nothing does, and the cure."""

    place: str
    asked: bool
    read: bool
    why: str
    cure: str


def check_unused(recipe: Recipe) -> None:
    """Raise ValueError for the first part that could do nothing, in a sentence that starts with its key."""
    for part in (*_of_traces(recipe), *_of_rollouts(recipe), *_of_dedup(recipe), *_of_select(recipe.select)):
        if part.asked and not part.read:
            raise ValueError(f"{part.place}: {part.why}, so it would do nothing; {part.cure}, or take it out.")
    _check_pairs(recipe)
    _check_window(recipe)
    _check_least(recipe)


def _of_traces(recipe: Recipe) -> Iterator[Part]:
    made, picks = recipe.distill is not None, recipe.traces
    told = "caption" in fields((recipe.distill.prompt if recipe.distill else None) or "")
    why, cure = "its {caption} is filled by captions, and the recipe writes none", "add a `caption` section"
    yield Part("distill.prompt", told, recipe.caption is not None, why, cure)
    asked = {
        "rewrite": recipe.rewrite is not None,
        "quality": recipe.quality is not None and recipe.quality != QualityConfig(),
        "traces": picks != TracesConfig(),
    }
    for name, wanted in asked.items():
        yield Part(name, wanted, made, "the recipe makes no traces", "add a `distill` section")
    several = recipe.distill is not None and recipe.distill.n > 1
    why, cure = "one trace a question shows no share of right ones", "set distill.n to 2 or more"
    read = several and picks.beats_chance
    yield Part("traces.max_guess", picks.max_guess is not None, read, "nothing is compared with chance", cure)
    yield Part("traces.m", picks.m != TracesConfig().m, picks.pick != "all", "traces.pick is all", "set traces.pick")


def _of_rollouts(recipe: Recipe) -> Iterator[Part]:
    rolled, answered = recipe.rollouts is not None, bool(recipe.rollouts or recipe.distill)
    why, cure = "the recipe asks for no answers", "add a `rollouts` or a `distill` section"
    yield Part("judge", recipe.judge is not None, answered, why, cure)
    why, cure = "the recipe has no rollouts", "add a `rollouts` section"
    yield Part("difficulty", recipe.difficulty != DifficultyConfig(), rolled, why, cure)
    why, cure = "the recipe has no checks", "add `checks`"
    yield Part("check_rules", recipe.check_rules != CheckRules(), bool(recipe.checks), why, cure)


def _of_dedup(recipe: Recipe) -> Iterator[Part]:
    """Meanings are compared where there is an encoder of questions; pictures only beside them, or in a selection.

    A `text: null` that is written down leaves meanings out on purpose, whatever else is set for them.
    """
    dedup, away = recipe.dedup or DedupConfig(), recipe.decontaminate
    text = dedup.text is not None or "text" in dedup.model_fields_set
    none = "dedup.text, the encoder of questions, is not set"
    yield Part("dedup.near", dedup.near != DedupConfig().near, text, none, "set it")
    near = recipe.split.near_questions
    asked = near is not None and near != SplitSection().near_questions
    yield Part("split.near_questions", asked, text, none, "set it")
    compared = away is not None and away.embeddings and (away.text or dedup.text) is not None
    read = text or compared or (dedup.image is not None and select_encoders(recipe.select, dedup).image == dedup.image)
    why = "pictures are compared beside questions, and dedup.text is not set"
    yield Part("dedup.image", dedup.image is not None, read, why, "set it too")
    if away is not None:
        why = "decontaminate.text is not set" if away.embeddings else "decontaminate.embeddings is false"
        cure = "set it too" if away.embeddings else "set it to true"
        yield Part("decontaminate.text", away.text is not None, compared, why, cure)
        yield Part("decontaminate.image", away.image is not None, compared, why, cure)


def _of_select(config: SelectSection | None) -> Iterator[Part]:
    if config is None:
        return
    read, cure = reader(config) is not None, "set select.coverage, or select.quotas.by to [cluster]"
    yield Part("select.vectors", config.vectors != VectorsSection(), read, "nothing compares vectors", cure)
    read, cure = clusters_wanted(config), "set select.quotas.by to [cluster]"
    yield Part("select.clusters", config.clusters != ClusterConfig(), read, "no quotas are by cluster", cure)
    asked, how = config.draw.by_value != DrawConfig().by_value, how_drawn(config)
    why, cure = f"it is of a mixture and draw.how is {how}", "set draw.how to mixture"
    yield Part("select.draw.by_value", asked, how == "mixture", why, cure)


def _check_pairs(recipe: Recipe) -> None:
    """Raise ValueError where no prompt can have a right response and a wrong one."""
    config = recipe.preference
    if config is None:
        return
    rolled, distilled = recipe.rollouts, recipe.distill
    if config.responses == "rollouts" and rolled is not None:
        key, count = "rollouts.n", rolled.n * (len(rolled.models) if config.across_models else 1)
    else:
        key, count = "distill.n", distilled.n if distilled is not None else 0
    if count < 2:
        raise ValueError(
            f"preference: a pair needs two responses to a prompt, and {key} is {count}; set it to 2 or more."
        )


def _check_window(recipe: Recipe) -> None:
    """Raise ValueError where the rule passes no number of right rollouts out of n."""
    config, rolled = recipe.select, recipe.rollouts
    if config is None or rolled is None:
        return
    window = rule_of(config).window(config.rule, rolled.n)
    if window is not None and window[0] > window[1]:
        raise ValueError(
            f"select.rule: '{config.rule.type}' passes no sample: out of n = {rolled.n} rollouts it wants at least "
            f"{window[0]} and at most {window[1]} right ones; widen it or raise rollouts.n."
        )


def _check_least(recipe: Recipe) -> None:
    """Raise ValueError where no sample can have as many rollouts as `difficulty.min_n` wants."""
    rolled, least = recipe.rollouts, recipe.difficulty.min_n
    if rolled is None or least is None:
        return
    key, asked = "rollouts.n", rolled.n
    if rolled.adaptive is not None and rolled.adaptive.first < asked:
        key, asked = "rollouts.adaptive.first", rolled.adaptive.first
    if least > asked:
        raise ValueError(
            f"difficulty.min_n: {least} rollouts must count, and a sample may get no more than {asked} ({key}); lower the "
            "one or raise the other."
        )
