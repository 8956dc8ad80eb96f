"""What a compiled recipe tells of itself: each mistake with its line, before a model is looked for."""

import re
from pathlib import Path

import pytest

from filters.verify.graders import GRADERS
from filters.verify.round_trip import GRADED_KINDS, misread
from pipelines.faults import check_steps, notes
from pipelines.job import Compiled, compile_recipe
from schemas.errors import ConfigError
from schemas.tags import TAG_SCHEMAS

RECIPE = """\
name: checked
models:
  vlm: {model: reference-vlm}
  reasoner: {model: smollm2-135m-instruct}
sources:
  - {type: scenes, n: 4}
steps:
  - caption: {model: vlm}
  - distill: {model: reasoner, sees: nothing, prompt: "{{ caption }} {{ question }}"}
  - verify
  - ask: {as: topic, model: reasoner, sees: nothing, prompt: "{{ caption }}", reply: {choice: [shapes, other]}}
  - rollout: {model: vlm, n: 4}
  - verify: {as: scored, of: rollout}
  - difficulty
  - dedup: {text: {model: all-minilm-l6-v2}, image: {model: reference-vlm}}
  - select: {rule: variance}
  - release: {sft: {of: trace, columns: [topic]}, rl: {of: sample}}
"""

SERVER = 'models.server={model: some/llm, engine: openai, base_urls: ["http://localhost:1/v1"]}'


def compiled(folder: Path, *overrides: str) -> Compiled:
    (folder / "r.yaml").write_text(RECIPE)
    return compile_recipe(str(folder / "r.yaml"), overrides)


def refused(folder: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        check_steps(compiled(folder, *overrides))
    return str(caught.value)


def test_a_recipe_without_a_mistake_passes_and_has_nothing_to_note(tmp_path: Path) -> None:
    recipe = compiled(tmp_path)
    check_steps(recipe)
    assert notes(recipe) == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("steps.caption.model=reasoner", "r.yaml:8: caption: every row has images, and 'reasoner' reads text only"),
        ("steps.rollout.model=[vlm, reasoner]", "r.yaml:12: rollout: every row has images, and 'reasoner' reads text"),
        ("steps.topic.sees=media", "r.yaml:11: topic: every row has images, and 'reasoner' reads text only"),
        (
            "steps.distill.prompt='{{ question }}'",
            "r.yaml:9: distill: every row has images, and a model that sees nothing has to read of them",
        ),
        ("steps.dedup.image=null", "r.yaml:15: dedup: the rows of source 'scenes' have images, so `image` is needed"),
        (
            "steps.rollout.n=1",
            "r.yaml:16: select: rule variance lets no number of right replies out of 1 pass, and 'rollout' asks for n: 1",
        ),
        (
            "steps.select={quotas: {shares: {scene: 1}}}",
            "select: `quotas.shares`: no source is named 'scene'; there are scenes. Did you mean 'scenes'?",
        ),
        ("steps.select={quotas: {caps: {photos: 1}}}", "select: `quotas.caps`: no source is named 'photos'; there are"),
        (
            "steps.release={sft: {of: trace}, tags: plain, trainer: trl}",
            "release: trl's own grader reads no choice, number or expression answer in 'sft'",
        ),
        (
            "steps.release={cold: {of: trace}, tags: staged, trainer: verl}",
            "release: verl's own grader reads no choice, number or expression answer in 'cold'",
        ),
        (
            "steps.release={sft: {of: trace}, tags: think_tail_boxed, trainer: easyr1}",
            "easyr1's own grader reads no choice, number or expression answer in 'sft'",
        ),
        (
            "steps.release={sft: {of: trace}, tags: think_answer, trainer: ms_swift}",
            "ms_swift's own grader reads no choice or expression answer in 'sft'",
        ),
    ],
)
def test_what_no_row_could_make_good_is_refused_with_its_line(tmp_path: Path, override: str, sentence: str) -> None:
    assert sentence in refused(tmp_path, override)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(refused(tmp_path, "steps.caption.model=reasoner", "steps.dedup.image=null").splitlines()) == 2


