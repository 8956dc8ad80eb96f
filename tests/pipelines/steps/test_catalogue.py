"""Step types of the catalogue in one real build: a body gets the columns that it declares, and no others.

The runner holds every build to that. A type that is not in this recipe is held to it by its own test that builds.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from pipelines.compiler.columns import BASE
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.job import Job, compile_recipe, open_job
from pipelines.run.runner import Runner
from pipelines.steps.catalogue import TYPES, step_types
from schemas.errors import StepError
from schemas.step import Out, Tables

RECIPE = """\
name: everything
models: {m: {model: reference-vlm}, e: {model: smollm2-135m-instruct}}
sources:
  - {type: scenes, name: scenes, split: curate, n: 4, per_scene: 1, levels: [1]}
steps:
  - caption: {model: m, prompt: Describe the image., sampling: {temperature: 0.0, max_tokens: 60}}
  - label: {model: m, prompt: "{{ question }}", reply: {choice: [one, two]}}
  - ask:
      as: draft
      model: e
      sees: nothing
      prompt: "{{ caption }}"
      makes: draft
      reply: {fields: {asks: str, says: str}}
      sampling: {temperature: 0.0, max_tokens: 60}
  - restate: {model: e, sees: nothing, kind: text, sampling: {temperature: 0.0, max_tokens: 60}}
  - distill: {model: m, n: 2, sampling: {temperature: 1.0, max_tokens: 24}, conclude: So the answer is}
  - rewrite: {model: m, max_changed: 1000, sampling: {temperature: 0.0, max_tokens: 24}}
  - trim: {of: trace, words: 0.9, uncut: keep}
  - segment: {of: trace, split_at: sentence}
  - step_score: {model: m, n: 1, prompt: "{{ question }}", sampling: {temperature: 0.0, max_tokens: 8}}
  - unfold: {of: trace, column: text, makes: line}
  - verify: {of: trace}
  - quality: {of: trace}
  - judge: {of: trace, model: m, sampling: {temperature: 0.0, max_tokens: 8}}
  - critique: {of: trace, model: m, sampling: {temperature: 0.0, max_tokens: 8}}
  - agree: {between: [distill]}
  - tally: {of: trace, to: sample, gives: {most: "max(tokens)"}}
  - sql: {of: sample, gives: {long: "length(question)"}}
  - pair: {of: trace, chosen: "index = 0", rejected: "index = 1"}
  - pick: {of: trace, take: random}
  - rollout: {model: m, n: 2, sampling: {temperature: 1.0, max_tokens: 16}}
  - verify: {as: scored, of: rollout}
  - difficulty
  - drop: {of: sample, if: {never: "long < 0"}}
  - promote: {of: draft, question: asks, answer: says}
  - swap_images: {share: 1.0}
  - dedup
  - decontaminate: {sources: [{type: scenes, name: other, split: test, n: 2, per_scene: 1, levels: [1]}]}
  - split: {sides: {rl: "k = n", sft: else}}
  - select: {budget: 0.9}
  - release: {allow_empty: [sft, rl], sft: {of: trace}, rl: {of: sample}}
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The recipe, built: no real body has read what it does not declare."""
    folder = tmp_path_factory.mktemp("everything")
    (folder / "recipe.yaml").write_text(RECIPE)
    job = open_job(compile_recipe(str(folder / "recipe.yaml")), folder / "workspace")
    job.run()
    return job


def test_each_step_got_rows(job: Job) -> None:
    records = {record["step"]: record for record in job.records()}
    assert [name for name, record in records.items() if record["in"] == 0] == []


def test_step_types_finds_what_there_is() -> None:
    assert set(step_types()) == set(TYPES)
    assert {name: found.name for name, found in step_types(["verify", "no-such-type"]).items()} == {"verify": "verify"}


def again(job: Job, name: str, body: Callable[..., Out]) -> None:
    """Run one step of the build with another body, by the real runner."""
    pipeline = job.compiled.pipeline
    old = pipeline.step(name)
    # What is held of all rows (`narrow`) is taken of what is declared.
    changed = replace(old, type=replace(old.type, version=old.type.version + 1, body=body, narrow=None))
    steps = tuple(changed if step is old else step for step in pipeline.steps)
    Runner(job.build, Pipeline(steps, pipeline.names)).run(changed)


class Seen(Exception):  # noqa: N818  (what a body got, not what went wrong)
    """Ends a body that has looked at its tables."""


def undeclared(pipeline: Pipeline, step: Step) -> str:
    """A column that the step's rows have and that it does not declare, if they have one."""
    return next((n for n in pipeline.names.own(step.node) if n not in step.sources and n not in BASE), "no_such_column")


NAMES = [line.split(":")[0].strip(" -") for line in RECIPE.splitlines() if line.startswith("  - ")][1:]
STEPS = [{"ask": "draft"}.get(name, name) for name in dict.fromkeys(NAMES)]


@pytest.mark.parametrize("name", ["selftest", *STEPS])
def test_a_body_gets_the_columns_that_it_declares_and_fails_where_it_reads_another(job: Job, name: str) -> None:
    pipeline = job.compiled.pipeline
    step = pipeline.step(name)
    got: dict[str, list[str]] = {}

    def look(tables: Tables, config: Any, context: Any) -> Out:
        got.update(rows=tables.rows.columns, **{k: v.columns for k, v in tables.beside.items()})
        raise Seen

    with pytest.raises(Seen):
        again(job, name, look)
    assert got.pop("rows") == [*BASE, *(n for n in step.sources if n not in BASE)]
    for beside, columns in got.items():
        found = step.beside[beside]
        lost = ["lost"] if found.declared.lost else []
        assert columns == [*BASE, *(n for n in found.sources if n not in BASE), *lost]

    missing = undeclared(pipeline, step)

    def read_another(tables: Tables, config: Any, context: Any) -> Out:
        return Out(tables.rows.select("id", pl.col(missing)))

    sentence = f"Step '{name}' reads a column '{missing}' that it does not declare"
    with pytest.raises(StepError, match=sentence):
        again(job, name, read_another)
