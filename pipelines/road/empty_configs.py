"""A split that a recipe gives and that comes out empty is an error: a build without rows must not look like success."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from pipelines.recipe.sections import SplitSection
from pipelines.run.warnings import cure_of
from pipelines.store.workspace import is_trial
from schemas.errors import StageError

if TYPE_CHECKING:
    from pipelines.recipe.recipe import Recipe


class Given(NamedTuple):
    """A config that the recipe gives; `written` where it says so itself, and not by a default share."""

    config: str
    written: bool


def given_configs(recipe: "Recipe") -> list[Given]:
    """The configs that a release of this recipe must not leave empty, but for those in `release.allow_empty`.

    A trial of a few rows may leave any empty.
    """
    if is_trial(recipe.name):
        return []
    shares = {name: getattr(recipe.sides, name) for name in ("sft", "rl", "holdout")}
    default = SplitSection()
    written = {name for name in shares if getattr(recipe.split, name) != getattr(default, name)}
    found = [Given(name, name in written) for name, share in shares.items() if share > 0]
    if recipe.preference is not None:
        found.append(Given("preference", True))
    return [config for config in found if config.config not in recipe.release.allow_empty]


def check_not_empty(
    given: Collection[Given], rows: Mapping[str, int], sides: pl.DataFrame, drops: pl.LazyFrame
) -> None:
    """Raise StageError for the first given config without a row.

    `rows` is the number of rows by config, `sides` (`id, split`) what was dealt to each split, `drops` (`sample_id, reason`)
    every drop of the build. A split that is given by a default share alone, and that no sample was dealt to, is no error:
    a twentieth of ten samples is none.
    """
    for config, written in given:
        dealt = sides if config == "preference" else sides.filter(split=config)
        nothing_at_all = sides.is_empty() and config != "holdout"
        if rows[config] or not (written or dealt.height or nothing_at_all):
            continue
        lost = drops if sides.is_empty() else drops.join(dealt.lazy(), left_on="sample_id", right_on="id", how="semi")
        lost = lost.filter(pl.col("reason") != "release:no_verified_trace")  # what the traces dropped for says more
        causes = lost.group_by("reason").agg(pl.col("sample_id").n_unique().alias("n"))
        found = causes.sort("n", "reason", descending=[True, False]).head(3).collect().rows()
        raise StageError(
            f"{_came_to(config, dealt.height, sides)}{_because(found)} Nothing was released. If '{config}' may be empty, "
            f"set release.allow_empty: [{config}]."
        )


def _came_to(config: str, dealt: int, sides: pl.DataFrame) -> str:
    if sides.is_empty():
        return f"The config '{config}' is empty, because no sample was left for any split."
    if config == "preference":
        return "The config 'preference' is empty: no prompt has a right response and a wrong one."
    if dealt:
        return f"The config '{config}' is empty, though {dealt:,} samples were dealt to that split."
    return f"The config '{config}' is empty: none of {sides.height:,} samples was dealt to that split; raise split.{config}."


def _because(found: list[tuple[str, int]]) -> str:
    if not found:
        return ""
    counted = ", ".join(f"{count:,} {reason}" for reason, count in found)
    return f" Dropped of them: {counted}. Likely cure: {cure_of(found[0][0])}."
