# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""`--set`: steps, sources and models are addressed by name; a wrong name or value is one sentence that names the option."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.recipe.document import Document

Load = Callable[..., Document]
Refusal = Callable[..., str]

STEPS = "- distill: {model: vlm, n: 2, shots: [{q: a}, {q: b}]}\n- distill: {as: second, n: 3}\n- quality\n"


def test_a_step_is_set_by_its_name(load: Load) -> None:
    document = load(
        STEPS,
        "steps.distill.n=4",
        "steps.distill.shots.1.q=yes",
        "steps.distill.sampling.temperature=1e-1",
        "steps.second.prompt='{{ question }}'",
        "steps.quality={max_words: 5}",
    )
    first, second, quality = document.steps
    assert first.section == {
        "model": "vlm", "n": 4, "shots": [{"q": "a"}, {"q": "yes"}], "sampling": {"temperature": 0.1},
    }  # fmt: skip
    assert second.section == {"as": "second", "n": 3, "prompt": "{{ question }}"}
    assert quality.section == {"max_words": 5}
    assert document.places[("steps", "distill", "n")] == "--set steps.distill.n=4"
    assert document.places[("steps", "distill", "sampling")] == "--set steps.distill.sampling.temperature=1e-1"
    assert document.places[("steps", "quality", "max_words")] == "--set steps.quality={max_words: 5}"


def test_a_whole_section_keeps_the_step_s_name(load: Load) -> None:
    step = load(STEPS, "steps.second={n: 9}").steps[1]
    assert (step.name, step.section) == ("second", {"as": "second", "n": 9})
    assert load(STEPS, "steps.distill=null").steps[0].section == {}


def test_the_head_is_set_by_its_keys(load: Load) -> None:
    document = load(
        STEPS, "models.vlm.concurrency=2", "models.new={model: other}", "sources.drawn.levels=[3]", "seed=4"
    )
    assert document.models["vlm"].concurrency == 2
    assert document.models["new"].model == "other"
    assert document.sources[0].levels == (3,)  # type: ignore[union-attr]
    assert document.seed == 4


def test_a_source_without_a_name_has_that_of_its_type(load: Load) -> None:
    text = f"name: t\nsources: [{{type: scenes, name: a}}, {{type: easy_vqa}}]\nsteps:\n{STEPS}"
    assert load(text, "sources.easy_vqa.limit=5", whole=True).sources[1].limit == 5


def test_later_options_win_and_places_follow(load: Load, refusal: Refusal) -> None:
    assert load(STEPS, "steps.distill.n=4", "steps.distill.n=5").steps[0].section["n"] == 5
    assert refusal(STEPS, "seed={a: 1}", "seed=x").startswith("--set seed=x: 'seed': input should be a valid integer")


def test_a_file_named_on_the_command_line_is_the_user_s_own_word(load: Load, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "p.j2").write_text("Look: {{ question }}")
    document = load(STEPS, f"steps.distill.prompt={{file: {elsewhere / 'p.j2'}}}")
    assert document.steps[0].section["prompt"] == "Look: {{ question }}"
    assert list(document.files) == [elsewhere / "p.j2"]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("steps.distil.n=4", "--set steps.distil.n=4: there is no step named 'distil'. Did you mean 'distill'?"),
        ("steps.xyz.n=4", "--set steps.xyz.n=4: there is no step named 'xyz'. There are: distill, second, quality."),
        ("steps.0.n=4", "--set steps.0.n=4: there is no step named '0'. There are: distill, second, quality."),
        ("steps.-1.n=4", "--set steps.-1.n=4: there is no step named '-1'. There are: distill, second, quality."),
        ("steps=[]", "--set steps=[]: steps are set one by one, by name: steps.NAME.key."),
        ("steps.second.as=x", "--set steps.second.as=x: a step keeps its name; `as` cannot be set."),
        ("steps.second={as: x}", "--set steps.second={as: x}: a step keeps its name; `as` cannot be set."),
        ("steps.second=3", "--set steps.second=3: 'steps.second': write it as a mapping, {key: value} (given: 3)."),
        ("steps.distill.n.x=3", "--set steps.distill.n.x=3: there is nothing at 'x'; 'steps.distill.n' is 2."),
        ("steps.distill.shots.2.q=3", "--set steps.distill.shots.2.q=3: there is nothing at '2'; 'steps.distill.shots' has 2 items."),
        ("sources.drwn.n=3", "--set sources.drwn.n=3: there is no source named 'drwn'. Did you mean 'drawn'?"),
        ("sources.0.n=3", "--set sources.0.n=3: there is no source named '0'. There are: drawn."),
        ("models.vlmm.revision=3", "--set models.vlmm.revision=3: there is no model named 'vlmm'. Did you mean 'vlm'?"),
        ("step.distill.n=3", "--set step.distill.n=3: unknown key 'step'. Did you mean 'steps'?"),
        ("distill.n=3", "--set distill.n=3: a step's values are set by its name: steps.distill.n."),
        ("rollouts.n=3", "--set rollouts.n=3: a step's values are set by its name: steps.NAME.n. There are: distill, second, quality."),
        ("uses=[a.py]", "--set uses=[a.py]: `uses` is set in the recipe only."),
        ("steps.distill.n", "--set steps.distill.n: write it as key=value, for example --set steps.distill.n=4."),
        ("=4", "--set =4: write it as key=value, for example --set steps.distill.n=4."),
        ("seed=[", "--set seed=[: not valid YAML: expected the node content, but found '<stream end>'."),
        ("seed={a: 1, a: 2}", "--set seed={a: 1, a: 2}: 'a' is given twice, first at --set seed={a: 1, a: 2}."),
        ("seed=!!int 3", "--set seed=!!int 3: the tag !!int is not read; a recipe holds plain values only."),
        ("steps.distill.prompt={{ q }}", '--set steps.distill.prompt={{ q }}: bare {{ q }} is a mapping to YAML; put the whole text in quotes: "{{ q }}".'),
        ("steps.distill.prompt={file: no.j2}", "--set steps.distill.prompt={file: no.j2}: prompt.file: 'no.j2' cannot be read: no such file or directory."),
        ("models.vlm.revision=3", "--set models.vlm.revision=3: 'models.vlm.revision': input should be a valid string (given: 3)."),
    ],
)  # fmt: skip
def test_a_bad_option_is_one_sentence(refusal: Refusal, option: str, sentence: str) -> None:
    assert refusal(STEPS, option) == sentence
