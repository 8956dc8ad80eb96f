"""Several levels of deduplication, one after the other, as one: what a row was dropped for stays.

Levels by themselves would delete along a chain: A drops for B, a later level drops B for C, and A is gone although it is
unlike C. So a row whose partner goes at a later level is judged again.
"""

from collections.abc import Callable, Sequence

import polars as pl

from schemas.split import Split, no_drops

Level = Callable[[pl.DataFrame, pl.DataFrame | None], Split]
"""Takes rows and, among them, those that are never dropped; evidence names the partner as `kept`."""


def drop_by_levels(rows: pl.DataFrame, levels: Sequence[Level], fixed: pl.DataFrame | None = None) -> Split:
    """Drop duplicates level by level; `fixed` (rows among `rows`) are never dropped.

    Every dropped row names a row that is kept at the end and covers it at the level of its reason.
    """
    found = _through(rows, levels, fixed)
    while not (orphans := _orphans(found.dropped)).is_empty():
        judged = _again(rows, levels, orphans["id"], orphans["end"].unique())
        if judged.kept.join(orphans, on="id", how="semi").height:
            judged = _again(rows, levels, orphans["id"], found.kept["id"])
        kept = pl.concat([found.kept["id"], judged.kept["id"]])
        dropped = pl.concat([found.dropped.join(orphans, on="id", how="anti"), judged.dropped])
        found = Split(rows.filter(pl.col("id").is_in(kept.implode())), dropped)
    return found


def _through(rows: pl.DataFrame, levels: Sequence[Level], fixed: pl.DataFrame | None) -> Split:
    dropped = [no_drops()]
    for level in levels:
        rows, gone = level(rows, fixed)
        dropped.append(gone)
    return Split(rows, pl.concat(dropped))


def _again(rows: pl.DataFrame, levels: Sequence[Level], orphans: pl.Series, staying: pl.Series) -> Split:
    """Judge the orphans against rows that stay and each other."""
    pool = rows.filter(pl.col("id").is_in(pl.concat([orphans, staying]).implode()))
    return _through(pool, levels, pool.filter(pl.col("id").is_in(staying.implode())))


def _orphans(dropped: pl.DataFrame) -> pl.DataFrame:
    """`id, end`: the rows whose partner is dropped itself, and the kept row at the end of the chain of partners."""
    partner = dropped.select("id", end=pl.col("evidence").str.json_path_match("$.kept"))
    found = partner.join(partner.select("id"), left_on="end", right_on="id", how="semi")
    further = partner.select(end="id", next="end")
    while found.join(further, on="end", how="semi").height:
        found = found.join(further, on="end", how="left").select("id", end=pl.coalesce("next", "end"))
    return found
