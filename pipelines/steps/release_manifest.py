"""What a release says of itself, from the records of the steps before it. No clock, no machine, no path of either."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from filters.difficulty import DifficultyConfig
from filters.verify.round_trip import misread
from generators.asking.config import AskConfig
from generators.template import Template
from pipelines.compiler.columns import Column
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.release.provenance import made_by, source_content
from pipelines.run.context import StepContext
from pipelines.steps.as_asked import ask_of
from pipelines.steps.ingest import describes_images
from pipelines.steps.release_config import ReleaseConfig
from pipelines.steps.release_evaluation import evaluation_sets
from pipelines.steps.release_measured import measured_tags, rollouts_of, selecting, verifies
from pipelines.steps.release_plan import Planned
from pipelines.steps.release_words import all_asking, other_words
from pipelines.steps.split import SplitConfig
from pipelines.store.step_tables import table_beside
from pipelines.store.table_files import read_table

FACTS = ("step", "type", "unit", "of", "makes", "in", "passed", "undecided", "gone", "kept", "dropped", "notes")
"""What the funnel of a release says of a step."""


def manifest_of(
    context: StepContext,
    config: ReleaseConfig,
    planned: tuple[Planned, ...],
    measured: Step | None,
    rows_in: int,
    drops: pl.DataFrame,
) -> dict[str, Any]:
    """The part of the manifest that the recipe and its steps decide."""
    build = context.build
    recipe = build.recipe.to_json()
    steps = context.pipeline.before(context.step)
    records = [record for step in steps if (record := context.record.step(step.name))]
    last = {"step": context.name, "type": "release", "unit": "sample", "of": "sample", "makes": False, "in": rows_in}
    last |= {"passed": 0, "undecided": 0, "gone": 0, "kept": rows_in - drops.height, "notes": {}}
    reasons = dict(drops.group_by("reason").len().sort("reason").iter_rows())
    return {
        "recipe": recipe,
        "models": {name: identity.to_json() for name, identity in build.identities.items()},
        "sources": _sources(context),
        "encoders": encoders(context),
        **made_by(),
        "evaluation_sets": evaluation_sets(context),
        "selection": _selection(context),
        "measured": _measured(measured, planned, context),
        "counting": None if measured is None else _counting(measured),
        "checks_of_answers": _checked(context),
        "facts": facts_of(context.pipeline, steps),
        "configs": {one.name: _config(one, config.trainer) for one in planned},
        "images": config.images,
        "steps": [{fact: record[fact] for fact in FACTS} for record in records] + [{**last, "dropped": reasons}],
    }


def _config(planned: Planned, trainer: str | None) -> dict[str, Any]:
    """What a config holds, and the kinds of answers that the trainer's grader reads in none of its completions."""
    unread = misread(trainer, planned.tags) if trainer is not None and planned.holds == "completions" else ()
    return {
        "of": planned.node.unit,
        "holds": planned.holds,
        "sides": planned.sides,
        "tags": planned.tags,
        "measured_by": None if planned.measured is None else planned.measured.name,
        "asked_by": sorted({put.asked_by.name for put in planned.puts if put.asked_by is not None}),
        "where": None if planned.where is None else planned.where.text,
        "verified": planned.verified,
        "graded_by": trainer,
        "not_graded": list(unread),
    }


def _sources(context: StepContext) -> list[dict[str, Any]]:
    """Each source with its licence and address, how many rows were read, and a hash of what they say."""
    node = context.pipeline.names.node("ingest")
    source = {"source": context.pipeline.names.find(node, ("source",))}
    first = context.pipeline.steps[0].number + 1
    dataset = pl.struct(pl.col("source").struct.field("dataset")).alias(
        "source"
    )  # of all rows at once, so no more of each
    rows = [context.tables.current(node, source, bucket, first).select("id", dataset) for bucket in context.buckets]
    content = {row["dataset"]: row for row in source_content(pl.concat(rows).lazy()).iter_rows(named=True)}
    found = []
    for section in context.build.recipe.sources:
        known = content.get(section.name, {"rows": 0, "content": None})
        facts = {"name": section.name, "type": section.type, "license": section.terms, "url": section.url}
        found.append({**facts, "rows": known["rows"], "content": known["content"]})
    return found


def encoders(context: StepContext) -> list[dict[str, Any]]:
    """The identities of the encoders whose vectors decided something, as their steps name them."""
    models = [identity.to_json() for identity in context.build.identities.values()]  # a step may name one of these too
    found: list[dict[str, Any]] = []
    for step in context.pipeline.before(context.step):
        named = _identities(step.type.facts(step.config, context.build))
        found += [one for one in named if one not in found and one not in models]
    return found


