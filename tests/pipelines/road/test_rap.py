"""RAP on the road: rollouts with and without the picture, attentions, and the rule, with the real reference model."""

import json
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from pipelines.build import run_build
from pipelines.preflight import check
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.road.steps.well_formed import formed_blind, formed_rollouts
from schemas.errors import ConfigError

ASKED = (
    "caption=null",
    "difficulty={truncated: wrong, no_answer: wrong}",
    "distill=null",
    "rollouts.n=5",
    "checks=[{type: text_only}]",
    "signals={model: vlm, attention: {}}",
    "split={sft: 0.0, rl: 1.0, holdout: 0.0}",
    "verify.workers=1",
)
PAPER = "select={rule: {type: rap, lambda_c: 0.1}}"
CODE = "select={rule: {type: rap, variant: code, formed: true}}"


@pytest.fixture(scope="module")
def done(tiny: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rap")
    tiny.write_source(folder, 16)
    run_build(tiny.make(folder, *ASKED, PAPER))
    return folder


def selected(build: Build) -> tuple[dict[str, dict[str, object]], dict[str, str]]:
    """Evidence of each kept sample, and reasons of the others."""
    plan = road(build)
    kept = plan.table("select").select("id", "evidence").collect()
    dropped = plan.table("select", "dropped").select("id", "reason").collect()
    return {id_: json.loads(told) for id_, told in kept.iter_rows()}, dict(dropped.iter_rows())


def test_paper(tiny: SimpleNamespace, done: Path) -> None:
    build = tiny.make(done, *ASKED, PAPER)
    kept, dropped = selected(build)
    assert kept
    assert len(kept) + len(dropped) == 16
    assert set(dropped.values()) <= {"select:cde", "select:ace", "select:too_easy"}
    plan = road(build)
    measured = plan.table("difficulty").select("id", "k", "n")
    psi = plan.table("signals").select("id", "log_psi")
    blind = plan.table("checks").select("id", "k_text", "n_text")
    for row in measured.join(psi, on="id").join(blind, on="id").collect().iter_rows(named=True):
        told = kept.get(row["id"])
        if told is not None:
            assert {name: told[name] for name in row if name != "id"} == {k: v for k, v in row.items() if k != "id"}
            assert told["admitted_by"] == "drm" or (row["k"] - row["k_text"]) / 5 > 0.1


def test_code_with_well_formed_replies(tiny: SimpleNamespace, done: Path) -> None:
    """Under the plain schema every reply is well-formed, so those that are right are all of them."""
    build = tiny.make(done, *ASKED, CODE)
    run_build(build)
    kept, dropped = selected(build)
    assert len(kept) + len(dropped) == 16
    plan = road(build)
    counts = plan.table("difficulty").select("id", k_formed="k").sort("id").collect()
    assert formed_rollouts(plan, "vlm").sort("id").collect().equals(counts)
    blind = plan.table("checks").select("id", k_text_formed="k_text").sort("id").collect()
    assert formed_blind(plan, "text_only").sort("id").collect().equals(blind)


def test_a_reply_outside_its_tags_is_not_well_formed(tiny: SimpleNamespace, done: Path) -> None:
    """The same verdicts, read under a schema that asks for tags which no reply has."""
    plan = road(tiny.make(done, *ASKED, PAPER, "rollouts.tags=think_answer"))
    assert formed_rollouts(plan, "vlm").select(pl.col("k_formed").sum()).collect().item() == 0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("checks=[]", r"reads 'k_text', so the recipe needs a `checks: \[\{type: text_only\}\]`"),
        ("signals=null", r"reads 'log_psi', so the recipe needs a `signals: \{attention: \{\}\}` section"),
    ],
)
def test_what_is_missing_is_one_sentence(tiny: SimpleNamespace, done: Path, change: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check(tiny.make(done, *ASKED, PAPER, change))


def test_signals_of_another_model(tiny: SimpleNamespace, done: Path) -> None:
    others = ("models.other={model: reference-vlm}", "rollouts.model=[vlm, other]", "signals.model=other")
    with pytest.raises(ConfigError, match=r"name it in signals\.model too"):
        check(tiny.make(done, *ASKED, PAPER, *others))
