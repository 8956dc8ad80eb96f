"""Which rows make a pair: the rule of the step `pair`, on ids and short columns; texts are joined once pairs are chosen."""

import re
from typing import Literal

import polars as pl

from schemas.ids import chance

Guard = Literal["final_in_final", "final_in_text"]
First = Literal["chance", "id", "widest"]

SIDES = ("chosen", "rejected")


def different(rows: pl.DataFrame, *, across_models: bool, clear: bool) -> pl.DataFrame:
    """Rows (`id, parent_id, model, text`, booleans `chosen, rejected`) of which each text is on a side once.

    Equal texts of one prompt and model are one; the first by id stays. With `clear`, a text that is chosen once and
    rejected another time is on neither side.
    """
    same = ["parent_id", "text"] if across_models else ["parent_id", "model", "text"]
    if clear:
        rows = rows.filter(~(pl.col("chosen").any().over(same) & pl.col("rejected").any().over(same)))
    return rows.sort("id").unique([*same, *SIDES], keep="first", maintain_order=True)


def candidates(rows: pl.DataFrame, *, across_models: bool, at_least: float | None) -> pl.DataFrame:
    """`chosen_id, rejected_id, prompt` and, where `at_least` is given, `margin`: all rows that make a pair.

    `rows` has `id, sample_id, parent_id, model, text, chosen, rejected` and `value`, of which the chosen row has `at_least`
    more. `prompt` is the row that both, or the one that the other goes on from, were made from.
    """
    facts = rows.with_columns(pl.col("text").hash())
    names = ["id", "sample_id", "parent_id", "model", "text", *(["value"] if at_least is not None else [])]
    chosen, rejected = (facts.filter(side).select(names) for side in SIDES)
    pairs = chosen.join(rejected, on="sample_id", suffix="_r").filter(pl.col("text") != pl.col("text_r"))
    siblings = pl.col("parent_id").eq_missing(pl.col("parent_id_r")) & (pl.col("id") != pl.col("id_r"))
    continued, continues = pl.col("parent_id_r") == pl.col("id"), pl.col("parent_id") == pl.col("id_r")
    pairs = pairs.filter((siblings | continued | continues).fill_null(False))
    if not across_models:
        pairs = pairs.filter(pl.col("model").eq_missing(pl.col("model_r")))
    prompt = pl.when(continues.fill_null(False)).then("parent_id_r").otherwise("parent_id")
    wide: dict[str, pl.Expr] = {}
    if at_least is not None:
        wide["margin"] = pl.col("value").cast(pl.Float64) - pl.col("value_r").cast(pl.Float64)
        pairs = pairs.filter(wide["margin"] >= at_least)
    return pairs.select(chosen_id="id", rejected_id="id_r", prompt=prompt, **wide)


def unguarded(pairs: pl.DataFrame, rows: pl.DataFrame, guard: Guard) -> pl.Series:
    """Whether each pair may be made, of rows with `id, final` and, for `final_in_text`, `text`.

    The answer of the chosen row must not be part of the rejected row's answer, or occur in its text. Case does not matter;
    an answer that is not there is part of nothing.
    """
    finals = {id_: (final or "").strip().casefold() for id_, final in rows.select("id", "final").iter_rows()}
    texts, inside = finals, _in
    if guard == "final_in_text":
        texts = {id_: text.casefold() for id_, text in rows.select("id", "text").iter_rows()}
        inside = _in_words
    found = [
        not finals[one] or not inside(finals[one], texts[other])
        for one, other in pairs.select("chosen_id", "rejected_id").iter_rows()
    ]
    return pl.Series(found, dtype=pl.Boolean)


def _in(answer: str, text: str) -> bool:
    return answer in text


def _in_words(answer: str, text: str) -> bool:
    """Whether words occur in a text, and not as part of a longer word or number."""
    return answer in text and re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) is not None


def taken(pairs: pl.DataFrame, *, first: First, once: bool, cap: int | None, seed: str) -> pl.DataFrame:
    """The pairs (`id, prompt, chosen_id, rejected_id`, perhaps `margin`) that are made, `cap` of a prompt at most.

    `once`: a row is in one of them at most. Which come first is chance by the pair's id, the id, or the widest margin.
    """
    key = {"chance": "draw", "id": "id", "widest": "margin"}[first]
    ordered = pairs.with_columns(chance(seed, pairs["id"]).alias("draw")).sort(
        "prompt", key, "draw", "id", descending=[False, first == "widest", False, False]
    )
    if once:
        ordered = ordered.filter(_once(ordered))
    ordered = ordered.drop("draw")
    return ordered if cap is None else ordered.filter(pl.int_range(pl.len()).over("prompt") < cap)


def _once(pairs: pl.DataFrame) -> pl.Series:
    """Whether neither row of a pair is in an earlier one that is taken."""
    used: set[str] = set()
    kept = []
    for pair in pairs.select("chosen_id", "rejected_id").iter_rows():
        kept.append(used.isdisjoint(pair))
        used |= set(pair) if kept[-1] else set()
    return pl.Series(kept, dtype=pl.Boolean)