def _identities(facts: Any) -> Iterator[dict[str, Any]]:
    if isinstance(facts, dict) and {"model", "revision"} <= facts.keys():
        yield facts
    elif isinstance(facts, dict | list | tuple):
        for inner in facts.values() if isinstance(facts, dict) else facts:
            yield from _identities(inner)


def _selection(context: StepContext) -> list[dict[str, Any]]:
    """How the selection compares with its control."""
    for step in context.pipeline.before(context.step):
        if step.type.name == "select" and "comparison" in context.record.tables(step.name):
            return read_table(table_beside(context.build.folder / step.name, "comparison")).to_dicts()
    return []


def _measured(measured: Step | None, planned: tuple[Planned, ...], context: StepContext) -> dict[str, Any] | None:
    """The prompt and the tag schema of the rollouts, and whether the release's prompts are the same."""
    if measured is None:
        return None
    before = context.pipeline.before(context.step)
    askers = all_asking(measured, before)
    step = askers[0] if askers else None
    config = None if step is None else ask_of(step)
    tags = measured_tags(measured, Before(context.pipeline.names, before))
    carry = [one for one in planned if one.measured is not None]
    return {
        "by": measured.name,
        "step": rollouts_of(measured)[0] if step is None else step.name,
        "system": None if config is None else config.system,
        "prompt": None if config is None else config.prompt,
        "tags": tags,
        "prompts_as_asked": bool(askers) and not any(other_words(one, asked) for one in carry for asked in askers),
        "other_tags": sorted({one.tags for one in carry if one.tags != tags}),
    }


def _counting(measured: Step) -> dict[str, Any]:
    config = measured.config
    return {
        name: getattr(config, name)
        for name in ("truncated", "no_answer", "min_n")
        if name in DifficultyConfig.model_fields
    }


def facts_of(pipeline: Pipeline, steps: Sequence[Step]) -> dict[str, Any]:
    """What a card says of the recipe: who wrote its traces, whether from images in words alone, and how rows were chosen."""
    asks = [(step, ask) for step in steps if (ask := ask_of(step)) is not None and ask.makes == "trace"]
    blind = [(step, ask) for step, ask in asks if not ask.shown]
    chosen = selecting(Before(pipeline.names, tuple(steps)))
    rule = None if chosen is None else getattr(chosen.config, "rule", None)
    return {
        "teachers": sorted({model for step, _ in asks for model in step.models}),
        "captions": any(
            describes_images(c, pipeline.names.facts) for step, ask in blind for c in _reasoned_from(step, ask)
        ),
        "rule": getattr(rule, "type", rule if isinstance(rule, str) else None),
        "adaptive": any(getattr(step.config, "adaptive", None) is not None for step in steps),
        "near_questions": any(isinstance(step.config, SplitConfig) and step.config.text is not None for step in steps),
        "beats_chance": any(getattr(step.config, "beats_chance", False) for step in steps),
        "steps": dict(Counter(step.type.name for step in steps)),
    }


def _reasoned_from(step: Step, ask: AskConfig) -> Iterator[Column]:
    """The columns that a model is shown; not those that its reply begins with (`prefix`), which are words of a reply."""
    begins = set() if ask.prefix is None else Template(str(ask.prefix)).references
    shown = {name for text in (ask.system, ask.prompt) if text for name in Template(str(text)).references}
    for name, source in step.sources.items():
        if tuple(name.split(".")) not in begins - shown:
            yield from source.columns


def _checked(context: StepContext) -> dict[str, Any]:
    """Verdicts by the tier that gave them, and how many replies were cut off, a line for each step that verifies."""
    found = {}
    for step in context.pipeline.before(context.step):
        if not verifies(step):
            continue
        tiers: dict[str, int] = {}
        cut = rows = 0
        for bucket in context.buckets:
            table = context.tables.scan(step.name, "rows", bucket)
            if table is None:
                continue
            counted = table.select("tier", "verdict").collect()
            rows += counted.height
            cut += counted.filter(pl.col("verdict") == "truncated").height
            for tier, count in counted.group_by("tier").len().iter_rows():
                tiers[tier or "none"] = tiers.get(tier or "none", 0) + count
        named: Mapping[str, int] = dict(sorted(tiers.items(), key=lambda pair: (-pair[1], pair[0])))
        found[step.name] = {"rows": rows, "truncated": cut, "tiers": named}
    return found
