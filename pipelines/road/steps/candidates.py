"""The table that selection reads: what earlier stages know of a sample, and which section of the recipe gives it."""

from collections.abc import Callable
from typing import NamedTuple

import polars as pl

from filters.checks.measure import FLAGS
from filters.difficulty import enough
from filters.select import diversity
from filters.select.bands import difficulty_band
from filters.select.clusters import CLUSTER
from filters.select.quota import OTHERS
from filters.select.select import SelectConfig, columns_read, rule_of
from pipelines.recipe.recipe import Recipe
from pipelines.road.stage import Road, Stage
from pipelines.road.steps.well_formed import formed_blind, formed_rollouts
from schemas.errors import ConfigError


class Provider(NamedTuple):
    """Columns that a part of the recipe gives: `there` says if it does, `rows` gives them with `id`, one row a sample."""

    columns: tuple[str, ...]
    section: str
    there: Callable[[Recipe], bool]
    rows: Callable[[Road, SelectConfig], pl.LazyFrame]


def _facts(road: Road, config: SelectConfig) -> pl.LazyFrame:
    kind = pl.col("answer").struct.field("kind")
    form = pl.when(kind == "boolean").then(pl.lit("binary")).when(kind == "choice").then(kind).otherwise(pl.lit("open"))
    source = pl.col("source").struct.field("dataset")
    return road.table("ingest").select("id", "domain", "lang", source=source, kind=kind, form=form)


MEASURES = ("k", "n", "pass_rate", "variance", "mean_score", "score_std", "tokens", "truncated", "band")


def _difficulty(road: Road, config: SelectConfig) -> pl.LazyFrame:
    """What one student's rollouts say; nothing (null) of a sample of which too few count."""
    recipe = road.build.recipe
    measured = road.table("difficulty", "measures").filter(
        pl.col("model") == student(recipe), enough(recipe.difficulty)
    )
    return measured.with_columns(difficulty_band(pl.col("k"), pl.col("n"), config.bands)).select("id", *MEASURES)


def _decided(road: Road, config: SelectConfig) -> pl.LazyFrame:
    """What the student's adaptive rollouts decided."""
    return road.table("difficulty", "measures").filter(model=student(road.build.recipe)).select("id", "in_band")


def _is_adaptive(recipe: Recipe) -> bool:
    return recipe.rollouts is not None and recipe.rollouts.adaptive is not None


def student(recipe: Recipe) -> str:
    """Whose rollouts selection reads."""
    assert recipe.rollouts is not None
    return (recipe.select.model if recipe.select else None) or recipe.rollouts.models[0]


def _diversity(road: Road, config: SelectConfig) -> pl.LazyFrame:
    return road.table("diversity")


ATTENTION = ("log_psi",)
LIKELIHOOD = ("logprob", "logprob_masked", "reliance")


def _signals(road: Road, config: SelectConfig) -> pl.LazyFrame:
    return road.table("signals").filter(model=student(road.build.recipe)).select("id", *ATTENTION, *LIKELIHOOD)


def _has_attention(recipe: Recipe) -> bool:
    return _has_signals(recipe) and recipe.signals is not None and recipe.signals.attention is not None


def _has_likelihood(recipe: Recipe) -> bool:
    return _has_signals(recipe) and recipe.signals is not None and recipe.signals.likelihood is not None


def _has_signals(recipe: Recipe) -> bool:
    if recipe.signals is None or recipe.rollouts is None:
        return False
    if student(recipe) not in recipe.signals.models:
        raise ConfigError(f"selection reads signals of '{student(recipe)}', so name it in signals.model too.")
    return True


BLIND = ("k_text", "n_text")


def _blind(road: Road, config: SelectConfig) -> pl.LazyFrame:
    """The student's counts without the pictures; nothing (null) where none of its replies could be scored."""
    asked = road.table("checks", "results").filter(check=_blind_check(road.build.recipe)).filter(pl.col("n") > 0)
    return asked.select("id", k_text="k", n_text="n")


