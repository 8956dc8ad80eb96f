"""From verdicts to numbers: counts by sample and check, tests against chance and the sample's own rollouts, flags."""

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

from filters.checks.blind import blind
from filters.checks.chance import chance_rates
from filters.checks.families import families
from filters.checks.rules import CheckRules
from filters.checks.significance import Counts, above_chance, below_base, benjamini_hochberg
from filters.checks.vote import suspects, votes
from filters.difficulty import APART, DifficultyConfig, is_unread, measure, verdict

BLIND = ("text_only", "grey_image")

FLAGS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(BLIND, ("blind",)),
    "patch_mask": ("unmoved",),
    "evidence_mask": ("unmoved", "answers_anyway"),
    "random_mask": ("fragile",),
    "option_shuffle": ("letter_bound",),
    "caption_only": ("caption_sufficient", "perception_bound"),
    "drop_cot": ("cot_unneeded", "cot_hurts"),
    "frame_shuffle": ("order_free",),
    "question_form": ("form_bound",),
    "guess": ("guessable",),
    "reverify": ("unsupported",),
    "vote": ("label_suspect",),
}
"""The flags that each type of check may give."""


class Measured(NamedTuple):
    """`samples`: one row a sample. `results`: a row a sample and check. `variants`: a row a variant."""

    samples: pl.DataFrame
    results: pl.DataFrame
    variants: pl.DataFrame


class Evidence(NamedTuple):
    """What there is to measure.

    `samples`: `id, dataset, kind, question, options, gold, parsed`; `base`: `id, k, n, model` of their own rollouts by
    each student, of whom `student` is the first; `rollouts`: that one's verdicts, or None where nobody votes;
    `variants`, `replies`: what was asked, and its verdicts;
    `checks`: `check, type, rule`.
    """

    samples: pl.DataFrame
    base: pl.DataFrame
    rollouts: pl.DataFrame | None
    student: str
    variants: pl.DataFrame
    replies: pl.DataFrame
    checks: pl.DataFrame


def measure_checks(found: Evidence, rules: CheckRules, counting: DifficultyConfig) -> Measured:
    """Count, test and flag. Every sample comes out, with nulls where a check says nothing of it."""
    kin = families(found.samples, rules.family)
    variants = _counts(found, counting)
    results = _against(_pooled(variants), variants, found.base, rules)
    results = _flag(results, _wrong_answers(found), kin, rules)
    own = found.base.filter(pl.col("model") == found.student).select("id", "k", "n")
    samples = found.samples.select("id").join(own, on="id", how="left")
    for type_, short in zip(BLIND, ("text", "grey"), strict=True):
        samples = samples.join(_blind_columns(results, type_, short, found.student), on="id", how="left")
    if found.rollouts is not None:
        voted = votes(found.rollouts).join(kin, on="id").sort("id")
        samples = samples.join(suspects(voted, rules).drop("family", "wide", "dataset", "kind"), on="id", how="left")
    else:
        samples = samples.with_columns(label_suspect=pl.lit(None, pl.Boolean))
    flags = results.drop_nulls("flag").group_by("id").agg(flags=pl.col("flag").unique().sort())
    samples = samples.join(flags, on="id", how="left").with_columns(
        blind=pl.max_horizontal("blind_text", "blind_grey"), flags=pl.col("flags").fill_null([])
    )
    suspect = pl.when(pl.col("label_suspect")).then(pl.lit(["label_suspect"])).otherwise(pl.lit([], pl.List(pl.String)))
    return Measured(samples.with_columns(flags=pl.concat_list("flags", suspect)).sort("id"), results, variants)


def _counts(found: Evidence, counting: DifficultyConfig) -> pl.DataFrame:
    """Counts by variant, its chance, and whether its replies name the option that the reply before it named."""
    replies = found.replies.with_columns(is_unread().alias("no_answer"), sample_id="variant_id")
    formed = ((verdict() == "right") & pl.col("well_formed")).sum().cast(pl.Int32)
    counted = measure(replies, counting).select("id", "k", "n", *APART)
    counted = counted.join(replies.group_by(id="sample_id").agg(k_formed=formed), on="id", how="left")
    asked = found.variants.join(
        found.samples.select("id", "dataset", first_options="options"), left_on="sample_id", right_on="id"
    )
    golds = asked.select(
        "id",
        dataset=pl.concat_str("dataset", pl.lit(" / "), "check"),
        kind=pl.col("answer").struct.field("kind"),
        gold=pl.col("answer").struct.field("raw"),
        parsed=pl.col("answer").struct.field("parsed"),
        options="options",
    )
    rows = asked.join(chance_rates(golds), on="id").join(_followed(asked, found.replies), on="id", how="left")
    facts = ("id", "sample_id", "check", "base", "model", "chance", "agree", "answered")
    rows = rows.select(facts).join(counted, on="id", how="left").join(found.checks, on="check")
    return rows.with_columns(pl.col("k", "n", "k_formed", *APART).fill_null(0)).sort("id")


