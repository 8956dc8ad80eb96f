"""Verdicts on the replies to variants: each against the gold of its own variant."""

import json

import polars as pl

from filters.verify.form import well_formed
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import verdict_columns
from filters.verify.verifier import verify
from schemas.answer import load_answer
from schemas.split import Split, no_drops, split


def score_replies(replies: pl.DataFrame, pool: VerifierPool) -> Split:
    """Add a verdict, and `well_formed`, to every reply (`text, prefix, answer, verifier, options, tags`, the last five of
    its variant).

    The reply that is judged is its forced start and what the model wrote. Drops none.
    """
    replied = replies.select("text", "prefix", "tags").iter_rows()
    texts = [(prefix or "") + (text or "") if tags != "plain" else text or "" for text, prefix, tags in replied]
    tags = replies["tags"].to_list()
    rows = replies.with_columns(*verdict_columns(replies, texts, pool, tags), well_formed(texts, tags))
    return Split(rows.drop("prefix", "answer", "verifier", "options", "tags"), no_drops())


def drop_bad_golds(variants: pl.DataFrame) -> Split:
    """Put derived golds to their verifiers before any model is asked: the gold must score, what it rejects must not.

    `detail.rejects` lists wrong answers (an open form: the other options; a claim: the wrong one), `detail.of` the gold that
    they are wrong for, where it is not the variant's own. Reasons: `variants:gold_unusable`, `variants:gold_not_unique`.
    """
    found = [_fault(row) for row in variants.select("answer", "verifier", "detail").iter_rows()]
    causes = pl.Series("cause", found, dtype=pl.String)
    evidence = {name: pl.col(name) for name in ("sample_id", "check", "base")}
    divided = split(variants.with_columns(causes), pl.concat_str(pl.lit("variants:"), "cause"), evidence)
    return Split(divided.kept.drop("cause"), divided.dropped)


def _fault(row: tuple[dict[str, str], dict[str, str], str]) -> str | None:
    answer, verifier, detail = row
    known = json.loads(detail)
    wrong = known.get("rejects")
    if wrong is None:
        return None
    of = known.get("of") or {"answer": answer["parsed"], "verifier": verifier["id"], "params": "{}"}
    gold, params = load_answer(of["answer"]), json.loads(of["params"])
    accepted = {
        text: verify(text, gold, verifier=of["verifier"], params=params, tags="plain").correct
        for text in (gold.raw, *wrong)
    }
    if not accepted.pop(gold.raw):
        return "gold_unusable"
    return "gold_not_unique" if any(accepted.values()) else None