def _blind_check(recipe: Recipe) -> str | None:
    """The name of the text-only check that asks the student; None where the recipe has none."""
    if recipe.rollouts is None:
        return None
    rollouts, told = recipe.rollouts, student(recipe)
    blind = (c.label for c in recipe.checks if c.type == "text_only" and c.asks(rollouts) == told)
    return next(blind, None)


def _formed(road: Road, config: SelectConfig) -> pl.LazyFrame:
    return formed_rollouts(road, student(road.build.recipe))


def _formed_blind(road: Road, config: SelectConfig) -> pl.LazyFrame:
    check = _blind_check(road.build.recipe)
    assert check is not None
    return formed_blind(road, check)


CHECKED = ("blind", "label_suspect")


def _checked(road: Road, config: SelectConfig) -> pl.LazyFrame:
    return road.table("checks").select("id", *CHECKED)


GUESSED = ("k_guess", "n_guess")


def _guesses(road: Road, config: SelectConfig) -> pl.LazyFrame:
    """Right answers without reasoning, by whichever model the check asks; several such checks add up.

    Nothing (null) where none could be scored: what was not asked was not withstood.
    """
    guesses = road.table("checks", "results").filter(pl.col("type") == "guess", pl.col("n") > 0)
    return guesses.group_by("id").agg(k_guess=pl.sum("k"), n_guess=pl.sum("n"))


def _has_guesses(recipe: Recipe) -> bool:
    return recipe.rollouts is not None and any(check.type == "guess" for check in recipe.checks)


PROVIDERS: tuple[Provider, ...] = (
    Provider(("source", "kind", "form", "domain", "lang"), "sources", lambda r: True, _facts),
    Provider(MEASURES, "rollouts", lambda r: r.rollouts is not None, _difficulty),
    Provider(("in_band",), "rollouts: {adaptive: …}", _is_adaptive, _decided),
    Provider(ATTENTION, "signals: {attention: {}}", _has_attention, _signals),
    Provider(LIKELIHOOD, "signals: {likelihood: {}}", _has_likelihood, _signals),
    Provider(BLIND, "checks: [{type: text_only}]", lambda r: _blind_check(r) is not None, _blind),
    Provider(GUESSED, "checks: [{type: guess}]", _has_guesses, _guesses),
    Provider(("k_formed",), "rollouts", lambda r: r.rollouts is not None, _formed),
    Provider(("k_text_formed",), "checks: [{type: text_only}]", lambda r: _blind_check(r) is not None, _formed_blind),
    Provider(CHECKED, "checks", lambda r: bool(r.checks), _checked),
    Provider(tuple(diversity.COLUMNS.values()), "rollouts", lambda r: r.rollouts is not None, _diversity),
)
"""Who gives which column. A stage whose numbers rules or quotas may read adds its line."""


def diversity_measure(recipe: Recipe) -> str | None:
    """The diversity that selection reads, if it reads one."""
    wanted = columns_read(recipe.select) if recipe.select and recipe.rollouts else ()
    return next((measure for measure, column in diversity.COLUMNS.items() if column in wanted), None)


def check_candidates(recipe: Recipe) -> None:
    """Raise ConfigError, in a sentence, for a column that a rule or a quota reads and no section of the recipe gives."""
    config = recipe.select
    if config is None:
        return
    if config.model is not None and recipe.rollouts and config.model not in recipe.rollouts.models:
        known = ", ".join(recipe.rollouts.models)
        raise ConfigError(f"select.model '{config.model}' has no rollouts; rollouts.model is {known}.")
    if config.without and not recipe.checks:
        raise ConfigError(f"select.without '{config.without[0]}' is a flag of checks, so the recipe needs `checks`.")
    _check_flags(config.without, recipe)
    _check_cells(config, recipe)
    of_rule = rule_of(config).columns(config.rule)
    for column in columns_read(config):
        if column == CLUSTER:
            continue  # selection's own, of its vectors (`pipelines.road.selection.check_vectors`)
        asker = f"select.rule '{config.rule.type}'" if column in of_rule else "select.quotas.by"
        provider = _provider(column)
        if provider is None:
            known = ", ".join(sorted((CLUSTER, *(c for p in PROVIDERS for c in p.columns))))
            raise ConfigError(f"{asker} reads '{column}', which no stage gives; there are {known}.")
        if not provider.there(recipe):
            raise ConfigError(f"{asker} reads '{column}', so the recipe needs a `{provider.section}` section.")
    _check_window(recipe)