def _followed(asked: pl.DataFrame, replies: pl.DataFrame) -> pl.DataFrame:
    """`id, agree, answered`: of the replies that name one option, how many name the content that was named before."""
    first = _place(pl.col("detail").str.json_path_match("$.first"))
    before = asked.select("id", "options", was=pl.col("first_options").list.get(first, null_on_oob=True)).drop_nulls(
        "was"
    )
    answers = replies.select("variant_id", second=_place(pl.col("parsed_response")))
    named = before.join(answers, left_on="id", right_on="variant_id").with_columns(
        now=pl.col("options").list.get(pl.col("second"), null_on_oob=True)
    )
    return named.group_by("id").agg(
        agree=(pl.col("was") == pl.col("now")).sum().cast(pl.Int32), answered=pl.col("now").count().cast(pl.Int32)
    )


_PLACES = {chr(65 + i): i for i in range(26)}


def _place(letter: pl.Expr) -> pl.Expr:
    """The place of the one option that a letter names; null for none or several."""
    return (
        letter.str.to_uppercase().str.extract(r"^([A-Z])$").replace_strict(_PLACES, default=None, return_dtype=pl.Int32)
    )


def _pooled(variants: pl.DataFrame) -> pl.DataFrame:
    """Counts by sample and check."""
    sums = pl.col("k", "n", "k_formed", *APART, "agree", "answered").sum()
    return (
        variants.group_by(pl.col("sample_id").alias("id"), "check", "type", "rule", "model")
        .agg(sums, pl.col("chance").mean(), variants=pl.len().cast(pl.Int32))
        .sort("check", "id")
    )


