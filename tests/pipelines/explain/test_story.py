"""The story of a row of any unit: step by step, with what was asked and what came of it, and its end."""

from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.console import Console
from sealing import resealed
from step_types import CUT, GIVE, MAKE
from tiny_build import questions, tiny_build
from typer.testing import CliRunner

from filters.promote import STEP as PROMOTE
from flows.cli import app
from flows.story import tell
from generators.ask import STEP as ASK
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.explain.query import open_tables
from pipelines.explain.story import RowStory, row_story
from pipelines.run.runner import Runner
from pipelines.steps.ingest import INGEST
from pipelines.steps.release import STEP as RELEASE
from pipelines.store.workspace import write_table
from schemas.engine import ModelConfig
from schemas.errors import ConfigError
from schemas.step import StepConfig

pytestmark = pytest.mark.filterwarnings("ignore")

COLD, WARM = {"max_tokens": 8, "temperature": 0.0}, {"max_tokens": 6, "temperature": 1.0}
STEPS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("size", ASK, {"prompt": "{{ question }}", "reply": {"choice": ["small", "large"]}, "sampling": COLD}),
    (
        "trace",
        ASK,
        {
            "system": "Be brief.",
            "prompt": "{{ question }} It is {{ size }}.",
            "prefix": "So",
            "makes": "trace",
            "n": 3,
            "sampling": WARM,
        },
    ),
    ("part", MAKE, {"of": "trace", "makes": "segment", "n": 2}),
    ("late", GIVE, {"columns": {"late": "question"}, "where": "answer = '2'"}),
    ("second", CUT, {"of": "trace", "when": "trace.index = 1"}),
    ("four", CUT, {"when": "answer = '4'"}),
)


def build(root: Path, *steps: tuple[str, Any, dict[str, Any]], **more: Any) -> Runner:
    entries = [Entry("ingest", INGEST, StepConfig(), "recipe.yaml:1")]
    for place, (name, type_, section) in enumerate(steps, 2):
        asks = {"model": "m", "sees": "nothing"} if type_ is ASK else {}
        config = type_.config.model_validate({"as": name, **asks, **section})
        entries.append(Entry(name, type_, config, f"recipe.yaml:{place}"))
    models = {"m": ModelConfig(model="reference-vlm", engine="transformers")}
    runner = Runner(
        tiny_build(root / "out", questions(root / "sums.jsonl", 4), models=models, **more), compile_steps(entries)
    )
    runner.run_all()
    return runner


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    return build(tmp_path_factory.mktemp("story"), *STEPS)


def rows(built: Runner, step: str) -> pl.DataFrame:
    return pl.read_parquet(built.build.folder / step / "rows-0000.parquet")


def sample(built: Runner, answer: str) -> str:
    found = rows(built, "ingest").filter(pl.col("answer").struct.field("raw") == answer)
    return str(found["id"][0])


def read(built: Runner, id_: str) -> RowStory:
    return row_story(built.build.workspace.root, id_)


def did(story: RowStory) -> list[tuple[str, str]]:
    return [(chapter.step.name, chapter.what) for chapter in story.chapters]


def printed(story: RowStory) -> str:
    out = StringIO()
    tell(story, Console(file=out, width=80))
    return out.getvalue()


def test_the_chapters_of_a_sample_are_in_step_order(built: Runner) -> None:
    story = read(built, sample(built, "2"))
    assert did(story) == [
        ("ingest", "made"),
        ("size", "gave"),
        ("trace", "children"),
        ("late", "gave"),
        ("four", "kept"),
    ]
    assert [(brood.step.name, len(brood.ids)) for brood in story.children] == [("trace", 3), ("part", 6)]
    assert not story.parents
    assert story.end == "Alive at the end of the pipeline, and in no release."


def test_a_row_that_where_left_out_was_passed_by(built: Runner) -> None:
    story = read(built, sample(built, "0"))
    assert ("late", "passed by") in did(story)
    assert "it works on rows where answer = '2'" in " ".join(printed(story).split())


def test_a_drop_ends_the_story_with_its_reason(built: Runner) -> None:
    story = read(built, sample(built, "4"))
    assert did(story)[-1] == ("four", "dropped")
    assert story.end == "Dropped by four: four:cut."
    assert did(story).count(("late", "passed by")) == 1


def test_what_was_asked_and_replied_is_told_with_how_it_was_read(built: Runner) -> None:
    story = read(built, sample(built, "2"))
    [exchange] = next(chapter for chapter in story.chapters if chapter.step.name == "size").asked
    assert exchange.messages == [{"role": "user", "content": [{"text": "What is 1 + 1?"}]}]
    assert exchange.constraint == {"kind": "choice", "value": '["small", "large"]'}
    [reply] = exchange.replies
    assert story.chapters[1].values == {"size": reply.text}
    words = " ".join(printed(story).split())
    assert "asked m user: What is 1 + 1?" in words
    assert f"tokens): {reply.text} read as size: {reply.text}" in words


def test_queries_join_what_was_asked_with_the_logs(built: Runner) -> None:
    with open_tables(built.build.workspace.root) as db:
        names = {name for (name,) in db.sql("SHOW TABLES").fetchall()}
        joined = "FROM asked JOIN prompts USING (prompt_key) JOIN completions USING (key)"
        found = db.sql(f"SELECT step, count(*), count(form) {joined} GROUP BY step ORDER BY step").fetchall()
    assert {"samples", "traces", "segments", "size", "size_dropped", "asked", "prompts", "completions"} <= names
    assert found == [("size", 4, 4), ("trace", 12, 0)]


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_trace_has_its_own_reply_and_its_parents(built: Runner, index: int) -> None:
    mine = rows(built, "trace").filter((pl.col("sample_id") == sample(built, "2")) & (pl.col("index") == index))
    id_ = str(mine["id"][0])
    story = read(built, id_[:10])
    assert story.row.id == id_
    assert [(one.row.unit, one.row.id) for one in story.parents] == [("sample", sample(built, "2"))]
    [exchange] = story.chapters[0].asked
    assert [reply.index for reply in exchange.replies] == [index]
    assert mine["text"][0] == "So" + exchange.replies[0].text
    assert exchange.prefix == "So"
    assert exchange.messages is not None
    assert [message["role"] for message in exchange.messages] == ["system", "user"]
    end = "Dropped by second: second:cut." if index == 1 else "Alive at the end of the pipeline, and in no release."
    assert story.end == end


