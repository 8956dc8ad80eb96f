"""All step types, a line each; `module:NAME` is imported only for types that a recipe names."""

from collections.abc import Iterable
from importlib import import_module

from schemas.step import StepType

TYPES: dict[str, str] = {
    "ask": "generators.ask:STEP",
    "caption": "generators.presets.caption:STEP",
    "distill": "generators.presets.distill:STEP",
    "rollout": "pipelines.steps.rollout:STEP",
    "judge": "generators.presets.judge:STEP",
    "rewrite": "generators.presets.rewrite:STEP",
    "critique": "generators.presets.critique:STEP",
    "label": "generators.presets.label:STEP",
    "verify": "filters.verify.step:STEP",
    "difficulty": "filters.difficulty_step:STEP",
    "step_score": "pipelines.steps.step_score:STEP",
    "agree": "filters.agree:STEP",
    "quality": "filters.quality_step:STEP",
    "count_tokens": "generators.count_tokens:STEP",
    "checks": "pipelines.steps.checks:STEP",
    "signals": "pipelines.steps.signals:STEP",
    "drop": "filters.drop:STEP",
    "tally": "filters.tally:STEP",
    "trim": "filters.trim:STEP",
    "segment": "filters.segment:STEP",
    "pick": "filters.pick:STEP",
    "pair": "filters.pair:STEP",
    "unfold": "filters.unfold:STEP",
    "promote": "filters.promote:STEP",
    "restate": "pipelines.steps.restate:STEP",
    "swap_images": "filters.swap_images:STEP",
    "sql": "filters.sql_step:STEP",
    "dedup": "pipelines.steps.dedup:STEP",
    "decontaminate": "pipelines.steps.decontaminate:STEP",
    "split": "pipelines.steps.split:STEP",
    "neighbours": "pipelines.steps.neighbours:STEP",
    "diversity": "filters.select.diversity_step:STEP",
    "select": "pipelines.steps.select:STEP",
    "release": "pipelines.steps.release:STEP",
}
"""Asked of models first, then what judges and measures, what changes the shape, whole sets, and what goes out."""


def step_types(names: Iterable[str] | None = None) -> dict[str, StepType]:  # type: ignore[type-arg]
    """The types of these names, or all; names that there are not are left out."""
    wanted = TYPES if names is None else [name for name in names if name in TYPES]
    found = {}
    for name in wanted:
        module, _, attribute = TYPES[name].partition(":")
        found[name] = getattr(import_module(module), attribute)
    return found
