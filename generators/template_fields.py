"""The fields that a template names: where in its tree they occur, how they are spelled, and where they cannot be null."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from jinja2 import nodes

from schemas.step import Reference

Path = tuple[Reference, tuple[str | int, ...]]
"""A reference, and what is taken out of its value."""

_GLOBALS = frozenset(
    ("caller", "cycler", "dict", "joiner", "kwargs", "lipsum", "loop", "namespace", "range", "self", "super", "varargs")
)
_DEEPEST = 60
_INSTEAD: Mapping[type[nodes.Node], str] = {
    nodes.Call: "nothing can be called in a prompt",
    nodes.Concat: "texts are not joined by ~; write the fields one after the other",
    nodes.BinExpr: "there is no arithmetic in a prompt; let an `sql` step compute the column",
    nodes.Assign: "there is no `set` in a prompt; write the field where it is needed",
    nodes.Include: "a prompt includes no other file",
    nodes.Import: "a prompt imports no other file",
    nodes.FromImport: "a prompt imports no other file",
    nodes.Extends: "a prompt extends no other file",
    nodes.Slice: "a list is not sliced in a prompt; loop over it with `if loop.index <= 3`",
    nodes.Macro: "there are no macros in a prompt",
    nodes.List: "a list of literals is allowed only after `in`",
    nodes.Tuple: "a list of literals is allowed only after `in`",
}


@dataclass(frozen=True)
class Place:
    """The context of a node: loop variables that it may name, fields that are not null there, and how deep it is."""

    bound: frozenset[str] = frozenset()
    known: frozenset[Path] = frozenset()
    depth: int = 0

    def below(self, node: nodes.Node, known: frozenset[Path] = frozenset()) -> "Place":
        if self.depth >= _DEEPEST:
            refuse(node, "the prompt is nested too deeply")
        return Place(self.bound, self.known | known, self.depth + 1)


def refuse(node: nodes.Node, why: str) -> NoReturn:
    raise ValueError(f"line {node.lineno}: {why}" if node.lineno else why)


def unsupported(node: nodes.Node) -> NoReturn:
    why = next((why for kind, why in _INSTEAD.items() if isinstance(node, kind)), None)
    refuse(node, why or f"`{type(node).__name__.lower()}` is not part of the language of prompts")


def unwound(node: nodes.Node) -> tuple[nodes.Name, tuple[str | int, ...], int]:
    """The name that a field begins with, the keys after it, and how many of them come first after dots."""
    keys: list[str | int] = []
    dots = 0
    while not isinstance(node, nodes.Name):
        match node:
            case nodes.Getattr():
                keys.append(plain(node, node.attr))
                dots += 1
            case nodes.Getitem():
                keys.append(_key(node))
                dots = 0
            case _:
                refuse(node, "only fields of the row have parts, as in `answer.raw` or `options[0]`")
        node = node.node
    return node, tuple(reversed(keys)), dots


def _key(node: nodes.Getitem) -> str | int:
    match node.arg:
        case nodes.Const(value=str() | int() as key) if not isinstance(key, bool):
            return key
        case nodes.Neg(node=nodes.Const(value=int() as key)):
            return -key
        case nodes.Slice():
            unsupported(node.arg)
        case _:
            refuse(node, "what is in [] is a number or a text, as in `options[0]`")


def path_of(node: nodes.Node, place: Place) -> Path | None:
    """A field of the row; None for what is none."""
    if not isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem):
        return None
    root, keys, dots = unwound(node)
    if root.name in place.bound:
        return None
    return (plain(root, root.name), *map(str, keys[:dots])), keys[dots:]


def plain(node: nodes.Node, name: str) -> str:
    if name.startswith("_"):
        refuse(node, f"`{name}` is no name of a field: those do not begin with _")
    if name in _GLOBALS and not isinstance(node, nodes.Getattr):
        where = "outside a loop" if name == "loop" else "in prompts"
        refuse(node, f"there is no `{name}` {where}; a prompt reads fields of its row, as in {{{{ question }}}}")
    return name


def spelled(node: nodes.Node) -> str:
    match node:
        case nodes.Name():
            return node.name
        case nodes.Getattr():
            return f"{spelled(node.node)}.{node.attr}"
        case nodes.Getitem(arg=nodes.Const()):
            return f"{spelled(node.node)}[{node.arg.value!r}]"  # type: ignore[attr-defined]
        case nodes.Getitem():
            return f"{spelled(node.node)}[…]"
        case nodes.Filter(node=nodes.Expr()):
            return f"{spelled(node.node)}|{node.name}"  # type: ignore[arg-type]
        case _:
            return "…"


def is_none(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Const) and node.value is None


def set_if(test: nodes.Node, place: Place, holds: bool) -> frozenset[Path]:
    """The fields that are not null where a condition holds, or where it does not."""
    match test:
        case nodes.Not():
            return set_if(test.node, place, not holds)
        case nodes.And() | nodes.Or():
            left, right = set_if(test.left, place, holds), set_if(test.right, place, holds)
            return left | right if isinstance(test, nodes.And) == holds else left & right
        case nodes.Test():
            path = path_of(test.node, place) if (test.name == "defined") == holds else None
        case nodes.Compare(ops=[nodes.Operand()]):
            sides = (test.expr, test.ops[0].expr)
            differs = (test.ops[0].op == "ne") == holds and any(map(is_none, sides))
            path = next((p for side in sides if (p := path_of(side, place))), None) if differs else None
        case _:
            path = path_of(test, place) if holds else None
    return frozenset({path}) if path else frozenset()
