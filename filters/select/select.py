"""Selection: a rule says what each sample is worth, a budget how many are taken, quotas and coverage which ones.

Beside the selection there is a control: a random selection of equal size, with equal quotas, from the same candidates. A
rule that does not beat it is not worth its rollouts.
"""

from typing import Any, Self

import polars as pl
from pydantic import Field, field_validator, model_validator

from filters.dedup.search import Report, logged
from filters.dedup.vectors import Vectors
from filters.select.bands import BandConfig
from filters.select.clusters import CLUSTER, ClusterConfig
from filters.select.coverage import CoverageConfig, cover
from filters.select.draw import DrawConfig, place, size
from filters.select.orders import COLUMNS as ORDER_COLUMNS
from filters.select.orders import OrderConfig, arrange
from filters.select.quota import QuotaConfig, allot, cells, draw, seats
from filters.select.rules.bands import BandsConfig
from filters.select.rules.catalogue import RULES, RuleConfig, rules_of
from filters.select.rules.column import ColumnConfig
from filters.select.rules.rule import How, Rule
from filters.select.rules.variance import VarianceConfig
from schemas.errors import StepError, nearest
from schemas.ids import chance
from schemas.section import Section, refuse_idle
from schemas.split import Split, split

WORTH = ("select:quota", "select:covered", "select:budget")
"""Why a row that passes the rule is not taken."""


OWN = frozenset({"id", "value", "cause", "weight", "rank", "draws", "order", "evidence", "budget", "cell", "seats"})
"""Names of what a selection writes of a row, which columns that it reads cannot have."""


class Selection(Section):
    """What is worth training on, and how much of it."""

    rule: RuleConfig = Field(default_factory=VarianceConfig, description="what a sample is worth, and what is out")
    budget: int | float | None = Field(
        default=None,
        gt=0,
        description="samples to keep: a count, a share up to 1.0 of the candidates, or all that pass",
    )
    draw: DrawConfig = DrawConfig()
    quotas: QuotaConfig | None = Field(default=None, description="how the budget is spread over cells of samples")
    coverage: CoverageConfig | None = Field(
        default=None, description="weigh what a row is worth against how well the selection covers the candidates"
    )
    clusters: ClusterConfig = Field(
        default=ClusterConfig(), description="clusters of like rows, for `quotas.by: [cluster]`"
    )
    bands: BandConfig = Field(default=BandConfig(), description="difficulty bands, for quotas and for the comparison")
    order: OrderConfig | None = Field(
        default=None, description="the order in which a trainer meets the selected rows; null: by id, which is a hash"
    )

    @field_validator("rule", "order", mode="before")
    @classmethod
    def _by_name(cls, choice: Any) -> Any:
        """A bare name is a rule or an order with its defaults."""
        return {"type": choice} if isinstance(choice, str) else choice

    @field_validator("budget")
    @classmethod
    def _count_or_share(cls, budget: int | float | None) -> int | float | None:
        if isinstance(budget, float) and budget > 1:
            raise ValueError("a budget is a count, written without a point, or a share up to 1.0")
        return budget

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if how_drawn(self) == "mixture" and self.quotas is not None:
            raise ValueError("a mixture draws with replacement and keeps no quotas; set draw.how to top or weighted")
        if self.coverage is not None and how_drawn(self) != "top":
            raise ValueError(
                f"coverage takes the rows itself, and draws none; set draw.how to top (it is {how_drawn(self)})"
            )
        backwards = any(isinstance(rule, ColumnConfig) and rule.take == "least" for rule in rules_of(self.rule))
        if how_drawn(self) != "top" and backwards:
            raise ValueError(
                f"draw.how: {how_drawn(self)} draws by what rows are worth, which is less than nothing by `take: least`; "
                "set draw.how to top, or give the rule a column of which more is better"
            )
        if self.coverage is not None and self.budget is None:
            raise ValueError("coverage says which rows a budget goes to; set a budget")
        for name in sorted(OWN.intersection(columns_read(self))):
            raise ValueError(
                f"`{name}` is what select itself says of a row; write the column's address, as in judge.{name}"
            )
        bands = ("never", "always", *self.bands.ends)
        for band in (name for rule in rules_of(self.rule) if isinstance(rule, BandsConfig) for name in rule.keep):
            if band not in bands:
                raise ValueError(f"there is no band '{band}'; there are {', '.join(bands)}.{nearest(band, bands)}")
        return self

    @model_validator(mode="after")
    def _of_use(self) -> Self:
        why, cure = "no quotas are by cluster", "set quotas.by to [cluster]"
        refuse_idle(self, "clusters", read=clusters_wanted(self), why=why, cure=cure)
        why, cure = f"its by_value is of a mixture, and draw.how is {how_drawn(self)}", "set draw.how to mixture"
        if self.draw.by_value != DrawConfig().by_value:
            refuse_idle(self, "draw", read=how_drawn(self) == "mixture", why=why, cure=cure)
        return self


