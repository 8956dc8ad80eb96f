"""What a manifest says, fact by fact: the keys that readers of a release rely on, and what each may be.

A manifest may come from anybody, so whoever reads one gets these types or a sentence. Keys that are not here are for the
card, or for people.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictStr, TypeAdapter, ValidationError

from pipelines.store.release_names import IMAGE

Count = Annotated[int, Field(strict=True, ge=0, lt=1 << 62)]
"""A number of rows or bytes."""
Counts = dict[StrictStr, Count]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)] | None


class _Config(BaseModel):
    rows: Count
    samples: Count
    groups: Count
    images: Count
    verifiers: Counts


class _Rollouts(BaseModel):
    rows: Count
    samples: Count
    verdicts: Counts


class _PassRate(BaseModel):
    n: Count
    k: Count
    samples: Count


class _Statistics(BaseModel):
    configs: dict[StrictStr, _Config]
    rollouts: _Rollouts | None
    pass_rates: dict[StrictStr, list[_PassRate]]
    dropped: Counts


class _Notes(BaseModel):
    retired: Count = 0


class _Step(BaseModel):
    step: StrictStr
    type: StrictStr
    unit: StrictStr
    of: StrictStr
    makes: StrictBool
    came: Count = Field(alias="in")
    passed: Count
    undecided: Count
    gone: Count
    kept: Count
    dropped: Counts
    notes: _Notes


class _Planned(BaseModel):
    of: StrictStr
    holds: Literal["prompts", "completions", "pairs"]


class _Source(BaseModel):
    name: StrictStr
    license: StrictStr | None = None
    url: StrictStr | None = None


class _Recipe(BaseModel):
    name: StrictStr
    description: StrictStr = ""
    sources: list[_Source]
    steps: list[dict[StrictStr, dict[StrictStr, Any]]]


class _Model(BaseModel):
    model: StrictStr
    revision: StrictStr


class _Example(BaseModel):
    config: StrictStr
    id: StrictStr
    question: StrictStr
    solution: StrictStr
    images: list[Annotated[StrictStr, Field(pattern=rf"^{IMAGE}$")]]
    reply: StrictStr | None


class _Figure(BaseModel):
    figure: StrictStr
    value: StrictStr | None
    candidates: Number
    selected: Number
    control: Number


_FACTS: dict[str, Any] = {
    "content": StrictStr,
    "statistics": _Statistics,
    "steps": list[_Step],
    "configs": dict[StrictStr, _Planned],
    "recipe": _Recipe,
    "models": dict[StrictStr, _Model],
    "examples": list[_Example],
    "selection": list[_Figure],
    "card": StrictStr | None,
    "images": Literal["embed", "reference"],
    "needs_judge": StrictBool,
    "regraded": Counts | None,
}


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(_FACTS[name])


def unlike(manifest: Mapping[str, Any]) -> str | None:
    """The first fact that is not what it may be, by its place and what is wrong with it; None where all are."""
    for name in (name for name in _FACTS if name in manifest):
        try:
            _adapter(name).validate_python(manifest[name])
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(str(key)[:60] for key in (name, *first["loc"]))
            return f"{place}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return None
