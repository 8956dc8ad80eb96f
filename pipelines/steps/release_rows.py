"""The rows of a release, a bucket at a time: which there are, what the trainer's grader says of them, how each reads."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import polars as pl
import pyarrow as pa

from filters.select.bands import difficulty_band
from filters.trace_verdicts import stated_gold
from generators.asking.requests import Asking
from generators.prompts import places, shown, turns
from generators.rendering import NullField, RenderError
from generators.template import asked
from pipelines.release.configs import Shape
from pipelines.release.parquet_shards import IMAGES, TURNS, hub_schema
from pipelines.run.context import StepContext
from pipelines.steps.release_control import control_of
from pipelines.steps.release_gate import solution_of
from pipelines.steps.release_plan import COMPLETION, SELECTED, Planned
from pipelines.store.step_tables import DROPS, ROWS
from schemas.completion import Message
from schemas.engine import MediaReader
from schemas.ids import canonical_json
from schemas.marks import MARK, SPOKEN
from schemas.tags import TAG_SCHEMAS, render_trace

_NUMBERS = {"model": pl.String(), "k": pl.Int32(), "n": pl.Int32()}
_SELECTED = {"value": "value", "weight": "weight", "training_order": "order"}
"""The names that a release gives to what `select` says; `order` needs quotes in SQL, so only a release has it."""


def rows_of(planned: Planned, context: StepContext, bucket: int) -> pl.DataFrame:
    """The rows of a config in one bucket, with lists of their children."""
    rows = _chosen(_beside(planned, context, bucket), planned, context, bucket)
    if planned.controlled_by is not None:
        taken = control_of(planned.controlled_by, context)["id"]
        rows = rows.with_columns(control=pl.col("id").is_in(taken.implode()))
    if planned.holds == "completions":
        seen = _shown_gold(planned, context, bucket)
        rows = rows.with_columns(pl.col("reply_gold_visible").fill_null(False) | pl.col("id").is_in(seen.implode()))
    band = difficulty_band(pl.col("k"), pl.col("n"), planned.bands) if planned.measured else pl.lit(None, pl.String)
    rows = rows.with_columns(band=band)
    for unit in planned.children:
        below = context.beside(f"{planned.name}/{unit}", bucket)
        columns = list(planned.children[unit])
        by = ["place"] if "place" in columns else ["id"]
        nested = below.sort(by).group_by("parent_id", maintain_order=True).agg(pl.struct(columns).alias(unit))
        rows = rows.join(nested, left_on="id", right_on="parent_id", how="left", maintain_order="left")
    return rows


def golds_of(planned: Planned, context: StepContext, bucket: int) -> pl.DataFrame:
    """The golds of a config's rows in one bucket: `sample_id, answer, verifier`. Reads no long text for them."""
    asked = () if planned.where is None else (planned.asked_as(".".join(ref)) for ref in planned.where.references)
    rows = _beside(planned, context, bucket, {"answer", "verifier", "side", *asked})
    return _chosen(rows, planned, context, bucket).select("sample_id", "answer", "verifier")


def _beside(planned: Planned, context: StepContext, bucket: int, only: Collection[str] | None = None) -> pl.DataFrame:
    """The rows of a config; replies beside a selection as they were before it, for those of what was not taken are gone."""
    if planned.selected_by is None or planned.holds == "prompts":
        return context.beside(planned.name, bucket, only)
    found, before = context.step.beside[planned.name], context.pipeline.step(planned.selected_by)
    sources = {name: source for name, source in found.sources.items() if only is None or name in only}
    return context.tables.current(found.node, sources, bucket, before.number)


def _chosen(rows: pl.DataFrame, planned: Planned, context: StepContext, bucket: int) -> pl.DataFrame:
    """The rows of a config's sides that meet its condition."""
    if planned.selected_by is not None:
        on = "id" if context.pipeline.step(planned.selected_by).node.unit == planned.node.unit else "sample_id"
        found = _candidates(planned, context, bucket).select(pl.col("id").alias(on))
        rows = rows.join(found, on=on, how="semi", maintain_order="left")
    if planned.sides is not None:
        rows = rows.filter(pl.col("side").is_in(list(planned.sides)))
    return rows.filter(planned.meets(rows).fill_null(False))


def _shown_gold(planned: Planned, context: StepContext, bucket: int) -> pl.Series:
    """The ids of replies whose thought or answer was last written by a step that had seen the gold."""
    sources, facts = context.step.beside[planned.name].sources, context.pipeline.names.facts
    found = [pl.Series("id", [], dtype=pl.String)]
    for name in ("reply_reasoning", "reply_final"):
        columns = sources[name].columns
        if not any(facts[column].tainted for column in columns):
            continue
        written = [
            table.select("id", seen=pl.lit(facts[column].tainted)).collect()
            for column in columns
            if (table := context.tables.scan(column.step, ROWS, bucket)) is not None
        ]
        last = pl.concat(written).unique("id", keep="last", maintain_order=True)
        found.append(last.filter("seen")["id"])
    return pl.concat(found)


