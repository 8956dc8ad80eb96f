"""The release."""

import time
from collections.abc import Mapping
from typing import Any

import polars as pl

from filters.difficulty import enough
from filters.guessing import verified_shares
from filters.select.bands import BandConfig, difficulty_band
from generators.prompts import Prompt, same_prompt
from pipelines.recipe.recipe import Recipe
from pipelines.release.regrade import Report
from pipelines.release.rows import CONFIGS
from pipelines.release.write import Content, write_release
from pipelines.road.empty_configs import check_not_empty, given_configs
from pipelines.road.provenance import provenance
from pipelines.road.stage import Build, Outcome, Road, Stage
from pipelines.road.steps.candidates import student
from pipelines.road.steps.decontaminate import evaluation_sets
from pipelines.road.steps.rollouts import logged
from pipelines.road.steps.round_trip import trained_on
from pipelines.road.steps.tables import write
from pipelines.road.steps.traces import answered, reasoned
from pipelines.run.driver import Receipt


def release(build: Build, stage: Stage, road: Road) -> Outcome:
    """Write the splits, the extras, the manifest and the card; an SFT sample without a verified trace has no row."""
    recipe = build.recipe
    everything = _rows(build, road)
    rows = everything.filter("chosen")
    tables, bare = _splits(road, rows)
    tables |= _extras(road, everything, tables)
    dropped = bare.sort("id").select("id", reason=pl.lit("release:no_verified_trace"), evidence=pl.lit("{}")).collect()
    kept = rows.select("id", "split").join(dropped.lazy(), on="id", how="anti").sort("id").collect()
    drops = _drops(build, stage, road, dropped)
    counts = {name: table.select(pl.len()).collect().item() for name, table in tables.items()}
    check_not_empty(given_configs(recipe), counts, road.table("split").select("id", "split").collect(), drops)
    schemas = tags(recipe)
    tables = {name: table.with_columns(tags=pl.lit(schemas[name])) for name, table in tables.items()}
    by = {name: _BY.get(name, ("id",)) for name in tables}
    shares = _shares(road, tables["sft"].select("id").unique())
    manifest = _manifest(build, stage, road, kept, dropped) | {"verified_shares": shares}
    rollouts = None
    if recipe.rollouts is not None:
        rollouts = logged(road).join(
            everything.select(sample_id="id"), on="sample_id", how="semi", maintain_order="left"
        )
    content = Content(tables, drops, manifest, prompts(recipe), rollouts, by, build.memory)
    home = build.workspace.releases(recipe.name)
    path = write_release(content, recipe.release, build.media, home, graded(build, stage))
    outcome = write(build, stage, kept.height + dropped.height, kept, dropped)
    return Outcome(outcome.rows_in, outcome.rows_kept, notes={"release": path.name})


def graded(build: Build, stage: Stage) -> Report:
    """Tells the build's progress how many rollouts were graded again, of how many."""
    started = time.monotonic()

    def report(done: int, of: int) -> None:
        build.progress(stage.name, Receipt(total=of, samples=done, seconds=time.monotonic() - started))

    return report


def prompts(recipe: Recipe) -> dict[str, Prompt]:
    """How the prompts of each config are put: as the student was asked, unless the recipe's `release` says otherwise.

    Pairs of rollouts stand under the prompt that they were drawn from, whatever it says.
    """
    measured = recipe.rollouts.asked if recipe.rollouts else Prompt()
    found = dict.fromkeys(CONFIGS, recipe.release.prompt(measured))
    pairs = recipe.preference
    return found | ({"preference": measured} if pairs and pairs.responses == "rollouts" else {})


def tags(recipe: Recipe) -> dict[str, str]:
    """The tag schema of each config: where its replies were scored, or are written, in that schema."""
    measured = recipe.rollouts.tags if recipe.rollouts else recipe.verify.tags
    found = {**dict.fromkeys(CONFIGS, measured), "sft": recipe.verify.tags}
    pairs = recipe.preference
    return found | ({"preference": recipe.verify.tags} if pairs and pairs.responses == "traces" else {})


def measured_as(recipe: Recipe) -> dict[str, Any] | None:
    """The prompt and the tag schema of the rollouts, and whether the release's are the same; None without rollouts."""
    if recipe.rollouts is None:
        return None
    asked = recipe.rollouts.asked
    return {
        "system": asked.system,
        "prompt": asked.template,
        "tags": recipe.rollouts.tags,
        "prompts_as_asked": same_prompt(recipe.release.prompt(asked), asked),
        "sft_tags": tags(recipe)["sft"],
    }


_BY = {"sft": ("id", "index"), "preference": ("id", "index"), "rl": ("order", "id")}
_SELECTED = {"value": pl.Float64(), "weight": pl.Float64(), "order": pl.Int32()}
_PROMPT = ("id", "question", "options", "answer", "verifier", "media", "source")


def _splits(road: Road, rows: pl.LazyFrame) -> tuple[dict[str, pl.LazyFrame], pl.LazyFrame]:
    """The tables that are trained on, and the SFT samples that have no trace to train on."""
    sft, rl = (rows.filter(pl.col("split") == side) for side in ("sft", "rl"))
    tables = {"holdout": rows.filter(pl.col("split") == "holdout")}
    if "verify" in road:
        seen = road.table("distill").select("id", "gold_visible")
        traces = trained_on(road).join(seen, on="id", how="left", maintain_order="left")
        traces = traces.select("sample_id", "text", "index", "gold_visible")
        # A join may hold its right side, so the texts stand on the left.
        tables["sft"] = traces.rename({"sample_id": "id"}).join(sft, on="id")
        bare = sft.join(traces, left_on="id", right_on="sample_id", how="anti")
    else:  # nothing is dealt to SFT, but an earlier release may have had rows there, and those never change sides
        tables["sft"], bare = rows.head(0).with_columns(text=pl.lit(""), index=pl.lit(0, pl.Int32)), sft
    tables["rl"] = rl
    if "prefer" in road:
        sides = ("chosen_text", "chosen_model", "rejected_text", "rejected_model")
        pairs = road.table("prefer", "pairs").select("id", "index", *sides)
        tables["preference"] = pairs.join(rows, on="id")
    return tables, bare


