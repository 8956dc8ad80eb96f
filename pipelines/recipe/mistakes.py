"""What pydantic finds wrong with a recipe, in the recipe's words: one mistake, one sentence, with its line."""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from schemas.errors import nearest
from schemas.secrets import hidden

Where = tuple[str | int, ...]
Places = dict[Where, str]
"""Where each key was given, by its path of keys: `file:line`, or the option that set it."""


_CURES: Mapping[Where, str] = {
    ("steps",): "; write it as a list of steps, each as `- type: {key: value}` (docs/recipes.md)",
    ("sources",): "; write it as a list that says where rows come from (docs/sources.md)",
}
"""What to write where a key of the head is missing."""


def mistakes(
    model: type[BaseModel], errors: Iterable[Mapping[str, Any]], lines: Places, path: Path, under: Where = ()
) -> list[str]:
    """A sentence for each mistake among pydantic's `errors` about `model`, which may tell one several times.

    `under` are the keys above what `model` describes, where that is a part of the recipe; `lines` are by whole paths.

    A value that fits no alternative of a union is reported once for each, and a list with a bad item is called too short.
    Both show as errors at the same key, or at a key and below it; the deepest ones say what is meant.
    """
    found: dict[Where, tuple[type[BaseModel] | None, list[Mapping[str, Any]]]] = {}
    for error in errors:
        below, holder = _locate(model, tuple(error["loc"]))
        where = (*under, *below)
        found.setdefault(where, (holder, []))[1].append(error)
    deepest = [w for w in found if not any(len(o) > len(w) and o[: len(w)] == w for o in found)]
    return [_sentence(where, *found[where], lines, path, whole=where == under) for where in deepest]


def endless(value: Any, where: Where = ()) -> Iterator[Where]:
    """The keys of numbers in a part of a recipe that no file holds: infinite, or none at all."""
    if isinstance(value, float) and not math.isfinite(value):
        yield where
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, held in items:
        yield from endless(held, (*where, key))


def place_of(message: str, lines: Places, path: Path) -> str:
    """The line of the key that a sentence on the whole recipe starts with (`rollouts.model: …`)."""
    name = message.partition(" ")[0].removesuffix(":")
    keys = tuple(int(k) if k.isdigit() else k for k in name.split("."))
    return next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), str(path))


def _sentence(
    where: Where,
    holder: type[BaseModel] | None,
    errors: Sequence[Mapping[str, Any]],
    lines: Places,
    path: Path,
    whole: bool,
) -> str:
    """What is wrong at one key, or with the `whole` of what is described."""
    literal = next((e for e in errors if e["type"] == "literal_error" and isinstance(e["input"], str)), None)
    first = literal or errors[0]
    kind, given, context = first["type"], first["input"], first.get("ctx", {})
    if kind == "union_tag_not_found" and (typo := _misspelt_type(given)):
        where, kind = (*where, typo), "extra_forbidden"
    keys = (*where, "type") if kind == "union_tag_invalid" else where
    place = next((lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in lines), str(path))
    key = ".".join(str(k) for k in where)
    if kind == "extra_forbidden":
        fields = ("type",) if first["type"] == "union_tag_not_found" else _keys(holder) if holder else ()
        return f"{place}: unknown key '{key}'.{nearest(str(where[-1]), fields)}"
    if kind == "missing":
        return f"{place}: '{key}' is missing{_CURES.get(where, '')}."
    if first is literal or kind == "union_tag_invalid":
        expected = str(context.get("expected_tags") or context.get("expected"))
        known = [part.strip(" '") for part in expected.replace(" or ", ",").split(",")]
        name = str(context.get("tag") or given)
        return f"{place}: '{key}' has no choice '{name}'.{nearest(name, known)} Choices: {', '.join(known)}."
    message = " or ".join(dict.fromkeys(_plain(error) for error in errors)).replace(" or input should be ", " or ")
    if not key:
        return f"{place_of(message, lines, path)}: {message}"
    if whole and first["type"] == "value_error":
        named = (*where, *message.partition(":")[0].split("."))
        return f"{lines[named]}: {key}.{message}" if named in lines else f"{place}: {key}: {message}"
    return f"{place}: '{key}': {message} (given: {_shown(given)})."


