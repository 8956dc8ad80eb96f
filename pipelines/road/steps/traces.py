"""Captions, traces, and which traces are right."""

import polars as pl

from filters.guessing import drop_guessed, guess_rates
from filters.select.trace_choice import COLUMNS, TracesConfig, pick_traces
from filters.trace_quality import QualityConfig, drop_poor, measure_traces, mentions
from filters.trace_verdicts import contradictions, drop_judged_wrong, given, judge_traces, off_question
from filters.verify import judge as judges
from filters.verify.pool import VerifierPool
from generators import caption, rewrite
from pipelines.recipe.recipe import Recipe
from pipelines.road.ask import ask
from pipelines.road.stage import Build, Outcome, Road, Stage, shards
from pipelines.road.steps.stream import Beside
from pipelines.road.steps.tables import gold_facts, golds, judge_rows, samples, verify_responses
from pipelines.store.ordering import sorted_pieces, write_sorted
from pipelines.store.row_groups import batches, whole_rows
from schemas.split import Split, no_drops


def caption_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the captioner is asked about."""
    return samples(road, stage, caption.COLUMNS)


def distill_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Samples with their images, and what captions tell of them."""
    rows = samples(road, stage, ("id", "question", "options", "media", "answer"))
    rows = rows.with_columns(
        gold=pl.col("answer").struct.field("raw"), prose=pl.col("answer").struct.field("kind") == "open"
    ).drop("answer")
    if "caption" not in road:
        return rows.with_columns(caption=pl.lit(None, pl.String))
    return rows.join(road.table("caption").select("id", "caption"), on="id", how="left")


def conclude_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """Traces that came to no answer, with their questions."""
    open_ends = road.table("distill").filter(pl.col("final").is_null())
    questions = distill_rows(road, stage).rename({"id": "sample_id"})
    return open_ends.select("id", "sample_id", "final", "thinking", thought="reasoning").join(questions, on="sample_id")


def verify_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Keep the traces whose answer the sample's verifier accepts."""
    config, to_judge, forced = build.recipe.verify, build.recipe.judge is not None, None
    if "conclude" in road:
        forced = Beside(road.table("conclude").select("id", forced=pl.col("final")))
    sentence = (build.recipe.distill.force_answer or "") if build.recipe.distill else ""

    def judge(traces: pl.DataFrame, pool: VerifierPool) -> Split:
        concluded = traces if forced is None else _concluded(forced.join(traces, on="id"), sentence)
        return judge_traces(concluded, pool, config, to_judge=to_judge)

    return verify_responses(build, stage, road.table("distill"), golds(road), judge)


def _concluded(traces: pl.DataFrame, sentence: str) -> pl.DataFrame:
    """Traces that came to no answer, with the one that was `forced` out of them."""
    open_end = pl.col("final").is_null() & pl.col("forced").is_not_null()
    said = pl.concat_str("reasoning", pl.lit(f" {sentence} "), "forced", pl.lit("."))
    return traces.with_columns(
        reasoning=pl.when(open_end & ~pl.col("thinking")).then(said).otherwise("reasoning"),
        final=pl.coalesce("final", "forced"),
    ).drop("forced")


def trace_judge_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """What the judge is asked about traces."""
    said = road.table("verify").filter(pl.col("correct").is_null()).select("id", "sample_id", said=pl.col("final"))
    return judge_rows(road, said)


def collect_judged(answers: pl.DataFrame, config: judges.JudgeConfig) -> Split:
    """Keep the traces that the judge called right."""
    verdicts, failed = judges.collect(answers, config)
    right, wrong = drop_judged_wrong(verdicts)
    return Split(right, pl.concat([failed, wrong]))


def leaking_rows(road: Road, stage: Stage) -> pl.LazyFrame:
    """The right traces that mention the caption."""
    config = road.build.recipe.quality or QualityConfig()
    traces = _right(road).select("id", "sample_id", thought="reasoning")
    return traces.filter(mentions(pl.col("thought"), config.leaks) > 0)


def rewrite_traces(build: Build, stage: Stage, road: Road) -> Outcome:
    """Mend the traces that mention the caption, by a model or by a table of phrases."""
    config = build.recipe.rewrite
    assert config is not None
    if config.model is not None:
        return ask(build, stage, road)
    folder, rows = build.folder(stage), leaking_rows(road, stage)
    with shards(folder) as parts:
        for piece in sorted_pieces(rows, ("id",), folder, build.memory):
            parted = rewrite.replace_phrases(piece, config)
            parts.add("kept", parted.kept)
            parts.add("dropped", parted.dropped)
        nothing = rewrite.replace_phrases(rows.head(0).collect(), config)
        kept, dropped = parts.finish("kept", nothing.kept), parts.finish("dropped", no_drops())
    return Outcome(kept + dropped, kept)


def measure_quality(build: Build, stage: Stage, road: Road) -> Outcome:
    """Measure every right trace, and drop those beyond the limits that the recipe sets."""
    config = build.recipe.quality
    assert config is not None
    ends = road.table("distill").select("id", "finish_reason")
    columns = ("id", "sample_id", "index", "reasoning", "final", "tokens")
    traces = _mended(road).select(columns).join(ends, on="id", how="left", maintain_order="left")
    facts = golds(road).join(road.table("ingest").select("id", "question"), on="id")
    told = road.table("caption").select("id", "caption") if "caption" in road else None
    facts = (
        facts.with_columns(caption=pl.lit(None, pl.String)) if told is None else facts.join(told, on="id", how="left")
    )
    input_ = build.folder(stage) / "input.parquet"
    try:
        write_sorted(traces, ("id",), input_, build.memory)
        rows = pl.scan_parquet(input_)
        mine = facts.join(rows.select(id="sample_id"), on="id", how="semi")
        return verify_responses(build, stage, rows, mine, lambda rows, pool: _quality(rows, pool, config))
    finally:
        input_.unlink(missing_ok=True)