def rule_of(config: Selection) -> Rule:
    """The rule that a config asks for."""
    return RULES[type(config.rule)]


def how_drawn(config: Selection) -> How:
    """How the budget is spent: as the config says, else as the rule's source does."""
    return config.draw.how or rule_of(config).how


def columns_read(config: Selection) -> tuple[str, ...]:
    """The columns, beside `id`, that `select` and `control` want of their candidates."""
    quotas = config.quotas.by if config.quotas else ()
    order = ORDER_COLUMNS[type(config.order)] if config.order else ()
    return tuple(dict.fromkeys((*rule_of(config).columns(config.rule), *quotas, *order)))


def clusters_wanted(config: Selection) -> bool:
    """Whether quotas are by cluster, so that `select` and `control` want a column `cluster`."""
    return config.quotas is not None and CLUSTER in config.quotas.by


def select(
    rows: pl.DataFrame, config: Selection, seed: int, vectors: Vectors | None = None, report: Report = logged
) -> Split:
    """Part candidates (`id` and `columns_read(config)`) by the rule, the budget and the quotas.

    Kept rows come best first and gain `value`, `rank` (Int32, 0 is best), `weight` (Float64; null where the rule has none;
    the number of draws of a mixture), `order` (Int32, null without `config.order`) and `evidence` (JSON). Reasons:
    `select:unmeasured` (a column of the rule is null, NaN or infinite), `select:<cause>` (the rule's), `select:quota` (worth
    it, but its cell is full), `select:covered` (worth it, but those taken cover the candidates better), `select:budget`
    (worth less than the ones taken). `rank` is by worth alone, also with coverage.

    The evidence holds the numbers that the rule reads and makes, `value` and `rank`; of a dropped row also the `budget` in
    rows and, with quotas, its `cell` and the `seats` that the cell had.

    `vectors`, by the candidates' ids, are what `config.coverage` compares; `report` is called with each search. Raises
    StepError for a candidate that passes and has none.
    """
    judged, numbers = _judged(rows, config, seed)
    passing = judged.filter(pl.col("cause").is_null())
    budget = size(config.budget, rows.height, passing.height)
    placed = place(passing.select("id", "value"), how_drawn(config), config.draw, budget, seed)
    by = config.quotas.by if config.quotas else ()
    quotas = allot(cells(passing, by), budget, config.quotas) if config.quotas else None
    worth = _taken(passing, placed, budget, quotas, by)
    taken = worth if config.coverage is None else _covering(passing, budget, config, seed, quotas, vectors, report)
    marked = judged.join(placed, on="id", how="left", maintain_order="left")
    if "draws" in placed.columns:
        marked = marked.with_columns(weight=pl.col("draws")).drop("draws")
    reason = (
        pl.when(pl.col("cause").is_not_null())
        .then("select:" + pl.col("cause"))
        .when(pl.col("id").is_in(taken.implode()))
        .then(pl.lit(None, pl.String))
        .when(pl.col("id").is_in(worth.implode()))
        .then(pl.lit("select:covered"))
        .when(pl.col("rank") < budget)
        .then(pl.lit("select:quota"))
        .otherwise(pl.lit("select:budget"))
    )
    evidence = {name: pl.col(name) for name in (*numbers, "value", "rank")}
    shown = pl.struct(evidence.values()).struct.json_encode().alias("evidence")
    limits: dict[str, pl.Expr] = {"budget": pl.lit(budget)}
    if quotas is not None:
        marked = seats(marked, quotas, by)
        limits |= {"cell": pl.col("cell"), "seats": pl.col("seats")}
    divided = split(marked.sort("rank", "id", nulls_last=True).with_columns(shown), reason, evidence | limits)
    kept = divided.kept.with_columns(order=pl.lit(None, pl.Int32))
    if config.order is not None:
        kept = kept.drop("order").join(arrange(kept, config.order, seed), on="id", how="left", maintain_order="left")
    return Split(kept.select(*rows.columns, "value", "rank", "weight", "order", "evidence"), divided.dropped)


