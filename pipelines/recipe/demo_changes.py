"""What a demo changes of a recipe: its models, by what its steps send them; its sources; and how replies are drawn."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from generators.count_tokens import TokenizerConfig
from generators.embedded import REFERENCE_VLM, SMOLLM2
from generators.encoders import MINILM, EncoderConfig
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.recipe.demo import Demo, DemoSource, Sidecar
from pipelines.recipe.demo_forms import FORMS, LIKE
from pipelines.recipe.document import Document
from pipelines.recipe.library import find_recipe
from pipelines.release import rollout_rows
from pipelines.sources.release import ReleaseSource
from pipelines.sources.section import SourceSection
from pipelines.steps.as_asked import ask_of
from pipelines.steps.decontaminate import DecontaminateConfig, sources_of
from pipelines.steps.release_config import ReleaseConfig
from pipelines.store.workspace import DEMO
from schemas.completion import Sampling
from schemas.errors import ConfigError, nearest
from schemas.tag_pattern import check_held
from schemas.tags import TAG_SCHEMAS

TOKENS = 16
"""How long a reply may be, of a step that the sidecar says nothing of."""

KEPT = {"name", "schema", "select", "columns", "kind", "index_base", "marks", "split"}
"""The keys of a source that say how its rows are read, which is tried too."""

Changes = list[tuple[str, Any]]
"""Values by dotted keys, as `--set` puts them."""


def demo_changes(document: Document, pipeline: Pipeline, sidecar: Sidecar) -> Changes:
    """What makes a demo of a recipe. Raises ConfigError for a sidecar that speaks of what the recipe does not have."""
    _check_names(document, pipeline, sidecar)
    driver = document.driver.model_dump(mode="json", exclude_unset=True)
    found: Changes = [("driver", {**driver, "workers": 1}), ("models", replacements(document, pipeline))]
    found.append(("sources", [_source(source, sidecar) for source in document.sources]))
    for step in pipeline.steps:
        found += _step_changes(step, sidecar)
    return [*found, *_lengths(pipeline, sidecar), *_empty(pipeline, sidecar)]


def demo_facts(document: Document, changes: Changes, demo: Demo) -> dict[str, Any]:
    """What stands for what: models by their names in the recipe, sources by theirs, and replies that are drawn otherwise by
    their steps, for the manifest and the card."""
    changed = dict(changes)
    models = {name: [published.model, changed["models"][name]["model"]] for name, published in document.models.items()}
    fed = {section["name"]: section for section in changed["sources"]}
    sources = {
        source.name: [str(getattr(source, "path", source.type)), _words(fed[source.name])]
        for source in document.sources
    }
    replies = {name: _drawn(demo, name) for name in dict.fromkeys((*demo.temperatures, *demo.constrain))}
    return {"models": models, "sources": sources} | ({"replies": replies} if replies else {})


def _drawn(demo: Demo, step: str) -> str:
    """How the replies of a step are drawn otherwise, in a few words."""
    warm = [f"temperature {demo.temperatures[step]:g}"] if step in demo.temperatures else []
    return "; ".join([*warm, *(f"{name} held to {text}" for name, text in demo.constrain.get(step, {}).items())])


def _words(section: Mapping[str, Any]) -> str:
    """What a source of a demo is, in a few words."""
    if section["type"] == "tasks":
        return f"{section.get('n', DemoSource().n)} rows of the procedural task {section['task']}"
    return f"{section['type']} {section.get('path', '')}".strip()


def replacements(document: Document, pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """For each model of the recipe an embedded one: for those that are shown images the reference VLM, else SmolLM2."""
    seeing = {model for step in pipeline.steps if _shows(step) for model in step.models}
    seeing |= {model for step in pipeline.steps for model in step.type.loads(step.config)}
    return {
        name: {"model": REFERENCE_VLM if name in seeing else SMOLLM2, "engine": "transformers"}
        for name in document.models
    }


def _shows(step: Step) -> bool:
    """Whether a step sends images."""
    ask = ask_of(step)
    return bool(ask.shown) if ask is not None else step.asks and "media" in step.sources


def _step_changes(step: Step, sidecar: Sidecar) -> Iterator[tuple[str, Any]]:
    at, demo = f"steps.{step.name}", sidecar.demo
    if step.asks:
        most = demo.tokens.get(step.name, TOKENS)
        for where, given in _inside(step.config, Sampling):
            changed = given.model_dump(mode="json", exclude_defaults=True)
            changed |= {"max_tokens": min(most, given.max_tokens), "seed": demo.seed}
            if step.name in demo.temperatures:
                changed["temperature"] = _warmer(step.name, given.temperature, sidecar)
            yield f"{at}.{where}", changed
    if step.name in demo.constrain:
        yield f"{at}.constrain", _constrained(step, sidecar)
    for where, _ in _inside(step.config, EncoderConfig):
        model = REFERENCE_VLM if where.rpartition(".")[2] == "image" else MINILM
        yield f"{at}.{where}", {"model": model}
    for where, _ in _inside(step.config, TokenizerConfig):
        yield f"{at}.{where}", {"model": REFERENCE_VLM}
    if isinstance(step.config, DecontaminateConfig):
        named = {
            name: demo.evaluation_sets.get(name) or DemoSource(task="mixed") for name, _ in sources_of(step.config)
        }
        yield f"{at}.against", []
        yield f"{at}.sources", [_fed(name, given, None, {"name": name}, sidecar) for name, given in named.items()]


def _warmer(name: str, published: float, sidecar: Sidecar) -> float:
    """The temperature of a step in the demo. Raises ConfigError for one that is not above the published one."""
    given = sidecar.demo.temperatures[name]
    if given <= published:
        raise sidecar.fault(
            f"temperatures.{name}", f"a demo raises temperatures only, and the recipe's is {published:g}."
        )
    return given


def _constrained(step: Step, sidecar: Sidecar) -> dict[str, str]:
    """What the sections of a step's replies are held to. Raises ConfigError where they have none of these."""
    given, ask = sidecar.demo.constrain[step.name], ask_of(step)
    place, tags = f"constrain.{step.name}", None if ask is None else ask.sections
    if tags is None:
        raise sidecar.fault(place, "its replies have no sections: they are a choice, a score or fields.")
    if not given:
        raise sidecar.fault(place, f"name a section of {tags} and the expression that it is held to.")
    try:
        check_held(TAG_SCHEMAS[tags], given)
    except ValueError as error:
        raise sidecar.fault(place, f"{error}.") from None
    return given


