"""Names: which column a short name or an address means at the place of a step, and what has become of it by then.

A column has the address `step.column` and a short name. Short names are looked up among the rows' own columns, then among
those of what they were made from, the nearest first. A step *replaces* a column of its rows if it reads it or says so;
whatever was measured on the replaced one, directly or not, is *outdated*: only its address still reads it. A column is
*tainted* if the gold was shown to the model that wrote it.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import polars as pl

from pipelines.compiler.columns import BASE, SHORT, Column, Facts, NameFault, Node, Source, Unknown
from schemas.errors import nearest
from schemas.reply_row import REPLY
from schemas.sample import ANSWER
from schemas.step import Gives, Reference


@dataclass
class Names:
    """The names that there are at the place of a step; each step adds its own by `give`."""

    makers: dict[str, list[str]] = field(default_factory=dict)
    origin: dict[str, Node | None] = field(default_factory=dict)
    facts: dict[Column, Facts] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    """The unit whose rows each step worked on, or made."""
    _named: dict[tuple[str, str], list[Column]] = field(default_factory=dict)
    """The columns by unit and name, in the order of the steps."""

    def node(self, of: str | Iterable[str]) -> Node:
        """The rows that `of` means: all of a unit, or those that the named steps made. Raises NameFault."""
        names = (of,) if isinstance(of, str) else tuple(of)
        found = [self._node(name) for name in names]
        units = sorted({node.unit for node in found})
        if len(units) > 1:
            raise NameFault(f"`of` mixes rows of {' and '.join(units)}; name steps that make the same unit.")
        return Node(units[0], frozenset().union(*(node.makers for node in found)))

    def _node(self, name: str) -> Node:
        if name in self.makers and (name not in self.origin or set(self.makers[name]) == {name}):
            return Node(name, frozenset(self.makers[name]))
        if name in self.origin:
            return Node(self.steps[name], frozenset({name}))
        if name in self.steps:
            raise NameFault(f"`of: {name}`: '{name}' makes no rows of its own; name a unit, or a step that makes rows.")
        known = [*self.makers, *self.origin]
        raise NameFault(
            f"nothing before it makes '{name}'.{nearest(name, known)} There are {', '.join(sorted(known))}."
        )

    def above(self, node: Node) -> list[Node]:
        """What the rows were made from, by unit; nothing for samples of the sources."""
        found: dict[str, frozenset[str]] = {}
        for maker in node.makers:
            origin = self.origin[maker]
            if origin is not None:
                found[origin.unit] = found.get(origin.unit, frozenset()) | origin.makers
        return [Node(unit, makers) for unit, makers in sorted(found.items())]

    def samples(self, node: Node) -> Node:
        """The samples that rows of `node` are, or belong to."""
        levels = ([node], *self._levels(node))
        return next(found for level in levels for found in level if found.unit == "sample")

    def find(self, node: Node, ref: Reference, *, text: bool = False) -> Source:
        """What a reference means for rows of `node`, read as `text` or as it is.

        Raises NameFault for what is unknown, ambiguous or outdated.
        """
        if len(ref) == 1 and ref[0] in SHORT and not self.has(node, ref):
            ref = SHORT[ref[0]]
        found = self._find(node, ref)
        if text and found.dtype == ANSWER:
            return replace(found, path=(*found.path, "raw"), dtype=pl.String())
        return found

    def _find(self, node: Node, ref: Reference) -> Source:
        name, *rest = ref
        if not rest and name in BASE:
            return Source(node, own=True, columns=(), dtype=BASE[name], base=name)
        if rest and name in self.steps:
            return self._address(node, name, rest[0], tuple(rest[1:]))
        if rest and name == "parent":
            above = self.above(node)
            return self._among(above, tuple(rest), node) or self._unknown(node, ref)
        if rest and name in self.makers:
            if name == node.unit:
                return self._own(node, tuple(rest)) or self._unknown(node, ref)
            nodes = next(([n] for level in self._levels(node) for n in level if n.unit == name), [])
            return self._among(nodes, tuple(rest), node) or self._unknown(node, ref)
        found = self._own(node, ref)
        if found is None:
            hits: dict[str, Source] = {}
            for level in self._levels(node):
                for one in level:
                    source = self._short(one, ref)
                    if source is not None:
                        hits.setdefault(one.unit, replace(source, own=False))
            if len(hits) > 1:
                ways = " or ".join(f"{unit}.{'.'.join(ref)}" for unit in sorted(hits))
                raise NameFault(f"`{'.'.join(ref)}` is found at two levels; write {ways}.")
            found = next(iter(hits.values()), None)
        return found or self._unknown(node, ref)

    def _own(self, node: Node, ref: Reference) -> Source | None:
        return self._short(node, ref)

    def _among(self, nodes: Iterable[Node], ref: Reference, reader: Node) -> Source | None:
        for node in nodes:
            source = self._short(node, ref)
            if source is not None:
                return replace(source, own=False)
        return None

    def _levels(self, node: Node) -> Iterator[list[Node]]:
        """What rows were made from, the nearest first."""
        seen: set[Node] = {node}
        level = self.above(node)
        while level:
            yield level
            merged: dict[str, frozenset[str]] = {}
            for below in level:
                seen.add(below)
                for above in self.above(below):
                    merged[above.unit] = merged.get(above.unit, frozenset()) | above.makers
            level = [n for n in (Node(unit, makers) for unit, makers in sorted(merged.items())) if n not in seen]

    def columns(self, node: Node, name: str) -> list[Column]:
        """The columns of that name that cover some of the rows, in the order of the steps."""
        return [c for c in self._named.get((node.unit, name), ()) if self.facts[c].covers & node.makers]

    def _short(self, node: Node, ref: Reference) -> Source | None:
        """A short name among the columns of `node`; None where there is none.

        What every reply has keeps its bare name, whatever is measured on it: of a reply that was made several times over,
        `model` is who wrote it, and whose answers to it were counted is `difficulty.model`.
        """
        found = self.columns(node, ref[0])
        if ref[0] in REPLY and any(c.step in node.makers for c in found):
            found = [c for c in found if c.step in node.makers or self.facts[c].replaced]
        if not found:
            return None
        replaced = frozenset().union(*(self.facts[c].replaced for c in found))
        heads = [c for c in found if c not in replaced]
        fresh = [c for c in heads if self.facts[c].outdated is None]
        for place, one in enumerate(fresh):
            for other in fresh[place + 1 :]:
                if self.facts[one].covers & self.facts[other].covers & node.makers:
                    raise NameFault(
                        f"`{ref[0]}` is given by '{one.step}' and by '{other.step}'; write {one.step}.{ref[0]} or "
                        f"{other.step}.{ref[0]}."
                    )
        covered = frozenset().union(*(self.facts[c].covers for c in fresh)) & node.makers
        for column in heads:
            facts = self.facts[column]
            if facts.outdated is not None and (facts.covers & node.makers) - covered:
                raise NameFault(
                    f"`{ref[0]}` is outdated: '{column.step}' gave it before '{facts.outdated}' changed what it depends on. "
                    f"Measure it again after '{facts.outdated}', or write {column.step}.{ref[0]} for the old one."
                )
        stale = {c for c in heads if c not in fresh}
        used = tuple(c for c in found if c not in stale)
        return self._source(node, used, ref)

    def _source(self, node: Node, columns: tuple[Column, ...], ref: Reference) -> Source:
        types = {self.facts[c].dtype for c in columns}
        if len(types) > 1:
            ways = " and ".join(f"{c.step}.{c.name} ({self.facts[c].dtype})" for c in columns)
            raise NameFault(f"`{ref[0]}` has several types: {ways}; give them different names.")
        dtype, path = types.pop(), ref[1:]
        if dtype == ANSWER and path and path[0] not in {"kind", "raw", "parsed"}:
            return Source(node, own=True, columns=columns, dtype=pl.String(), path=("parsed", *(f"${n}" for n in path)))
        for name in path:
            if not isinstance(dtype, pl.Struct):
                raise NameFault(f"`{'.'.join(ref)}`: `{ref[0]}` has no fields ({dtype}).")
            fields = {f.name: f.dtype for f in dtype.fields}
            if name not in fields:
                raise NameFault(f"`{'.'.join(ref)}`: no field '{name}'.{nearest(name, fields)}")
            dtype = pl.Series(dtype=fields[name]).dtype
        return Source(node, own=True, columns=columns, dtype=dtype, path=path)

    def _address(self, node: Node, step: str, name: str, path: tuple[str, ...]) -> Source:
        given = [c for c in self.facts if c.step == step and c.name == name]
        if not given:
            names = sorted({c.name for c in self.facts if c.step == step})
            raise NameFault(
                f"'{step}' gives no `{name}`.{nearest(name, names)} It gives {', '.join(names) or 'nothing'}."
            )
        column = given[0]
        for own, nodes in ((True, [node]), *((False, level) for level in self._levels(node))):
            for candidate in nodes:
                if candidate.unit == column.unit and self.facts[column].covers & candidate.makers:
                    return replace(self._source(candidate, (column,), (name, *path)), own=own)
        raise NameFault(
            f"`{step}.{name}` belongs to rows of {column.unit}, and rows of {node.unit} are not made from those. What was "
            "made from a row reaches it through `difficulty` or `tally`."
        )

    def _unknown(self, node: Node, ref: Reference) -> Source:
        raise Unknown(lambda: self._says_unknown(node, ref))

    def _says_unknown(self, node: Node, ref: Reference) -> str:
        written = ".".join(ref)
        known = sorted(self.types(node))
        below = sorted({c.unit for c in self.facts if c.name == ref[-1] and c.unit != node.unit})
        hint = f" Rows of {below[0]} have it; count them with `tally`." if below and len(ref) == 1 else ""
        return f"reads `{written}`, and no step before it gives that to {node.unit}.{nearest(written, known)}{hint}"

    def types(self, node: Node) -> dict[str, pl.DataType]:
        """Every name that rows of `node` may be read by here, as text, and its type."""
        found: dict[str, pl.DataType] = dict(BASE)
        nodes = [node, *(n for level in self._levels(node) for n in level)]
        for candidate in nodes:
            for column, facts in self.facts.items():
                if column.unit == candidate.unit and facts.covers & candidate.makers:
                    found.setdefault(f"{column.step}.{column.name}", _as_text(facts.dtype))
                    if column.name not in found:
                        with suppress(NameFault):
                            found[column.name] = _as_text(self._find(node, (column.name,)).dtype)
        for name, ref in SHORT.items():
            if name not in found and self.has(node, ref[:1]):
                found[name] = self._find(node, ref).dtype
        return found

    def has(self, node: Node, ref: Reference) -> bool:
        """Whether some step gives what a reference names, even if it may not be read by that name."""
        nodes = [node, *(n for level in self._levels(node) for n in level)]
        return any(self.columns(n, ref[0]) for n in nodes) or (len(ref) > 1 and ref[0] in self.steps)

    def own(self, node: Node) -> dict[str, pl.DataType]:
        """The columns that the rows themselves have and that their short names read, as they are."""
        found: dict[str, pl.DataType] = {}
        for name in dict.fromkeys(
            c.name for c, f in self.facts.items() if c.unit == node.unit and f.covers & node.makers
        ):
            with suppress(NameFault):
                found[name] = self._find(node, (name,)).dtype
        return found

    def give(
        self,
        step: str,
        node: Node,
        gives: Gives,
        read: frozenset[Column],
        *,
        tainted: bool = False,
        golds: frozenset[str] = frozenset(),
    ) -> None:
        """Add what a step gives to rows of `node`, having read the columns `read`; `golds` names those that are a gold.

        Raises NameFault for a name that rows of all units have.
        """
        target = node if gives.makes is None else Node(gives.makes, frozenset({step}))
        depends = read.union(*(self.facts[c].depends for c in read))
        if gives.makes is not None:
            self.makers.setdefault(gives.makes, []).append(step)
            self.origin[step] = node
        self.steps[step] = target.unit
        gone: set[Column] = set()
        for name, dtype in gives.columns.items():
            if name in BASE:
                raise NameFault(f"`{name}` is the name of a column that all rows have; choose another.")
            old = frozenset(
                c for c in self.columns(target, name) if gives.makes is None and (c in read or name in gives.replaces)
            )
            gone |= old
            column = Column(target.unit, step, name)
            self.facts[column] = Facts(dtype, target.makers, depends, tainted or name in golds, None, old)
            self._named.setdefault((target.unit, name), []).append(column)
        for column, facts in self.facts.items():
            elsewhere = column.unit == target.unit and not facts.covers & target.makers
            if column.step != step and facts.depends & gone and facts.outdated is None and not elsewhere:
                self.facts[column] = replace(facts, outdated=step)


def _as_text(dtype: pl.DataType) -> pl.DataType:
    return pl.String() if dtype == ANSWER else dtype


def tainted(names: Names, columns: Iterable[Column]) -> bool:
    """Whether one of the columns was written by who had seen the gold, or is the gold."""
    return any(names.facts[c].tainted for c in columns)
