"""The round trip on the road: what a release holds, the trainer's own grader agrees with."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from filters.verify import graders
from generators.engines import select
from generators.models import identify
from pipelines.build import run_build
from pipelines.explain.preview import preview
from pipelines.explain.why import story
from pipelines.preflight import check_recipe
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.store.workspace import Workspace
from schemas.completion import Completion, ModelIdentity, Request
from schemas.errors import ConfigError

RECIPE = """\
name: graded
sources:
  - {type: jsonl, name: rows, path: SOURCE}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
"""
ROWS = [
    {"question": "How many sides has a square?", "answer": "4", "kind": "number"},
    {"question": "What is a half?", "answer": "\\frac{1}{2}", "kind": "expression"},
    {"question": "Which is a color?", "answer": "B", "kind": "choice", "options": ["stone", "red", "run"]},
    {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
]


def make(folder: Path, *overrides: str) -> Build:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    (folder / "r.yaml").write_text(RECIPE.replace("SOURCE", str(folder / "rows.jsonl")))
    return Build(load_recipe(str(folder / "r.yaml"), overrides), Workspace(folder / "out"))


def test_every_released_solution_passes_the_trainers_grader(tmp_path: Path) -> None:
    told = run_build(make(tmp_path))
    rows = pl.read_parquet(tmp_path / "out" / "releases" / "graded" / "v1" / "rl")
    assert rows.height == told[-1]["kept"] == 4
    for row in rows.filter(pl.col("verifier") != "text").iter_rows(named=True):
        right = f"<think>…</think><answer>\\boxed{{{row['solution'].strip('$')}}}</answer>"
        assert graders.trl(right, row["solution"]) == 1.0
        assert graders.trl("<think>…</think><answer>\\boxed{17}</answer>", row["solution"]) == 0.0


def test_a_gold_that_the_grader_gets_wrong_drops_its_sample_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = graders.GRADERS["trl"]
    deaf = graders.Grader(lambda text: "" if "frac" in text else real.gold(text), real.said, real.compare)
    monkeypatch.setitem(graders.GRADERS, "trl", deaf)
    build = make(tmp_path)
    told = {record["stage"]: record for record in run_build(build)}
    assert told["round_trip"]["dropped"] == {"round_trip:gold": 1}
    evidence = json.loads(road(build).table("round_trip", "dropped").collect()["evidence"][0])
    assert (evidence["grader"], evidence["gold"]) == ("trl", "\\frac{1}{2}")


def test_the_gate_can_be_turned_off_and_has_only_known_graders(tmp_path: Path) -> None:
    assert "round_trip" not in road(make(tmp_path, "release.trainer=null"))
    assert "round_trip_traces" not in road(make(tmp_path))
    with pytest.raises(ConfigError, match="no grader 'trll'"):
        make(tmp_path, "release.trainer=trll")


TRACED = """\
name: traced
models: {m: {model: reference-vlm}}
sources:
  - {type: jsonl, name: rows, path: SOURCE}
