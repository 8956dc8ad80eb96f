"""Adaptive rollouts on a small real build: what is asked, what is asked again, what a replay says."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from filters.stopping import StoppingRule
from generators.engines import select
from pipelines.build import records, run_build, up_to_date
from pipelines.plan import make_plan
from pipelines.road.stages import road
from pipelines.road.steps.candidates import check_candidates
from schemas.adaptive import AdaptiveConfig
from schemas.completion import Completion, Request
from schemas.errors import ConfigError, TransientEngineError

ADAPTIVE = ("rollouts.n=6", "rollouts.adaptive={first: 2, wave: 1}", "caption=null", "distill=null")
ADAPTIVE += ("difficulty={truncated: wrong, no_answer: wrong}",)  # so that n is what was asked, whatever was replied
SAMPLES, N = 16, 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Path:
    folder = tmp_path_factory.mktemp("waves")
    tiny.write_source(folder, SAMPLES)
    run_build(tiny.make(folder, *ADAPTIVE))
    return folder


def tables(build: Any) -> tuple[pl.DataFrame, pl.DataFrame]:
    plan = road(build)
    return plan.table("rollouts", "stops").collect(), plan.table("rollouts").collect()


def test_a_sample_has_the_rollouts_that_it_asked_for(finished: Path, tiny: SimpleNamespace) -> None:
    stops, rollouts = tables(tiny.make(finished, *ADAPTIVE))
    counts = rollouts.group_by(pl.col("sample_id").alias("id")).agg(pl.len(), pl.col("index").max())
    both = stops.join(counts, on="id", validate="1:1")
    assert both.height == SAMPLES
    assert (both["asked"] == both["len"]).all()
    assert (both["asked"] == both["index"] + 1).all()
    assert rollouts.height == tiny.logged(finished / "out"), "nothing was asked that nobody wanted"
    assert rollouts.height < SAMPLES * N


def test_an_undecided_sample_has_all_n(finished: Path, tiny: SimpleNamespace) -> None:
    stops, _ = tables(tiny.make(finished, *ADAPTIVE))
    rule = StoppingRule(N, AdaptiveConfig())
    for row in stops.iter_rows(named=True):
        decided = rule.verdict(row["right"], row["wrong"]) is not None
        assert decided or row["asked"] == N
        assert (row["stopped"] == "all_asked") == (row["asked"] == N)


def test_difficulty_counts_what_was_measured(finished: Path, tiny: SimpleNamespace) -> None:
    stops, _ = tables(tiny.make(finished, *ADAPTIVE))
    measured = road(tiny.make(finished, *ADAPTIVE)).table("difficulty").collect().join(stops, on="id")
    assert (measured["n"] == measured["asked"]).all()
    assert (measured["k"] == measured["right"]).all()
    assert measured["stopped"].null_count() == 0


def test_selection_takes_the_decision(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    out = copy_of(finished)
    chosen = (*ADAPTIVE, "select={rule: {type: in_band}, splits: [sft, rl, holdout]}")
    run_build(tiny.make(finished, *chosen, out=out))
    plan = road(tiny.make(finished, *chosen, out=out))
    decided = plan.table("difficulty").filter("in_band").select("id").collect()
    candidates = plan.table(plan.last("samples", plan.stage("select"))).select("id").collect()
    wanted = set(decided["id"]) & set(candidates["id"])
    assert set(plan.table("select").collect()["id"]) == wanted
    assert plan.table("select", "dropped").collect()["reason"].unique().to_list() == ["select:out_of_band"]


def test_a_rule_that_wants_decisions_wants_adaptive_rollouts(finished: Path, tiny: SimpleNamespace) -> None:
    recipe = tiny.make(finished, "select={rule: {type: in_band}}").recipe
    with pytest.raises(ConfigError, match="reads 'in_band', so the recipe needs a"):
        check_candidates(recipe)


def test_the_funnel_and_the_plan(finished: Path, tiny: SimpleNamespace) -> None:
    build = tiny.make(finished, *ADAPTIVE)
    (told,) = (r for r in records(road(build)) if r["stage"] == "rollouts")
    assert told["notes"] == {"asked": told["asked"]["vlm"]["samples"], "of": SAMPLES * N}
    planned = {p.stage: p for p in make_plan(tiny.make(finished, *ADAPTIVE, "rollouts.system=other"))}
    assert (planned["rollouts"].missing, planned["rollouts"].exact) == (SAMPLES * N, False)


def test_a_second_build_asks_nothing(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    out = copy_of(finished)
    assert up_to_date(tiny.make(finished, *ADAPTIVE, out=out))
    (out / "builds" / "tiny").rename(out / "gone")
    run_build(tiny.make(finished, *ADAPTIVE, out=out))
    assert tiny.logged(out) == tiny.logged(finished / "out")


def test_a_replay_gives_the_same_bytes(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    out = copy_of(finished)
    releases = out / "releases" / "tiny"
    releases.rename(out / "former")
    (out / "builds" / "tiny").rename(out / "gone")
    run_build(tiny.make(finished, *ADAPTIVE, out=out, replay=True))
    assert tiny.digests(releases / "v1") == tiny.digests(out / "former" / "v1")


def test_a_fuller_log_changes_nothing(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    """All n are asked for elsewhere; the adaptive build still reads only what it would have asked."""
    out = copy_of(finished)
    run_build(tiny.make(finished, *ADAPTIVE, "rollouts.adaptive=null", out=out))
    assert tiny.logged(out) == SAMPLES * N
    run_build(tiny.make(finished, *ADAPTIVE, out=out))
    for mine, theirs in zip(
        tables(tiny.make(finished, *ADAPTIVE, out=out)), tables(tiny.make(finished, *ADAPTIVE)), strict=True
    ):
        assert mine.drop("said", strict=False).equals(theirs.drop("said", strict=False))


def test_other_rows_and_their_order_change_nothing(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    out = copy_of(finished)
    lines = (finished / "scenes.jsonl").read_text().splitlines()
    (finished / "turned.jsonl").write_text("\n".join(lines[: SAMPLES // 2][::-1]))
    fewer = (*ADAPTIVE, f"sources.0.path={finished / 'turned.jsonl'}")
    run_build(tiny.make(finished, *fewer, out=out, replay=True))
    mine, _ = tables(tiny.make(finished, *fewer, out=out))
    whole, _ = tables(tiny.make(finished, *ADAPTIVE))
    assert mine.height == SAMPLES // 2
    assert mine.sort("id").equals(whole.join(mine, on="id", how="semi").sort("id"))


def test_a_wider_band_asks_only_for_more(finished: Path, tiny: SimpleNamespace, copy_of: Any) -> None:
    out = copy_of(finished)
    before = tiny.logged(out)
    wider = "rollouts.adaptive={first: 2, wave: 1, band: [2, 4], confidence: 1}"
    told = {r["stage"]: r for r in run_build(tiny.make(finished, *ADAPTIVE, wider, out=out))}
    new = told["rollouts"]["asked"]["vlm"]["samples"]
    assert tiny.logged(out) == before + new
    assert 0 < new < SAMPLES * N


def test_rows_that_share_a_prompt_and_not_a_gold(tmp_path: Path, tiny: SimpleNamespace) -> None:
    """One is answered right at once, the other never: it goes on alone, and the shared answers are asked for once."""
    source = tiny.write_source(tmp_path, 2)
    first = source.read_text().splitlines()[0]
    other = first.replace('"answer": "', '"answer": "no ')
    source.write_text(f"{first}\n{other}")
    run_build(tiny.make(tmp_path, *ADAPTIVE))
    stops, rollouts = tables(tiny.make(tmp_path, *ADAPTIVE))
    assert stops.height == 2
    assert tiny.logged(tmp_path / "out") == stops["asked"].max()
    assert rollouts.height == stops["asked"].sum()


def test_an_engine_that_fails_half_way_is_asked_for_the_rest(
    tmp_path: Path, tiny: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some second waves get no answer: their rollouts drop as unanswered, and the next build asks for them alone."""
    tiny.write_source(tmp_path, 8)
    real, failed = select.make_engine, set[str]()

    def failing(*of: Any) -> Any:
        engine = real(*of)
        complete = engine.complete

        async def sometimes(request: Request, indexes: Sequence[int]) -> list[Completion]:
            if min(indexes) >= 2 and len(failed) < 3:
                failed.add(request.id)
            if request.id in failed and min(indexes) >= 2:
                raise TransientEngineError("429")
            return list(await complete(request, indexes))

        engine.complete = sometimes
        return engine

    patient = (*ADAPTIVE, "rollouts.adaptive.confidence=1", "rollouts.adaptive.band=[3, 3]")
    once = (*patient, "driver={max_retries: 0}")
    monkeypatch.setattr(select, "make_engine", failing)
    told = {r["stage"]: r for r in run_build(tiny.make(tmp_path, *once))}
    assert told["rollouts"]["unanswered"] == told["rollouts"]["dropped"]["rollouts:unanswered"] == len(failed) == 3
    monkeypatch.setattr(select, "make_engine", real)
    told = {r["stage"]: r for r in run_build(tiny.make(tmp_path, *once))}
    stops, rollouts = tables(tiny.make(tmp_path, *once))
    assert told["rollouts"]["unanswered"] == 0
    assert set(stops["stopped"]) <= {"in_band", "out_of_band", "all_asked"}
    assert tiny.logged(tmp_path / "out") == rollouts.height == stops["asked"].sum()
