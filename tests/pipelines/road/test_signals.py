"""The stage `signals` with the real reference model: computed once, resumed, replayed, planned."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from generators.signals.forced import ForcedModel
from pipelines.build import run_build
from pipelines.explain.query import open_tables
from pipelines.plan import make_plan
from pipelines.road.stage import Build, run_stage
from pipelines.road.stages import road
from schemas.errors import ConfigError, StageError

LEAN = ("caption=null", "distill=null", "dedup=null", "select=null", "verify.workers=1")
ASKED = (*LEAN, "signals={model: vlm, attention: {}, likelihood: {}}")


def built(build: Build) -> pl.DataFrame:
    """The signals table of a build whose stages up to `signals` have run."""
    plan = road(build)
    for stage in plan.stages:
        if not plan.is_fresh(stage):
            run_stage(plan, stage)
        if stage.name == "signals":
            return plan.table("signals").collect()
    raise AssertionError("no signals stage")


@pytest.fixture(scope="module")
def done(tiny: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose build has read its signals."""
    folder = tmp_path_factory.mktemp("signals")
    tiny.write_source(folder, 12)
    built(tiny.make(folder, *ASKED))
    return folder


def with_text(build: Build) -> set[str]:
    """The samples that any reply is about: an empty one has no tokens to read."""
    replies = road(build).table("rollouts").filter(pl.col("text") != "")
    return set(replies.collect()["sample_id"])


def no_model(self: Any, *args: Any) -> None:
    raise AssertionError("a model was loaded")


def test_one_row_a_sample(tiny: SimpleNamespace, done: Path) -> None:
    build = tiny.make(done, *ASKED)
    rows = built(build)
    assert rows.height == 12
    assert rows["id"].is_sorted()
    assert rows["model"].unique().to_list() == ["vlm"]
    assert rows["error"].null_count() == 12
    assert set(rows.filter(pl.col("log_psi").is_not_null())["id"]) == with_text(build)
    assert rows["replies"].to_list() == rows["log_psi"].is_not_null().cast(int).to_list()
    assert (rows["logprob"] < 0).all()
    assert rows["reliance"].to_list() == pytest.approx((rows["logprob"] - rows["logprob_masked"]).to_list())


def test_the_log_is_the_memory(
    tiny: SimpleNamespace, done: Path, copy_of: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sigmas, spans without a window and reductions load no model; a replay gives the same table."""
    out = copy_of(done)
    before = built(tiny.make(done, *ASKED, out=out))
    monkeypatch.setattr(ForcedModel, "__init__", no_model)
    changed = "signals={model: vlm, attention: {sigma: 4.0, span: all, heads: mean}, likelihood: {}}"
    other = built(tiny.make(done, *LEAN, changed, out=out, replay=True))
    assert other["log_psi"].to_list() != before["log_psi"].to_list()
    assert other["reliance"].to_list() == before["reliance"].to_list()
    assert built(tiny.make(done, *ASKED, out=out, replay=True)).equals(before)
    with pytest.raises(StageError, match="values of signal 'attention' are not in the log"):
        built(
            tiny.make(
                done, *LEAN, "signals={model: vlm, attention: {span: window, span_tokens: 3}}", out=out, replay=True
            )
        )


def test_a_stop_loses_nothing_that_was_computed(
    tiny: SimpleNamespace, done: Path, copy_of: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copy_of(done)
    monkeypatch.setattr("pipelines.run.signals.CHUNK", 2)
    build = tiny.make(done, *LEAN, "signals={model: vlm, likelihood: {end: false}}", out=out)
    counts: list[int] = []
    real = ForcedModel.likelihood

    def stopped(self: ForcedModel, texts: Any, *, end: bool) -> Any:
        counts.append(len(texts))
        if len(counts) == 3:
            raise KeyboardInterrupt
        return real(self, texts, end=end)

    monkeypatch.setattr(ForcedModel, "likelihood", stopped)
    with pytest.raises(KeyboardInterrupt):
        built(build)
    planned = {p.stage: p for p in make_plan(build)}["signals"]
    total = {
        p.stage: p
        for p in make_plan(tiny.make(done, *LEAN, "signals={model: vlm, likelihood: {mask: {p: 0.5}}}", out=out))
    }
    assert (planned.missing, planned.exact) == (24 - 4, True)
    # the whole pictures are known from before; only the new mask is missing
    assert total["signals"].missing == 12
    built(build)
    assert sum(counts) == 24 + 2


def test_plan_before_anything_ran(tiny: SimpleNamespace, tmp_path: Path) -> None:
    tiny.write_source(tmp_path, 3)
    build = tiny.make(tmp_path, *ASKED, "limit=3")
    planned = {p.stage: p for p in make_plan(build)}["signals"]
    assert (planned.missing, planned.exact, planned.fresh) == (9, False, False)


def test_whole_road_with_view(tiny: SimpleNamespace, done: Path, copy_of: Callable[[Path], Path]) -> None:
    out = copy_of(done)
    build = tiny.make(done, *ASKED, out=out)
    run_build(build)
    with open_tables(build.workspace.root) as db:
        counted = db.sql("SELECT count(*), count(log_psi), count(reliance) FROM signals").fetchone()
    assert counted == (12, len(with_text(build)), 12)


def test_attention_needs_the_models_own_replies(tiny: SimpleNamespace, done: Path) -> None:
    with pytest.raises(ConfigError, match=r"signals\.model: 'other' has no rollouts to read"):
        tiny.make(done, *LEAN, "models.other={model: reference-vlm}", "signals={model: other, attention: {}}")
    with pytest.raises(ConfigError, match="at least one signal"):
        tiny.make(done, *LEAN, "signals={model: vlm}")