def test_a_row_that_went_with_what_it_was_made_from_says_so(built: Runner) -> None:
    segments = rows(built, "part").filter(pl.col("sample_id") == sample(built, "4"))
    traces = rows(built, "trace").select(parent_id="id", index="index")
    ends = {
        row["index"]: read(built, row["id"]).end for row in segments.join(traces, on="parent_id").iter_rows(named=True)
    }
    gone = f"Gone with the sample {sample(built, '4')}, which four dropped: four:cut."
    assert ends[0] == ends[2] == gone
    assert ends[1].startswith("Gone with the trace ")
    assert ends[1].endswith("which second dropped: second:cut.")
    assert [one.row.unit for one in read(built, segments["id"][0]).parents] == ["trace", "sample"]


def test_a_reply_that_could_not_be_read_has_a_story_too(tmp_path: Path) -> None:
    section = {"prompt": "{{ question }}", "makes": "trace", "reply": {"fields": {"a": "str"}}, "constrain": False}
    runner = build(
        tmp_path, ("odd", ASK, {**section, "sampling": COLD}), ("give", GIVE, {"columns": {"x": "question"}})
    )
    lost = pl.read_parquet(runner.build.folder / "odd" / "dropped-0000.parquet")
    assert lost.height
    story = read(runner, lost["id"][0])
    assert did(story) == [("odd", "not made")]
    assert story.end == f"Never made: odd dropped it as {lost['reason'][0]}."
    [exchange] = story.chapters[0].asked
    assert len(exchange.replies) == 1
    assert "1 could not be made (odd:" in printed(read(runner, lost["parent_id"][0]))


@pytest.mark.parametrize(("known", "words"), [("ffffffffffffffff", "No row of"), ("abc", "at least 6 characters")])
def test_an_id_that_leads_nowhere_says_so(built: Runner, known: str, words: str) -> None:
    done = CliRunner().invoke(app, ["why", known, "-w", str(built.build.workspace.root)])
    assert done.exit_code == 2
    assert words in done.output


def test_an_ambiguous_prefix_lists_the_rows_with_their_units(built: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.explain.story.SHORTEST", 0)
    with pytest.raises(ConfigError, match=r"is the start of 40 ids: \w+ \(sample\), .* and 32 more; give more"):
        row_story(built.build.workspace.root, "")


def test_the_terminal_shows_the_story_within_its_width(built: Runner) -> None:
    root = str(built.build.workspace.root)
    done = CliRunner().invoke(app, ["why", sample(built, "2")[:8], "-w", root])
    assert done.exit_code == 0
    assert "Step by step" in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_prompts_that_were_asked_before_they_were_kept_are_said_to_be_unknown(tmp_path: Path) -> None:
    runner = build(tmp_path, STEPS[0])
    for part in runner.build.prompts.files.parts():
        part.unlink()
    story = read(runner, sample(runner, "2"))
    assert story.chapters[1].asked[0].messages is None
    assert "The prompt is not in the log" in printed(story)


def test_a_sample_whose_place_others_took_is_retired(tmp_path: Path) -> None:
    promote = {"of": "trace", "question": "question", "answer": "text", "parents": "retire"}
    runner = build(tmp_path, ("trace", MAKE, {}), ("promote", PROMOTE, promote))
    story = read(runner, sample(runner, "2"))
    assert did(story) == [("ingest", "made"), ("trace", "children"), ("promote", "retired")]
    assert story.end == "Retired: the samples that promote made took its place."
    child = read(runner, story.children[-1].ids[0])
    assert [one.row.unit for one in child.parents] == ["trace", "sample"]
    assert child.end.startswith("Alive")


def test_a_released_row_names_the_release_and_its_configs(tmp_path: Path) -> None:
    release = ("release", RELEASE, {"rl": {"of": "sample", "where": "answer != '4'"}, "trainer": None})
    more = {"to_json": lambda: {"name": "tiny", "seed": 0, "description": None, "sources": [], "models": {}}}
    runner = build(tmp_path, ("give", GIVE, {"columns": {"x": "question"}}), release, **more)
    path = runner.build.workspace.releases("tiny") / "v1"
    assert read(runner, sample(runner, "2")).end == f"Released as 'rl' of {path}."
    assert read(runner, sample(runner, "4")).end == "Dropped by release: release:no_row."

    drops = pl.read_parquet(path / "dropped.parquet")
    refused = drops.head(1).with_columns(id=pl.lit(sample(runner, "0")), reason=pl.lit("release:unreadable"))
    write_table(pl.concat([drops, refused]), path / "dropped.parquet")
    with pytest.raises(ConfigError, match=r"dropped.parquet is damaged or was changed"):
        read(runner, sample(runner, "0"))
    resealed(path)
    assert did(read(runner, sample(runner, "0")))[-1] == ("release", "unreleased")
    assert read(runner, sample(runner, "0")).end == f"Released as 'rl' of {path}."
    (path / "rl").rename(path / "rollouts")
    resealed(path)
    assert read(runner, sample(runner, "0")).end == "Alive, and left out of the release: release:unreadable."
