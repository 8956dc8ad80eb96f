"""A trainer's grader and a tag schema that do not go together: a gate that no right trace could pass."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from filters.verify.graders import GRADERS
from filters.verify.round_trip import misread
from schemas.errors import ConfigError
from schemas.tags import TAG_SCHEMAS, thoughts

if TYPE_CHECKING:
    from pipelines.recipe.recipe import Recipe


def check_gate(recipe: "Recipe") -> None:
    """Raise ConfigError where the recipe names a grader that reads no answer in the traces that it asks for.

    A grader that nobody named is the default, which must not stand against a choice of the recipe: it is asked about
    golds alone then (`gate_notes`).
    """
    for sentence in _misreadings(recipe, named=True):
        raise ConfigError(sentence)


def gate_notes(recipe: "Recipe") -> Iterator[str]:
    """What `curate validate` says where the default grader cannot read the traces: they are released without its word."""
    yield from _misreadings(recipe, named=False)


def _misreadings(recipe: "Recipe", *, named: bool) -> Iterator[str]:
    trainer, tags = recipe.release.trainer, recipe.verify.tags
    if trainer is None or recipe.distill is None or named != ("trainer" in recipe.release.model_fields_set):
        return
    kinds = misread(trainer, tags)
    if not kinds:
        return
    answers = f"{', '.join(kinds[:-1])} or {kinds[-1]}" if len(kinds) > 1 else kinds[0]
    fact = (
        f"release.trainer: {trainer}'s own grader reads no {answers} answer in traces laid out as verify.tags '{tags}'"
    )
    if named:
        yield (
            f"{fact}, so it would drop every such trace; set verify.tags to one of {', '.join(_read_by(trainer))}, "
            "or release.trainer to null and train with the reward that comes with the release."
        )
    else:
        readers = [name for name in GRADERS if not misread(name, tags)]
        other = f"release.trainer to {' or '.join(readers)}, or " if readers else ""
        yield (
            f"{fact}, so it is asked about gold answers only. Train with the reward that comes with the release; if a "
            f"trainer's own is to read the replies, set {other}verify.tags to one of {', '.join(_read_by(trainer))}."
        )


def _read_by(trainer: str) -> list[str]:
    """The tag schemas of traces in which this grader reads every kind."""
    written = (name for name, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) == 1)
    return [name for name in written if not misread(trainer, name)]