def _against(rows: pl.DataFrame, variants: pl.DataFrame, base: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """Add the tests: better than chance, worse and better than the same model's own rollouts."""
    rows = _beside(rows, base)
    k, n, base_k, base_n = _integers(rows)
    chance = above_chance(k, n, rows["chance"].to_numpy())
    rows = rows.with_columns(
        rate=pl.when(pl.col("n") > 0).then(pl.col("k") / pl.col("n")),
        p_value=pl.Series(chance, dtype=pl.Float64),
        p_drop=pl.Series(below_base(k, n, base_k, base_n), dtype=pl.Float64),
        p_rise=pl.Series(below_base(base_k, base_n, k, n), dtype=pl.Float64),
    ).with_columns(gain=(pl.col("base_k") / pl.col("base_n") - pl.col("rate")).fill_nan(None))
    rows = rows.join(_worst_form(variants, base), on=["id", "check"], how="left", maintain_order="left")
    rows = rows.with_columns(p_drop=pl.coalesce("p_form", "p_drop")).drop("p_form")
    if rules.adjust == "bh":
        for column in ("p_value", "p_drop", "p_rise"):
            adjusted = pl.col(column).map_batches(
                lambda s: pl.Series(benjamini_hochberg(s.to_numpy())), return_dtype=pl.Float64
            )
            rows = rows.with_columns(adjusted.over("check"))
    return rows


def _beside(rows: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """Counts with those of the same model's own rollouts."""
    own = base.select("id", "model", base_k="k", base_n="n")
    return rows.join(own, on=["id", "model"], how="left", maintain_order="left")


def _integers(rows: pl.DataFrame) -> list[Counts]:
    return [rows[c].fill_null(0).to_numpy().astype("int64") for c in ("k", "n", "base_k", "base_n")]


def _worst_form(variants: pl.DataFrame, base: pl.DataFrame) -> pl.DataFrame:
    """`id, check, p_form`: the drop of the question form that fell most, times the number of forms (Bonferroni).

    A form that fails outright would be outvoted by the others if they were counted together.
    """
    form = pl.when(pl.col("base") == "open").then(pl.lit("open")).otherwise(pl.lit("yes_no")).alias("form")
    asked = variants.filter((pl.col("type") == "question_form") & (pl.col("n") > 0))
    counts = asked.group_by(pl.col("sample_id").alias("id"), "check", "model", form).agg(pl.col("k", "n").sum())
    rows = _beside(counts, base)
    p = pl.Series("p_form", below_base(*_integers(rows)), dtype=pl.Float64)
    worst = (pl.col("p_form").min() * pl.len()).clip(upper_bound=1.0)
    return rows.with_columns(p).group_by("id", "check").agg(worst)


def _wrong_answers(found: Evidence) -> pl.DataFrame:
    """`id, check, wrong` of the blind checks: how often the most common answer was given where it is not the gold."""
    checks = found.checks.filter(pl.col("type").is_in(BLIND))
    asked = found.variants.join(checks, on="check", how="semi").select("sample_id", "check", variant_id="id")
    voted = votes(found.replies.select("correct", "extracted", "parsed_response", sample_id="variant_id"))
    wrong = voted.filter(~pl.col("majority_is_gold")).select(
        variant_id="id", wrong=(pl.col("majority_share") * pl.col("answers")).round().cast(pl.Int64)
    )
    rows = asked.join(wrong, on="variant_id").select("check", "wrong", id="sample_id")
    return rows.group_by("id", "check").agg(pl.col("wrong").max())


def _flag(rows: pl.DataFrame, wrong: pl.DataFrame, kin: pl.DataFrame, rules: CheckRules) -> pl.DataFrame:
    """Add `flag`, `certainty` and `family`."""
    parts = []
    for (type_,), part in rows.group_by("type", maintain_order=True):
        if type_ in BLIND:
            for (_,), one in part.group_by("check", maintain_order=True):
                answered = one.join(wrong, on=["id", "check"], how="left").with_columns(pl.col("wrong").fill_null(0))
                judged = one.join(blind(answered.join(kin, on="id"), rules), on="id", maintain_order="left")
                parts.append(judged.with_columns(flag=pl.when("blind").then(pl.lit("blind"))).drop("blind"))
        else:
            parts.append(part.with_columns(flag=_rule(str(type_), rules)))
    columns = {"certainty": pl.Float64, "family": pl.String, "flag": pl.String}
    empty = rows.head(0).with_columns(pl.lit(None, dtype).alias(name) for name, dtype in columns.items())
    return pl.concat([empty, *parts], how="diagonal").sort("check", "id")


def _rule(type_: str, rules: CheckRules) -> pl.Expr:
    """The flag of a check that is no blind test; null where there is nothing to remark."""
    known = pl.col("p_value") <= rules.alpha
    compared = pl.col("base_n").fill_null(0) > 0
    fell, rose = (compared & (pl.col(c) <= rules.alpha) for c in ("p_drop", "p_rise"))
    held = known & compared & ~fell & _near(rules)
    if type_ == "caption_only":  # asked of another model, the caption has only chance to beat
        return _name(fell, "perception_bound", held | (known & ~compared), "caption_sufficient")
    if type_ == "drop_cot":
        return _name(rose, "cot_hurts", held, "cot_unneeded")
    if type_ == "evidence_mask":
        abstain = (pl.col("rule") == "abstain").fill_null(False)
        return _name(abstain & (2 * pl.col("k") < pl.col("n")), "answers_anyway", ~abstain & held, "unmoved")
    one = {
        "patch_mask": (held, "unmoved"),
        "random_mask": (fell, "fragile"),
        "frame_shuffle": (held, "order_free"),
        "question_form": (fell, "form_bound"),
        "guess": (
            pl.when((pl.col("rule") == "any").fill_null(False)).then(pl.col("k") > 0).otherwise(known),
            "guessable",
        ),
        "option_shuffle": ((pl.col("answered") > 0) & (2 * pl.col("agree") < pl.col("answered")), "letter_bound"),
        "reverify": ((pl.col("n") > 0) & (2 * pl.col("k") < pl.col("n")), "unsupported"),
    }[type_]
    return _name(*one)


def _near(rules: CheckRules) -> pl.Expr:
    """base_k / base_n - k / n <= the tolerance, in whole numbers."""
    k, n, base_k, base_n = (pl.col(c).cast(pl.Int64) for c in ("k", "n", "base_k", "base_n"))
    return (base_k * n - k * base_n) * rules.tolerance.denominator <= base_n * n * rules.tolerance.numerator


def _name(*cases: pl.Expr | str) -> pl.Expr:
    """The name behind the first condition that holds."""
    chain = pl.lit(None, pl.String)
    for condition, name in reversed(list(zip(cases[::2], cases[1::2], strict=True))):
        chain = pl.when(condition).then(pl.lit(name)).otherwise(chain)
    return chain


def _blind_columns(results: pl.DataFrame, type_: str, short: str, student: str) -> pl.DataFrame:
    """The counts of the first check of a blind type, as columns of the sample; one that asks the student comes first."""
    rows = results.filter(pl.col("type") == type_).sort(pl.col("model") != student, "check", "id")
    rows = rows.unique("id", keep="first", maintain_order=True)
    return rows.select(
        "id",
        pl.col("k").alias(f"k_{short}"),
        pl.col("n").alias(f"n_{short}"),
        pl.col("k_formed").alias(f"k_{short}_formed"),
        pl.col("gain").alias(f"gain_{short}"),
        pl.col("p_value").alias(f"p_{short}"),
        pl.col("certainty").alias(f"certainty_{short}"),
        (pl.col("flag") == "blind").fill_null(False).alias(f"blind_{short}"),
    )