_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_LENGTH = re.compile(r"\b(?:words|characters|(?:\w+_)?tokens)\b|\b(?:length|len)\(")


def _lengths(pipeline: Pipeline, sidecar: Sidecar) -> Iterator[tuple[str, Any]]:
    """Conditions of `drop` on the length of texts, which short replies cannot meet: the published ones but for their
    numbers. Raises ConfigError for any other change."""
    for place, condition in sidecar.demo.lengths.items():
        name, _, cause = place.partition(".")
        step = next((step for step in pipeline.steps if step.name == name), None)
        published = getattr(step.config, "if_", {}).get(cause) if step is not None else None
        if not isinstance(published, str) or not _LENGTH.search(published):
            raise sidecar.fault(f"lengths.{place}", "write the step and the cause of a `drop` by the length of a text.")
        if _NUMBER.sub("#", published) != _NUMBER.sub("#", condition):
            raise sidecar.fault(
                f"lengths.{place}", f"a demo changes numbers only; the condition is `{published}`, not `{condition}`."
            )
        yield f"steps.{name}.if.{cause}", condition


def _empty(pipeline: Pipeline, sidecar: Sidecar) -> Iterator[tuple[str, Any]]:
    """The configs that may come out empty: those of the recipe, and those that its demo leaves so."""
    for step in pipeline.steps:
        if isinstance(step.config, ReleaseConfig) and sidecar.demo.empty:
            yield f"steps.{step.name}.allow_empty", [*dict.fromkeys((*step.config.allow_empty, *sidecar.demo.empty))]


