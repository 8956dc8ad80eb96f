"""What a build would do and ask, held against what it then does and asks."""

import json
from pathlib import Path

import polars as pl
import pytest

from pipelines.job import Job, compile_recipe, open_job
from pipelines.plan import Planned, make_plan
from pipelines.sources.read import count_rows, read_rows
from pipelines.sources.scenes import ScenesSource
from schemas.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")

RECIPE = """\
name: planned
models:
  m: {model: reference-vlm, engine: transformers, price_out: 2.0}
sources:
  - {type: jsonl, name: sums, path: ROWS, kind: number}
steps:
  - ask: {as: hint, model: m, sees: nothing, prompt: "{{ question }}", sampling: {max_tokens: 5, seed: 0}}
  - rollout: {model: m, n: 2, sees: nothing, prompt: "{{ hint }} {{ question }}", sampling: {max_tokens: 4, seed: 0}}
  - verify: {of: rollout}
"""
ROWS = 6


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("ROWS", str(tmp_path / "rows.jsonl")))
    return tmp_path


def job(folder: Path, *overrides: str, limit: int | None = None) -> Job:
    return open_job(compile_recipe(str(folder / "r.yaml"), overrides, limit=limit), folder / "out")


def plan(folder: Path, *overrides: str, limit: int | None = None) -> dict[str, Planned]:
    return {p.step: p for p in make_plan(job(folder, *overrides, limit=limit))}


def asked(planned: Planned) -> tuple[int | None, bool]:
    [cost] = planned.costs
    return cost.samples, cost.exact


MEASURES = """
  - signals: {model: m, likelihood: {of: rollouts, mask: null}}
  - checks:
      model: m
      n: 3
      checks:
        - {type: text_only}
        - {type: guess, model: other, n: 2, sampling: {max_tokens: 9}}
        - {type: vote}
"""


def test_values_that_a_step_computes_with_a_model_are_counted_as_well(folder: Path) -> None:
    other = "  other: {model: reference-vlm, args: {max_model_len: 512}}"
    recipe = (folder / "r.yaml").read_text().replace("models:", f"models:\n{other}") + MEASURES.removeprefix("\n")
    (folder / "r.yaml").write_text(recipe)
    first = plan(folder)
    assert asked(first["signals"]) == (2 * ROWS, False)
    assert first["signals"].costs[0].reply_tokens == 0
    checks = {cost.model: (cost.samples, cost.reply_tokens) for cost in first["checks"].costs}
    assert checks == {"m": (3 * ROWS, 3 * ROWS * 9), "other": (2 * ROWS, 2 * ROWS * 9)}, (
        "the longest reply of any check"
    )
    job(folder).run()
    changed = plan(folder, "steps.signals.likelihood.end=false")
    replies = job(folder).rows("rollout", ["text", "sample.question"])
    assert asked(changed["signals"]) == (
        replies.filter(pl.col("text") != "").unique(["text", "sample.question"]).height,
        True,
    )
    assert not plan(folder)["signals"].costs


def test_bounds_of_a_first_build_multiply_along_the_chain(folder: Path) -> None:
    found = plan(folder)
    assert not (folder / "out").exists(), "a plan writes nothing"
    assert not any(p.fresh for p in found.values())
    assert asked(found["hint"]) == (ROWS, False)
    assert asked(found["rollout"]) == (2 * ROWS, False)
    assert found["verify"].rows == 2 * ROWS
    assert found["verify"].after == "rollout"
    [cost] = found["rollout"].costs
    assert (cost.reply_tokens, cost.dollars, cost.seconds) == (2 * ROWS * 4, 2 * ROWS * 4 * 2.0 / 1e6, None)
    assert asked(plan(folder, limit=2)["rollout"]) == (4, False)
    assert asked(plan(folder, "sources.sums.limit=3")["rollout"]) == (6, False)


def test_after_a_build_there_is_nothing_to_do_and_a_change_asks_exactly_what_is_missing(folder: Path) -> None:
    built = job(folder)
    records = {record["step"]: record for record in built.run()}
    assert records["rollout"]["asked"]["m"]["samples"] == 2 * ROWS
    assert all(p.fresh and not p.costs for p in plan(folder).values())
    before = {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()}

    more = plan(folder, "steps.rollout.n=5")
    assert [name for name, p in more.items() if not p.fresh] == ["rollout", "verify"]
    assert asked(more["rollout"]) == (3 * ROWS, True)
    [cost] = more["rollout"].costs
    sent = records["rollout"]["asked"]["m"]
    assert cost.estimated
    assert cost.reply_tokens == round(sent["completion_tokens"] * 1.5)
    assert cost.prompt_tokens == round(sent["prompt_tokens"] * 1.5)
    assert cost.seconds == pytest.approx(sent["seconds"] * 1.5)

    other = plan(folder, "steps.hint.sampling.max_tokens=6")
    assert asked(other["hint"]) == (ROWS, True)
    assert asked(other["rollout"]) == (2 * ROWS, False), "its prompts are not known before the hints are"
    assert {path: path.read_bytes() for path in (folder / "out").rglob("*") if path.is_file()} == before
    again = {record["step"]: record for record in job(folder, "steps.rollout.n=5").run()}
    assert again["rollout"]["asked"]["m"]["samples"] == 3 * ROWS


def test_what_further_turns_ask_is_bounded_until_their_answers_are_there(folder: Path) -> None:
    turns = ("steps.rollout.reply={score: [1000, 2000]}", "steps.rollout.tries=3")
    first = asked(plan(folder, *turns)["rollout"])
    assert first == (2 * ROWS * 3, False)
    job(folder).run()
    found, exact = asked(plan(folder, *turns)["rollout"])
    assert not exact, "the first replies are in the log, and no number: how often another is asked for is not known"
    assert found == 2 * ROWS * 2
    records = {record["step"]: record for record in job(folder, *turns).run()}
    assert 0 < records["rollout"]["asked"]["m"]["samples"] <= found
    assert plan(folder, *turns)["rollout"].fresh


def test_a_trial_tells_what_the_whole_will_take(folder: Path) -> None:
    trial = job(folder, limit=2)
    sent = {record["step"]: record for record in trial.run()}["rollout"]["asked"]["m"]
    [cost] = plan(folder)["rollout"].costs
    assert cost.estimated
    assert cost.seconds == pytest.approx(sent["seconds"] * 3)


def test_a_server_without_a_price_has_no_known_dollars(folder: Path) -> None:
    server = ("models.m.engine=openai", "models.m.base_urls=['http://localhost:1/v1']", "models.m.price_out=0")
    [cost] = plan(folder, *server)["rollout"].costs
    assert cost.reply_tokens
    assert cost.dollars is None


@pytest.mark.parametrize("more", [{}, {"per_scene": 1}, {"tasks": ["count"]}, {"limit": 4}, {"levels": (2,)}])
def test_scenes_are_counted_without_being_drawn(more: dict[str, object]) -> None:
    source = ScenesSource.model_validate({"n": 7, **more})
    assert count_rows(source) == sum(rows.height for rows in read_rows(source))


def test_rows_are_counted_as_the_select_gives_them(folder: Path) -> None:
    [source] = job(folder, "sources.sums.select=SELECT * FROM raw WHERE answer <> '4'").build.recipe.sources
    assert count_rows(source) == ROWS - 1
    assert count_rows(source, 2) == 2
    with pytest.raises(ConfigError, match="there is no column 'answr'"):
        plan(folder, "sources.sums.select=SELECT answr FROM raw")
