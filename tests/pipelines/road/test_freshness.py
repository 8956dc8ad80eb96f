"""Fresh means: the tables that were read are the ones that stand there. On a scripted model, through every stage."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipelines.build import records, release_path, run_build, up_to_date
from pipelines.plan import make_plan
from pipelines.recipe.load import load_recipe
from pipelines.road.contents import table_content
from pipelines.road.stage import Build, Outcome, Road, Stage, run_stage
from pipelines.road.stages import ROAD, road
from pipelines.road.steps.tables import samples, write
from pipelines.store.scratch import SCRATCH
from pipelines.store.workspace import Workspace, read_json, write_table
from schemas.completion import Completion, ModelIdentity, Request
from schemas.errors import ConfigError, StageError, TransientEngineError
from schemas.ids import hash_text
from schemas.split import no_drops

RECIPE = """\
name: r
models:
  m: {model: m, engine: openai, base_urls: ["http://127.0.0.1:1/v1"]}
sources:
  - {type: jsonl, name: rows, path: SOURCE}
caption: {model: m}
distill: {model: m, n: 3, force_answer: So the answer is}
judge: {model: m}
rewrite: {model: m}
quality: {}
rollouts: {model: m, n: 4, tags: plain}
checks: [{type: text_only}]
select: {rule: {type: variance, min_correct: 0, min_wrong: 0}}
preference: {per_prompt: 1}
driver: {max_retries: 0, max_error_rate: 1.0}
"""
ASKING = tuple(stage.name for stage in ROAD if stage.asks)


class World:
    """A folder with a recipe, and a model that answers by rule, but not to the stages in `away`: there half the time."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder = folder
        self.source = source
        self.asked: list[str] = []
        self.away: set[str] = set()
        self.away_for_good = False
        self._calls = 0
        self._stage = ""
        folder.mkdir(exist_ok=True)

    def build(self, *overrides: str, out: str = "out", replay: bool = False) -> Build:
        (self.folder / "r.yaml").write_text(RECIPE.replace("SOURCE", str(self.source)))
        recipe = load_recipe(str(self.folder / "r.yaml"), overrides)
        return Build(recipe, Workspace(self.folder / out), replay=replay)

    def run(self, *overrides: str, stop_before: str = "", **where: Any) -> list[str]:
        """Build; returns the stages that ran. Like kill -9 it leaves nothing behind if it is to stop before a stage."""
        ran: list[str] = []

        def run(plan: Road, stage: Stage) -> dict[str, Any]:
            if stage.name == stop_before:
                raise KeyboardInterrupt
            ran.append(stage.name)
            self._stage = stage.name
            return run_stage(plan, stage)

        try:
            run_build(self.build(*overrides, **where), run)
        except KeyboardInterrupt:
            assert stop_before
        return ran

    # The model.

    identity = ModelIdentity("m", "unversioned", "server")
    concurrency = 4

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        self._calls += 1
        if self._stage in self.away and (self._calls % 2 or self.away_for_good):
            raise TransientEngineError("503")
        self.asked += [self._stage] * len(indexes)
        return [Completion(i, self._reply(request, i), "stop", 9, 5) for i in indexes]

    def _reply(self, request: Request, index: int) -> str:
        text = " ".join(p for m in request.messages for p in m.content if isinstance(p, str))
        drawn = int(hash_text(f"{text} {request.prefix} {index} {len(request.images)}")[:4], 16) % 4
        found = re.search(r"What is (\d+) plus (\d+)", text)
        right = str(int(found[1]) + int(found[2])) if found else "because of its halves"
        said = right if drawn else "100"
        if text.startswith("Describe"):
            return "Some numbers."
        if "Rewrite it" in text:
            return text.partition("\n\n")[2].replace("caption", "image")
        if "You check answers" in text:
            return f"Verdict: {'correct' if drawn else 'incorrect'}"
        if request.prefix:
            return f"{said}."
        if "Description:" in text:
            return ["The caption says it. ", "It is seen. ", "Hm, I wonder"][index] + (
                f"The answer is {said}." if index < 2 else "."
            )
        return said


