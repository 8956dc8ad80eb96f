"""Pairs carry the tag schema in which their replies were scored: the reward says of them again what the verifier said."""

from pathlib import Path

import pytest

from pipelines.compiler.compile import Before
from pipelines.job import compile_recipe
from pipelines.steps.release_plan import plan

RECIPE = """\
name: paired
models: {vlm: {model: reference-vlm}}
sources: [{type: scenes, n: 4}]
steps:
  - rollout: {model: vlm, tags: plain_boxed, prompt: "{{ question }} Put the answer into \\\\boxed{}."}
  - verify: {of: rollout}
  - pair: {of: rollout, chosen: correct, rejected: NOT correct}
  - release: {preference: {of: pair}}
"""


@pytest.mark.parametrize(
    ("verify", "tags"), [(None, "plain"), ("tags=plain_boxed", "plain_boxed"), ("column=final", "plain_boxed")]
)
def test_pairs_have_the_tags_that_their_texts_were_scored_in(tmp_path: Path, verify: str | None, tags: str) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    pipeline = compile_recipe(str(tmp_path / "r.yaml"), [f"steps.verify.{verify}"] if verify else []).pipeline
    release = pipeline.step("release")
    [one] = plan(release.config, Before(pipeline.names, pipeline.before(release)))
    assert one.tags == tags


@pytest.mark.parametrize(
    ("by", "columns"),
    [("margin: {column: tokens, at_least: 1}", ["margin"]), ("chosen: correct, rejected: NOT correct", [])],
)
def test_pairs_that_were_made_by_a_margin_carry_it(tmp_path: Path, by: str, columns: list[str]) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.replace("chosen: correct, rejected: NOT correct", by))
    pipeline = compile_recipe(str(tmp_path / "r.yaml")).pipeline
    release = pipeline.step("release")
    [one] = plan(release.config, Before(pipeline.names, pipeline.before(release)))
    assert list(one.columns) == columns
    assert [name for name in one.beside.reads if name.startswith("column:")] == [f"column:{name}" for name in columns]
