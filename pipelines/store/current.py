"""Current values: the rows of a unit as a step sees them, the one way in which tables of steps are read.

A row's value of a column is that of the last step, before the reader, that wrote this row. The overlay goes by presence,
never by value, so a null that a step wrote counts, and no join loses a row. A row lives while nothing dropped it, nor the
row that it was made from.
"""

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path

import polars as pl

from pipelines.compiler.columns import Column, Node, Source
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.store.step_tables import DROPS, RETIRED, ROWS, part_name
from pipelines.store.table_files import scan_table

_IDS = ("id", "sample_id", "parent_id")
_NONE: Mapping[str, Source] = {}
_NO_ROWS = pl.DataFrame(schema={**dict.fromkeys(_IDS, pl.String()), "made_by": pl.String()})


class Tables:
    """The tables of one build, a bucket at a time."""

    def __init__(self, pipeline: Pipeline, folder: Path) -> None:
        self.pipeline = pipeline
        self._folder = folder

    def scan(self, step: str, table: str, bucket: int) -> pl.LazyFrame | None:
        path = (
            f"{self._folder}/{part_name(step, table, bucket)}"  # texts, because most of what is looked for is not there
        )
        return scan_table(Path(path)) if os.path.isfile(path) else None  # noqa: PTH113

    def current(
        self,
        node: Node,
        sources: Mapping[str, Source],
        bucket: int,
        before: int,
        *,
        dropped: bool = False,
        gone: bool = False,
        lost: bool = False,
    ) -> pl.DataFrame:
        """The rows of `node` in one bucket, as the step numbered `before` sees them, in order of `id`.

        Columns `id, sample_id, parent_id, made_by` and the `sources` by their names. With `dropped` also the rows that a
        step dropped, though not those whose parents it did; with `gone` also these. With `lost` also rows that their makers
        could not make, without values but the `model` where several were asked; the column `lost` tells them.
        """
        born = {name: source for name, source in sources.items() if _born_with(node, source)}
        if dropped and gone:
            rows = self._made(node, bucket, born)
        else:
            rows = self._living(node, bucket, before, born, dropped=dropped)
        wanted: dict[tuple[Node, bool], dict[str, Source]] = {}
        for name, source in sources.items():
            if name in born:
                continue
            if source.base is not None:
                rows = rows.with_columns(pl.col(source.base).alias(name))
            elif not source.columns:
                rows = rows.with_columns(pl.lit(None, source.dtype).alias(name))
            else:
                wanted.setdefault((source.node, source.own), {})[name] = source
        for (home, own), named in wanted.items():
            if own:
                rows = self._with_values(rows, "id", named, bucket)
            else:
                known = rows.collect()
                rows = known.lazy().with_columns(self._ancestors(known, node, home, bucket).alias("__at"))
                rows = self._with_values(rows, "__at", named, bucket).drop("__at")
        found = rows.select(*_NO_ROWS.columns, *(n for n in sources if n not in _NO_ROWS.columns)).collect()
        if not lost:
            return found
        missing = self._lost(node, bucket, {"model"} & {*sources}).with_columns(lost=pl.lit(True))
        return pl.concat([found.with_columns(lost=pl.lit(False)), missing], how="diagonal").sort("id")

    def made(self, node: Node, bucket: int) -> pl.DataFrame:
        """All rows that the makers of `node` made (`id, sample_id, parent_id, made_by`), in order of `id`."""
        return self._made(node, bucket).collect()

    def _made(self, node: Node, bucket: int, born: Mapping[str, Source] = _NONE) -> pl.LazyFrame:
        """The rows, and the columns that they were made with; those of one maker are written in order of `id`."""
        columns = [_value(source.columns[0], source).alias(name) for name, source in born.items()]
        tables = [
            table.select(*_IDS, *columns, made_by=pl.lit(maker))
            for maker in sorted(node.makers)
            if (table := self.scan(maker, ROWS, bucket)) is not None
        ]
        if not tables:
            return _NO_ROWS.lazy().with_columns(pl.lit(None, source.dtype).alias(n) for n, source in born.items())
        return tables[0] if len(tables) == 1 else pl.concat(tables).sort("id")

    def _lost(self, node: Node, bucket: int, named: Set[str]) -> pl.DataFrame:
        """What the makers of `node` should have made and could not (`id, sample_id, parent_id, made_by`).

        What is `named` is as the evidence tells it.
        """
        from_evidence = [pl.col("evidence").str.json_path_match(f"$.{name}").alias(name) for name in sorted(named)]
        above = [self.made(home, bucket) for home in self.pipeline.names.above(node)]
        owners = pl.concat([_NO_ROWS, *above]).select("sample_id", parent_id="id")
        tables = [
            table.select("id", "parent_id", *from_evidence, made_by=pl.lit(maker)).collect()
            for maker in sorted(node.makers)
            if (table := self.scan(maker, DROPS, bucket)) is not None
        ]
        missing = pl.concat([_NO_ROWS.drop("sample_id"), *tables], how="diagonal")
        return missing.join(owners, on="parent_id").select(
            *_NO_ROWS.columns, *(n for n in named if n in missing.columns)
        )

    def alive(self, node: Node, bucket: int, before: int) -> pl.DataFrame:
        """The ids of the living rows."""
        return self._living(node, bucket, before).select("id").collect()

    def with_parent(self, node: Node, bucket: int, before: int) -> pl.DataFrame:
        """The ids of rows that nothing dropped itself, but that went with what they were made from."""
        own = self._undropped(node, bucket, before).select("id")
        return own.join(self._living(node, bucket, before), on="id", how="anti").collect()

    def _living(
        self, node: Node, bucket: int, before: int, born: Mapping[str, Source] = _NONE, *, dropped: bool = False
    ) -> pl.LazyFrame:
        """The rows whose parents live and, unless with `dropped`, that nothing dropped."""
        rows = self._made(node, bucket, born) if dropped else self._undropped(node, bucket, before, born)
        return self._of_living(rows, node, bucket, before)

    def _of_living(self, rows: pl.LazyFrame, node: Node, bucket: int, before: int) -> pl.LazyFrame:
        """Those of the rows whose parents live; samples of the sources have none. What was made of a sample that is
        retired lives on."""
        above = [n for n in self.pipeline.names.above(node) if n.makers]
        if not above:
            return rows
        parents = [self._of_living(self._undropped(n, bucket, before, retired=False), n, bucket, before) for n in above]
        living = pl.concat([found.select(parent_id="id") for found in parents])
        if node.unit == "sample":
            living = pl.concat([living, pl.LazyFrame({"parent_id": [None]}, schema={"parent_id": pl.String()})])
        return rows.join(living, on="parent_id", how="semi", nulls_equal=True, maintain_order="left")

    def _undropped(
        self, node: Node, bucket: int, before: int, born: Mapping[str, Source] = _NONE, *, retired: bool = True
    ) -> pl.LazyFrame:
        """The rows that no step before dropped; with `retired` those samples too are gone."""
        gone = []
        for step in self.pipeline.steps[:before]:
            tables = [DROPS] if step.makes is None and step.unit == node.unit else []
            tables += [RETIRED] if retired and step.makes == node.unit == "sample" else []
            gone += [table for name in tables if (table := self.scan(step.name, name, bucket)) is not None]
        rows = self._made(node, bucket, born)
        if not gone:
            return rows
        return rows.join(pl.concat([table.select("id") for table in gone]), on="id", how="anti", maintain_order="left")

    def _with_values(self, rows: pl.LazyFrame, on: str, sources: Mapping[str, Source], bucket: int) -> pl.LazyFrame:
        """`rows` with columns of the rows whose ids are in `on`, read once for all that the same steps wrote."""
        groups: dict[tuple[str, ...], dict[str, Source]] = {}
        for name, source in sources.items():
            groups.setdefault(tuple(c.step for c in source.columns), {})[name] = source
        for steps, named in groups.items():
            values = self._overlay(steps, named, bucket)
            rows = rows.join(values, left_on=on, right_on="id", how="left", maintain_order="left")
        return rows

    def _overlay(self, steps: Sequence[str], named: Mapping[str, Source], bucket: int) -> pl.LazyFrame:
        """`id` and the named columns: of each row the values of the last of the steps that wrote it."""
        tables: list[pl.LazyFrame] = []
        for place in range(len(steps)):
            found = self.scan(steps[place], ROWS, bucket)
            if found is not None:
                columns = (_value(s.columns[place], s).alias(name) for name, s in named.items())
                tables.append(found.select("id", *columns))
        if not tables:
            return pl.LazyFrame(schema={"id": pl.String(), **{name: source.dtype for name, source in named.items()}})
        return tables[0] if len(tables) == 1 else pl.concat(tables).unique("id", keep="last")

    def _ancestors(self, rows: pl.DataFrame, node: Node, home: Node, bucket: int) -> pl.Series:
        """For each row the id of the nearest row of `home` that it was made from."""
        wanted = self.made(home, bucket).select("id", found="id")
        start = "sample_id" if home.unit == "sample" and node.unit != "sample" else "parent_id"
        at = rows[start].alias("at")
        parents = self._parents(node, bucket)
        out = pl.Series("out", [None] * rows.height, dtype=pl.String)
        for _ in range(len(self.pipeline.steps) + 1):
            if not rows.height or at.null_count() == rows.height:
                break
            known = at.to_frame().join(wanted, left_on="at", right_on="id", how="left", maintain_order="left")["found"]
            out = pl.select(pl.coalesce(out, known)).to_series()
            at = pl.select(pl.when(out.is_null()).then(at)).to_series().alias("at")
            at = (
                at.to_frame()
                .join(parents, left_on="at", right_on="id", how="left", maintain_order="left")["up"]
                .alias("at")
            )
        return out

    def _parents(self, node: Node, bucket: int) -> pl.DataFrame:
        """The parents (`id, up`) of all rows that rows of `node` may have been made from."""
        found, left = {node}, [node]
        while left:
            for above in self.pipeline.names.above(left.pop()):
                if above not in found:
                    found.add(above)
                    left.append(above)
        tables = [self.made(n, bucket).select("id", up="parent_id") for n in found]
        return pl.concat(tables).unique("id")

    def addresses(self, step: Step) -> Iterable[tuple[str, str]]:
        """All on which a step's view depends: `(step, column)`, with `#id` for rows, `#dropped` and `#retired` for drops."""
        nodes = {step.node, *(neighbours.node for neighbours in step.beside.values())}
        for source in step.all_sources():
            nodes.add(source.node)
            for column in source.columns:
                yield column.step, column.name
        left = list(nodes)
        while left:
            for above in self.pipeline.names.above(left.pop()):
                if above not in nodes:
                    nodes.add(above)
                    left.append(above)
        makers: dict[str, set[str]] = {}
        for node in nodes:
            makers.setdefault(node.unit, set()).update(node.makers)
        for maker in sorted(set().union(*makers.values())):
            yield maker, "#id"
        for neighbours in step.beside.values():
            if neighbours.declared.lost:
                yield from ((maker, "#dropped") for maker in sorted(neighbours.node.makers))
        for other in self.pipeline.before(step):
            if other.makes is None and other.node.makers & makers.get(other.unit, set()):
                yield other.name, "#dropped"
            if other.makes == "sample" and "sample" in makers:
                yield other.name, "#retired"


def _born_with(node: Node, source: Source) -> bool:
    """Whether a column was written by the only maker of the rows, with them, and by no step since."""
    return source.own and node.makers == {column.step for column in source.columns} and len(source.columns) == 1


def _value(column: Column, source: Source) -> pl.Expr:
    value = pl.col(column.name)
    for field in source.path:
        value = value.str.json_path_match(f"$.{field[1:]}") if field.startswith("$") else value.struct.field(field)
    return value