def _inside(section: BaseModel, kind: type[Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """The sections of a kind inside a section, each with its dotted key there."""
    for name, field in type(section).model_fields.items():
        value, where = getattr(section, name), f"{above}{field.alias or name}"
        if isinstance(value, kind):
            yield where, value
        elif isinstance(value, BaseModel):
            yield from _inside(value, kind, f"{where}.")


def _source(source: SourceSection, sidecar: Sidecar) -> dict[str, Any]:
    """A source of the demo, for one of the recipe."""
    given, read = (
        sidecar.demo.sources.get(source.name),
        source.model_dump(mode="json", exclude_unset=True, by_alias=True),
    )
    kept = {"name": source.name} | {key: value for key, value in read.items() if key in KEPT}
    if given is None and isinstance(source, ReleaseSource):
        recipe, at, version = source.path.partition("@")
        return {**read, "type": "release", "path": f"{recipe}{DEMO}{at}{version}"}
    if given is None and read.get("type") in {"scenes", "easy_vqa"}:  # which come with the package
        return {**read, "limit": DemoSource().n}
    return _fed(source.name, given or DemoSource(), source, kept, sidecar)


def _fed(
    name: str, given: DemoSource, source: SourceSection | None, kept: Mapping[str, Any], sidecar: Sidecar
) -> dict[str, Any]:
    """A section of rows of a task, under the name of what it stands for."""
    schema = None if source is None else source.schema
    form = FORMS.get(schema) if isinstance(schema, str) else None
    if given.raw is None and source is not None and source.select is not None:
        raise sidecar.fault(
            f"sources.{name}",
            "its SELECT is the recipe's own, so say which columns it reads: "
            f"`raw: SELECT question, …, image FROM task` (given there: {' '.join(source.select.split())[:200]}).",
        )
    if given.raw is None and schema is not None and form is None:
        raise sidecar.fault(f"sources.{name}", f"say what columns the schema '{schema}' reads, in `raw`.")
    task = given.task or (form.task if form else LIKE.get(source.kind if source is not None else "text"))
    if task is None:
        kind = source.kind if source is not None else "text"
        raise sidecar.fault(f"sources.{name}", f"say which task stands for answers of kind '{kind}', in `task`.")
    raw = given.raw or (form.raw if form else None)
    section = given.model_dump(mode="json", exclude_unset=True, exclude={"task", "raw"})
    made = {"type": "tasks", **kept, "task": task, "seed": sidecar.demo.seed, **section}
    return made if raw is None else {**made, "raw": raw}


def _check_names(document: Document, pipeline: Pipeline, sidecar: Sidecar) -> None:
    """Raise ConfigError where the sidecar speaks of a source, a step, a set or a recipe that is not there."""
    demo, steps = sidecar.demo, [step.name for step in pipeline.steps]
    for number, name in enumerate(demo.after):
        try:
            find_recipe(name)
        except ConfigError as error:
            raise sidecar.fault(f"after.{number}", str(error)) from None
    asking = [step.name for step in pipeline.steps if step.asks]
    sets = [n for s in pipeline.steps if isinstance(s.config, DecontaminateConfig) for n, _ in sources_of(s.config)]
    sources = [source.name for source in document.sources]
    released = [step.config for step in pipeline.steps if isinstance(step.config, ReleaseConfig)]
    configs = [name for config in released for name in config.configs]
    beside = [*configs, rollout_rows.NAME, *(name for config in released for name in config.extras)]
    for key, named, known, what in (
        ("sources", demo.sources, sources, "source"),
        ("evaluation_sets", demo.evaluation_sets, sets, "evaluation set"),
        ("tokens", demo.tokens, asking, "step that asks a model"),
        ("temperatures", demo.temperatures, asking, "step that asks a model"),
        ("constrain", demo.constrain, asking, "step that asks a model"),
        ("expect.drops", demo.expect.drops, steps, "step"),
        ("expect.rows", demo.expect.rows, beside, "config"),
        ("empty", demo.empty, configs, "config"),
    ):
        for number, name in enumerate(named):
            if name not in known:
                place = f"{key}.{number}" if isinstance(named, tuple) else f"{key}.{name}"
                raise sidecar.fault(place, f"the recipe has no {what} '{name}'.{nearest(name, known)}")
