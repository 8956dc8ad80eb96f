"""A gold from a column: what a model or a rule wrote becomes the gold of a question, read as strictly as a published one.

Used where rows become samples (`filters.promote`) and where a question is put into another form with another answer. A gold
is read by `filters.verify.gold` and put to its own verifier by `filters.verify.selftest`, each row by itself: other rows'
golds are no part of it, so that the outcome depends on the row alone.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

import polars as pl

from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.selftest import OtherGolds, selftest
from schemas.answer import Answer, dump_answer
from schemas.ids import canonical_json
from schemas.json_row import is_unicode
from schemas.sample import ANSWER, VERIFIER

ANSWER_KINDS: tuple[str, ...] = tuple(part.model_fields["kind"].default for part in get_args(get_args(Answer)[0]))
"""The kinds that an answer can be of."""

GoldParser = Callable[..., Answer]
SHOWN = 200
"""Characters of a text that evidence shows."""

REGOLD = pl.Schema(
    {
        "id": pl.String(),
        "question": pl.String(),
        "options": pl.List(pl.String()),
        "answer": ANSWER,
        "verifier": VERIFIER,
        "cause": pl.String(),
        "evidence": pl.String(),
    }
)
"""A row's new question and gold, as a sample holds them; or the cause why it has none, with its texts (JSON)."""


def regold(
    rows: pl.DataFrame,
    question: str = "question",
    answer: str = "answer",
    kind: str = "text",
    *,
    options: str | None = None,
    kinds: str | None = None,
    params: Mapping[str, Any] | None = None,
    parse: GoldParser = parse_gold,
) -> pl.DataFrame:
    """The question and gold (`REGOLD`) of each row, in order.

    `question`, `answer` and `options` (lists of texts) name columns of `rows`, and so does `kinds`: the kind of answer row
    by row, `kind` where it is null. `params` are the verifier's. `parse` reads golds; a model's are read by a pool's, which
    ends. Causes: `no_question`, `no_answer`, `null_option`, `gold_outside_options` (a choice that is none of the options),
    `unparsable_gold` (no answer of its kind).
    """
    settings = dict(params or {})
    columns = [rows[question], rows[answer]]
    offered = rows[options].to_list() if options else [None] * rows.height
    named = rows[kinds].to_list() if kinds else [None] * rows.height
    found = [
        _regold(asked, raw, of or (), (own or kind).strip().lower(), settings, parse)
        for asked, raw, of, own in zip(*columns, offered, named, strict=True)
    ]
    return pl.DataFrame(found, schema={k: v for k, v in REGOLD.items() if k != "id"}, orient="row").select(
        rows["id"], pl.all()
    )


def drop_untrue(golds: pl.DataFrame, pool: VerifierPool, seed: int) -> pl.DataFrame:
    """`golds` (`REGOLD`), with the cause `selftest` where a gold does not score itself, or what says nothing does score."""
    rows = golds.filter(pl.col("cause").is_null()).with_columns(source=pl.struct(dataset=pl.lit("")))
    failed = selftest(rows, OtherGolds(seed), seed, pool).split.dropped.select("id", __failed="evidence")
    marked = golds.join(failed, on="id", how="left", maintain_order="left")
    cause = pl.when(pl.col("__failed").is_not_null()).then(pl.lit("selftest")).otherwise("cause")
    return marked.with_columns(cause=cause, evidence=pl.coalesce("__failed", "evidence")).select(golds.columns)


_Row = tuple[str, Sequence[str], Mapping[str, str | None], Mapping[str, str], str | None, str]


def _regold(
    question: str | None,
    raw: str | None,
    options: Sequence[str | None],
    kind: str,
    params: Mapping[str, Any],
    parse: GoldParser,
) -> _Row:
    asked, gold = (question or "").strip(), (raw or "").strip()
    offered = tuple(option for option in options if option is not None)
    cause, parsed, error = None, None, None
    if not asked:
        cause = "no_question"
    elif not gold:
        cause = "no_answer"
    elif len(offered) < len(options):
        cause = "null_option"
    else:
        try:
            parsed = _parsed(kind, gold, offered, params, parse)
        except GoldUnparseableError as unread:
            error = str(unread)
            cause = "gold_outside_options" if kind == "choice" and offered else "unparsable_gold"
    facts = {"question": asked[:SHOWN], "answer": gold[:SHOWN], "kind": kind, **({"error": error} if error else {})}
    answer = {"kind": kind, "raw": gold, "parsed": parsed}
    verifier = {"id": kind, "params": canonical_json(params)}
    return asked, list(offered), answer, verifier, cause, json.dumps(facts, ensure_ascii=False)


def _parsed(kind: str, raw: str, options: Sequence[str], params: Mapping[str, Any], parse: GoldParser) -> str:
    if kind not in ANSWER_KINDS:
        raise GoldUnparseableError(f"no answer kind {kind!r}; there are {', '.join(ANSWER_KINDS)}")
    parsed = dump_answer(parse(kind, raw, options=options, params=params))
    if not is_unicode(parsed):
        raise GoldUnparseableError("it holds half of a surrogate pair, which is no text")
    return parsed
