"""How long replies and conversations may be in training: as long as they were measured, and as they are in the release."""

from collections.abc import Iterator, Mapping
from typing import Any

from pipelines.export.rows import Row

PROMPT = 3072
"""Tokens that a trainer which bounds prompt and reply together leaves to the prompt and its images."""
_UNMEASURED = 1024
_LEAST = 2048
_IMAGE = 1024
NOTE = (
    "{key} has room for the longest row, by an estimate: a token for every 3 characters and 1024 for an image, rounded up "
    "to a power of two. Count with your tokenizer."
)
"""What a file by which training starts says of a bound that is `room` of the longest row."""


def reply_tokens(manifest: Mapping[str, Any]) -> int:
    """The `max_tokens` of the step whose replies measured the prompts of a release; 1024 where nothing was measured.

    What was measured is what is trained: a shorter bound would cut replies that were right, and a longer one would train
    on prompts at a difficulty that nobody has seen. Of a manifest that names no such step: the most of its rollouts.
    """
    measured = manifest.get("measured")
    step = measured.get("step") if isinstance(measured, dict) else None
    found = [
        most
        for type_, section in _steps(manifest)
        if (section.get("as", type_) == step if step else type_ == "rollout")
        and (most := _most(type_, section)) is not None
    ]
    return max(found, default=_UNMEASURED)


def _steps(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    recipe = manifest.get("recipe")
    for entry in (recipe.get("steps") or ()) if isinstance(recipe, dict) else ():
        for type_, section in ({entry: {}} if isinstance(entry, str) else entry).items():
            yield type_, section if isinstance(section, dict) else {}


def _most(type_: str, section: Mapping[str, Any]) -> int | None:
    from generators.presets.rollout import RolloutConfig

    given = (section.get("sampling") or {}).get("max_tokens")
    if given is None and type_ == "rollout":
        return RolloutConfig.model_fields["sampling"].get_default().max_tokens  # type: ignore[no-any-return]
    return given if isinstance(given, int) else None


def tokens(row: Row) -> int:
    """About as many tokens as a row has with its longest reply, by characters: no tokenizer is known here."""
    longest = max(len(text or "") for text in (row.response, row.chosen, row.rejected))
    return -(-(len(row.system or "") + len(row.question) + longest) // 3) + _IMAGE * len(row.images)


def room(most: int) -> int:
    """The power of two that holds so many tokens, at least 2048."""
    return max(_LEAST, 1 << (max(1, most) - 1).bit_length())
