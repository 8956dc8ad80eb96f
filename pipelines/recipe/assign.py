"""One value put into a recipe by a dotted key: by `--set`, or by `set` of a recipe that extends another."""

from collections.abc import Iterable
from typing import Any

from pipelines.recipe.draft import OLD_SECTIONS, Draft
from pipelines.recipe.mistakes import Places, Where
from pipelines.recipe.own_files import with_own_files
from pipelines.recipe.yaml12 import read_yaml
from schemas.errors import ConfigError, nearest
from schemas.secrets import hidden


def override(draft: Draft, option: str) -> None:
    """Apply one `--set key=value`; the value is YAML. A file that it names is looked for from the current folder."""
    origin = f"--set {hidden(option)[:80]}"
    key, found, text = option.partition("=")
    if not found or not key:
        raise ConfigError(f"{origin}: write it as key=value, for example --set steps.distill.n=4.")
    value, inner = read_yaml(text, lambda line: origin)
    last = key.rpartition(".")[2]
    own = with_own_files({last: value}, None, {(last,): origin}, draft.files)
    assign(draft, key, own[last], inner, origin)


def assign(draft: Draft, dotted: str, value: Any, inner: Places, origin: str) -> None:
    """Put a value at `steps.<name>.…`, `sources.<name>.…` or a key of the head. `inner` are the places below it.

    Raises ConfigError for a step, a source or a model that is not there, and for a key below a value that has none.
    """
    keys = dotted.split(".")
    if keys[0] == "steps":
        _assign_step(draft, keys[1:], value, inner, origin)
        return
    names = [step.name for step in draft.steps]
    if keys[0] in names or keys[0] in OLD_SECTIONS:
        step = keys[0] if keys[0] in names else "NAME"
        below = ".".join(["steps", step, *(keys[1:] or ["key"])])
        listed = "" if keys[0] in names else _all(names)
        raise ConfigError(f"{origin}: a step's values are set by its name: {below}.{listed}")
    if keys[0] == "uses":
        raise ConfigError(f"{origin}: `uses` is set in the recipe only.")
    if keys[0] == "sources" and len(keys) > 1:
        keys = ["sources", str(_source(draft, keys[1], origin)), *keys[2:]]
    models = draft.head.get("models")
    if keys[0] == "models" and len(keys) > 2 and isinstance(models, dict) and keys[1] not in models:
        raise ConfigError(f"{origin}: there is no model named '{keys[1]}'.{nearest(keys[1], map(str, models))}")
    _put(draft.head, draft.places, (), keys, value, inner, origin)


def _assign_step(draft: Draft, keys: list[str], value: Any, inner: Places, origin: str) -> None:
    if not keys:
        raise ConfigError(f"{origin}: steps are set one by one, by name: steps.NAME.key.")
    names = [step.name for step in draft.steps]
    if keys[0] not in names:
        raise ConfigError(f"{origin}: there is no step named '{keys[0]}'.{nearest(keys[0], names) or _all(names)}")
    step = draft.steps[names.index(keys[0])]
    if keys[1:2] == ["as"] or (len(keys) == 1 and isinstance(value, dict) and "as" in value):
        raise ConfigError(f"{origin}: a step keeps its name; `as` cannot be set.")
    if len(keys) > 1:
        _put(step.section, step.places, ("steps", keys[0]), keys[1:], value, inner, origin)
        return
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{origin}: 'steps.{keys[0]}': write it as a mapping, {{key: value}} (given: {value!r}).")
    name = {"as": step.section["as"]} if "as" in step.section else {}
    step.section = {**name, **(value or {})}
    step.places = {**{w: p for w, p in step.places.items() if w == ("as",)}, **inner}
    step.place = origin


def _source(draft: Draft, name: str, origin: str) -> int:
    """The place of a source among the sources. One without a name is found by its type."""
    sources = draft.head.get("sources")
    listed = sources if isinstance(sources, list) else []
    names = [str(source.get("name", source.get("type")) if isinstance(source, dict) else source) for source in listed]
    if name not in names:
        raise ConfigError(f"{origin}: there is no source named '{name}'.{nearest(name, names) or _all(names)}")
    return names.index(name)


def _all(names: Iterable[str]) -> str:
    return f" There are: {', '.join(names)}."


def _put(tree: Any, places: Places, above: Where, keys: list[str], value: Any, inner: Places, origin: str) -> None:
    """Put `value` into mappings and lists at `keys`; mappings that are missing on the way are made."""
    target = tree
    where: list[str | int] = []
    for left, text in zip(range(len(keys) - 1, -1, -1), keys, strict=True):
        inside = ".".join(map(str, (*above, *where)))
        key: str | int = text
        if isinstance(target, list):
            if not text.isdecimal() or int(text) >= len(target):
                raise ConfigError(f"{origin}: there is nothing at '{text}'; '{inside}' has {len(target)} items.")
            key = int(text)
        elif not isinstance(target, dict):
            raise ConfigError(f"{origin}: there is nothing at '{text}'; '{inside}' is {_shown(target)}.")
        where.append(key)
        if not left:
            target[key] = value
        elif isinstance(target, dict) and target.get(key) is None:
            target[key] = {}
        target = target[key]
    path = tuple(where)
    for outdated in [w for w in places if w[: len(path)] == path]:
        del places[outdated]
    for length in range(1, len(path)):
        places.setdefault(path[:length], origin)
    places[path] = origin
    places.update({(*path, *below): place for below, place in inner.items()})


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