def _candidates(planned: Planned, context: StepContext, bucket: int) -> pl.DataFrame:
    """The ids of what a selection's control took, or of all that it chose from."""
    name = planned.selected_by
    assert name is not None
    if planned.name == "control":
        return control_of(name, context)
    found = [context.tables.scan(name, table, bucket) for table in (ROWS, DROPS)]
    return pl.concat([table.select("id").collect() for table in found if table is not None])


def with_texts(planned: Planned, rows: pl.DataFrame) -> pl.DataFrame:
    """Completions as they are written (`text`), and the tags that they are `written` in.

    A right answer is put in the tags of the config and in the spelling of the gold, behind its thought; others as given. A
    reply that gives no answer, or that came in those tags already, is left as it came.
    """
    schema = TAG_SCHEMAS[planned.tags]
    right = rows["reply_correct"] if planned.verified else pl.Series([None] * rows.height, dtype=pl.Boolean)
    given = rows.select("reply_text", "reply_reasoning", "reply_final", "answer", "verifier")
    texts, tags = [], []
    for (text, reasoning, final, answer, verifier), correct in zip(given.iter_rows(), right, strict=True):
        stated = stated_gold(answer, verifier) if correct else final
        as_it_came = planned.as_given or stated is None
        texts.append(text if as_it_came or stated is None else render_trace(schema, reasoning or "", stated))
        tags.append("plain" if as_it_came and not planned.as_given else planned.tags)
    return rows.with_columns(pl.Series("text", texts, dtype=pl.String), pl.Series("written", tags, dtype=pl.String))


def marked(planned: Planned, rows: pl.DataFrame) -> pl.Series:
    """Whether a thought holds the marks of the schema that it is to be written in: no reader could tell them apart."""
    schema = TAG_SCHEMAS[planned.tags]
    marks = [tag for section in schema.sections for tag in (section.open, section.close) if tag]
    if planned.as_given or not marks:
        return pl.Series([False] * rows.height, dtype=pl.Boolean)
    inside = pl.col("reply_reasoning").str.contains_any(marks) & pl.col("reply_final").is_not_null()
    return rows.select(inside.fill_null(False)).to_series()


def read_before(rows: pl.DataFrame) -> list[str]:
    """The columns of a config's rows that are not in its records: texts of replies as they were given, and what
    its condition reads."""
    kept = {f"reply_{name}" for name in ("model", "index", "gold_visible")}
    replies = [name for name in COMPLETION if name in rows.columns and name not in kept]
    return [*replies, *(name for name in rows.columns if name.startswith("where:") or name == "reply_correct")]


def order_of(planned: Planned) -> tuple[str, ...]:
    """The columns that put a config's rows in order. Those beside the selection were never put in an order to train in."""
    trained, named = planned.holds == "prompts" and planned.selected_by is None, planned.section.order
    first = f"order:{named}" if named else "training_order" if trained else None
    rest = ("sample_id", "reply_index", "id") if planned.holds == "completions" else ("sample_id", "id")
    return (*((first,) if first else ()), *rest)


def table_schema(planned: Planned) -> pa.Schema:
    """The Arrow schema of a config, with the metadata by which `datasets` knows that `images` are images."""
    replies = {"completions": ("completion",), "pairs": ("chosen", "rejected")}.get(planned.holds, ())
    fields: dict[str, pa.DataType] = {"id": pa.string(), "prompt": TURNS, **dict.fromkeys(replies, TURNS)}
    fields |= {"images": IMAGES, "image_positions": pa.list_(pa.int32())}
    text = ("solution", "answer", "verifier", "verifier_params")
    fields |= {**dict.fromkeys(text, pa.string()), "options": pa.list_(pa.string())}
    fields |= dict.fromkeys(("tags", "dataset", "source_row", "license", "group"), pa.string())
    fields |= {name: arrow_type(dtype) for name, dtype in facts_of(planned).items()}
    return hub_schema(fields)


def facts_of(planned: Planned) -> dict[str, pl.DataType]:
    """What a row says beside prompt, reply, answer and images."""
    found: dict[str, pl.DataType] = dict(_NUMBERS)
    found |= {"band": pl.String(), **{_SELECTED[name]: dtype for name, dtype in SELECTED.items()}}
    if planned.holds != "prompts":
        found["row"] = pl.String()
    if planned.holds == "completions":
        found |= {"teacher": pl.String(), "index": pl.Int32(), "gold_visible": pl.Boolean()}
    if planned.holds == "pairs":
        found |= {"chosen_model": pl.String(), "rejected_model": pl.String()}
    if planned.sides is not None:
        found["side"] = pl.String()
    if planned.controlled_by is not None:
        found["control"] = pl.Boolean()
    if planned.name == "unfiltered":
        found["released"] = pl.Boolean()
    found |= {name.replace(".", "_"): dtype for name, dtype in planned.columns.items()}
    return found | {unit: pl.List(pl.Struct(dict(columns))) for unit, columns in planned.children.items()}