_GIVEN = ("answer", "verifier", "options", "reasoning", "final", "said", "question", "caption", "conclusions")
"""What the measures are taken from; other tables hold it."""


def _quality(rows: pl.DataFrame, pool: VerifierPool, config: QualityConfig) -> Split:
    said = [given(final, answer) for final, answer in rows.select("final", "answer").iter_rows()]
    rows = rows.with_columns(said=pl.Series(said, dtype=pl.String))
    measured = measure_traces(rows, config)
    told = measured.hstack(contradictions(measured, pool)).with_columns(off_question(measured))
    return drop_poor(told.drop(_GIVEN), config)


def picks(recipe: Recipe) -> TracesConfig | None:
    """The section by which right traces are left out; None where all are kept."""
    return recipe.traces if recipe.distill is not None and recipe.traces.sieves(recipe.distill.n) else None


def pick(build: Build, stage: Stage, road: Road) -> Outcome:
    """Leave out what is no better than a guess, then pick among the right traces of each question."""
    config, folder = picks(build.recipe), build.folder(stage)
    assert config is not None and build.recipe.distill is not None
    sieved = config.beats_chance and build.recipe.distill.n > 1
    rates = guess_rates(reasoned(road).collect()) if sieved else None
    scored = answered(road).collect() if sieved else None
    input_ = folder / "input.parquet"
    write_sorted(_good(road).select(COLUMNS), ("sample_id", "index", "id"), input_, build.memory)
    try:
        with shards(folder) as parts:
            for piece in whole_rows(batches(input_), "sample_id"):
                left = piece
                if rates is not None and scored is not None:
                    mine = scored.join(piece.select("sample_id").unique(), on="sample_id", how="semi")
                    left, guessed = drop_guessed(piece, mine, rates, config.max_guess)
                    parts.add("dropped", guessed)
                parted = pick_traces(left, config, build.recipe.seed)
                parts.add("kept", parted.kept.select("id", "sample_id"))
                parts.add("dropped", parted.dropped)
            kept = parts.finish("kept", pl.read_parquet(input_, n_rows=0).select("id", "sample_id"))
            dropped = parts.finish("dropped", no_drops())
    finally:
        input_.unlink(missing_ok=True)
    return Outcome(kept + dropped, kept)


def reasoned(road: Road) -> pl.LazyFrame:
    """The samples that have a trace, with what tells how well they are guessed."""
    rows = road.table("ingest").join(road.table("distill").select(id="sample_id"), on="id", how="semi")
    return rows.select("id", "options", **gold_facts()).sort("id")


def answered(road: Road) -> pl.LazyFrame:
    """Every trace (`id, sample_id, correct`): `correct` is null where none was given or nothing could score it."""
    verdict = pl.col("evidence").str.json_path_match("$.correct")
    scored = pl.col("reason") != "verify:no_answer"
    told = [
        _right(road).select("id", correct=pl.lit(True)),
        road.table("verify", "dropped").select(
            "id", correct=pl.when(scored & verdict.is_in(["true", "false"])).then(verdict == "true")
        ),
    ]
    if "judge" in road:
        wrong = road.table("judge", "dropped").filter(pl.col("reason") == "judge:wrong")
        told.append(wrong.select("id", correct=pl.lit(False)))
    return road.table("distill").select("id", "sample_id").join(pl.concat(told), on="id", how="left")


def verified(road: Road) -> pl.LazyFrame:
    """The traces that are trained on: right, mended where they leaked, within the recipe's limits, picked."""
    traces = _good(road)
    if "pick" not in road:
        return traces
    return traces.join(road.table("pick").select("id"), on="id", how="semi", maintain_order="left")


def _good(road: Road) -> pl.LazyFrame:
    """The right traces, mended where they leaked, within the recipe's limits."""
    traces = _mended(road)
    if "quality" not in road:
        return traces
    return traces.join(road.table("quality").select("id"), on="id", how="semi", maintain_order="left")


def _mended(road: Road) -> pl.LazyFrame:
    """The right traces, rewritten where they leaked; what could not be mended is left out."""
    traces = _right(road)
    if "rewrite" not in road:
        return traces
    lost = road.table("rewrite", "dropped").select("id")
    mended = road.table("rewrite").select("id", mended="reasoning")
    told = traces.join(lost, on="id", how="anti", maintain_order="left").join(
        mended, on="id", how="left", maintain_order="left"
    )
    around = pl.col("text").str.splitn(pl.col("reasoning").str.strip_chars(), 2).struct
    text = pl.concat_str(around.field("field_0"), "mended", around.field("field_1"))
    # A schema of answers alone (`plain`) shows no reasoning, so there is nothing in its text to mend.
    return told.with_columns(
        text=pl.when(pl.col("mended").is_null()).then("text").otherwise(pl.coalesce(text, "text")),
        reasoning=pl.coalesce("mended", "reasoning"),
    ).drop("mended")


def _right(road: Road) -> pl.LazyFrame:
    """The traces that a rule or the judge called right."""
    traces = road.table("verify")
    if "judge" not in road:
        return traces
    judged = road.table("judge").select("id", judged=pl.lit(True))
    return traces.join(judged, on="id", how="left", maintain_order="left").filter(
        pl.col("correct").fill_null(False) | pl.col("judged").is_not_null()
    )
