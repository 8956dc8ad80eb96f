"""Checks on the road: variants of every sample, their replies' verdicts, and what they say of the sample."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl
from PIL import __version__ as pillow

from filters.checks.measure import Evidence, measure_checks
from filters.checks.score import drop_bad_golds, score_replies
from generators.checks.catalogue import ChecksConfig, variants
from generators.checks.variant import VARIANT, Material, Setting, Told
from pipelines.recipe.recipe import Recipe
from pipelines.road.stage import Build, Outcome, Road, Stage, shards
from pipelines.road.steps.rollouts import scores
from pipelines.road.steps.tables import gold_facts, samples, verify_responses, write
from pipelines.road.steps.traces import verified
from pipelines.store.derived_images import DerivedPictures
from pipelines.store.row_groups import batches
from pipelines.store.workspace import write_table
from schemas.answer import load_answer
from schemas.split import no_drops

_COLUMNS = ("id", "question", "options", "media", "answer", "verifier", "meta", "source")
_OTHERS = 64
"""Golds of other samples of the same source and kind that a wrong claim may be drawn from."""


def section(recipe: Recipe) -> ChecksConfig | None:
    """The checks that a recipe asks for, with its rollouts."""
    if not recipe.checks or recipe.rollouts is None:
        return None
    return ChecksConfig(checks=recipe.checks, rollouts=recipe.rollouts)


def facts(build: Build) -> Any:
    """What decides derived pictures beside the recipe."""
    return pillow


def make_variants(build: Build, stage: Stage, road: Road) -> Outcome:
    """A row for everything that the checks will ask, its pictures derived and stored."""
    config = section(build.recipe)
    assert config is not None
    setting = Setting(config.rollouts, DerivedPictures(build.media), build.recipe.seed)
    folder = build.folder(stage)
    input_ = folder / "input.parquet"
    others = _others(road)
    try:
        write_table(_material_rows(road, stage, config), input_)
        with shards(folder) as parts:
            for batch in batches(input_):
                made = variants(_materials(batch, others), config, setting)
                kept, bad = drop_bad_golds(made.kept)
                parts.add("kept", kept)
                parts.add("dropped", pl.concat([made.dropped, bad]))
            kept_rows, dropped = parts.finish("kept", pl.DataFrame(schema=VARIANT)), parts.finish("dropped", no_drops())
        build.media.flush()
    finally:
        input_.unlink(missing_ok=True)
    return Outcome(kept_rows + dropped, kept_rows)


def variant_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the checks ask about; each row names its model."""
    columns = ("id", "sample_id", "check", "model", "n", "messages", "prefix", "sampling")
    return road.table("variants").select(columns)


def score_checks(build: Build, stage: Stage, road: Road) -> Outcome:
    """Give every reply its verdict, against the gold of its variant; none is dropped."""
    variants = road.table("variants").select("id", "prefix", "answer", "verifier", "options", "tags")
    return verify_responses(build, stage, road.table("check_rollouts"), variants, score_replies, of="variant_id")


def measure(build: Build, stage: Stage, road: Road) -> Outcome:
    """Counts, tests and flags of every living sample; beside them a row a check (`results`) and a row a variant."""
    config = section(build.recipe)
    assert config is not None
    student = config.rollouts.models[0]
    votes = any(check.type == "vote" for check in config.checks)
    found = Evidence(
        samples=_golds(road, stage).collect(),
        base=road.table("difficulty", "measures").select("id", "k", "n", "model").collect(),
        rollouts=_votes(road).filter(pl.col("model") == student).collect() if votes else None,
        student=student,
        variants=road.table("variants").drop("messages", "media").collect(),
        replies=road.table("check_scores").collect(),
        checks=_types(config),
    )
    told = measure_checks(found, build.recipe.check_rules, build.recipe.difficulty)
    write_table(told.results, build.folder(stage) / "results.parquet")
    write_table(told.variants, build.folder(stage) / "variants.parquet")
    return write(build, stage, told.samples.height, told.samples, no_drops())


