"""What a manifest says of a recipe follows from what its steps do, not from what their types are called."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from generators.models import identify
from pipelines.job import Compiled, compile_recipe
from pipelines.recipe.dump import dump_document
from pipelines.recipe.expand import expanded
from pipelines.steps.release_manifest import encoders, facts_of

RECIPE = """\
name: told
models:
  vlm: {model: reference-vlm, engine: transformers}
  reasoner: {model: smollm2-135m-instruct, engine: transformers}
sources: [{type: scenes, n: 4}]
steps:
  - caption: {model: vlm}
  - distill: {model: reasoner, sees: nothing, prompt: "{{ caption }} {{ question }}"}
  - verify
  - rollout: {model: vlm, n: 4}
  - verify: {as: scored, of: rollout}
  - difficulty
  - dedup: {text: {model: all-minilm-l6-v2}}
  - signals: {model: vlm, likelihood: {}}
  - select: {rule: variance}
  - release: {sft: {of: trace}, rl: {of: sample}}
"""


def compiled(folder: Path, *overrides: str) -> Compiled:
    (folder / "r.yaml").write_text(RECIPE)
    return compile_recipe(str(folder / "r.yaml"), overrides)


def facts(recipe: Compiled) -> dict[str, Any]:
    return facts_of(recipe.pipeline, recipe.pipeline.steps[:-1])


def test_a_preset_and_the_ask_that_it_stands_for_are_told_alike(tmp_path: Path) -> None:
    preset = compiled(tmp_path)
    (tmp_path / "e.yaml").write_text(dump_document(expanded(preset.document, preset.pipeline)))
    asks = compile_recipe(str(tmp_path / "e.yaml"))
    assert asks.pipeline.step("distill").type.name == "ask"
    found, same = facts(preset), facts(asks)
    assert (found["teachers"], found["captions"], found["rule"]) == (["reasoner"], True, "variance")
    assert {**found, "steps": None} == {**same, "steps": None}


@pytest.mark.parametrize(
    ("override", "captions"),
    [
        ("steps.distill.sees=media", False),
        ("steps.distill.prompt={{ question }}", False),
        ("steps.distill.prefix={{ caption }}", True),
    ],
)
def test_traces_are_from_captions_where_their_model_saw_no_image_and_read_of_it(
    tmp_path: Path, override: str, captions: bool
) -> None:
    key, _, value = override.partition("=")
    assert facts(compiled(tmp_path, f'{key}="{value}"'))["captions"] is captions


def test_a_blind_continuation_is_not_reasoned_from_captions(tmp_path: Path) -> None:
    continued = ['steps.distill.prompt="{{ question }}"', 'steps.distill.prefix="{{ caption }}"']
    assert facts(compiled(tmp_path, *continued))["captions"] is False


def test_a_model_whose_insides_a_step_reads_is_no_encoder(tmp_path: Path) -> None:
    recipe = compiled(tmp_path)
    identities = {name: identify(model) for name, model in recipe.document.models.items()}
    build = SimpleNamespace(identities=identities)
    context = SimpleNamespace(pipeline=recipe.pipeline, step=recipe.pipeline.steps[-1], build=build)
    ours = [step for step in recipe.pipeline.steps if step.name != "ingest"]
    context.pipeline = SimpleNamespace(before=lambda step: ours[:-1])
    assert [one["model"] for one in encoders(cast(Any, context))] == ["all-minilm-l6-v2"]
