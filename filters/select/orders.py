"""The order in which a trainer meets the selected rows: curricula, weighted draws, the ladder.

Whether order helps is open: OpenMMReasoner (arXiv 2511.16334) measured no gain of easy-to-hard over a mix. A trainer that
shuffles ignores it. Ties go by chance, by id.
"""

from typing import Annotated, Literal

import numpy as np
import polars as pl
from pydantic import Field

from filters.select.ladder import LadderConfig, climb
from schemas.ids import chance
from schemas.section import Section


class RandomOrder(Section):
    """Shuffled by hash."""

    type: Literal["random"] = "random"


class ByDifficulty(Section):
    """By pass rate (Kimi k1.5, arXiv 2501.12599, section 2.3.4: easy to hard)."""

    type: Literal["easy_to_hard", "hard_to_easy"]


class CurriculumOrder(Section):
    """By difficulty 1 - c/n, then by complexity, the mean tokens of the answers (NeuraLadder, arXiv 2505.12432)."""

    type: Literal["curriculum"] = "curriculum"


class PrioritisedOrder(Section):
    """Drawn without replacement in proportion to 1 - c/n (Kimi k1.5); what is always right comes last."""

    type: Literal["prioritised"] = "prioritised"


class LengthWeightedOrder(Section):
    """Drawn without replacement by `base` ** rank, rank 0 the longest answers (LongPerceptualThoughts, there for traces)."""

    type: Literal["length_weighted"] = "length_weighted"
    base: float = Field(default=0.5, gt=0, lt=1, description="what a place in the ranking costs")


class FormsOrder(Section):
    """By the form of the answer: yes-or-no, choice, open (Curr-ReFT, arXiv 2503.07065; `Stage1_judge`, `Stage2_choice`,
    `Stage3_open` of ding523/Curr_REFT), shuffled within a form.

    Rows per form are `select.quotas` by `form`. The paper also weighs rewards by difficulty: the rule `curr_reft`.
    """

    type: Literal["forms"] = "forms"
    forms: tuple[str, ...] = Field(default=("binary", "choice", "open"), description="the forms, first to last")


OrderConfig = Annotated[
    RandomOrder
    | ByDifficulty
    | CurriculumOrder
    | PrioritisedOrder
    | LengthWeightedOrder
    | FormsOrder
    | LadderConfig,
    Field(discriminator="type"),
]  # fmt: skip

COLUMNS: dict[type[Section], tuple[str, ...]] = {
    RandomOrder: (),
    ByDifficulty: ("k", "n"),
    CurriculumOrder: ("k", "n", "tokens"),
    PrioritisedOrder: ("k", "n"),
    LengthWeightedOrder: ("tokens",),
    FormsOrder: ("form",),
    LadderConfig: ("k", "n"),
}
"""What each order reads."""


def arrange(rows: pl.DataFrame, config: OrderConfig, seed: int) -> pl.DataFrame:
    """`id, order` (Int32, 0 comes first), sorted, of `rows` (`id` and the order's columns). A null comes last."""
    mixed = rows.with_columns(chance(f"order:{seed}", rows["id"]).alias("__chance")).sort("__chance", "id")
    if isinstance(config, LadderConfig):
        placed = mixed.gather(climb(mixed["k"], mixed["n"], config))  # type: ignore[attr-defined]
    else:
        placed = mixed.with_columns(__keys=_keys(mixed, config)).sort("__keys", maintain_order=True, nulls_last=True)
    return placed.select("id").with_row_index("order").select("id", pl.col("order").cast(pl.Int32))


def _keys(rows: pl.DataFrame, config: OrderConfig) -> pl.Expr:
    """What rows are sorted by; they come in random order already."""
    solved = pl.col("k") / pl.col("n")
    if isinstance(config, ByDifficulty):
        return -solved if config.type == "easy_to_hard" else solved
    if isinstance(config, CurriculumOrder):
        return pl.when(solved.is_not_null() & pl.col("tokens").is_not_null()).then(pl.struct(-solved, "tokens"))
    if isinstance(config, PrioritisedOrder):
        return pl.when(solved < 1).then(_waiting(rows) / (1 - solved)).when(solved >= 1).then(pl.lit(float("inf")))
    if isinstance(config, LengthWeightedOrder):
        rank = pl.col("tokens").rank("ordinal", descending=True) - 1.0
        return _waiting(rows).log() - rank * float(np.log(config.base))
    if isinstance(config, FormsOrder):
        return pl.col("form").replace_strict(list(config.forms), range(len(config.forms)), default=None)
    return pl.col("__chance")


def _waiting(rows: pl.DataFrame) -> pl.Expr:
    """-ln(1 - u): divided by a weight, its order is a weighted draw without replacement (Efraimidis and Spirakis 2006)."""
    return -(1 - pl.col("__chance")).log()
