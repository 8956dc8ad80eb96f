"""The values of a prompt's language: each expression becomes a function of a row. Part of `generators.template_language`."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from generators.rendering import LOOPS, NullField, RenderError, TooLong, filtered, item_of, kind_of
from generators.template_fields import Place, is_none, path_of, refuse, set_if, spelled, unsupported, unwound
from schemas.errors import nearest
from schemas.step import Reference

FILTERS = ("default", "first", "join", "last", "length", "lower", "trim", "upper")
_LOOP = ("index", "index0", "revindex", "revindex0", "first", "last", "length")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
    "in": lambda a, b: a in b,
    "notin": lambda a, b: a not in b,
}


@dataclass
class Run:
    """One rendering: the row's values by dotted reference, the loop variables, and how many more rounds loops may take."""

    values: Mapping[str, Any]
    variables: dict[str, Any] = field(default_factory=dict)
    rounds: int = LOOPS

    def spend(self, rounds: int) -> None:
        self.rounds -= rounds
        if self.rounds < 0:
            raise TooLong(f"its loops take more than {LOOPS:,} rounds")


Value = Callable[[Run], Any]


class Values:
    """Makes functions of expressions. `reads` notes each reference, and whether null is handled wherever it occurs."""

    def __init__(self) -> None:
        self.reads: dict[Reference, bool] = {}

    def value(self, node: nodes.Node, place: Place, *, null: bool) -> Value:
        """A function for an expression, which gives None only where `null` is handled."""
        place = place.below(node)
        made: Value
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                made = self._field(node, place, null)
            case nodes.Const():
                made = self._literal(node.value, node, null)
            case nodes.Neg(node=nodes.Const(value=int() | float() as number)):
                made = self._literal(-number, node, null)
            case nodes.And() | nodes.Or():
                made = self._either(node, place, null)
            case nodes.Not():
                inner = self.value(node.node, place, null=True)
                made = lambda state: not inner(state)  # noqa: E731
            case nodes.CondExpr():
                made = self._choose(node, place, null)
            case nodes.Compare():
                made = self._compare(node, place)
            case nodes.Test():
                made = self._test(node, place)
            case nodes.Filter():
                made = self._filter(node, place, null)
            case _:
                unsupported(node)
        return made

    def _either(self, node: nodes.And | nodes.Or, place: Place, null: bool) -> Value:
        both = isinstance(node, nodes.And)
        left = self.value(node.left, place, null=null or not both)
        right = self.value(node.right, place.below(node, set_if(node.left, place, both)), null=null)
        if both:
            return lambda state: left(state) and right(state)
        return lambda state: left(state) or right(state)

    def _field(self, node: nodes.Node, place: Place, null: bool) -> Value:
        root, keys, _ = unwound(node)
        words = spelled(node)
        if root.name == "loop" and "loop" in place.bound:
            if len(keys) != 1 or keys[0] not in _LOOP:
                refuse(node, f"`{words}` is not known; a loop has loop.{', loop.'.join(_LOOP)}")
            return lambda state: state.variables["loop"][keys[0]]
        path = path_of(node, place)
        if path is not None:
            ref, keys = path
            dotted = ".".join(ref)
            self.reads[ref] = self.reads.get(ref, True) and (null or bool(place.known & {path, (ref, ())}))

            def base(state: Run) -> Any:
                return state.values[dotted]
        else:
            name = root.name

            def base(state: Run) -> Any:
                return state.variables[name]

        def run(state: Run) -> Any:
            value = base(state)
            for key in keys:
                value = item_of(value, key, words)
            if value is None and not null:
                raise NullField(words)
            return value

        return run

    def _literal(self, value: Any, node: nodes.Node, null: bool) -> Value:
        if value is None and not null:
            refuse(node, "`none` is not text; write '' for nothing")
        return lambda state: value

    def _choose(self, node: nodes.CondExpr, place: Place, null: bool) -> Value:
        test = self.value(node.test, place, null=True)
        then = self.value(node.expr1, place.below(node, set_if(node.test, place, True)), null=null)
        if node.expr2 is None:
            return lambda state: then(state) if test(state) else ""
        unless = self.value(node.expr2, place.below(node, set_if(node.test, place, False)), null=null)
        return lambda state: then(state) if test(state) else unless(state)

    def _compare(self, node: nodes.Compare, place: Place) -> Value:
        sides = [node.expr, *(operand.expr for operand in node.ops)]
        to_none = len(sides) == 2 and node.ops[0].op in ("eq", "ne") and any(map(is_none, sides))
        first, *others = [_listed(side) or self.value(side, place, null=to_none) for side in sides]
        signs = [operand.op for operand in node.ops]

        def run(state: Run) -> bool:
            left = first(state)
            for sign, other in zip(signs, others, strict=True):
                right = other(state)
                try:
                    holds = _COMPARE[sign](left, right)
                except TypeError:
                    raise RenderError(
                        f"line {node.lineno}: {kind_of(left)} is not compared with {kind_of(right)}"
                    ) from None
                if not holds:
                    return False
                left = right
            return True

        return run

    def _test(self, node: nodes.Test, place: Place) -> Value:
        if node.name not in ("none", "defined", "undefined") or node.args or node.kwargs:
            refuse(node, f"there is no test `is {node.name}` in prompts; there are `is none` and `is defined`")
        inner, wants = self.value(node.node, place, null=True), node.name != "defined"
        return lambda state: (inner(state) is None) == wants

    def _filter(self, node: nodes.Filter, place: Place, null: bool) -> Value:
        if node.name not in FILTERS:
            refuse(node, f"there is no filter `{node.name}` in prompts; there are {', '.join(FILTERS)}."
                          + nearest(node.name, FILTERS, 0.7))  # fmt: skip
        if node.node is None or node.kwargs or node.dyn_args or node.dyn_kwargs:
            unsupported(node)
        if len(node.args) > (node.name in ("default", "join")):
            refuse(node, f"too many arguments for the filter `{node.name}`")
        if node.name == "default":
            inner = self.value(node.node, place, null=True)
            if not node.args:
                return lambda state: "" if (value := inner(state)) is None else value
            other = self.value(node.args[0], place, null=null)
            return lambda state: other(state) if (value := inner(state)) is None else value
        between = node.args[0] if node.args else nodes.Const("")
        if not isinstance(between, nodes.Const) or not isinstance(between.value, str):
            refuse(node, "what `join` puts between items is a text, as in `options|join(', ')`")
        inner, name, words = self.value(node.node, place, null=null), node.name, spelled(node.node)

        def run(state: Run) -> Any:
            value = inner(state)
            value = None if value is None else filtered(name, value, between.value, words)
            if value is None and not null:
                raise NullField(spelled(node))
            return value

        return run


def _listed(node: nodes.Node) -> Value | None:
    """A list of literals, as in `x in ['a', 'b']`."""
    if not isinstance(node, nodes.List | nodes.Tuple) or not all(isinstance(i, nodes.Const) for i in node.items):
        return None
    items = [item.value for item in node.items]  # type: ignore[attr-defined]
    return lambda state: items
