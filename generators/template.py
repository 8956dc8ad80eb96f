"""Prompts as templates: what they read of a row, and the messages that they make of it.

The language is a small part of Jinja2 (`generators.template_language`): fields (`{{ question }}`, `{{ difficulty.k }}`),
`if`, `for` over the row's lists, and a few filters.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from generators.prompts import LETTERS, among, conversation, positions, question_text
from generators.rendering import LONGEST, NullField, Options, RenderError, TooLong, size
from schemas.completion import Message
from schemas.marks import SPOKEN, put_marks
from schemas.section import Section
from schemas.step import Reference

if TYPE_CHECKING:
    from generators.template_language import Program

__all__ = [
    "NullField",
    "PromptField",
    "PromptFile",
    "RenderError",
    "Template",
    "TooLong",
    "asked",
    "needed",
    "reading_only",
]

QUESTION, OPTIONS, MEDIA = ("question",), ("options",), ("media",)


class Template:
    """A prompt of a recipe. Raises ValueError in one sentence for what is no template of the language."""

    __slots__ = ("_program", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._program = _compiled(source)

    @property
    def references(self) -> frozenset[Reference]:
        """What the template reads from a row, in any of its branches."""
        return frozenset(self._program.reads)

    def handles(self, ref: Reference) -> bool:
        """Whether the template says what to write where `ref` is null, wherever it reads it (or reads it nowhere)."""
        return self._program.reads.get(ref, True)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text for a row; `values` has all `references` by their dotted names (`difficulty.k`).

        Raises NullField where a null is not handled, TooLong for more than a megabyte, RenderError for a value that is not
        of the kind that the template needs.
        """
        return self.located(values)[0]

    def located(self, values: Mapping[str, Any]) -> tuple[str, int | None]:
        """The text for a row, and where in it the question first begins; None where it is not in it as it is."""
        parts: list[str] = []
        length, characters, start = 0, 0, None
        for ref, text in self._pieces(values):
            length += size(text)
            if length > LONGEST:
                raise TooLong
            start = characters if start is None and ref == QUESTION else start
            characters += len(text)
            parts.append(text)
        return "".join(parts), start

    def _pieces(self, values: Mapping[str, Any]) -> Iterator[tuple[Reference | None, str]]:
        from generators.template_values import Run

        lists = {name: Options(v) for name, v in values.items() if _is_options(name, v)}
        return self._program.run(Run({**values, **lists} if lists else values))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.source == self.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    def __reduce__(self) -> tuple[type["Template"], tuple[str]]:
        return Template, (self.source,)


@lru_cache(maxsize=1024)
def _compiled(source: str) -> "Program":
    from generators.template_language import compiled

    return compiled(source)


def _is_options(name: str, value: Any) -> bool:
    listed = isinstance(value, list) and 0 < len(value) <= len(LETTERS)
    return listed and name.rpartition(".")[2] == "options"


def needed(template: Template, system: Template | None, sees: bool) -> frozenset[Reference]:
    """All that `asked` takes from a row: what the templates read, the options of a question, and its media.

    Media are needed by one who sees none too: they say where a question mentions an image. `options` and `media` may be
    null, or missing.
    """
    read = template.references | (system.references if system else frozenset())
    with_question = {OPTIONS, MEDIA} if QUESTION in read else set()
    return read | with_question | ({MEDIA} if sees else set())


def asked(row: Mapping[str, Any], template: Template, system: Template | None, sees: bool) -> tuple[Message, ...]:
    """The messages that put a row to a model; `row` has `needed` by dotted names. Raises as `Template.render` does.

    `{{ question }}` is the question, followed by the row's options unless a template names `options` itself. Images come
    before the text, or at their places in the question, where the user's turn holds it; one who sees none reads `[image]`
    at these places.
    """
    values, question = dict(row), row.get("question")
    if len(row.get("options") or ()) > len(LETTERS):
        raise RenderError(f"the question has more than {len(LETTERS)} options")
    media = {"media": row.get("media") if isinstance(question, str) or sees else None}
    places = positions(media)
    if places and (not isinstance(question, str) or places[-1] > len(question)):  # of another question than this one
        media = {"media": [{**m, "position": None} for m in media["media"] or ()]}
    if isinstance(question, str):
        shown = question if sees else put_marks(question, positions(media), SPOKEN)
        named = OPTIONS in template.references or (system is not None and OPTIONS in system.references)
        values["question"] = shown if named else question_text(shown, row.get("options"))
    text, start = template.located(values)
    turn = among(media, text, start) if sees else (text,)
    return conversation(system.render(values) if system else None, *turn)


class PromptFile(Section):
    """A prompt that is a file of its own."""

    file: str = Field(min_length=1, description="beside the recipe, such as caption.j2")


_OLD_FIELD = re.compile(r"(?<![\w\\{}^_$])\{([a-zA-Z_][\w.]*)\}(?!\})")
"""A field as `str.format` writes it; braces of LaTeX follow a command, `^` or another brace."""


def _checked(prompt: str | PromptFile) -> str | PromptFile:
    if isinstance(prompt, str):
        old = _OLD_FIELD.search(prompt) if "{{" not in prompt and "{%" not in prompt else None
        if old:
            raise ValueError(
                f"fields of a prompt are written {{{{ {old[1]} }}}}, not {old[0]}; a brace that is text goes between "
                "{% raw %} and {% endraw %}"
            )
        Template(prompt)
    return prompt


PromptField = Annotated[str | PromptFile, AfterValidator(_checked)]
"""A prompt in a recipe: a template, or `{file: name.j2}`, which the recipe's loader reads."""


def reading_only(prompt: str | PromptFile, names: Collection[str]) -> str | PromptFile:
    """A prompt that is put to other rows than a recipe's own, if it reads none but the fields `names`.

    Raises ValueError, in a sentence, where it reads another, and for what is no template.
    """
    if not isinstance(prompt, PromptFile):
        _checked(prompt)
        for ref in sorted(Template(prompt).references):
            if len(ref) > 1 or ref[0] not in names:
                raise ValueError(f"this prompt may read {' and '.join(sorted(names))}, and no `{'.'.join(ref)}`")
    return prompt
