"""`restate`: the new question and its gold are what is measured and released; what was measured before is outdated."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from asked import IMAGE, Named, converse, table

from filters.verify.pool import VerifierPool
from pipelines.compiler.compile import Before
from pipelines.explain.story import row_story
from pipelines.job import Compiled, Job, compile_recipe, open_job
from pipelines.steps.release_measured import measured_by
from pipelines.steps.restate import STEP, RestateConfig
from schemas.errors import ConfigError
from schemas.step import Tables

HEAD = """\
name: checkable
models: {student: {model: reference-vlm}, editor: {model: smollm2-135m-instruct}}
sources:
  - {type: scenes, name: scenes, split: curate, n: 2, per_scene: 1, levels: [1]}
steps:
  - rollout: {model: student, n: 2, sampling: {temperature: 1.0, max_tokens: 16}}
  - verify: {of: rollout}
  - difficulty
  - restate:
      model: editor
      kind: text
      sees: nothing
      prompt: "A riddle about colours and its answer, as JSON."
      sampling: {temperature: 0.0, max_tokens: 60}
"""


def compiled(folder: Path, *steps: str) -> Compiled:
    path = folder / "recipe.yaml"
    path.write_text(HEAD + "".join(f"  - {step}\n" for step in steps))
    return compile_recipe(str(path))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("restate")
    job = open_job(compiled(folder, "release: {rl: {of: sample, columns: [difficulty.k]}}"), folder / "workspace")
    job.run()
    return job


def samples(job: Job, *names: str) -> list[dict[str, Any]]:
    """The samples of the build as a step at the end would read them."""
    runner, found = job.runner, []
    node = runner.pipeline.names.node("sample")
    sources = {name: runner.pipeline.names.find(node, tuple(name.split(".")), text=True) for name in names}
    for bucket in range(runner.record.buckets):
        found += runner.tables.current(node, sources, bucket, len(runner.pipeline.steps)).to_dicts()
    return found


def test_the_release_holds_the_new_question_and_its_gold(job: Job) -> None:
    assert job.release is not None
    released = {row["id"]: row for row in pl.read_parquet(job.release / "rl" / "*.parquet").to_dicts()}
    rows = samples(job, "question", "answer", "ingest.question", "difficulty.k")
    assert len(rows) == len(released) == 2
    for row in rows:
        out = released[row["id"]]
        assert out["prompt"][0]["content"] == row["question"] != row["ingest.question"]
        assert json.loads(out["answer"])["raw"] == row["answer"]
        assert (out["verifier"], out["options"]) == ("text", [])
        assert out["difficulty_k"] == row["difficulty.k"] is not None


def test_a_release_carries_no_difficulty_of_the_question_that_went(job: Job) -> None:
    assert job.release is not None
    released = pl.read_parquet(job.release / "rl" / "*.parquet")
    assert released.select("k", "n", "model").null_count().row(0) == (2, 2, 2)
    assert json.loads((job.release / "manifest.json").read_text())["measured"] is None


def test_why_shows_both_questions(job: Job) -> None:
    [row, *_] = samples(job, "question", "ingest.question")
    story = row_story(job.build.workspace.root, row["id"])
    assert story is not None
    chapters = {chapter.step.name: chapter for chapter in story.chapters}
    assert chapters["ingest"].values["question"] == row["ingest.question"]
    assert chapters["restate"].values["question"] == row["question"] != row["ingest.question"]
    [asked] = chapters["restate"].asked
    assert [json.loads(str(reply.text))["question"].strip() for reply in asked.replies] == [row["question"]]


def test_what_was_measured_before_is_outdated_and_its_address_reads_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"`k` is outdated: 'difficulty' gave it before 'restate' changed") as caught:
        compiled(tmp_path, "drop: {of: sample, if: {easy: k = n}}")
    assert "Measure it again after 'restate', or write difficulty.k for the old one." in str(caught.value)
    compiled(tmp_path, "drop: {of: sample, if: {easy: difficulty.k = difficulty.n}}")


AGAIN = (
    "rollout: {as: retried, model: student, n: 2, sampling: {temperature: 1.0}}",
    "verify: {as: rejudged, of: retried}",
    "difficulty: {as: anew, of: retried}",
)


def test_a_release_carries_the_difficulty_of_the_new_question(tmp_path: Path) -> None:
    pipeline = compiled(tmp_path, *AGAIN, "release: {rl: {of: sample}}").pipeline
    release = pipeline.steps[-1]
    measured = measured_by(release.config, Before(pipeline.names, pipeline.before(release)))
    assert measured is not None
    assert measured.name == "anew"
    assert not pipeline.step("retried").gold_visible


def test_a_release_cannot_be_measured_by_what_is_outdated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'difficulty' measured before 'restate' changed what it depends on"):
        compiled(tmp_path, *AGAIN, "release: {measured_by: difficulty, rl: {of: sample}}")


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    pool = VerifierPool(1, 5.0)
    yield pool
    pool.close()


@pytest.mark.parametrize(
    ("reply", "places", "reason"),
    [
        ('{"question": "How many?", "answer": "12"}', (None,), None),
        ('{"question": "How many?", "answer": "a dozen or so"}', (None,), "restate:unparsable_gold"),
        ('{"question": " ", "answer": "12"}', (None,), "restate:no_question"),
        ("12", (None,), "restate:unreadable"),
        ('{"question": "Look at , how many?", "answer": "12"}', (8,), None),
        ('{"question": "How many?", "answer": "12"}', (8,), "restate:image_in_text"),
    ],
)
def test_a_row_whose_new_gold_fails_is_dropped(
    reply: str, places: tuple[int | None], reason: str | None, pool: VerifierPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Named, "verifiers", lambda self: pool)
    images = [IMAGE | {"position": place} for place in places]
    row = {"question": "Look at . How many?", "answer": "some", "options": None, "media": images}
    rows = table(row).with_columns(old="question", images="media")
    config = RestateConfig(model="m")
    answers, _ = converse(STEP, rows, config, lambda request, index: reply)
    out = STEP.body(Tables(rows, {}, answers), config, Named("restate"))
    assert out.rows is not None
    assert out.drops["reason"].to_list() == ([reason] if reason else [])
    assert out.rows["question"].to_list() == ([] if reason else [json.loads(reply)["question"]])
    assert out.rows["verifier"].to_list() == ([] if reason else [{"id": "number", "params": "{}"}])