distill: {model: m, n: 2}
split: {sft: 0.4, rl: 0.4, holdout: 0.2}
"""
SOLVED = 24
"""Of the questions, those that the reasoner answers right; the others it answers wrong both times."""


class Reasoner:
    """An engine that knows every answer: a right reply to the first questions, a wrong one to the others."""

    concurrency = 8

    def __init__(self, identity: ModelIdentity, reply: Callable[[int, str, int], str]) -> None:
        self.identity = identity
        self.reply = reply

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        asked = str(request.messages)
        number = int(asked.partition("number ")[2].partition(":")[0])
        gold = QUESTIONS[number]["answer"] if number < SOLVED else WRONG[QUESTIONS[number]["kind"]]
        return [Completion(i, self.reply(number, gold, i), "stop", 5, 5) for i in indexes]


WRONG = {"number": "-1", "choice": "C", "expression": "z"}
QUESTIONS = [
    {"question": f"number {i}: what is it?", "kind": kind, "answer": answer, **more}
    for i, (kind, answer, more) in enumerate(
        [
            ("number", str(i), {}) if i % 3 == 0 else
            ("choice", "AB"[i % 2], {"options": ["this", "that", "none"]}) if i % 3 == 1 else
            ("expression", f"x+{i}", {})
            for i in range(36)
        ]
    )
]  # fmt: skip


def traced(folder: Path, monkeypatch: pytest.MonkeyPatch, reply: Callable[[int, str, int], str], *sets: str) -> Build:
    monkeypatch.setattr(select, "make_engine", lambda config, media: Reasoner(identify(config), reply))
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, QUESTIONS)))
    (folder / "t.yaml").write_text(TRACED.replace("SOURCE", str(folder / "rows.jsonl")))
    return Build(load_recipe(str(folder / "t.yaml"), sets), Workspace(folder / "out"))


def plainly(number: int, gold: str, index: int) -> str:
    return f"<think>One sees that it is number {number}, the {index}th time.</think>\n\nThe answer is {gold}."


def rows_of(folder: Path) -> dict[str, pl.DataFrame]:
    release = folder / "out" / "releases" / "traced" / "v1"
    return {name: pl.read_parquet(release / name) for name in ("sft", "rl", "holdout")}


@pytest.mark.parametrize("tags", ["think_answer", "think_tail", "think_answer_boxed"])
def test_what_the_reasoner_solved_is_not_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tags: str
) -> None:
    build = traced(tmp_path, monkeypatch, plainly, f"verify.tags={tags}")
    check_recipe(build.recipe)
    told = {record["stage"]: record for record in run_build(build)}
    assert told["round_trip"]["kept"] == len(QUESTIONS)
    assert told["round_trip_traces"]["unit"] == "traces"
    assert told["round_trip_traces"]["kept"] == told["round_trip_traces"]["rows_in"] == 2 * SOLVED
    unread = [] if tags == "think_answer_boxed" else ["choice", "number", "expression"]
    assert told["round_trip_traces"]["notes"] == {"grader": "trl", "kinds_not_read": unread}
    sides = road(build).table("split").collect()
    rows = rows_of(tmp_path)
    assert set(rows["rl"]["id"]) == set(sides.filter(split="rl")["id"])
    assert set(rows["holdout"]["id"]) == set(sides.filter(split="holdout")["id"])
    traced_ids = road(build).table("verify").collect()["sample_id"]
    assert set(rows["sft"]["id"]) == set(sides.filter(split="sft")["id"]) & set(traced_ids)
    assert set(rows["sft"]["verifier"]) == {"number", "choice", "expression"}


def test_a_preview_tells_which_traces_the_grader_misreads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = graders.GRADERS["verl"]
    deaf = replace(real, looks_at=lambda text: "" if re.search(r"\dth", text) else real.looks_at(text))
    monkeypatch.setitem(graders.GRADERS, "verl", deaf)
    build = traced(tmp_path, monkeypatch, plainly, "release.trainer=verl", "release.allow_empty=[sft]")
    run_build(build)
    sides = dict(road(build).table("split").select("id", "split").collect().iter_rows())
    for row in preview(build).rows:
        said = {reply.verdict for asked in row.asked if asked.stage == "distill" for reply in asked.replies}
        assert said <= {"round_trip:trace", "verify:wrong"}
        assert (row.fate == "dropped: release:no_verified_trace") == (sides[row.id] == "sft")


def test_a_trace_that_the_grader_misreads_is_lost_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = graders.GRADERS["verl"]
    shy = graders.Grader(real.gold, real.said, real.compare, lambda text: "" if "1th" in text else real.looks_at(text))
    monkeypatch.setitem(graders.GRADERS, "verl", shy)
    build = traced(tmp_path, monkeypatch, plainly, "release.trainer=verl")
    told = {record["stage"]: record for record in run_build(build)}
    assert told["round_trip"]["dropped"] == {}
    assert told["round_trip_traces"]["dropped"] == {"round_trip:trace": SOLVED}
    lost = road(build).table("round_trip_traces", "dropped").collect()
    assert story(tmp_path / "out", lost["id"][0]).id
    rows, sides = rows_of(tmp_path), road(build).table("split").collect()
    assert set(rows["rl"]["id"]) == set(sides.filter(split="rl")["id"]), "its sample is still asked"
    solved = set(lost["evidence"].str.json_path_match("$.sample_id"))
    assert rows["sft"]["id"].to_list() == sorted(set(sides.filter(split="sft")["id"]) & solved), "the other trace stays"
    released = pl.read_parquet(tmp_path / "out" / "releases" / "traced" / "v1" / "dropped.parquet")
    of_traces = released.filter(stage="round_trip_traces")
    assert (set(of_traces["unit"]), set(of_traces["reason"])) == ({"traces"}, {"round_trip:trace"})
    assert set(of_traces["sample_id"]) == solved
