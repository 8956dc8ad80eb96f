"""The names in a SELECT: each column as one of one table, and what each SELECT within gives to the one around it."""

from collections.abc import Mapping, Sequence
from typing import Any

from filters.sql import rules
from filters.sql.parse import Node, columns
from filters.sql.sources import Source, Sources, base, column, is_sample, key_of, unknown
from schemas.step import Reference

_KINDS = {
    "TABLE_FUNCTION": "reads from a function; rows come from tables, and a list becomes rows with unnest(list) after SELECT",
    "EXPRESSION_LIST": "holds VALUES; rows come from tables",
    "SHOW_REF": "describes tables; it must read rows",
    "EMPTY": "reads from nothing; write FROM rows",
    "PIVOT": "holds a PIVOT; write its columns as aggregates with FILTER",
}


class Resolver:
    """Walks a statement, and keeps what it reads of each table.

    `crosses` are the places where rows meet other rows, `wide` those of them that do not keep to one sample. `renamed` are
    the names that the SELECT gives and reads in its clauses, by the tables that must not have them too.
    """

    def __init__(self, tables: frozenset[str]) -> None:
        self._tables = tables
        self.reads: dict[str, set[Reference]] = {}
        self.renamed: set[tuple[str, str]] = set()
        self.marks = rules.Marks()

    def query(self, node: Node, within: Mapping[str, Source], named: bool = True) -> tuple[Node, Source]:
        """The statement over columns by dotted names, and itself as a source. Raises ValueError, the end of a sentence."""
        if node["type"] == "RECURSIVE_CTE_NODE":
            raise ValueError("is recursive, and may never end")
        entries, inner = self._named(node, within)
        node = {**node, "cte_map": {"map": entries}}
        if node["type"] == "SET_OPERATION_NODE":
            return self._union(node, inner, named)
        if node["type"] != "SELECT_NODE":
            raise ValueError(f"holds a {node['type']}; it must be a SELECT")
        return self._select(node, inner, named)

    def _named(self, node: Node, within: Mapping[str, Source]) -> tuple[list[Node], dict[str, Source]]:
        named, inner = list[Node](), dict(within)
        for entry in node["cte_map"]["map"]:
            name, value = entry["key"].lower(), entry["value"]
            if name in self._tables or value.get("aliases"):
                raise ValueError(f"names a SELECT {entry['key']} that is a table, or lists its columns; AS does that")
            query, inner[name] = self.query(value["query"]["node"], inner)
            named.append({**entry, "value": {**value, "query": {**value["query"], "node": query}}})
        return named, inner

    def _union(self, node: Node, within: Mapping[str, Source], named: bool) -> tuple[Node, Source]:
        if node["setop_type"] != "UNION" or not node.get("setop_all") or node["modifiers"]:
            raise ValueError("compares whole rows, or orders those of a union; write UNION ALL, and SEMI or ANTI JOIN")
        left, one = self.query(node["left"], within, named)
        right, other = self.query(node["right"], within, named=False)
        if len(one.columns) != len(other.columns):
            raise ValueError(f"joins {len(one.columns)} columns of one SELECT to {len(other.columns)} of another")
        # The columns of a union are those of its first SELECT, whatever the second calls them.
        pairs = list(zip(one.columns, other.columns, strict=True))
        samples = frozenset(a for a, b in pairs if a in one.samples and b in other.samples)
        long = frozenset(a for a, b in pairs if a in one.long or b in other.long)
        return {**node, "left": left, "right": right}, Source(None, None, samples, long, one.columns)

    def _select(self, node: Node, within: Mapping[str, Source], named: bool) -> tuple[Node, Source]:
        rules.check_clauses(node)
        sources: dict[str, Source] = {}
        table = self._from(node["from_table"], within, sources)
        names = [_name(item, "" if named else f"column {place}") for place, item in enumerate(node["select_list"])]
        items = [
            {**self._resolved(item, sources, {}), "alias": name}
            for item, name in zip(node["select_list"], names, strict=True)
        ]
        given = {
            item["alias"].lower(): new for item, new in zip(node["select_list"], items, strict=True) if item["alias"]
        }
        resolved = {
            **node,
            "from_table": table,
            "select_list": items,
            **{
                clause: self._resolved(node[clause], sources, given)
                for clause in ("where_clause", "group_expressions", "having", "qualify", "modifiers")
            },
        }
        self.marks.add(resolved, sources)
        return rules.in_order(resolved), _source(resolved, names, sources)

    def _from(self, node: Node, within: Mapping[str, Source], sources: dict[str, Source]) -> Node:
        if node["type"] in _KINDS:
            raise ValueError(_KINDS[node["type"]])
        if node.get("sample"):
            raise ValueError("draws a sample; the step `select` does that")
        if node["type"] == "JOIN":
            return self._join(node, within, sources)
        if node.get("column_name_alias"):
            raise ValueError("renames the columns of a table where it is read; AS does that after SELECT")
        if node["type"] == "SUBQUERY":
            query, source = self.query(node["subquery"]["node"], within)
            _add(sources, node["alias"] or "unnamed_subquery", source)
            return {**node, "subquery": {**node["subquery"], "node": query}}
        if node["type"] != "BASE_TABLE":
            raise ValueError(f"reads from a {node['type']}; rows come from tables")
        name = node["table_name"]
        if (
            node["schema_name"]
            or node["catalog_name"]
            or node["at_clause"]
            or not {name, name.lower()} & {*self._tables, *within}
        ):
            raise rules.no_table(
                ".".join(filter(None, (node["catalog_name"], node["schema_name"], name))), self._tables
            )
        source = within.get(name.lower()) or base(name)
        if source.table:
            self.reads.setdefault(name, set())
        _add(sources, node["alias"] or name, source)
        return node

    def _join(self, node: Node, within: Mapping[str, Source], sources: dict[str, Source]) -> Node:
        left_sources, right_sources = dict[str, Source](), dict[str, Source]()
        left = self._from(node["left"], within, left_sources)
        right = self._from(node["right"], within, right_sources)
        for alias, source in (*left_sources.items(), *right_sources.items()):
            _add(sources, alias, source)
        condition = node["condition"]
        if node["using_columns"]:
            condition = rules.using(node["using_columns"], next(iter(left_sources)), next(iter(right_sources)))
        condition = condition and self._resolved(condition, sources, {})
        self.marks.join(node, condition, left_sources, right_sources)
        return {**node, "left": left, "right": right, "condition": condition, "using_columns": []}

    def _resolved(self, tree: Any, sources: Sources, given: Mapping[str, Node]) -> Any:
        def change(node: Node) -> Node:
            parts: Sequence[str] = node["column_names"]
            alias = parts[0].lower()
            if len(parts) > 1 and alias in sources:
                parts = parts[1:]
            elif len(parts) == 1 and alias in given:
                self.renamed |= {(source.table, parts[0]) for source in sources.values() if source.table}
                if any(parts[0] in source.columns for source in sources.values()):
                    raise rules.ambiguous(parts[0])
                return {**given[alias], "alias": ""}
            elif len(sources) == 1:
                alias = next(iter(sources))
            else:
                raise ValueError(f"reads {'.'.join(parts)} where tables meet; write of which: table.{'.'.join(parts)}")
            source, name = sources[alias], ".".join(parts)
            if source.table:
                self.reads[source.table].add(tuple(parts))
            elif name not in source.columns:
                raise unknown(name, source)
            return {**node, "column_names": [alias, name]}

        return columns(tree, change)


