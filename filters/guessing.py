"""Whether right answers are more than guesses: a coin is right about half of the yes-or-no questions.

Where guessing pays, a right answer is no evidence for the thought that led to it. A sample whose answer can be guessed keeps
its traces only if they are right more often than guesses would be. At small n that is a weak sieve on purpose, because a
strict one would pass nothing (no four answers beat a coin at the 5 % level): a guesser of yes-or-no questions passes with
two right of two in 25 % of samples, with at least two of three in 50 %, three of four in 31 %, five of eight in 36 %.
`max_guess` asks for more. What it cannot see is a model that always says "no"; the shares by gold on the card can.
"""

import polars as pl

from filters.checks.chance import chance_rates
from filters.checks.significance import above_chance
from schemas.split import Split, split

ANSWERED = {"sample_id": pl.String, "correct": pl.Boolean}
"""Every trace that was scored: its sample, and whether it was right."""

_MANY, _EACH = 20, 5
"""Golds of words or numbers are a closed set where a source has 20 of the kind, and each comes 5 times on average."""


def golds_and_verdicts(scored: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Completions (`sample_id, answer, source, options, correct, final` and perhaps `no_answer`) as their samples (`id,
    dataset, kind, gold, parsed, options`), and as `ANSWERED`: one that gave no answer was not scored."""
    gold = pl.col("answer").struct
    facts = {"kind": gold.field("kind"), "gold": gold.field("raw"), "parsed": gold.field("parsed")}
    dataset = pl.col("source").struct.field("dataset")
    samples = scored.unique("sample_id").sort("sample_id").filter(pl.col("answer").is_not_null())
    silent = pl.lit(False)
    if "no_answer" in scored.columns:
        silent = pl.col("final").is_null() & pl.col("no_answer").fill_null(False)
    golds = samples.select("options", id="sample_id", dataset=dataset, **facts)
    return golds, scored.select("sample_id", correct=pl.when(~silent).then("correct"))


def guess_rates(samples: pl.DataFrame) -> pl.DataFrame:
    """`id, chance` of samples (`id, dataset, kind, gold, parsed, options`): how often a guess is right.

    Known for a truth value and a choice. Words and numbers can be guessed where their source uses few over and over; the
    rate is then that of the most common one. Null elsewhere: nobody guesses a number among all numbers.
    """
    word = pl.col("gold").str.to_lowercase().str.strip_chars()
    of_kind = ("dataset", "kind")
    many, distinct = pl.len().over(of_kind), word.n_unique().over(of_kind)
    closed = pl.col("kind").is_in(["text", "number", "choice"]) & (many >= _MANY) & (distinct * _EACH <= many)
    listed = (pl.col("kind") == "choice") & (pl.col("options").list.len().fill_null(0) > 1)
    known = (pl.col("kind") == "boolean") | listed | closed
    guessed = samples.select("id", known.alias("known"))
    rates = chance_rates(samples).join(guessed, on="id", validate="1:1")
    return rates.select("id", chance=pl.when("known").then("chance"))


def drop_guessed(
    traces: pl.DataFrame, answered: pl.DataFrame, rates: pl.DataFrame, max_guess: float | None = None
) -> Split:
    """Keep the right traces (`id, sample_id, …`) of samples that beat chance, or that cannot be guessed.

    `answered` (`ANSWERED`) holds every scored trace of their samples, `rates` (`id, chance`) what a guess is worth. A sample
    beats chance if at least two of its traces were scored and the share of right ones is above it; a trace without an
    answer, or with one that nothing could score, is no evidence and leaves the count. With `max_guess`, guesses alone must
    not do as well with a greater probability (the exact binomial tail).

    Reason: `pick:chance`; evidence: the sample, `right` of `answered`, the `chance`, and `guess`, that probability.
    """
    counts = (
        answered.filter(pl.col("correct").is_not_null())
        .group_by("sample_id")
        .agg(right=pl.col("correct").sum().cast(pl.Int64), answered=pl.len().cast(pl.Int64))
    )
    rows = traces.join(rates.rename({"id": "sample_id"}), on="sample_id", how="left", maintain_order="left")
    rows = rows.join(counts, on="sample_id", how="left", maintain_order="left")
    k, n = (rows[name].fill_null(0).to_numpy() for name in ("right", "answered"))
    tail = above_chance(k, n, rows["chance"].fill_null(1.0).to_numpy())
    rows = rows.with_columns(pl.Series("guess", tail, dtype=pl.Float64))
    beats = (pl.col("answered") >= 2) & (pl.col("right") / pl.col("answered") > pl.col("chance"))
    if max_guess is not None:
        beats &= pl.col("guess") <= max_guess
    reason = pl.when(pl.col("chance").is_not_null() & ~beats.fill_null(False)).then(pl.lit("pick:chance"))
    names = ("sample_id", "right", "answered", "chance", "guess")
    divided = split(rows, reason, {name: pl.col(name) for name in names})
    return Split(divided.kept.select(traces.columns), divided.dropped)


def verified_shares(
    samples: pl.DataFrame, answered: pl.DataFrame, kept: pl.DataFrame, released: pl.DataFrame
) -> pl.DataFrame:
    """What verification and the rules after it make of the golds: a row for each source, kind and gold.

    `samples` (`id, dataset, kind, gold, parsed, options`) are those that were reasoned about, `answered` (`ANSWERED`) their
    scored traces, `kept` (`sample_id`) the right traces that no later rule dropped, `released` (`id`) the samples whose
    traces go out. Columns: `dataset, kind, gold` (null where it cannot be guessed), `samples`, `answered` and `right`
    (traces), `share`, `chance`, and samples with a right trace (`verified`), with one that is kept (`kept`), and
    `released`.
    """
    rates = guess_rates(samples)
    scored = answered.filter(pl.col("correct").is_not_null())
    counts = scored.group_by("sample_id").agg(right=pl.col("correct").sum(), answered=pl.len())
    rows = samples.join(rates, on="id").join(counts, left_on="id", right_on="sample_id", how="left")
    word = pl.col("gold").str.to_lowercase().str.strip_chars()
    named = rows.with_columns(
        gold=pl.when(pl.col("chance").is_not_null()).then(word),
        verified=pl.col("right").fill_null(0) > 0,
        kept=pl.col("id").is_in(kept["sample_id"].unique().implode()),
        released=pl.col("id").is_in(released["id"].unique().implode()),
    )
    keys = ("dataset", "kind", "gold")
    table = named.group_by(keys).agg(
        samples=pl.len().cast(pl.Int64),
        answered=pl.col("answered").sum().cast(pl.Int64),
        right=pl.col("right").sum().cast(pl.Int64),
        chance=pl.col("chance").mean(),
        verified=pl.col("verified").sum().cast(pl.Int64),
        kept=pl.col("kept").sum().cast(pl.Int64),
        released=pl.col("released").sum().cast(pl.Int64),
    )
    share = pl.when(pl.col("answered") > 0).then(pl.col("right") / pl.col("answered"))
    columns = (*keys, "samples", "answered", "right", "share", "chance", "verified", "kept", "released")
    return table.with_columns(share=share).select(columns).sort(keys, nulls_last=True)
