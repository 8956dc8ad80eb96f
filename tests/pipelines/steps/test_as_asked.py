"""The section of `ask` that rows were asked by, whatever preset asked it."""

from pathlib import Path

import pytest
from step_types import TYPES, pipeline

from filters import segment
from generators.presets import distill
from pipelines.compiler.compile import Before
from pipelines.faults import check_steps, notes
from pipelines.job import compile_recipe
from pipelines.steps.as_asked import ask_of, asked_by, makers_above
from pipelines.steps.release_plan import plan
from pipelines.steps.release_prompts import Put
from pipelines.steps.release_words import asking


@pytest.fixture(autouse=True)
def _types(monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (distill.STEP, segment.STEP):
        monkeypatch.setitem(TYPES, step.name, step)


TRACES = ("distill", {"model": "vlm", "prompt": "Think. {{ question }}"})


def test_the_section_of_a_preset_is_one_of_ask() -> None:
    name, section = asked_by({"distill"}, pipeline(TRACES).steps)
    assert (name, section.prompt, section.makes) == ("distill", "Think. {{ question }}", "trace")


def test_segments_were_made_of_what_the_step_above_made() -> None:
    steps = pipeline(TRACES, ("segment", {})).steps
    assert makers_above({"segment"}, steps) == {"distill"}
    assert makers_above({"distill"}, steps) == {"ingest"}


@pytest.mark.parametrize("makers", [set(), {"distill", "more"}, {"ingest"}])
def test_rows_without_one_prompt_are_a_sentence(makers: set[str]) -> None:
    with pytest.raises(ValueError, match="write"):
        asked_by(makers, pipeline(TRACES, ("distill", {**TRACES[1], "as": "more"})).steps)


OWN = '''"""An asking step whose section is none of `ask`."""
from dataclasses import replace

from generators.presets import distill
from schemas.step import Asks, StepConfig

SECTION = distill.DistillConfig(model="m", sees="nothing", prompt="Own words: {{ question }}")


class Config(StepConfig):
    model: str


STEP = replace(
    distill.STEP,
    name="own",
    config=Config,
    expand=None,
    reads=lambda config, known: distill.STEP.reads(SECTION, known),
    gives=lambda config, known: distill.STEP.gives(SECTION, known),
    asks=Asks(models=lambda config: (config.model,), requests=lambda rows, config: iter(())),
)
'''

RECIPE = """\
name: own
uses: [own.py]
models: {m: {model: smollm2-135m-instruct}}
sources: [{type: jsonl, name: sums, path: sums.jsonl, kind: number}]
steps:
  - own: {model: m}
  - verify: {tags: think_answer}
  - difficulty: {of: own}
  - release: {sft: {of: trace}, rl: {of: sample}}
"""


def test_replies_that_own_code_asked_for_are_released_as_those_of_a_source(tmp_path: Path) -> None:
    """What such code asked is not in its section, so prompts are the bare question, and nothing is noted of its words."""
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "own.yaml").write_text(RECIPE)
    compiled = compile_recipe(str(tmp_path / "own.yaml"), trust=True)
    check_steps(compiled)
    assert notes(compiled) == []
    own, release = compiled.pipeline.step("own"), compiled.pipeline.steps[-1]
    before = Before(compiled.pipeline.names, compiled.pipeline.before(release))
    sft, rl = plan(release.config, before)
    assert ask_of(own) is None and (sft.put, rl.put) == (Put(), Put())
    assert asking(compiled.pipeline.step("difficulty"), before.steps) is None
    with pytest.raises(ValueError, match="'own', which made the rows, asks in code of its own"):
        asked_by(["own"], before.steps)
