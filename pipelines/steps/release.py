"""The last gate and the release."""

from typing import Any

import polars as pl

from filters.traces import stated_gold
from filters.verify.round_trip import GRADED_KINDS, RoundTripConfig, round_trip
from pipelines.release import Content, write_release
from pipelines.stage import Build, Outcome, Road, Stage
from pipelines.steps.tables import samples, write
from pipelines.steps.traces import verified


def check_round_trip(build: Build, stage: Stage, road: Road) -> Outcome:
    """Put every gold, and the trace that is trained on, to the trainer's own grader; where it disagrees, the row goes.

    Kinds that no trainer's grader can judge need our reward function, so they pass.
    """
    trainer = build.recipe.release.trainer
    assert trainer is not None
    rows = samples(road, stage, ("id", "answer", "verifier")).sort("id").collect()
    golds = [stated_gold(*row) for row in rows.select("answer", "verifier").iter_rows()]
    rows = rows.with_columns(pl.Series("stated", golds, dtype=pl.String))
    graded = pl.col("answer").struct.field("kind").is_in(list(GRADED_KINDS))
    tried = rows.filter(graded).select("id", "stated", answer=pl.col("answer").struct.field("parsed"))
    if "verify" in road:
        first = verified(road).sort("sample_id", "index").unique("sample_id", keep="first", maintain_order=True)
        said = first.select(id=pl.col("sample_id"), response=pl.col("text")).collect()
        tried = tried.join(said, on="id", how="left", maintain_order="left")
    else:
        tried = tried.with_columns(response=pl.lit(None, pl.String))
    parted = round_trip(tried, RoundTripConfig(trainer=trainer, seed=build.recipe.seed))
    others = rows.filter(~graded).select("id", solution=pl.format("${}$", "stated"))
    return write(build, stage, rows.height, pl.concat([parted.kept.select("id", "solution"), others]), parted.dropped)


def release(build: Build, stage: Stage, road: Road) -> Outcome:
    """Write the splits, the manifest and the card; a sample on the SFT side without a verified trace has no row."""
    recipe = build.recipe
    rows = _release_rows(build, stage, road)
    traces = verified(road).select("sample_id", "text", "index") if "verify" in road else None
    sft_ids = rows.filter(pl.col("split") == "sft")
    if traces is None:
        tables = {"sft": rows.head(0).with_columns(text=pl.lit("")), "rl": rows.filter(pl.col("split") != "holdout")}
        bare = sft_ids.head(0)
    else:
        sft = sft_ids.join(traces, left_on="id", right_on="sample_id").sort("id", "index").drop("index")
        bare = sft_ids.join(traces, left_on="id", right_on="sample_id", how="anti")
        tables = {"sft": sft, "rl": rows.filter(pl.col("split") == "rl")}
    tables["holdout"] = rows.filter(pl.col("split") == "holdout")
    dropped = bare.select("id", reason=pl.lit("release:no_verified_trace"), evidence=pl.lit("{}")).collect()
    kept = rows.select("id", "split").join(dropped.lazy(), on="id", how="anti").collect()
    manifest = _manifest(build, stage, road, kept, dropped)
    path = write_release(Content(tables, manifest), recipe.release, build.media, build.workspace.releases(recipe.name))
    outcome = write(build, stage, kept.height + dropped.height, kept, dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes={"release": path.name})


def _release_rows(build: Build, stage: Stage, road: Road) -> pl.LazyFrame:
    """Everything a release says of a sample, one row a sample, in the order of ids."""
    recipe = build.recipe
    rows = road.table("split").select("id", "split", "group")
    if "select" in road:
        chosen = road.table("select").select("id", "value")
        control = road.table("select", "control").with_columns(control=pl.lit(True))
        rows = (
            rows.join(chosen, on="id")
            .join(control, on="id", how="left")
            .with_columns(pl.col("control").fill_null(False))
        )
    else:
        rows = rows.with_columns(value=pl.lit(None, pl.Float64), control=pl.lit(False))
    if "round_trip" in road:
        rows = rows.join(road.table("round_trip"), on="id")
    else:
        rows = rows.with_columns(solution=pl.lit(None, pl.String))
    if "difficulty" in road:
        rows = rows.join(road.table("difficulty").select("id", "model", "k", "n"), on="id", how="left")
    else:
        rows = rows.with_columns(model=pl.lit(None, pl.String), k=pl.lit(None, pl.Int32), n=pl.lit(None, pl.Int32))
    if "caption" in road:
        rows = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    else:
        rows = rows.with_columns(caption=pl.lit(None, pl.String))
    samples = road.table("ingest").select("id", "question", "options", "answer", "verifier", "media", "source")
    return rows.join(samples, on="id").with_columns(tags=pl.lit(recipe.verify.tags)).sort("id")


def _manifest(build: Build, stage: Stage, road: Road, kept: pl.DataFrame, dropped: pl.DataFrame) -> dict[str, Any]:
    """What the release says of itself. No clock, no machine, nothing of how often a model was asked again."""
    facts = ("stage", "unit", "rows_in", "kept", "dropped")
    records = [road.record(s) for s in road.stages if s.number < stage.number]
    reasons = dropped.group_by("reason").len().sort("reason")
    last = {"stage": stage.name, "unit": stage.unit, "rows_in": kept.height + dropped.height, "kept": kept.height}
    recipe = build.recipe.model_dump(mode="json", exclude={"driver"})
    for model in recipe["models"].values():
        model.pop("base_urls")
        model.pop("concurrency")
        model.pop("timeout_s")
    return {
        "recipe": recipe,
        "models": {name: identity.to_json() for name, identity in build.identities.items()},
        "stages": [{f: record[f] for f in facts} for record in records if record]
        + [{**last, "dropped": dict(reasons.iter_rows())}],
    }