def _shown(given: Any) -> str:
    text = hidden(repr(given))
    return text if len(text) <= 200 else f"{text[:200]}…"


def _keys(model: type[BaseModel]) -> list[str]:
    """The keys of a model, as recipes write them."""
    return [field.alias or name for name, field in model.model_fields.items()]


_PLAIN = {
    "union_tag_not_found": "its `type` is missing",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type"), "write it as a mapping, {key: value}"),
    **dict.fromkeys(("tuple_type", "list_type"), "write it as a list, [one, two]"),
}
"""What pydantic says in Python's words, in YAML's."""


def _plain(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, without its key."""
    if error["type"] in {"too_short", "too_long"}:
        bound, number = next((b, error["ctx"][b]) for b in ("min_length", "max_length") if b in error["ctx"])
        return f"needs at {'least' if bound == 'min_length' else 'most'} {number} item{'' if number == 1 else 's'}"
    message = str(_PLAIN.get(error["type"]) or error["msg"].removeprefix("Value error, "))
    message = message.partition(", unable to parse")[0]
    return message if not error["loc"] else message[0].lower() + message[1:]


def _misspelt_type(given: Any) -> str | None:
    """The key that was meant to be `type`, where a mapping has one."""
    names = [name for name in given if isinstance(name, str)] if isinstance(given, dict) else []
    return next(iter(difflib.get_close_matches("type", names, n=1, cutoff=0.7)), None)


_ALTERNATIVES = ("int", "float", "str", "bool", "dict[", "tuple[", "list[", "literal[", "function-")
"""How pydantic names the alternatives of a union that are no models."""


def _locate(model: type[BaseModel], loc: Where) -> tuple[Where, type[BaseModel] | None]:
    """Follow pydantic's `loc` through the models: drop the alternatives that it names, find the model at the end."""
    where: list[str | int] = []
    current: Any = model
    holder: type[BaseModel] | None = model
    for part in (part for part in loc if part != "[key]"):
        options = _strip(current)
        if len(options) == 1 and isinstance(options[0], type) and issubclass(options[0], BaseModel):
            current = options[0]
            holder = current
            field = current.model_fields.get(str(part))
            where.append(part)
            current = field.annotation if field else None
            continue
        member = _member(current, part)
        if member is not None:
            current = member
            continue
        if len(options) > 1 and str(part).startswith(_ALTERNATIVES):
            current = next(
                (o for o in options if str(part).startswith(getattr(get_origin(o) or o, "__name__", "?"))), None
            )
            continue
        where.append(part)
        current = _item(current)
        holder = current if isinstance(current, type) and issubclass(current, BaseModel) else holder
    return tuple(where), holder


def _strip(annotation: Any) -> list[Any]:
    """The alternatives of an annotation: unions, optionals and Annotated taken apart."""
    if get_origin(annotation) is Annotated:
        return _strip(get_args(annotation)[0])
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        return [a for arg in get_args(annotation) for a in _strip(arg) if a is not type(None)]
    return [annotation]


def _member(annotation: Any, tag: str | int) -> Any:
    """The model of a union that a tag names (pydantic puts the tag, or the class's name, into `loc`)."""
    for option in _strip(annotation):
        if isinstance(option, type) and issubclass(option, BaseModel):
            type_ = option.model_fields.get("type")
            if option.__name__ == tag or (type_ and tag in get_args(type_.annotation)):
                return option
    return None


def _item(annotation: Any) -> Any:
    """What a list or mapping holds; the model itself where an optional section wraps one."""
    for option in _strip(annotation):
        if get_origin(option) in {tuple, list}:
            return get_args(option)[0]
        if get_origin(option) is dict:
            return get_args(option)[1]
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None