def _add(sources: dict[str, Source], alias: str, source: Source) -> None:
    if alias.lower() in sources:
        raise ValueError(f"reads two tables as {alias}; give one of them another name with AS")
    sources[alias.lower()] = source


def _name(item: Node, otherwise: str) -> str:
    name = item["alias"] or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else otherwise)
    if not name:
        raise ValueError("gives a value without a name; write `expression AS name`")
    return str(name)


def _source(node: Node, names: Sequence[str], sources: Sources) -> Source:
    """A resolved SELECT as a source of the one around it."""
    if len({name.lower() for name in names}) < len(names):
        raise ValueError("gives two columns of one name")
    found = {name: column(item, sources) for name, item in zip(names, node["select_list"], strict=True)}
    if node["group_expressions"]:
        key = [column(expression, sources) for expression in node["group_expressions"]]
    else:
        key = list(key_of(sources) or [None])
    known = None not in key and set(key) <= set(found.values()) and not rules.unnests(node["select_list"])
    return Source(
        None,
        frozenset(name for name, at in found.items() if at in key) if known else None,
        frozenset(name for name, item in zip(names, node["select_list"], strict=True) if is_sample(item, sources)),
        frozenset(name for name, at in found.items() if at and sources[at[0]].is_long(at[1])),
        tuple(names),
    )