def _check_flags(without: tuple[str, ...], recipe: Recipe) -> None:
    """Raise ConfigError for a flag that none of the recipe's checks gives: nobody would miss it."""
    given = {flag for check in recipe.checks for flag in FLAGS[check.type]}
    for flag in without:
        by = [type_ for type_, flags in FLAGS.items() if flag in flags]
        if not by:
            known = ", ".join(sorted({flag for flags in FLAGS.values() for flag in flags}))
            raise ConfigError(f"select.without '{flag}' is no flag of any check; there are {known}.")
        if flag not in given:
            raise ConfigError(f"select.without '{flag}' needs a check of type {' or '.join(by)} in `checks`.")


def _check_cells(config: SelectConfig, recipe: Recipe) -> None:
    """Raise ConfigError for a share or a cap of a source that the recipe does not have."""
    quotas, names = config.quotas, [source.name for source in recipe.sources]
    if quotas is None or quotas.by != ("source",):
        return
    shares = quotas.shares if isinstance(quotas.shares, dict) else {}
    for part, label in (*(("shares", s) for s in shares), *(("caps", c) for c in quotas.caps)):
        if label not in (*names, OTHERS):
            raise ConfigError(f"select.quotas.{part}: no source is named '{label}'; there are {', '.join(names)}.")


def _check_window(recipe: Recipe) -> None:
    """Raise ConfigError where a rule counts out of n rollouts, and adaptive ones stop before n.

    After any number of answers the ends 0 and n mean the same, and so do 1 and n - 1 where they are what the band decides.
    """
    config, asked = recipe.select, recipe.rollouts
    if config is None or asked is None or asked.adaptive is None:
        return
    rule, n = config.rule.type, asked.n
    window, band = rule_of(config).window(config.rule, n), asked.adaptive.band or (1, n - 1)
    if window is None:
        raise ConfigError(
            f"select.rule '{rule}' counts out of a fixed number of rollouts, and rollouts.adaptive stops at different ones; "
            "take rollouts.adaptive out."
        )
    low, high = window
    if not ((low <= 0 or low == 1 == band[0]) and (high >= n or high == n - 1 == band[1])):
        raise ConfigError(
            f"select.rule '{rule}' passes {low} to {high} right of n = {n}, and rollouts.adaptive stops before n; "
            f"set select.rule to in_band and rollouts.adaptive.band to [{low}, {high}], or take rollouts.adaptive out."
        )


def candidates(road: Road, stage: Stage, columns: tuple[str, ...], config: SelectConfig) -> pl.LazyFrame:
    """`id, split` of every sample alive before `stage`, with `columns`; null where the stage that gives one has none."""
    alive = road.table(road.last("samples", stage))
    rows = road.table("split").join(alive, on="id", how="semi", maintain_order="left").select("id", "split")
    for provider in PROVIDERS:
        wanted = [c for c in provider.columns if c in columns]
        if wanted:
            rows = rows.join(
                provider.rows(road, config).select("id", *wanted),
                on="id",
                how="left",
                maintain_order="left",
                validate="1:1",
            )
    return rows


def _provider(column: str) -> Provider | None:
    return next((p for p in PROVIDERS if column in p.columns), None)
