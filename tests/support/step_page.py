"""The page on the options of step types, `docs/steps.md`, written from the code: `python tests/support/step_page.py`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo

from generators.asking.config import AskConfig
from generators.template import PromptFile
from pipelines.steps.catalogue import step_types
from pipelines.steps.release_config import ConfigSection
from schemas.section import Section
from schemas.step import StepConfig, StepType

PAGE = Path(__file__).parents[2] / "docs" / "steps.md"
ELSEWHERE = {
    "checks": "[checks](checks.md)",
    "rule": "[selection](selection.md)",
    "order": "[selection](selection.md)",
    "sources": "[sources](sources.md)",
}
"""Keys that hold one of several sections, and the page that lists those."""

HEAD = """# Steps and their options

Every step type with all its keys and their defaults, written from the code by `python tests/support/step_page.py`; a test
holds it to that. What `as`, `of` and `where` mean in each of them, and how steps work together, is in [recipes](recipes.md).
A key that holds a section has its own table under [Sections](#sections).
"""

Row = tuple[str, str, str]


def page() -> str:
    """The whole page."""
    nested: dict[type[Section], dict[str, list[str]]] = {}
    parts = [HEAD]
    for name, step in step_types().items():
        parts.append("\n".join([f"## {name}\n", _about(name, step), "", *_table(rows(name, step, nested))]))
    parts.append("## Sections\n\n" + "What several keys of the steps above hold.")
    todo, written = dict(nested), set[type[Section]]()
    while todo:
        found: dict[type[Section], dict[str, list[str]]] = {}
        for section, places in todo.items():
            written.add(section)
            title = "; ".join(f"`{key}` of {_named(steps)}" for key, steps in places.items())
            of = next(iter(places.values()))[0]
            parts.append("\n".join([f"### {title}\n", *_table(_rows(section, of, found))]))
        todo = {section: places for section, places in found.items() if section not in written}
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _named(steps: list[str]) -> str:
    """Steps by name; presets go with the `ask` that they stand for."""
    types, every = step_types(), list(dict.fromkeys(steps))
    own = [
        step for step in every if "ask" not in every or not issubclass(types[step].config, AskConfig) or step == "ask"
    ]
    presets = len(own) < len(every)
    return ", ".join(own).replace("ask", "ask and its presets", 1) if presets else ", ".join(own)


def _about(name: str, step: StepType[Any]) -> str:
    of = f" Without `of`, it works on {step.of} rows." if step.of else " It needs `of`." if step.over is None else ""
    preset = " It has the keys of `ask`; those that differ:" if _is_preset(name, step) else ""
    return f"{step.summary[0].upper()}{step.summary[1:]}.{of}{preset}"


def _is_preset(name: str, step: StepType[Any]) -> bool:
    return name != "ask" and issubclass(step.config, AskConfig)


def rows(name: str, step: StepType[Any], nested: dict[type[Section], dict[str, list[str]]]) -> list[Row]:
    """The rows of a step type; of a preset, those that are not as in `ask`."""
    every = _rows(step.config, name, nested)
    if name == "release":
        every = [
            ("<config>", "", "any other key: a config of that name") if row[0] == "configs" else row for row in every
        ]
        nested[ConfigSection] = {"<config>": [name]}
    return [row for row in every if row not in _rows(AskConfig, "ask", {})] if _is_preset(name, step) else every


def _rows(section: type[Section], step: str, nested: dict[type[Section], dict[str, list[str]]]) -> list[Row]:
    found = []
    for key, field in section.model_fields.items():
        if key in StepConfig.model_fields and issubclass(section, StepConfig):
            continue
        spelled, inner = field.alias or key, [s for s in _sections(field.annotation) if s is not PromptFile]
        words = field.description or _described(section, key)
        if len(inner) == 1:
            nested.setdefault(inner[0], {}).setdefault(spelled, []).append(step)
            words = words or (inner[0].__doc__ or "").strip().partition("\n")[0]
        elif inner and spelled in ELSEWHERE:
            words = f"{words or 'one of several'}; see {ELSEWHERE[spelled]}"
        found.append((spelled, _default(field), words or ""))
    return found


def _described(section: type[Section], key: str) -> str | None:
    """What a preset, or a step that asks like `ask`, does not say of a key again."""
    for base in (*section.__mro__, *([AskConfig] if issubclass(section, StepConfig) else [])):
        field = getattr(base, "model_fields", {}).get(key)
        if field is not None and field.description:
            return str(field.description)
    return None


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a value may be, also as an item of a list or mapping."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        if issubclass(annotation, Section):
            yield annotation
        return
    for inner in get_args(annotation):
        yield from _sections(inner)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        given = value.model_dump(mode="json", exclude_defaults=True)
        if "type" in type(value).model_fields:
            given = {"type": value.type, **given}  # type: ignore[attr-defined]
        return _code(given)
    return _code(value)


def _code(value: Any) -> str:
    """A value as JSON, which is YAML, cut where it is long."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return f"`{text if len(text) <= 60 else text[:57] + '…'}`"


def _table(every: list[Row]) -> list[str]:
    lines = [f"| `{key}` | {_cell(default)} | {_cell(words)} |" for key, default, words in every]
    return ["| key | default | meaning |", "|---|---|---|", *lines] if lines else []


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