def _types(config: ChecksConfig) -> pl.DataFrame:
    rows = [(c.label, c.type, getattr(c, "rule", None) or getattr(c, "expect", None)) for c in config.checks]
    return pl.DataFrame(rows, schema={"check": pl.String, "type": pl.String, "rule": pl.String}, orient="row")


def _golds(road: Road, stage: Stage) -> pl.LazyFrame:
    """The living samples with what tests against chance need."""
    rows = samples(road, stage, ("id", "question", "options", "answer", "source"))
    return rows.select("id", "question", "options", **gold_facts()).sort("id")


def _votes(road: Road) -> pl.LazyFrame:
    """Verdicts of the rollouts with what each was read as."""
    said = road.table("score").select("id", "extracted", "parsed_response")
    return scores(road).join(said, on="id").filter(pl.col("finish_reason") == "stop")


def _others(road: Road) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The most common golds of each source and kind."""
    rows = road.table("ingest").select(
        dataset=pl.col("source").struct.field("dataset"),
        kind=pl.col("answer").struct.field("kind"),
        gold=pl.col("answer").struct.field("raw"),
    )
    counted = rows.group_by("dataset", "kind", "gold").len().sort("len", "gold", descending=[True, False])
    golds = counted.group_by("dataset", "kind").agg(pl.col("gold").head(_OTHERS)).collect()
    return {(dataset, kind): tuple(sorted(found)) for dataset, kind, found in golds.iter_rows()}


def _material_rows(road: Road, stage: Stage, config: ChecksConfig) -> pl.LazyFrame:
    """The living samples with the captions, rollouts and traces that the checks need."""
    rows = samples(road, stage, _COLUMNS)
    needs = frozenset().union(*(check.needs for check in config.checks))
    if "caption" in needs and "caption" in road:
        rows = rows.join(road.table("caption").select("id", "caption"), on="id", how="left")
    if "rollouts" in needs:
        said = road.table("score").select("id", "parsed_response")
        mine = (pl.col("finish_reason") == "stop") & (pl.col("model") == config.rollouts.models[0])
        replies = road.table("rollouts").filter(mine).join(said, on="id")
        told = replies.select("sample_id", "index", one=pl.struct(id=pl.col("index").cast(pl.String), text="text",
                              answer="parsed_response", gold_visible=pl.lit(False)))  # fmt: skip
        rows = rows.join(_lists(told, "replies"), left_on="id", right_on="sample_id", how="left")
    if "verify" in needs and "verify" in road:
        traces = verified(road).join(road.table("distill").select("id", "gold_visible"), on="id")
        told = traces.select("sample_id", "index", one=pl.struct(id="id", text="reasoning", answer="final",
                             gold_visible="gold_visible"))  # fmt: skip
        rows = rows.join(_lists(told, "traces"), left_on="id", right_on="sample_id", how="left")
    return rows.sort("id")


def _lists(told: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return told.sort("sample_id", "index").group_by("sample_id", maintain_order=True).agg(pl.col("one").alias(name))


def _materials(rows: pl.DataFrame, others: Mapping[tuple[str, str], tuple[str, ...]]) -> Iterator[Material]:
    for row in rows.iter_rows(named=True):
        kind = row["answer"]["kind"]
        yield Material(
            id=row["id"],
            question=row["question"],
            options=tuple(row["options"] or ()),
            media=tuple(row["media"] or ()),
            answer=load_answer(row["answer"]["parsed"]),
            verifier=row["verifier"]["id"],
            params=row["verifier"]["params"] or "{}",
            meta=_meta(row["meta"]),
            caption=row.get("caption"),
            replies=tuple(Told(**one) for one in row.get("replies") or ()),
            traces=tuple(Told(**one) for one in row.get("traces") or ()),
            others=others.get((row["source"]["dataset"], kind), ()),
        )


def _meta(text: str | None) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}