@pytest.mark.parametrize(
    "overrides",
    [
        (
            "sources.scenes={type: jsonl, name: texts, path: texts.jsonl}",
            "steps.caption.model=reasoner",
            "steps.dedup.image=null",
        ),
        ("steps.distill.prompt='{{ question }}'", "steps.distill.sees=media", "steps.distill.model=vlm"),
        (SERVER, "steps.caption.model=server"),
        ("steps.rollout.sees=nothing",),
        ("steps.rollout.n=1", "steps.select.rule=univg_r1"),
        ("steps.select={quotas: {shares: {scenes: 2}, caps: {'*': 1}}}",),
        ("steps.select={quotas: {by: [kind], shares: {photos: 1}}}",),
        ("steps.release={rl: {of: sample}, tags: plain, trainer: trl}",),
        ("steps.release={sft: {of: trace}, tags: plain, trainer: null}",),
    ],
    ids=[
        "rows may have none",
        "it sees them",
        "a server may",
        "a blind student",
        "no window",
        "a source and all others",
        "cells of another column",
        "no completions",
        "no grader",
    ],
)
def test_what_may_well_be_meant_is_let_pass(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    check_steps(compiled(tmp_path, *overrides))


MENDED = """\
name: mended
models: {vlm: {model: reference-vlm}}
sources: [{type: scenes, n: 4}]
steps:
  - distill: {model: vlm, makes: attempt, reply: {tags: plain}}
  - ask: {as: mended, of: attempt, model: vlm, prompt: "{{ question }} {{ final }}?", reply: {fields: {better: str}}}
  - sql: {of: attempt, gives: {final: "coalesce(better, final)"}}
  - verify: {of: attempt}
  - release: {sft: {of: attempt, where: correct}}
"""


def test_a_verifier_of_answers_that_were_mended_says_which_it_reads(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(MENDED)
    with pytest.raises(ConfigError, match=r"r.yaml:8: verify: 'sql' gives `final` anew, and this reads `text`"):
        check_steps(compile_recipe(str(tmp_path / "r.yaml")))
    for meant in ("column=final", "column=text"):
        check_steps(compile_recipe(str(tmp_path / "r.yaml"), [f"steps.verify.{meant}"]))


def test_a_form_that_a_server_is_not_held_to_is_noted(tmp_path: Path) -> None:
    server = compiled(tmp_path, SERVER, "steps.topic.model=server")
    check_steps(server)
    [note] = notes(server)
    assert "r.yaml:11: topic: replies of the model 'some/llm' are held to json, not to choice; add choice to" in note
    assert "read as they come" in note
    for free in ("steps.topic.constrain=false", "models.server.thinking=true", "models.server.structured=[choice]"):
        assert notes(compiled(tmp_path, SERVER, "steps.topic.model=server", free)) == []


@pytest.mark.parametrize(("trainer", "tags"), [("trl", "plain"), ("verl", "staged"), ("easyr1", "think_tail_boxed")])
def test_each_cure_that_a_refused_grader_names_is_one(tmp_path: Path, trainer: str, tags: str) -> None:
    section = f"steps.release={{sft: {{of: trace}}, tags: {tags}, trainer: {trainer}}}"
    [cures] = re.findall(r"set `tags` to one of ([\w, ]+), or `trainer: null`", refused(tmp_path, section))
    for cure in cures.split(", "):
        cured = compiled(tmp_path, section, f"steps.release.tags={cure}")
        check_steps(cured)
        assert not any("own grader" in note for note in notes(cured))


def test_a_grader_that_nobody_named_is_noted(tmp_path: Path) -> None:
    [note] = notes(compiled(tmp_path, "steps.release.tags=plain"))
    assert "it is asked about none of them, and golds alone" in note
    assert notes(compiled(tmp_path, "steps.release.sft.tags=thought_solution")) == []


@pytest.mark.parametrize("tags", TAG_SCHEMAS)
def test_any_layout_of_completions_can_be_put_to_any_grader(tags: str) -> None:
    for trainer in GRADERS:
        assert set(misread(trainer, tags)) <= GRADED_KINDS
