"""What a release will hold, decided from the recipe alone: for each config its rows and how its prompts are put."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from filters.select.bands import BandConfig
from filters.sql.expression import Condition
from pipelines.compiler.columns import Node
from pipelines.compiler.compile import Before
from pipelines.compiler.pipeline import Step
from pipelines.steps.release_config import ConfigSection, ReleaseConfig
from pipelines.steps.release_measured import measured_by, measured_tags, measures, selecting
from pipelines.steps.release_prompts import Put, puts
from pipelines.steps.release_tags import tags_of_pairs, written_in
from pipelines.steps.split import SHARES, SplitConfig
from schemas.errors import nearest
from schemas.reply_row import REPLY
from schemas.sample import ANSWER, MEDIA, SOURCE, VERIFIER
from schemas.step import Beside, Read, read, reads_of

HOLDOUT = "holdout"
BASE = {
    "options": read("sample.options", pl.List(pl.String()), optional=True),
    "answer": read("sample.answer", ANSWER),
    "verifier": read("sample.verifier", VERIFIER),
    "media": read("sample.media", pl.List(MEDIA)),
    "source": read("sample.source", SOURCE),
    "group_id": read("sample.group_id", pl.String(), optional=True),
    "split_group": read("sample.split_group", pl.String(), optional=True),
}
"""What every row of a release carries, of its sample."""

SELECTED = {"value": pl.Float64(), "weight": pl.Float64(), "training_order": pl.Int32()}
"""What `select` says of a sample, where there is one."""

PARTS = ("reasoning", "final")
"""Of a reply: what its text is written of anew, where another step than that which asked for it gave one of them."""

COMPLETION = {f"reply_{name}": Read((name,), dtype) for name, dtype in REPLY.items() if name != "finish_reason"}
PAIR = {f"pair_{name}": read(name, pl.String()) for name in ("chosen", "rejected", "chosen_model", "rejected_model")}


@dataclass(frozen=True)
class Planned:
    """One config: its rows, what they hold (`prompts`, `completions`, `pairs`), the sides that they are of, and the
    `difficulty` that they carry."""

    name: str
    section: ConfigSection
    node: Node
    holds: str
    sides: tuple[str, ...] | None
    put: Put
    tags: str
    measured: Step | None
    where: Condition | None
    columns: Mapping[str, pl.DataType]
    children: Mapping[str, Mapping[str, pl.DataType]]
    bands: BandConfig
    verified: bool = False
    """Of completions: whether a step has verified them, so that those that are right are known."""
    controlled_by: str | None = None
    """Of prompts: the step that selected, beside whose choice there is a random control."""
    as_given: bool = False
    """Of completions: whether the replies came in the config's tags already, and are left as they are."""
    selected_by: str | None = None
    """Of `control` and `unfiltered`: the step that selected, whose candidates they are."""
    put_by_maker: Mapping[str, Put] = field(default_factory=dict)
    """How the rows of each step are put, where not all of them are put alike; else none."""

    @property
    def puts(self) -> tuple[Put, ...]:
        """Every way in which its prompts are put."""
        return (self.put, *self.put_by_maker.values())

    @property
    def beside(self) -> Beside:
        """What it reads of its rows."""
        found = dict(BASE)
        if self.measured is not None:
            name = self.measured.name
            found |= {"model": read(f"{name}.model"), "k": read(f"{name}.k"), "n": read(f"{name}.n")}
        found |= {name: read(name, dtype, optional=True) for name, dtype in SELECTED.items()}
        found |= {"completions": COMPLETION, "pairs": PAIR}.get(self.holds, {})
        if self.verified:
            found["reply_correct"] = read("correct", pl.Boolean())
        if self.sides is not None:
            found["side"] = read("side", pl.String())
        found |= self._prompt_reads()
        if self.where is not None:
            found |= {self.asked_as(name): wanted for name, wanted in reads_of(self.where.references).items()}
        found |= {f"column:{name}": Read(tuple(name.split(".")), text=True) for name in self.columns}
        if self.section.order is not None:
            found[f"order:{self.section.order}"] = read(self.section.order)
        return Beside(
            self.section.of,
            dropped=self.selected_by is not None,
            reads=found,
        )

    def asked_as(self, name: str) -> str:
        """What a column of its condition is read as: a condition sees the gold as published, its rows have it parsed."""
        return f"where:{name}"

    def meets(self, rows: pl.DataFrame) -> pl.Series:
        """Whether each of the rows (as in `beside`) meets its condition; null where that is undecided."""
        if self.where is None:
            return pl.repeat(True, rows.height, dtype=pl.Boolean, eager=True)
        names = reads_of(self.where.references)
        seen = rows.select(pl.col("id").alias("row id"), *(pl.col(self.asked_as(name)).alias(name) for name in names))
        return self.where.evaluate(seen)

    def _prompt_reads(self) -> dict[str, Read]:
        """What its prompts are rendered from, under names of their own: a prompt sees a gold as it was published."""
        return {
            f"{_prefix(place)}{name}": found
            for place, put in enumerate(self.puts)
            for name, found in put.reads().items()
        }

    def prompt_row(self, row: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Which of `puts` a row (as in `beside`) is put by, and the row as that prompt is rendered from it."""
        place = 1 + list(self.put_by_maker).index(row["made_by"]) if self.put_by_maker else 0
        prefix = _prefix(place)
        values = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
        return place, values | {"id": row["id"]}


def _prefix(place: int) -> str:
    return f"prompt {place}:" if place else "prompt:"


def plan(config: ReleaseConfig, before: Before) -> tuple[Planned, ...]:
    """The configs of a release, and its extras last. Raises NameFault or ValueError for one whose rows nobody makes."""
    measured, chosen = measured_by(config, before), selecting(before)
    found = [_planned(name, section, config, before, measured) for name, section in config.configs.items()]
    if chosen is not None:
        extras = [_extra(name, config, before, measured, chosen) for name in config.extras]
        found += [extra for extra in extras if extra is not None]
    return tuple(found)


def _extra(name: str, config: ReleaseConfig, before: Before, measured: Step | None, chosen: Step) -> Planned | None:
    """What a random choice would have taken (`control`), or all that was there before selection (`unfiltered`).

    They hold what is trained on: prompts, or completions where no config of the sides that were selected in holds prompts,
    or where replies were selected. None where no config holds rows of what was selected.
    """
    of_samples = chosen.node.unit == "sample"
    sides = getattr(chosen.config, "sides", ()) if sides_of(before) is not None else None
    every = [_planned(of, section, config, before, measured) for of, section in config.configs.items()]
    beside = [one for one in every if sides is None or one.sides is None or {*one.sides} & {*sides}]
    replies = (
        one for one in beside if one.holds == "completions" and (of_samples or one.node.unit == chosen.node.unit)
    )
    found = next(replies, None)
    if found is None and not of_samples:
        return None
    if found is not None and (not of_samples or all(one.holds != "prompts" for one in beside)):
        section = found.section.model_copy(update={"order": None, "with_": (), "where": _condition(found)})
    else:
        same = next((one for one in config.configs.values() if one.of == "sample"), ConfigSection(of="sample"))
        section = ConfigSection(of="sample", prompt=same.prompt, system=same.system, tags=same.tags)
    return replace(_planned(name, section, config, before, measured), selected_by=chosen.name)


def _condition(planned: Planned) -> str | None:
    """What a config's rows have to meet, also where nobody wrote it down."""
    return "correct" if planned.section.where is None and planned.where is not None else planned.section.where


def sides_of(before: Before) -> tuple[str, ...] | None:
    """The sides to which samples are dealt; None without `split`."""
    for step in before.steps:
        if isinstance(step.config, SplitConfig):
            return tuple(step.config.sides) if step.config.sides else SHARES
    return None


def _planned(
    name: str, section: ConfigSection, config: ReleaseConfig, before: Before, measured: Step | None
) -> Planned:
    node, types = before.node(section.of), before.types(section.of)
    holds = "pairs" if "chosen" in types else "completions" if node.unit != "sample" and "final" in types else "prompts"
    if node.unit != "sample" and holds == "prompts":
        raise ValueError(
            f"{name}.of: rows of {node.unit} hold neither a reply nor a pair; release what they were made from, `with: "
            f"[{node.unit}]`"
        )
    all_sides = sides_of(before)
    sides = None
    if all_sides is not None:
        sides = (name,) if name in all_sides else tuple(side for side in all_sides if side != HOLDOUT)
    written_as: dict[str, str] = {}
    for column in (*section.columns, *section.with_):
        if (other := written_as.setdefault(column.replace(".", "_"), column)) is not column:
            raise ValueError(f"{name}: `{other}` and `{column}` would both be the column {column.replace('.', '_')}")
    where = section.where
    if where is None and name == "sft" and "correct" in types:
        where = "correct"
    mine = measured if measured is not None and measures(measured, section.of, before) else None
    (put, by_maker), chosen = puts(section, holds, node, before, mine), selecting(before)
    scored = measured_tags(mine, before) if mine is not None and holds == "prompts" else None
    written = written_in(node, before) if holds == "completions" else None
    paired = tags_of_pairs(node, before, mine) if holds == "pairs" else None
    named = config.tags if holds == "completions" and "tags" in config.model_fields_set else None
    bare = "plain" if holds == "prompts" and "tags" not in config.model_fields_set else None
    schema = section.tags or scored or named or written or paired or bare or config.tags
    return Planned(
        name=name,
        section=section,
        node=node,
        holds=holds,
        sides=sides,
        put=put,
        put_by_maker=by_maker,
        tags=schema,
        measured=mine,
        where=None if where is None else _typed(where, types),
        columns={column: _held(column, _type_of(column, types)) for column in _columns(section, holds, types)},
        controlled_by=chosen.name
        if chosen is not None and holds == "prompts" and chosen.node.unit == node.unit
        else None,
        verified=holds == "completions" and "correct" in set(types),
        as_given=written is not None and written == schema and not any(before.edited(node, part) for part in PARTS),
        children={
            unit: {column: _held(column, dtype) for column, dtype in before.own(before.node(unit)).items()}
            for unit in section.with_
        },
        bands=BandConfig() if chosen is None else getattr(chosen.config, "bands", BandConfig()),
    )


def _columns(section: ConfigSection, holds: str, types: Mapping[str, Any]) -> tuple[str, ...]:
    """What goes out beside the contract: what the section names, and of pairs the margin, if they have one."""
    margin = ("margin",) if holds == "pairs" and "margin" in types and "margin" not in section.columns else ()
    return (*section.columns, *margin)


def _typed(where: str, types: Mapping[str, pl.DataType]) -> Condition:
    """A condition on rows of these types. Raises ValueError where it is none."""
    condition = Condition(where)
    condition.type({name: _type_of(name, types) for name in map(".".join, condition.references)})
    return condition


def _type_of(name: str, types: Mapping[str, pl.DataType]) -> pl.DataType:
    """The type of a name. Raises ValueError where there is no such name."""
    try:
        return types[name]
    except KeyError:
        hint = nearest(name, sorted(types))
        raise ValueError(f"reads `{name}`, and no step before it gives that.{hint}") from None


def _held(name: str, dtype: pl.DataType) -> pl.DataType:
    """The type of a column that goes out. Raises ValueError where a release, as trainers read it, does not hold it."""
    left = [dtype]
    while left:
        match left.pop():
            case pl.List(inner=inner):
                left.append(pl.Series(dtype=inner).dtype)
            case pl.Struct(fields=fields):
                left += [pl.Series(dtype=field.dtype).dtype for field in fields]
            case other if other not in _HELD:
                raise ValueError(
                    f"`{name}` is {dtype}, and a release holds texts, whole numbers, floats, booleans, lists and objects of "
                    "them; cast it to one of these in an `sql` step"
                )
    return dtype


_HELD = {pl.String(), pl.Int32(), pl.Int64(), pl.Float64(), pl.Boolean()}


def children_beside(planned: Planned) -> Iterator[tuple[str, Beside]]:
    """The rows that a config's rows carry as lists."""
    for unit, columns in planned.children.items():
        yield f"{planned.name}/{unit}", Beside(unit, {name: read(name, dtype) for name, dtype in columns.items()})