def _extras(road: Road, everything: pl.LazyFrame, splits: Mapping[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
    """What a random choice would have taken, and all that was there before selection, as far as the recipe wants them.

    A sample is `released` where it stands in a config to train on; a chosen one may still lack a verified trace.
    """
    config = road.build.recipe.select
    if config is None:
        return {}
    given = pl.concat([table.select("id") for table in splits.values()]).unique().with_columns(released=pl.lit(True))
    trained = everything.filter(pl.col("split") != "holdout").join(given, on="id", how="left")
    tables = {
        "control": everything.join(road.table("select", "control").select("id"), on="id", how="semi"),
        "unfiltered": trained.with_columns(pl.col("released").fill_null(False)),
    }
    names = road.build.recipe.release.extras
    return {name: tables[name] for name in names}


def _rows(build: Build, road: Road) -> pl.LazyFrame:
    """Everything a release says of a sample that has a side and passed the trainer's grader; `chosen` by selection."""
    recipe = build.recipe
    rows = road.table("split").select("id", "split", "group")
    if "round_trip" in road:
        rows = rows.join(road.table("round_trip"), on="id")
    else:
        rows = rows.with_columns(solution=pl.lit(None, pl.String))
    if "select" in road:
        chosen = road.table("select").select("id", *_SELECTED, chosen=pl.lit(True))
        control = road.table("select", "control").select("id", control=pl.lit(True))
        rows = rows.join(chosen, on="id", how="left").join(control, on="id", how="left")
        rows = rows.with_columns(pl.col("chosen", "control").fill_null(False))
    else:
        nothing = (pl.lit(None, dtype).alias(name) for name, dtype in _SELECTED.items())
        rows = rows.with_columns(*nothing, chosen=pl.lit(True), control=pl.lit(False))
    bands = recipe.select.bands if recipe.select else BandConfig()
    rows = rows.join(_measured(road, bands), on="id", how="left")
    if "caption" in road:
        rows = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    else:
        rows = rows.with_columns(caption=pl.lit(None, pl.String))
    return rows.join(road.table("ingest").select(_PROMPT), on="id")


def _measured(road: Road, bands: BandConfig) -> pl.LazyFrame:
    """`id, model, k, n, band` by the student that selection reads, so that a row tells why it was chosen."""
    recipe = road.build.recipe
    if "difficulty" not in road:
        columns = {"id": pl.String(), "model": pl.String(), "k": pl.Int32(), "n": pl.Int32(), "band": pl.String()}
        return pl.LazyFrame(schema=columns)
    measured = road.table("difficulty", "measures").filter(model=student(recipe))
    band = pl.when(enough(recipe.difficulty)).then(difficulty_band(pl.col("k"), pl.col("n"), bands))
    return measured.select("id", "model", "k", "n", band=band)


def _drops(build: Build, stage: Stage, road: Road, own: pl.DataFrame) -> pl.LazyFrame:
    """Every drop of the build: `stage, unit, id, sample_id, reason, evidence`, in the order of the stages."""
    earlier = [s for s in road.stages if s.number < stage.number]
    tables = [
        table.select(stage=pl.lit(s.name), unit=pl.lit(s.unit), id="id", reason="reason", evidence="evidence")
        for s, table in [*((s, road.table(s.name, "dropped")) for s in earlier), (stage, own.lazy())]
    ]
    sample = pl.coalesce(pl.col("evidence").str.json_path_match("$.sample_id"), "id")
    drops = pl.concat(tables).with_columns(sample_id=sample)
    return drops.select("stage", "unit", "id", "sample_id", "reason", "evidence")


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
        **provenance(build, road.table("ingest")),
        **evaluation_sets(road),
        **_chosen(road),
        "measured": measured_as(build.recipe),
        "checks_of_answers": _checked(road),
        "stages": [{f: record[f] for f in facts} for record in records if record]
        + [{**last, "dropped": dict(reasons.iter_rows())}],
    }


def _shares(road: Road, sft: pl.LazyFrame) -> list[dict[str, Any]]:
    """The verified share against chance, and what verification makes of the golds."""
    if "verify" not in road:
        return []
    kept = trained_on(road).select("sample_id").collect()
    return verified_shares(reasoned(road).collect(), answered(road).collect(), kept, sft.collect()).to_dicts()


def _chosen(road: Road) -> dict[str, Any]:
    """How the selection compares with its control."""
    return {"selection": road.table("select", "comparison").collect().to_dicts()} if "select" in road else {}


def _checked(road: Road) -> dict[str, Any]:
    """Verdicts by the tier that gave them, and how many replies were cut off, for traces and for rollouts."""
    found = {}
    for unit, asked, judged in (("traces", "distill", "verify"), ("rollouts", "rollouts", "score")):
        if judged in road:
            ends = road.table(asked).select(rows=pl.len(), truncated=(pl.col("finish_reason") == "length").sum())
            lost = road.table(judged, "dropped").select(tier=pl.col("evidence").str.json_path_match("$.tier"))
            counted = pl.concat([road.table(judged).select("tier"), lost]).group_by("tier").len()
            tiers = counted.sort("len", "tier", descending=[True, False], nulls_last=True).collect()
            named = {str(tier or "none"): count for tier, count in tiers.iter_rows()}
            found[unit] = {**ends.collect().row(0, named=True), "tiers": named}
    return found
