"""The language of prompts: a small part of Jinja2, parsed by Jinja2 and evaluated here.

A template is read by Jinja2's own parser, so that it looks and lays out its lines as chat templates of `transformers` do
(`trim_blocks`, `lstrip_blocks`). Nothing of it is run as Python: each node of its tree becomes a function, and a node
without one is refused. So a stranger's template can do only what is written here and in `template_values`: read a row's
fields, compare them, loop over the row's own lists, and a few filters of which none makes much out of little. Jinja2's
sandbox would not do: it renders `{{ 'a' * 10**9 }}`.

Nulls are followed through the tree. An expression is either where null is handled (a condition, left of `or`, before
`default`) or where a value is needed; there null raises `NullField`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from generators.rendering import RenderError, kind_of, shown
from generators.template_fields import Place, path_of, plain, refuse, set_if, spelled, unsupported
from generators.template_values import Run, Values
from schemas.step import Reference

Piece = tuple[Reference | None, str]
"""A piece of rendered text, and the reference that it is where a template names just that: `{{ question }}`."""

_LONGEST = 1_000_000


Text = Callable[[Run], Iterator[Piece]]


@dataclass(frozen=True)
class Program:
    """A template as functions: `reads` says of each reference whether null is handled wherever it occurs."""

    run: Text
    reads: Mapping[Reference, bool]


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False, extensions=()
    )


def compiled(source: str) -> Program:
    """The program of a template. Raises ValueError in one sentence, with the line, for what the language does not have."""
    if len(source) > _LONGEST:
        raise ValueError(f"a prompt of {len(source):,} characters is too long; at most {_LONGEST:,} are read")
    try:
        tree = _environment().parse(source)
    except TemplateSyntaxError as error:
        raise ValueError(f"line {error.lineno}: {(error.message or 'no template').rstrip('.')}") from None
    except ValueError as error:  # a number of thousands of digits
        raise ValueError(f"the prompt cannot be read: {error}") from None
    except RecursionError:
        raise ValueError("the prompt is nested too deeply") from None
    texts = _Texts()
    return Program(texts.texts(tree.body, Place()), texts.values.reads)


class _Texts:
    def __init__(self) -> None:
        self.values = Values()

    def texts(self, body: Sequence[nodes.Node], place: Place) -> Text:
        parts = [self.text(node, place.below(node)) for node in body]

        def run(state: Run) -> Iterator[Piece]:
            for part in parts:
                yield from part(state)

        return run

    def text(self, node: nodes.Node, place: Place) -> Text:
        made: Text
        match node:
            case nodes.Output():
                made = self.texts(node.nodes, place)
            case nodes.TemplateData():
                piece: Piece = (None, node.data)
                made = lambda state: iter((piece,))  # noqa: E731
            case nodes.If():
                made = self._if(node, place)
            case nodes.For():
                made = self._for(node, place)
            case nodes.Expr():
                made = self._output(node, place)
            case _:
                unsupported(node)
        return made

    def _output(self, node: nodes.Expr, place: Place) -> Text:
        value, path = self.values.value(node, place, null=False), path_of(node, place)
        whole = path[0] if path and not path[1] else None
        return lambda state: iter(((whole, shown(value(state))),))

    def _if(self, node: nodes.If, place: Place) -> Text:
        test = self.values.value(node.test, place, null=True)
        then = self.texts(node.body, place.below(node, set_if(node.test, place, True)))
        unless = place.below(node, set_if(node.test, place, False))
        branches = [(test, then)]
        for other in node.elif_:
            then = self.texts(other.body, unless.below(other, set_if(other.test, unless, True)))
            branches.append((self.values.value(other.test, unless, null=True), then))
            unless = Place(unless.bound, unless.known | set_if(other.test, unless, False), unless.depth)
        otherwise = self.texts(node.else_, unless)

        def run(state: Run) -> Iterator[Piece]:
            return next((body for test, body in branches if test(state)), otherwise)(state)

        return run

    def _for(self, node: nodes.For, place: Place) -> Text:
        if not isinstance(node.target, nodes.Name) or node.recursive:
            refuse(node, "a loop has one variable, as in `for option in options`")
        if not isinstance(node.iter, nodes.Name | nodes.Getattr | nodes.Getitem):
            refuse(node, "a loop goes over a list of the row, as in `for option in options`")
        name = plain(node.target, node.target.name)
        items, name_of = self.values.value(node.iter, place, null=False), spelled(node.iter)
        inner = Place(place.bound | {name}, place.known, place.depth)
        test = self.values.value(node.test, inner.below(node), null=True) if node.test else None
        body = self.texts(node.body, Place(inner.bound | {"loop"}, inner.known, inner.depth).below(node))
        empty = self.texts(node.else_, place)

        def run(state: Run) -> Iterator[Piece]:
            listed = items(state)
            if not isinstance(listed, list | tuple):
                raise RenderError(f"'{name_of}' is {kind_of(listed)}, and a loop needs a list")
            state.spend(len(listed))
            outer = dict(state.variables)
            if test is not None:
                listed = [item for item in listed if test(Run(state.values, outer | {name: item}, state.rounds))]
            for i, item in enumerate(listed):
                state.variables = outer | {name: item, "loop": _loop(i, len(listed))}
                yield from body(state)
            state.variables = outer
            if not listed:
                yield from empty(state)

        return run


def _loop(index: int, length: int) -> dict[str, Any]:
    left = length - index
    return {"index": index + 1, "index0": index, "revindex": left, "revindex0": left - 1, "first": not index,
            "last": left == 1, "length": length}  # fmt: skip
