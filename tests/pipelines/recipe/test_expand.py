"""What presets stand for: a recipe with them written out is the same pipeline, and asks the same."""

from pathlib import Path

import polars as pl
import pytest

from pipelines.compiler.pipeline import Step
from pipelines.job import Compiled, compile_recipe
from pipelines.recipe.dump import dump_document
from pipelines.recipe.expand import expanded

HEAD = """\
name: small
models: {m: {model: reference-vlm}, other: {model: smollm2-135m-instruct}}
sources:
  - {type: jsonl, name: sums, path: sums.jsonl, kind: number}
steps:
"""
STEPS = {
    "caption": "- caption: {model: m, sampling: {max_tokens: 9}}",
    "caption that sees nothing": "- caption: {model: m, sees: nothing, prompt: 'About {{ question }}'}",
    "distill": "- distill: {model: m, system: 'Think of {% raw %}{x}{% endraw %}.', conclude: So the answer is}",
    "distill of several": "- distill: {as: both, model: [m, other], n: 3, sampling: {temperature: 0.5}}",
    "rollout": "- rollout: {model: m, where: question <> 'x', n: 4}",
    "rollout in tags": "- rollout: {as: rolled, model: m, tags: think_answer, system: Use tags.}",
    "rollout that stops early": "- rollout: {model: m, n: 4, adaptive: {band: [1, 2]}}",
    "judge": "- distill: {model: m}\n- judge: {model: other, where: final IS NOT NULL}",
    "judge that sees": "- distill: {model: m}\n- judge: {model: m, sees: media, votes: 3, sampling: {temperature: 1.0}}",
    "critique": "- distill: {model: m}\n- critique: {model: other, n: 2}",
    "label": "- label: {as: topic, model: other, prompt: '{{ question }}', reply: {choice: [sums, 'no']}}",
    "rewrite": "- distill: {model: m}\n- rewrite: {model: other, max_changed: 3}",
    "rewrite by phrases": "- distill: {model: m}\n- rewrite: {phrases: {'a caption': the image}}",
}


def compiled(folder: Path, steps: str) -> Compiled:
    path = folder / "recipe.yaml"
    path.write_text(steps)
    return compile_recipe(str(path))


def contract(step: Step) -> tuple[object, ...]:
    asks = step.type.asks
    most = asks.most(step.config) if asks is not None else None
    return step.name, step.node, dict(step.sources), dict(step.gives), step.makes, step.models, most, str(step.where)


def prompts(step: Step) -> list[object]:
    """What a step asks about two rows, whatever its columns hold."""
    if step.type.asks is None:
        return []
    values: dict[str, object] = {name: _value(source.dtype, name) for name, source in step.sources.items()}
    rows = pl.DataFrame(
        [{**values, "id": id_, "sample_id": "s", "parent_id": None} for id_ in ("a", "b")],
        schema={
            **{name: source.dtype for name, source in step.sources.items()},
            **dict.fromkeys(("id", "sample_id", "parent_id"), pl.String()),
        },
    )
    return list(step.type.asks.requests(rows, step.config))


def _value(dtype: pl.DataType, name: str) -> object:
    if name == "media":
        return [{"kind": "image", "sha256": "ab" * 32, "width": 4, "height": 4}]
    return f"the {name}" if dtype == pl.String else None


@pytest.mark.parametrize("steps", STEPS.values(), ids=list(STEPS))
def test_a_recipe_with_presets_written_out_is_the_same_pipeline_and_asks_the_same(tmp_path: Path, steps: str) -> None:
    before = compiled(tmp_path, HEAD + steps)
    text = dump_document(expanded(before.document, before.pipeline))
    after = compiled(tmp_path, text)
    assert [contract(step) for step in after.pipeline.steps] == [contract(step) for step in before.pipeline.steps]
    asked = [prompts(step) for step in before.pipeline.steps]
    assert any(asked) or "phrases" in steps
    assert [prompts(step) for step in after.pipeline.steps] == asked
    assert dump_document(expanded(after.document, after.pipeline)) == text, "what is written out stays as it is"


@pytest.mark.parametrize("name", ["distill", "rollout", "critique", "label"])
def test_a_preset_that_only_asks_is_an_ask(tmp_path: Path, name: str) -> None:
    before = compiled(tmp_path, HEAD + STEPS[name])
    text = dump_document(expanded(before.document, before.pipeline))
    assert f"- {name}:" not in text
    assert "- ask:" in text


@pytest.mark.parametrize("name", ["caption", "judge", "rewrite"])
def test_a_preset_that_does_more_says_all_that_it_asks(tmp_path: Path, name: str) -> None:
    before = compiled(tmp_path, HEAD + STEPS[name])
    found = {step.name: step for step in expanded(before.document, before.pipeline).steps}[name]
    assert found.type == name
    assert "prompt" in found.section
    step = before.pipeline.step(name)
    assert step.type.adds(step.config)
