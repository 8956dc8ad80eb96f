"""An outage and then answers come to the tables of a build from nothing, whichever step it hit."""

import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from recipe_build import sums, write_recipe
from scripted_engine import Scripted, question_of

from pipelines.compiler.pipeline import Step
from pipelines.job import Job, compile_recipe, open_job
from pipelines.plan import make_plan
from pipelines.run.runner import Runner
from schemas.completion import Request
from schemas.errors import StepError
from schemas.ids import hash_text

STEPS: list[Any] = [
    {"ask": {"as": "hint", "model": "m", "sees": "nothing", "prompt": "HINT {{ question }}"}},
    {
        "distill": {
            "model": "m",
            "sees": "nothing",
            "prompt": "THINK {{ hint }} {{ question }}",
            "n": 3,
            "conclude": "So the answer is",
            "sampling": {"temperature": 1.0},
        }
    },
    "verify",
    {"judge": {"of": "trace", "model": "m", "prompt": "JUDGE {{ final }}", "reply": {"choice": ["yes", "no"]}}},
    {"drop": {"of": "trace", "if": {"wrong": "judge = 'no'"}}},
    {"rollout": {"model": "m", "sees": "nothing", "prompt": "ROLL {{ question }}", "n": 4}},
    {"verify": {"as": "scored", "of": "rollout"}},
    "difficulty",
    {"release": {"trainer": None, "rl": {"of": "sample"}, "sft": {"of": "trace"}}},
]
ASKING = ("hint", "distill", "judge", "rollout")
HEAD: dict[str, Any] = {
    "models": {"m": {"model": "reference-vlm", "engine": "transformers"}},
    "driver": {"max_retries": 0, "max_error_rate": 1.0, "workers": 1},
}
WORDS = {"HINT": "hint", "THINK": "distill", "JUDGE": "judge", "ROLL": "rollout"}


class World:
    """A recipe, and a model that answers by rule, but to half of the samples only of the steps in `away`."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.away: set[str] = set()
        self.away_for_good = False
        self.engine = Scripted(self.says).install(patch)

    def says(self, request: Request, index: int) -> str | None:
        text = question_of(request) or str(request.messages)
        step = next(name for word, name in WORDS.items() if word in str(request.messages))
        drawn = int(hash_text(f"{text} {request.prefix} {index}")[:4], 16)
        if step in self.away and (drawn % 2 or self.away_for_good):
            return None
        if step == "hint":
            return f"halves {drawn % 3}"
        if step == "judge":
            return "yes" if drawn % 3 else "no"
        if step == "distill" and not request.prefix and index == 2:
            return "<think>Hm, I wonder"
        return ("4" if request.prefix else "<think>I see.</think>4") if drawn % 3 else "I see. The answer is 6."

    def job(self, **how: Any) -> Job:
        return open_job(compile_recipe(str(self.folder / "recipe.yaml")), self.folder / "out", buckets=2, **how)

    def run(self, *, stop_before: str = "", **how: Any) -> list[str]:
        """Build, and return the steps that had work; `stop_before` a step it dies as by kill -9."""
        ran: list[str] = []

        def run(runner: Runner, step: Step) -> None:
            if step.name == stop_before:
                raise KeyboardInterrupt
            if not runner.record.buckets or runner.record.stale(step):
                ran.append(step.name)
            runner.run(step)

        try:
            self.job(**how).run(run)
        except KeyboardInterrupt:
            assert stop_before
        return ran

    def tables(self) -> dict[str, pl.DataFrame]:
        """Every table of the build and of its release, but for the number of its version."""
        job = self.job()
        assert job.release is not None
        roots = {job.build.folder: "build", job.release: "release"}
        found = {root: [path for path in root.rglob("*.parquet") if path.stem != "version"] for root in roots}
        paths = [(name, root, path) for root, name in roots.items() for path in found[root]]
        return {f"{name}/{path.relative_to(root)}": pl.read_parquet(path) for name, root, path in paths}


def unlike(one: dict[str, pl.DataFrame], other: dict[str, pl.DataFrame]) -> list[str]:
    """The names of the tables that are not the same in both."""
    every = one.keys() | other.keys()
    return sorted(name for name in every if not (name in one and name in other and one[name].equals(other[name])))


def new_world(folder: Path, patch: pytest.MonkeyPatch) -> World:
    write_recipe(folder, STEPS, sums(8), **HEAD)
    return World(folder, patch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a build from nothing and without a failure."""
    with pytest.MonkeyPatch.context() as patch:
        world = new_world(tmp_path_factory.mktemp("whole"), patch)
        world.run()
        records = {record["step"]: record for record in world.job().records()}
        assert all(records[step]["kept"] and records[step]["asked"]["m"]["samples"] for step in ASKING)
        assert any(request.prefix for request, _ in world.engine.asked), "nothing was made to conclude"
        return world.folder


