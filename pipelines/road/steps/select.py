"""What is worth training on, and the control beside it."""

import polars as pl

from filters.dedup.vectors import Vectors
from filters.select.clusters import CLUSTER, clustered
from filters.select.comparison import COLUMNS, compare, covered
from filters.select.diversity import diversity
from filters.select.nearness import nearness
from filters.select.select import WORTH, clusters_wanted, columns_read, control, select
from pipelines.recipe.sections import reader
from pipelines.road import selection
from pipelines.road.stage import Build, Outcome, Road, Stage, shards
from pipelines.road.steps.candidates import candidates, diversity_measure, student
from pipelines.road.steps.tables import samples, write
from pipelines.steps.vectors import Searches
from pipelines.store.ordering import write_sorted
from pipelines.store.row_groups import batches, whole_rows
from pipelines.store.workspace import write_table
from schemas.split import Split, no_drops, split


def measure_diversity(build: Build, stage: Stage, road: Road) -> Outcome:
    """How differently the student went about each question; only a piece of the rollouts' texts is in memory."""
    measure = diversity_measure(build.recipe)
    assert measure is not None
    folder = build.folder(stage)
    input_ = folder / "input.parquet"
    rollouts = road.table("rollouts").filter(pl.col("model") == student(build.recipe))
    texts = rollouts.select(pl.col("sample_id").alias("id"), "index", "text")
    write_sorted(texts, ("id", "index"), input_, build.memory)
    try:
        with shards(folder) as parts:
            for piece in whole_rows(batches(input_)):
                parts.add("kept", diversity(piece, measure))
            kept = parts.finish("kept", diversity(pl.read_parquet(input_, n_rows=0), measure))
    finally:
        input_.unlink(missing_ok=True)
    write_table(no_drops(), folder / "dropped.parquet")
    return Outcome(kept, kept)


def select_samples(build: Build, stage: Stage, road: Road) -> Outcome:
    """Choose among the samples of the configured splits; write the random control beside it, and how the two compare."""
    config, seed, folder = build.recipe.select, build.recipe.seed, build.folder(stage)
    assert config is not None
    columns = columns_read(config)
    rows = candidates(road, stage, tuple(dict.fromkeys((*columns, *COLUMNS))), config).collect()
    eligible, others = (rows.filter(pl.col("split").is_in(config.splits) == side) for side in (True, False))
    eligible, flagged = _unflagged(eligible, config.without, road)
    vectors = _vectors(build, stage, road, eligible)
    if vectors is not None and clusters_wanted(config):
        eligible = clustered(eligible.with_columns(key="id"), vectors, config.clusters, seed).drop("key")
        write_table(eligible.select("id", CLUSTER), folder / "clusters.parquet")
    table, searches = eligible.select("id", *columns), Searches()
    parted = select(table, config, seed, vectors, searches.told)
    beside = control(table, parted.kept, config, seed)
    compared = compare(eligible, parted.kept["id"], beside["id"])
    if vectors is not None:
        worth = pl.concat([parted.kept["id"], parted.dropped.filter(pl.col("reason").is_in(WORTH))["id"]])
        near = (nearness(vectors, worth, ids, seed) for ids in (parted.kept["id"], beside["id"]))
        compared = pl.concat([compared, covered(*near)])
    write_table(beside, folder / "control.parquet")
    write_table(compared, folder / "comparison.parquet")
    kept = pl.concat([parted.kept, others.select("id")], how="diagonal")
    outcome = write(
        build,
        stage,
        rows.height,
        kept.select("id", "value", "rank", "weight", "order", "evidence"),
        pl.concat([parted.dropped, flagged]),
    )
    notes = {"comparison": compared.rows(named=True), "searches": searches.notes()}
    return Outcome(outcome.rows_in, outcome.rows_kept, notes=notes)


def _unflagged(rows: pl.DataFrame, without: tuple[str, ...], road: Road) -> Split:
    """Part off the samples that a check has flagged: `select:<flag>`, by the first of the flags as they are listed."""
    if not without:
        return Split(rows, no_drops())
    flags = road.table("checks").select("id", "flags").collect()
    marked = rows.join(flags, on="id", how="left", maintain_order="left")
    has = [pl.when(pl.col("flags").list.contains(flag)).then(pl.lit(f"select:{flag}")) for flag in without]
    kept, dropped = split(marked, pl.coalesce(has), {"flags": pl.col("flags")})
    return Split(kept.drop("flags"), dropped)


def _vectors(build: Build, stage: Stage, road: Road, eligible: pl.DataFrame) -> Vectors | None:
    """The vectors of the candidates, where the recipe compares any."""
    config = build.recipe.select
    if config is None or reader(config) is None:
        return None
    told = samples(road, stage, selection.COLUMNS).join(eligible.lazy().select("id"), on="id", how="semi").sort("id")
    return selection.row_vectors(build, told.collect(), build.folder(stage))
