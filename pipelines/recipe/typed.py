"""The sections of a recipe's steps as the typed configurations of their step types."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from pipelines.recipe.document import Document, Entry
from pipelines.recipe.mistakes import mistakes
from schemas.errors import ConfigError, nearest
from schemas.step import StepConfig, StepType


@dataclass(frozen=True)
class TypedStep:
    """An entry of a recipe with the step type that it names and its section, checked to the last key."""

    entry: Entry
    type: StepType[Any]
    config: StepConfig


def typed_steps(document: Document, catalogue: Mapping[str, StepType[Any]]) -> tuple[TypedStep, ...]:
    """The steps of a document, by a catalogue of step types.

    Raises ConfigError with every mistake of all steps on a line of its own: unknown types, unknown and missing keys, values
    that do not fit, models that the recipe does not name.
    """
    steps: list[TypedStep] = []
    wrong: list[str] = []
    for entry in document.steps:
        type_ = catalogue.get(entry.type)
        if type_ is None:
            known = nearest(entry.type, catalogue) or f" Step types: {', '.join(sorted(catalogue))}."
            wrong.append(f"{entry.place}: there is no step type '{entry.type}'.{known}")
            continue
        at = ("steps", entry.name)
        try:
            _refuse_field_names(type_, entry, document)
            config = type_.config.model_validate(dict(entry.section))
        except ValidationError as error:
            wrong += mistakes(type_.config, error.errors(), document.places, document.path, under=at)
            continue
        except ConfigError as error:
            wrong.append(str(error))
            continue
        wrong += _unknown_models(type_, config, entry, document)
        steps.append(TypedStep(entry, type_, config))
    if wrong:
        raise ConfigError("\n".join(wrong))
    return tuple(steps)


def _refuse_field_names(type_: StepType[Any], entry: Entry, document: Document) -> None:
    """A field that has an alias is spelled by it alone: `as`, never `as_`."""
    for name, field in type_.config.model_fields.items():
        if field.alias not in {None, name} and name in entry.section:
            key = f"steps.{entry.name}.{name}"
            raise ConfigError(
                f"{document.places[('steps', entry.name, name)]}: unknown key '{key}'. Did you mean '{field.alias}'?"
            )


def _unknown_models(type_: StepType[Any], config: StepConfig, entry: Entry, document: Document) -> list[str]:
    """A sentence for each model that the step asks or loads and the recipe does not name."""
    asked = (*(type_.asks.models(config) if type_.asks is not None else ()), *type_.loads(config))
    return [
        document.placed(f"steps.{entry.name}.model: no model named '{model}'.{nearest(model, document.models)}")
        for model in dict.fromkeys(asked)
        if model not in document.models
    ]
