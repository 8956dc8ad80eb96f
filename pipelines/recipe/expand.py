"""What presets stand for: a document in which each preset of `ask` is written as the `ask` that it is."""

from typing import Any

from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.recipe.document import Document, Entry

FIRST = ("as", "of", "where", "model", "system", "prompt")
"""The keys that people look for, before all others."""


def expanded(document: Document, pipeline: Pipeline) -> Document:
    """The document with presets written out; what it compiles to reads, gives and asks the same.

    A preset that does more than ask (`StepType.adds`) stays what it is, with all that it asks in its section.
    """
    return document.model_copy(
        update={"steps": tuple(_expanded(entry, pipeline.step(entry.name)) for entry in document.steps)}
    )


def _expanded(entry: Entry, step: Step) -> Entry:
    asked = step.type.expand(step.config) if step.type.expand is not None else None
    if asked is None:
        return entry
    section: dict[str, Any] = asked.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {"as": entry.name}
    if step.type.adds(step.config):
        known = {field.alias or name for name, field in step.type.config.model_fields.items()}
        section = {key: value for key, value in section.items() if key in known} | dict(entry.section)
        if entry.name == step.type.name:
            section.pop("as", None)
        return Entry(step.type.name, entry.name, _ordered(section), entry.place)
    if step.config.of is None and step.type.of != "sample":
        section["of"] = step.type.of
    return Entry("ask", entry.name, _ordered(section), entry.place)


def _ordered(section: dict[str, Any]) -> dict[str, Any]:
    return {key: section[key] for key in (*FIRST, *(key for key in section if key not in FIRST)) if key in section}