def control(rows: pl.DataFrame, kept: pl.DataFrame, config: Selection, seed: int) -> pl.DataFrame:
    """`id` of as many random candidates as were kept; with quotas, as many in each cell. Gates do not bind it.

    `rows` are the candidates, `kept` the ids selected (`id`). Drawn by hash, whatever the order of rows.
    """
    mixed = rows.with_columns(chance(f"control:{seed}", rows["id"]).alias("rank"))
    if config.quotas is None:
        return mixed.sort("rank", "id").head(kept.height).select("id")
    by = config.quotas.by
    chosen = rows.join(kept.select("id"), on="id", how="semi")
    return draw(mixed, cells(chosen, by).rename({"available": "quota"}), by).to_frame("id")


def _judged(rows: pl.DataFrame, config: Selection, seed: int) -> tuple[pl.DataFrame, list[str]]:
    """The rows with `value, cause, weight` and the rule's numbers, and the names of those numbers."""
    rule = rule_of(config)
    wanted = rule.columns(config.rule)
    unmeasured = pl.any_horizontal(_none(rows, name) for name in wanted) if wanted else pl.lit(False)
    verdict = rule.judge(rows.filter(~unmeasured), config.rule, seed)
    bad = verdict.filter(pl.col("cause").is_null() & ~pl.col("value").is_finite().fill_null(False))
    if bad.height:
        raise StepError(
            f"select.rule {config.rule.type} gave {bad.height:,} samples that pass no value, first {bad['id'][0]}"
        )
    own = (name for name in verdict.columns if name not in {"id", "value", "cause", "weight"})
    numbers = list(dict.fromkeys((*wanted, *own)))
    if "weight" not in verdict.columns:
        verdict = verdict.with_columns(weight=pl.lit(None, pl.Float64))
    # A candidate's own columns stay as they came, so that an unmeasured row shows which of its numbers are there.
    added = verdict.select(c for c in verdict.columns if c == "id" or c not in rows.columns)
    judged = rows.join(added, on="id", how="left", maintain_order="left", validate="1:1")
    lost = pl.col("id").is_in(verdict["id"].implode()).not_()
    return judged.with_columns(cause=pl.when(lost).then(pl.lit("unmeasured")).otherwise("cause")), numbers


def _none(rows: pl.DataFrame, name: str) -> pl.Expr:
    """Whether a column says nothing: null, or a number that is none, as what is divided by zero is."""
    column = pl.col(name)
    return column.is_null() | ~column.is_finite() if rows.schema[name].is_float() else column.is_null()


def _taken(
    passing: pl.DataFrame, placed: pl.DataFrame, budget: int, quotas: pl.DataFrame | None, by: tuple[str, ...]
) -> pl.Series:
    """The ids that are kept by worth alone."""
    if "draws" in placed.columns or quotas is None:
        return placed["id"] if "draws" in placed.columns else placed["id"].head(budget)
    return draw(passing.select("id", *by).join(placed, on="id"), quotas, by)


def _covering(
    passing: pl.DataFrame,
    budget: int,
    config: Selection,
    seed: int,
    quotas: pl.DataFrame | None,
    vectors: Vectors | None,
    report: Report,
) -> pl.Series:
    """The ids that are kept where coverage is weighed against worth; quotas hold all the same."""
    assert config.coverage is not None
    if vectors is None:
        raise StepError("select.coverage compares vectors, and was given none")
    by = config.quotas.by if config.quotas else ()
    rows = passing.select("id", "value", *by, key="id")
    return cover(rows, vectors, budget, config.coverage, seed, quotas, by, report)["id"]