def write_rows(folder: Path) -> Path:
    """Twelve questions, each with an image; a rule scores eight of them, a judge the other four."""
    rows: list[dict[str, str]] = []
    for i in range(1, 13):
        Image.new("RGB", (32, 32), (20 * i, 255 - 20 * i, 40)).save(folder / f"{i}.png")
        row = {"question": f"What is {i} plus {2 * i}?", "answer": str(3 * i), "kind": "number"}
        if i % 3 == 0:
            row = {"question": f"Why is {i} odd or even?", "answer": f"Halves of {i}.", "kind": "open"}
        rows.append(row | {"image": str(folder / f"{i}.png")})
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "rows.jsonl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A finished build, from nothing and without a failure. Tests only look at it."""
    from generators.engines import select

    folder = tmp_path_factory.mktemp("whole")
    found = World(folder, write_rows(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "make_engine", lambda config, media: found)
        assert found.run() == [s.name for s in road(found.build()).stages]
    return found


@pytest.fixture
def world(tmp_path: Path, whole: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A copy of it that a test may go on from."""
    from generators.engines import select

    found = World(tmp_path / "world", whole.source)
    shutil.copytree(whole.folder / "out", found.folder / "out")
    monkeypatch.setattr(select, "make_engine", lambda config, media: found)
    return found


def take_back(build: Build, stage: str) -> None:
    """Make it as if the build had come to `stage` and no further: neither tables, nor answers to it, nor a release."""
    names = [s.name for s in road(build).stages]
    folder = build.workspace.build("r")
    keys = pl.read_parquet(folder / stage / "wanted-0.parquet")["key"]
    for part in build.workspace.completions.glob("part-*.parquet"):
        write_table(pl.read_parquet(part).filter(~pl.col("key").is_in(keys.implode())), part)
    for name in names[names.index(stage) :]:
        shutil.rmtree(folder / name)
    shutil.rmtree(build.workspace.releases("r"))


def contents(build: Build) -> dict[str, str]:
    """The content of every table of a build and of its release, computed anew."""
    folder = build.workspace.build("r")
    tables = {f"{p.parent.name}/{p.stem}": p for p in sorted(folder.glob("*/*.parquet")) if "wanted" not in p.name}
    release = release_path(build, road(build))
    tables |= {f"release/{p.relative_to(release)}": p for p in sorted(release.rglob("*.parquet"))}
    return {name: table_content(path) for name, path in tables.items()}


def test_the_recipe_asks_in_every_stage_that_asks(whole: World) -> None:
    asked = {name: whole.asked.count(name) for name in ASKING}
    assert all(asked.values()), asked
    told = {record["stage"]: record for record in records(road(whole.build()))}
    assert all(told[name]["kept"] for name in ASKING)


@pytest.mark.parametrize("stage", ASKING)
def test_an_outage_and_then_answers_equal_a_build_from_nothing(world: World, whole: World, stage: str) -> None:
    take_back(world.build(), stage)
    world.away = {stage}
    world.run()
    first = {record["stage"]: record for record in records(road(world.build()))}
    assert first[stage]["unanswered"] and first[stage]["kept"], "half of the rows came back"
    assert not up_to_date(world.build())
    assert not any(p.fresh for p in make_plan(world.build()) if p.stage in (stage, "release"))
    world.away = set()
    assert stage in world.run()
    assert contents(world.build()) == contents(whole.build())
    assert up_to_date(world.build()) and all(p.fresh for p in make_plan(world.build()))
    world.asked.clear()
    assert world.run() == [] and world.asked == []
    shutil.rmtree(world.build().workspace.build("r"))
    shutil.rmtree(world.build().workspace.releases("r"))
    world.run(replay=True)
    assert contents(world.build()) == contents(whole.build())


def test_an_outage_that_lasts_is_an_error_and_then_forgotten(world: World, whole: World) -> None:
    take_back(world.build(), "caption")
    world.away = {"caption"}
    world.run()
    world.away_for_good = True
    with pytest.raises(StageError, match="503"):
        world.run()
    world.away = set()
    world.run()
    assert contents(world.build()) == contents(whole.build())


def test_a_build_killed_between_any_two_stages_comes_to_the_same_tables(world: World, whole: World) -> None:
    """On its way from an outage, with the tables of the outage before it; then once more, with nothing to do."""
    take_back(world.build(), "caption")
    world.away = {"caption", "rollouts"}
    world.run()
    world.away = set()
    ran = [name for stage in road(world.build()).stages for name in world.run(stop_before=stage.name)]
    ran += world.run()
    assert len(set(ran)) == len(ran) and ran[0] == "caption" and ran[-1] == "release"
    assert contents(world.build()) == contents(whole.build())
    assert world.run() == []


@pytest.mark.parametrize("damage", ["missing", "truncated", "fewer rows"])
@pytest.mark.parametrize("stage", ["ingest", "caption", "score", "select"])
def test_a_table_that_is_not_what_was_written_is_computed_again(
    world: World, whole: World, stage: str, damage: str
) -> None:
    path = road(world.build()).path(stage)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        write_table(pl.read_parquet(path).head(2), path)
    assert not up_to_date(world.build())
    assert world.run() == [stage], "its readers have read the same rows before"
    assert contents(world.build()) == contents(whole.build())
    assert world.asked == []


@pytest.mark.parametrize(
    "damage", [b"\xff\xfe", b"\0" * 100, b"[1]", b'"x"', b'{"a": 1}', b"[" * 100_000, b"null", b""]
)
def test_a_record_that_is_none_means_that_the_stage_never_finished(whole: World, tmp_path: Path, damage: bytes) -> None:
    build = whole.build()
    shutil.copytree(build.workspace.root, tmp_path / "out")
    there = replace(build, workspace=Workspace(tmp_path / "out"))
    stage = road(there).stage("ingest")
    (there.folder(stage) / "stage.json").write_bytes(damage)
    assert road(there).record(stage) is None
    assert not road(there).is_fresh(stage)
    assert not up_to_date(there)


@pytest.mark.parametrize("name", ["out[1]", "o*t", "ou?", "o\\t"])
def test_a_workspace_that_engines_read_as_a_pattern_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="read as a pattern; name another with --workspace"):
        Workspace(tmp_path / name).prepare("r")
    assert not list(tmp_path.iterdir())


def test_a_table_that_comes_out_the_same_wakes_nobody(world: World, whole: World) -> None:
    before = {r["stage"]: r for r in records(road(world.build()))}
    assert world.run("verify.budget_s=9") == [
        "selftest", "verify", "quality", "score", "check_scores", "round_trip_traces", "release",
    ]  # fmt: skip
    after = {r["stage"]: r for r in records(road(world.build("verify.budget_s=9")))}
    assert after["difficulty"] == before["difficulty"], "who was passed over keeps its record"
    assert world.run("verify.budget_s=9") == []
    assert contents(world.build()) == contents(whole.build())


@pytest.mark.parametrize(
    ("override", "reader"),
    [
        ("rollouts.tags=think_answer", "score"),
        ("quality.leaks=['nothing']", "rewrite"),
        ("verify.tags=plain", "release"),
        ("difficulty.truncated=wrong", "difficulty"),
        ("check_rules.alpha=0.2", "checks"),
        ("judge=null", "verify"),
        ("quality=null", "round_trip_traces"),
        ("seed=7", "selftest"),
        ("select=null", "release"),
        ("models.m.revision=two", "difficulty"),
    ],
)
def test_whoever_read_a_part_of_the_recipe_is_stale_when_it_changes(whole: World, override: str, reader: str) -> None:
    """None of these stages names that part of the recipe as its own; that it was read is enough."""
    plan = road(whole.build(override))
    assert not plan.is_fresh(plan.stage(reader))


@pytest.mark.parametrize("override", ["driver.max_retries=3", "description=other", "models.m.concurrency=2"])
def test_how_a_build_is_run_makes_nothing_stale(whole: World, override: str) -> None:
    assert up_to_date(whole.build(override))


def test_a_plan_counts_what_a_killed_build_left_in_its_journal(world: World) -> None:
    """As many as the build then asks for; and it looks only: the journal stands as it stood, torn line and all."""
    take_back(world.build(), "rollouts")
    kept = len(world.build().log.scan().collect())
    world.run(stop_before="score")
    log = world.build().workspace.completions
    part = max(log.glob("part-*.parquet"), key=lambda p: p.stat().st_mtime_ns)
    rows = pl.read_parquet(part).with_columns(pl.col("created_at").dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"))
    assert rows.height == 48 and len(world.build().log.scan().collect()) == kept + 48
    part.unlink()
    shutil.rmtree(world.build().workspace.build("r") / "rollouts")
    lines = [json.dumps(row) for row in rows.head(16).to_dicts()]
    journal = log / "journal-1-0.jsonl"
    journal.write_text("\n".join(lines)[:-9])
    before = journal.read_bytes()
    there = set(world.build().workspace.root.rglob("*"))
    shutil.rmtree(log / SCRATCH, ignore_errors=True)
    planned = {p.stage: p.missing for p in make_plan(world.build())}
    assert planned["rollouts"] == 48 - 15 and journal.read_bytes() == before
    assert set(world.build().workspace.root.rglob("*")) == there - {log / SCRATCH}
    world.asked.clear()
    world.run(stop_before="score")
    assert len(world.asked) == 48 - 15


def test_no_stage_reads_what_its_line_does_not_lead_to(world: World) -> None:
    def reads_too_much(build: Build, stage: Stage, road: Road) -> Outcome:
        road.table("ingest")
        road.table("caption")
        return Outcome(0, 0)

    plan = road(world.build())
    stage = Stage("odd", "samples", 1, ("selftest",), lambda r: r, reads_too_much, number=99)
    with pytest.raises(StageError, match="Stage 'odd' reads 'caption', which its line"):
        run_stage(Road(plan.build, (*ROAD, stage)), stage)


def test_what_is_read_is_observed(world: World) -> None:
    """Also through a helper that asks for the nearest stage of a unit, or whether there is a stage at all."""
    seen: list[Road] = []

    def run(build: Build, stage: Stage, road: Road) -> Outcome:
        seen.append(road)
        rows = samples(road, stage, ("id",)).collect()
        assert "judge" in road and "signals" not in road
        assert build.recipe.verify.tags and build.identities["m"]
        return write(build, stage, rows.height, rows, no_drops())

    stage = Stage("odd", "samples", 1, ("difficulty",), lambda r: r.split, run, number=99)
    build = world.build()
    run_stage(Road(build, (*ROAD[:14], stage)), stage)
    reads = read_json(build.folder(stage) / "stage.json")["reads"]
    assert set(reads) == {
        "table ingest/kept",
        "table difficulty/kept",
        "last odd samples",
        "has judge",
        "has signals",
        "recipe verify",
        "model m",
    }
    assert reads["last odd samples"] == "difficulty" and reads["has judge"] and not reads["has signals"]


def test_the_content_of_a_table_is_its_rows_in_order(tmp_path: Path) -> None:
    rows = pl.DataFrame(
        {"id": [str(i) for i in range(40_000)], "said": [["a"] * (i % 3) or None for i in range(40_000)]}
    ).with_columns(both=pl.struct("id", "said"))

    def content(name: str, table: pl.DataFrame | pl.LazyFrame) -> str:
        write_table(table, tmp_path / f"{name}.parquet")
        return table_content(tmp_path / f"{name}.parquet")

    whole = content("whole", rows)
    parts = [rows[i : i + 7_000] for i in range(0, rows.height, 7_000)]
    for number, part in enumerate(parts):
        write_table(part, tmp_path / f"part-{number}.parquet")
    assert content("joined", pl.scan_parquet(sorted(tmp_path.glob("part-*.parquet")))) == whole
    assert content("filtered", pl.concat([rows, rows]).lazy().head(rows.height)) == whole
    others = {
        "order": rows.reverse(),
        "fewer": rows.head(-1),
        "more": pl.concat([rows, rows.head(1)]),
        "name": rows.rename({"said": "told"}),
        "type": rows.with_columns(pl.col("id").cast(pl.Int64)),
        "null": rows.with_columns(said=pl.col("said").fill_null([])),
        "one cell": rows.with_columns(id=pl.when(pl.col("id") == "77").then(pl.lit("x")).otherwise("id")),
        "none": rows.head(0),
    }
    assert len({whole, *(content(name, table) for name, table in others.items())}) == len(others) + 1
