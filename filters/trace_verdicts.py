"""What a trace says beside its answer: whether it contradicts itself or ignores its question, and how a gold is stated."""

import json
import re
from collections.abc import Mapping
from typing import Any

import polars as pl

from filters.restated import contradicted, ignores
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict_columns
from filters.verify.verifier import state_of
from schemas.answer import BooleanAnswer, ChoiceAnswer, load_answer


def contradictions(traces: pl.DataFrame, pool: VerifierPool) -> pl.DataFrame:
    """`contradicts, concluded` of right traces, in their order.

    `traces` is `reasoning, conclusions, question, answer, verifier, options`. A trace contradicts its answer where one of
    its conclusions is a wrong one (another letter, another number), or where it says the claim of a yes-or-no question and
    then answers otherwise (`filters.restated`). `concluded` is the first wrong conclusion, or the answer to fit the claim.
    `contradicts` is null where the reasoning gives no answer, none that reads as one of its kind ("the answer is clear
    from …"), or none that a rule can score. Words about a gold of words contradict it only if they share none with it ("the
    blue one" is not another answer than "blue").
    """
    rows = traces.select(pl.int_range(pl.len()).alias("place"), "conclusions", "answer", "verifier", "options")
    stated = rows.explode("conclusions", empty_as_null=True).filter(pl.col("conclusions").is_not_null())
    verdict = {c.name: c for c in verdict_columns(stated, stated["conclusions"].to_list(), pool, "plain")}
    shares = [
        answer["kind"] == "text" and bool(_words(text) & _words(answer["raw"]))
        for text, answer in stated.select("conclusions", "answer").iter_rows()
    ]
    read = verdict["parsed_response"].is_not_null() & verdict["correct"].is_not_null()
    wrong = read & ~verdict["correct"].fill_null(True) & ~pl.Series(shares, dtype=pl.Boolean)
    judged = stated.select("place", stated="conclusions").with_columns(wrong.alias("wrong"), read.alias("read"))
    found = (
        judged.filter("read")
        .group_by("place")
        .agg(wrong=pl.col("wrong").any(), stated=pl.col("stated").filter("wrong").first())
    )
    restated = [_restated(*row) for row in traces.select("reasoning", "question", "answer").iter_rows()]
    claims = rows.select("place", claim=pl.Series(restated, dtype=pl.String))
    both = claims.join(found, on="place", how="left", maintain_order="left")
    claimed = pl.when(pl.col("claim").is_not_null()).then(True)
    return both.select(contradicts=pl.coalesce(claimed, "wrong"), concluded=pl.coalesce("stated", "claim"))


def _restated(reasoning: str | None, question: str | None, answer: Mapping[str, Any]) -> str | None:
    """The answer that fits what a thought says last of its yes-or-no question, where that is not the gold one."""
    gold = load_answer(answer["parsed"])
    if not isinstance(gold, BooleanAnswer) or len(gold.values) != 1:
        return None
    return ("no" if gold.values[0] else "yes") if contradicted(reasoning, question, gold.values[0]) else None


def off_question(traces: pl.DataFrame) -> pl.Series:
    """Whether a thought (`reasoning, question, answer`) names nothing that its yes-or-no question asks about; else null."""
    rows = traces.select("reasoning", "question", pl.col("answer").struct.field("kind")).iter_rows()
    found = [ignores(reasoning, question) if kind == "boolean" else None for reasoning, question, kind in rows]
    return pl.Series("off_question", found, dtype=pl.Boolean)


def given(final: str | None, answer: Mapping[str, Any]) -> str:
    """All words of a right answer: as it was given, as published, and an option's text beside its letter."""
    gold = load_answer(answer["parsed"])
    texts = gold.texts if isinstance(gold, ChoiceAnswer) else ()
    return " ".join([final or "", answer["raw"], *texts])


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def stated_gold(answer: Mapping[str, Any], verifier: Mapping[str, Any]) -> str:
    """The gold as a response would write it: a letter for an option, boxes in the space that responses use."""
    return state_of(load_answer(answer["parsed"]), verifier["id"], json.loads(verifier["params"] or "{}"))
