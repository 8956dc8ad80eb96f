"""Judging what models said: a trace is kept if its answer is right, a rollout is scored whatever it says."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from pydantic import Field

from filters.restated import contradicted, ignores
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict_columns
from filters.verify.verifier import VerifyItem, state_of
from schemas.answer import BooleanAnswer, ChoiceAnswer, load_answer
from schemas.reply import only_states
from schemas.section import Section
from schemas.split import Split, no_drops, split
from schemas.tags import TAG_SCHEMAS, render_trace, thoughts
from schemas.verdict import VERDICT


class VerifyConfig(Section):
    """How answers are checked."""

    tags: str = Field(default="think_answer_boxed", description="the tag schema of the traces that a release holds")
    workers: int = Field(default=2, ge=1, description="processes for answers that need more than a look")
    budget_s: float = Field(default=2.0, gt=0, description="seconds of wall-clock for one answer; then it is unscored")


def judge_traces(traces: pl.DataFrame, pool: VerifierPool, config: VerifyConfig, *, to_judge: bool = False) -> Split:
    """Keep verified traces, each put into the tag schema with the gold's own spelling as its answer.

    `traces` is `id, sample_id, index, reasoning, final, answer, verifier, options`. Kept rows gain `text` (what is
    trained on) and the verdict. With `to_judge`, those that no rule could score are kept too, `correct` null.
    Reasons: `verify:no_answer`, `verify:no_thought` (the schema shows a thought, and nothing leads to the answer but its
    own statement), `verify:wrong`, `verify:unscored`, `verify:timeout`, `verify:crash`, `verify:tags` (the reasoning holds
    the schema's own marks).
    """
    rows = traces.with_columns(verdict_columns(traces, traces["final"].to_list(), pool, "plain"))
    schema = TAG_SCHEMAS[config.tags]
    texts = [
        render_trace(schema, reasoning or "", stated_gold(answer, verifier))
        for reasoning, answer, verifier in rows.select("reasoning", "answer", "verifier").iter_rows()
    ]
    marks = [tag for section in schema.sections for tag in (section.open, section.close) if tag]
    marked = pl.col("reasoning").str.contains_any(marks) if marks else pl.lit(False)
    bare = [bool(thoughts(schema)) and _no_thought(reasoning or "") for reasoning in rows["reasoning"]]
    reason = (
        pl.when(pl.col("final").is_null())
        .then(pl.lit("verify:no_answer"))
        .when(pl.Series(bare, dtype=pl.Boolean))
        .then(pl.lit("verify:no_thought"))
        .when(pl.col("tier").is_in(["timeout", "crash"]))
        .then(pl.concat_str(pl.lit("verify:"), "tier"))
        .when(pl.col("correct").is_null() & pl.lit(not to_judge))
        .then(pl.lit("verify:unscored"))
        .when(~pl.col("correct"))
        .then(pl.lit("verify:wrong"))
        .when(marked)
        .then(pl.lit("verify:tags"))
    )
    evidence = {c: pl.col(c) for c in ("sample_id", "final", "extracted", "explanation", "tier", "correct")}
    parted = split(rows.with_columns(pl.Series("text", texts, dtype=pl.String)), reason, evidence)
    columns = ("id", "sample_id", "index", "text", "reasoning", "final", "tokens", *VERDICT)
    return Split(parted.kept.select(columns), parted.dropped)


def _no_thought(reasoning: str) -> bool:
    return not reasoning.strip() or only_states(reasoning)


def score_rollouts(rollouts: pl.DataFrame, pool: VerifierPool, tags: str) -> Split:
    """Add a verdict to every rollout (`id, sample_id, index, text, finish_reason, …`); drops none."""
    rows = rollouts.with_columns(verdict_columns(rollouts, rollouts["text"].to_list(), pool, tags))
    return Split(rows.drop("answer", "verifier", "options", "text"), no_drops())


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
    said = rows.explode("conclusions", empty_as_null=True).filter(pl.col("conclusions").is_not_null())
    verdict = {c.name: c for c in verdict_columns(said, said["conclusions"].to_list(), pool, "plain")}
    shares = [
        answer["kind"] == "text" and bool(_words(text) & _words(answer["raw"]))
        for text, answer in said.select("conclusions", "answer").iter_rows()
    ]
    read = verdict["parsed_response"].is_not_null() & verdict["correct"].is_not_null()
    wrong = read & ~verdict["correct"].fill_null(True) & ~pl.Series(shares, dtype=pl.Boolean)
    judged = said.select("place", said="conclusions").with_columns(wrong.alias("wrong"), read.alias("read"))
    found = (
        judged.filter("read")
        .group_by("place")
        .agg(wrong=pl.col("wrong").any(), said=pl.col("said").filter("wrong").first())
    )
    restated = [_restated(*row) for row in traces.select("reasoning", "question", "answer").iter_rows()]
    told = rows.select("place", claim=pl.Series(restated, dtype=pl.String))
    both = told.join(found, on="place", how="left", maintain_order="left")
    claimed = pl.when(pl.col("claim").is_not_null()).then(True)
    return both.select(contradicts=pl.coalesce(claimed, "wrong"), concluded=pl.coalesce("said", "claim"))


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


def judge_questions(responses: pl.DataFrame) -> pl.DataFrame:
    """What a judge is shown of responses (`id, question, answer, verifier, said`): `id, question, gold, answer, rubric`."""
    golds = [stated_gold(*row) for row in responses.select("answer", "verifier").iter_rows()]
    gold = pl.Series("gold", golds, dtype=pl.String)
    return responses.select("id", "question", gold, answer=pl.col("said"), rubric=pl.lit(None, pl.String))


def drop_judged_wrong(verdicts: pl.DataFrame) -> Split:
    """Keep what the judge called right. Reasons: `judge:wrong`, `judge:unscored`."""
    reason = (
        pl.when(pl.col("correct").is_null())
        .then(pl.lit("judge:unscored"))
        .when(~pl.col("correct"))
        .then(pl.lit("judge:wrong"))
    )
    return split(verdicts, reason, {"extracted": pl.col("extracted"), "explanation": pl.col("explanation")})


def stated_gold(answer: Mapping[str, Any], verifier: Mapping[str, Any]) -> str:
    """The gold as a response would write it: a letter for an option, boxes in the space that responses use."""
    return state_of(load_answer(answer["parsed"]), verifier["id"], json.loads(verifier["params"] or "{}"))


def verify_item(
    response: str | None,
    answer: Mapping[str, Any],
    verifier: Mapping[str, Any],
    options: Sequence[str] | None,
    tags: str,
) -> VerifyItem:
    """A response and its sample's gold (the columns `answer`, `verifier`, `options`), as verifiers take them."""
    return VerifyItem(
        response=response or "",
        gold=load_answer(answer["parsed"]),
        verifier=verifier["id"],
        params=json.loads(verifier["params"] or "{}"),
        options=tuple(options or ()),
        tags=tags,
    )