@pytest.fixture(scope="module")
def whole(finished: Path) -> dict[str, pl.DataFrame]:
    """Its tables."""
    with pytest.MonkeyPatch.context() as patch:
        return World(finished, patch).tables()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return new_world(tmp_path, monkeypatch)


@pytest.mark.parametrize("step", ASKING)
def test_an_outage_and_then_answers_equal_a_build_from_nothing(
    world: World, whole: dict[str, pl.DataFrame], step: str
) -> None:
    world.away = {step}
    world.run()
    first = {record["step"]: record for record in world.job().records()}
    assert first[step]["kept"] and first[step]["dropped"], "half of the rows came back"
    assert not world.job().up_to_date()
    assert step in {planned.step for planned in make_plan(world.job()) if not planned.fresh}
    world.away = set()
    assert step in world.run()
    assert unlike(world.tables(), whole) == []
    world.engine.asked.clear()
    assert world.run() == [] and world.engine.asked == []
    for name in ("builds", "releases"):
        shutil.rmtree(world.folder / "out" / name)
    world.run(replay=True)
    assert unlike(world.tables(), whole) == [] and world.engine.asked == []


def test_an_outage_that_lasts_is_an_error_and_then_forgotten(world: World, whole: dict[str, pl.DataFrame]) -> None:
    world.away, world.away_for_good = {"hint"}, True
    for _ in range(2):
        with pytest.raises(StepError, match="not reached") as stopped:
            world.run()
        assert stopped.value.transient
    world.away = set()
    world.run()
    assert unlike(world.tables(), whole) == []


def test_a_build_killed_between_any_two_steps_comes_to_the_same_tables(
    world: World, whole: dict[str, pl.DataFrame]
) -> None:
    """On its way from an outage, with the tables of the outage before it; then once more, with nothing to do."""
    world.away = {"hint", "rollout"}
    world.run()
    world.away = set()
    ran = [name for step in world.job().compiled.pipeline.steps for name in world.run(stop_before=step.name)]
    ran += world.run()
    assert len(set(ran)) == len(ran) and ran[0] == "hint" and ran[-1] == "release"
    assert unlike(world.tables(), whole) == []
    assert world.run() == []


@pytest.mark.parametrize("damage", ["missing", "cut off", "fewer rows"])
@pytest.mark.parametrize("step", ["ingest", "hint", "scored", "difficulty"])
def test_a_table_that_is_not_what_was_written_is_computed_again(
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    whole: dict[str, pl.DataFrame],
    step: str,
    damage: str,
) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    world = World(tmp_path / "copy", monkeypatch)
    path = max((world.folder / "out" / "builds" / "tiny" / step).glob("rows-*"), key=lambda p: p.stat().st_size)
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        pl.read_parquet(path).head(1).write_parquet(path)
    assert not world.job().up_to_date()
    assert world.run() == [step], "its readers have read the same rows before"
    assert unlike(world.tables(), whole) == [] and world.engine.asked == []