def arrow_type(dtype: pl.DataType) -> pa.DataType:
    """The Arrow type of a polars type, with strings as `datasets` has them."""
    if isinstance(dtype, pl.List):
        return pa.list_(arrow_type(pl.Series(dtype=dtype.inner).dtype))
    if isinstance(dtype, pl.Struct):
        return pa.struct({f.name: arrow_type(pl.Series(dtype=f.dtype).dtype) for f in dtype.fields})
    if dtype == pl.String:
        return pa.string()
    return pl.Series(dtype=dtype).to_arrow().type


class Prompter:
    """Puts rows: as a step asked them, with all its turns, or by the templates of the release."""

    def __init__(self, planned: Planned) -> None:
        configs = [put.config for put in planned.puts]
        self._asking = [None if config is None else Asking(config) for config in configs]
        self._planned = planned

    def __call__(self, row: Mapping[str, Any]) -> tuple[Message, ...]:
        place, values = self._planned.prompt_row(row)
        asking, put = self._asking[place], self._planned.puts[place]
        if asking is not None:
            return asking.put(values).messages
        return asked(values, put.prompt, put.system, sees=True)


def unwritten(planned: Planned, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of which a text is missing that they go out with: `id, sample_id, reason, evidence`.

    Their prompt has no value for a field that it does not handle (`null_field`), or the reply is null (`no_text`).
    """
    prompter, found = Prompter(planned), list[tuple[str, str, str, str]]()
    texts = {"completions": ("text",), "pairs": ("pair_chosen", "pair_rejected")}.get(planned.holds, ())
    missing = [name for name in rows.columns if name.startswith("prompt")] + list(texts)
    for row in rows.filter(pl.any_horizontal(pl.col(missing).is_null())).iter_rows(named=True):
        if gone := next((name for name in texts if row[name] is None), None):
            found.append((row["id"], row["sample_id"], "no_text", canonical_json({"field": gone})))
            continue
        try:
            prompter(row)
        except RenderError as error:
            field = error.name if isinstance(error, NullField) else str(error)
            found.append((row["id"], row["sample_id"], error.cause, canonical_json({"field": field})))
    schema = dict.fromkeys(("id", "sample_id", "reason", "evidence"), pl.String())
    return pl.DataFrame(found, schema=schema, orient="row")


def shape_of(planned: Planned, media: MediaReader, images: str) -> Shape:
    """The shape of a config's rows, with `images` inside (`embed`) or beside the parquet (`reference`)."""
    prompter = Prompter(planned)

    named = lru_cache(maxsize=65_536)(lambda sha256: media.path(sha256).name)  # many rows show one image

    def image(sha256: str) -> dict[str, Any]:
        name = named(sha256)
        if images == "reference":
            return {"bytes": None, "path": f"images/{name}"}
        return {"bytes": media.read(sha256), "path": name}

    def made(row: Mapping[str, Any]) -> dict[str, Any]:
        messages = prompter(row)
        return record(planned, row, messages, [image(part.sha256) for part in shown(messages)])

    return Shape(table_schema(planned), made)


def record(
    planned: Planned, row: Mapping[str, Any], messages: tuple[Message, ...], images: list[Any]
) -> dict[str, Any]:
    """One row of a config as trainers read it; `images` are those that they show, as they are stored.

    `<image>` in a text would be taken for an image, so it is written `[image]`.
    """
    answer, source = row["answer"], row["source"]
    found = {
        "id": row["sample_id"],
        "prompt": [{**turn, "content": plain(turn["content"])} for turn in turns(messages)],
        "images": images,
        "image_positions": places(messages),
        "solution": row["solution"] or solution_of(answer),
        "answer": answer["parsed"],
        "verifier": row["verifier"]["id"], "verifier_params": row["verifier"]["params"],
        "options": row["options"] or [],
        "tags": row["written"] if planned.holds == "completions" else planned.tags,
        "dataset": source["dataset"], "source_row": source["row"], "license": source["license"],
        "group": row["split_group"] or row["group_id"],
        **{name: row.get(name) for name in _NUMBERS},
        "band": row["band"],
        **{out: row[name] for name, out in _SELECTED.items()},
    }  # fmt: skip
    if planned.holds != "prompts":
        found["row"] = row["id"]
    if planned.holds == "completions":
        found["completion"] = [{"role": "assistant", "content": plain(row["text"])}]
        found |= {"teacher": row["reply_model"], "index": row["reply_index"], "gold_visible": row["reply_gold_visible"]}
    if planned.holds == "pairs":
        found |= {
            side: [{"role": "assistant", "content": plain(row[f"pair_{side}"])}] for side in ("chosen", "rejected")
        }
        found |= {name: row[f"pair_{name}"] for name in ("chosen_model", "rejected_model")}
    if planned.sides is not None:
        found["side"] = row["side"]
    if planned.controlled_by is not None:
        found["control"] = row["control"]
    if planned.name == "unfiltered":
        found["released"] = row["released"]
    found |= {name.replace(".", "_"): row[f"column:{name}"] for name in planned.columns}
    return found | {unit: row[unit] or [] for unit in planned.children}


def plain(text: str) -> str:
    """Marks of images in brackets of the same length, so that positions in the text hold."""
    return text.replace(MARK, SPOKEN)
