"""A demo has the recipe's own steps: models, sources and the length of replies are what it changes."""

import json
import re
from pathlib import Path

import pytest

from pipelines.job import Compiled, compile_recipe
from pipelines.sources.tasks import TasksSource
from schemas.errors import ConfigError

RECIPE = """\
name: seen
models:
  looks: {model: big/looker, thinking: true}
  reads: {model: big/reader}
driver: {max_error_rate: 0.5}
sources:
  - {type: huggingface, name: charts, path: big/charts, schema: chartqa, limit: 9}
  - {type: jsonl, name: own, path: own.jsonl, select: "SELECT q AS question, a AS answer, image FROM raw", kind: choice}
  - {type: release, name: before, path: earlier@v2, columns: {solution: str}}
  - {type: scenes, name: scenes, n: 500}
steps:
  - caption: {model: looks, sampling: {temperature: 0.2, max_tokens: 2048}}
  - distill: {model: reads, sees: nothing, prompt: "{{ caption }} {{ question }}", n: 3, sampling: {max_tokens: 4096}}
  - judge: {model: reads, sampling: {max_tokens: 4}}
  - count_tokens: {column: [question, text], tokenizer: {model: big/trained, revision: v2}}
  - drop: {as: gate, of: trace, if: {too_long: count_tokens > 4096}}
  - drop: {of: trace, if: {wrong: "judge = 'no'"}}
  - dedup: {near: {}, text: {model: big/texts}, image: {model: big/images}}
  - decontaminate: {against: [MathVista], sources: [{type: jsonl, name: mine, path: x.jsonl}]}
  - release: {sft: {of: trace, columns: [caption]}}
"""

SIDECAR = """\
seed: 7
sources:
  own: {task: choice, n: 5, raw: "SELECT question AS q, letter AS a, image FROM task", spoiled: {duplicates: 1}}
tokens: {caption: 40, judge: 8}
"""


def demo(folder: Path, *overrides: str, sidecar: str = SIDECAR, recipe: str = RECIPE) -> Compiled:
    (folder / "seen.yaml").write_text(recipe)
    (folder / "seen.demo.yaml").write_text(sidecar)
    return compile_recipe(str(folder / "seen.yaml"), overrides, demo=True)


def test_models_go_by_what_the_steps_send_them(tmp_path: Path) -> None:
    models = demo(tmp_path).document.models
    assert {name: (model.model, model.engine, model.thinking) for name, model in models.items()} == {
        "looks": ("reference-vlm", "transformers", None),
        "reads": ("smollm2-135m-instruct", "transformers", None),
    }


def test_steps_n_and_temperatures_stay_and_replies_are_short(tmp_path: Path) -> None:
    made = demo(tmp_path)
    published = compile_recipe(str(tmp_path / "seen.yaml"))
    assert [step.name for step in made.pipeline.steps] == [step.name for step in published.pipeline.steps]
    sampling = {name: made.pipeline.step(name).config.sampling for name in ("caption", "distill", "judge")}
    assert {name: found.max_tokens for name, found in sampling.items()} == {"caption": 40, "distill": 16, "judge": 4}
    for name, found in sampling.items():
        own = published.pipeline.step(name).config
        assert found.temperature == own.sampling.temperature
        assert found.seed == 7
        assert made.pipeline.step(name).config.model_copy(update={"sampling": own.sampling}) == own


def test_sources_keep_how_they_are_read(tmp_path: Path) -> None:
    charts, own, before, scenes = demo(tmp_path).document.sources
    assert isinstance(charts, TasksSource)
    assert (charts.name, charts.schema, charts.task, charts.n, charts.seed, charts.limit) == (
        "charts", "chartqa", "text", 12, 7, None,
    )  # fmt: skip
    assert isinstance(own, TasksSource)
    assert (own.select, own.kind, own.n) == ("SELECT q AS question, a AS answer, image FROM raw", "choice", 5)
    assert (before.type, getattr(before, "path", ""), before.columns) == (
        "release",
        "earlier.demo@v2",
        {"solution": "str"},
    )
    assert (scenes.type, scenes.limit) == ("scenes", 12)


def test_encoders_and_evaluation_sets_come_with_curate(tmp_path: Path) -> None:
    pipeline = demo(tmp_path).pipeline
    dedup, sets = pipeline.step("dedup").config, pipeline.step("decontaminate").config
    assert (dedup.text.model, dedup.image.model) == ("all-minilm-l6-v2", "reference-vlm")
    assert sets.against == ()
    assert [(source.type, source.name) for source in sets.sources] == [("tasks", "MathVista"), ("tasks", "mine")]


def test_it_has_a_name_of_its_own_and_says_what_stands_for_what(tmp_path: Path) -> None:
    document = demo(tmp_path).document
    assert document.name == "seen.demo"
    assert (document.driver.max_error_rate, document.driver.workers) == (0.5, 1)
    said = json.loads(json.dumps(document.to_json()))["demo"]
    assert said["models"]["looks"] == ["big/looker", "reference-vlm"]
    assert said["sources"]["own"] == ["own.jsonl", "5 rows of the procedural task choice"]
    assert said["sources"]["before"] == ["earlier@v2", "release earlier.demo@v2"]
    assert "demo" not in compile_recipe(str(tmp_path / "seen.yaml")).document.to_json()


def test_a_gate_by_length_may_be_lower_and_nothing_else_is_another(tmp_path: Path) -> None:
    gated = RECIPE.replace("{wrong: \"judge = 'no'\"}", "{wrong: \"judge = 'no'\", short: length(text) < 400}")
    made = demo(tmp_path, recipe=gated, sidecar=f"{SIDECAR}lengths: {{drop.short: length(text) < 4}}\n")
    assert made.pipeline.step("drop").config.if_ == {"wrong": "judge = 'no'", "short": "length(text) < 4"}
    for lengths, words in (
        ("drop.short: length(text) > 4", "a demo changes numbers only; the condition is `length"),
        ("drop.wrong: judge = 'yes'", "write the step and the cause"),
        ("caption.n: '1'", "write the step and the cause"),
    ):
        with pytest.raises(ConfigError, match=words):
            demo(tmp_path, recipe=gated, sidecar=f"{SIDECAR}lengths: {{{lengths}}}\n")


def test_a_temperature_may_be_higher(tmp_path: Path) -> None:
    made = demo(tmp_path, sidecar=f"{SIDECAR}temperatures: {{judge: 1.5}}\n")
    sampling = {name: made.pipeline.step(name).config.sampling.temperature for name in ("caption", "judge")}
    assert sampling == {"caption": 0.2, "judge": 1.5}
    assert made.document.to_json()["demo"]["replies"] == {"judge": "temperature 1.5"}
    for given, words in (
        ("caption: 0.2", "'temperatures.caption': a demo raises temperatures only, and the recipe's is 0.2."),
        ("judge: 11", "'temperatures.judge': "),
        ("dedup: 1", "'temperatures.dedup': the recipe has no step that asks a model 'dedup'."),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            demo(tmp_path, sidecar=f"{SIDECAR}temperatures: {{{given}}}\n")


def test_sections_of_replies_may_be_held_to_a_form(tmp_path: Path) -> None:
    tagged = RECIPE.replace("n: 3, sampling", "n: 3, reply: {tags: think_answer}, sampling")
    made = demo(tmp_path, recipe=tagged, sidecar=f"{SIDECAR}constrain: {{distill: {{answer: '[AB]'}}}}\n")
    assert made.pipeline.step("distill").config.constrain == {"answer": "[AB]"}
    assert made.document.to_json()["demo"]["replies"] == {"distill": "answer held to [AB]"}
    for given, words in (
        ("distill: {final: A}", "'constrain.distill': 'think_answer' has no section 'final', but think, answer."),
        ("distill: {answer: '['}", "'constrain.distill': '[' of the section 'answer' is no regular expression"),
        ("distill: {}", "'constrain.distill': name a section of think_answer"),
        (
            "judge: {answer: A}",
            "'constrain.judge': its replies have no sections: they are a choice, a score or fields.",
        ),
        ("drop: {answer: A}", "'constrain.drop': the recipe has no step that asks a model 'drop'."),
    ):
        with pytest.raises(ConfigError, match=re.escape(words)):
            demo(tmp_path, recipe=tagged, sidecar=f"{SIDECAR}constrain: {{{given}}}\n")


def test_what_models_this_small_never_come_to_may_be_empty(tmp_path: Path) -> None:
    made = demo(tmp_path, sidecar=f"{SIDECAR}empty: [sft]\n")
    assert made.pipeline.step("release").config.allow_empty == ("sft",)
    assert demo(tmp_path).pipeline.step("release").config.allow_empty == ()


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    made = demo(tmp_path, "steps.distill.n=1", "sources.own.n=2", "models.reads.model=other/model")
    assert made.pipeline.step("distill").config.n == 1
    assert getattr(made.document.sources[1], "n", None) == 2
    assert made.document.models["reads"].model == "other/model"
    assert made.document.name == "seen.demo"


@pytest.mark.parametrize(
    ("sidecar", "sentence"),
    [
        ("sources:\n  chart: {task: text}\n", ":2: 'sources.chart': the recipe has no source 'chart'. Did you mean"),
        ("seed: 1\ntokens: {dedup: 3}\n", ":2: 'tokens.dedup': the recipe has no step that asks a model 'dedup'."),
        ("empty: [stf]\n", ":1: 'empty.0': the recipe has no config 'stf'. Did you mean 'sft'?"),
        ("expect:\n  drops:\n    - drops\n", ":3: 'expect.drops.0': the recipe has no step 'drops'. Did you mean 'drop'?"),
        ("expect:\n  rows:\n    sfz: 1\n", ":3: 'expect.rows.sfz': the recipe has no config 'sfz'. Did you mean 'sft'?"),
        ("evaluation_sets: {MMMU: {task: text}}\n", ":1: 'evaluation_sets.MMMU': the recipe has no evaluation set 'MMMU'."),
        ("after: [virgo, virgoo]\n", ":1: 'after.1': There is no recipe 'virgoo'. Did you mean 'virgo'?"),
        ("seed: 1\n", ": 'sources.own': its SELECT is the recipe's own, so say which columns it reads: `raw: SELECT"),
    ],
)  # fmt: skip
def test_what_the_recipe_does_not_have_is_refused(sidecar: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        demo(tmp_path, sidecar=sidecar)
    assert str(error.value).startswith(f"{tmp_path / 'seen.demo.yaml'}{sentence}")


def test_a_recipe_is_not_named_as_a_demo(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'name': .demo ends the names of builds with --demo; choose another name"):
        demo(tmp_path, recipe=RECIPE.replace("name: seen", "name: seen.demo"))


def test_a_tokenizer_becomes_the_embedded_one(tmp_path: Path) -> None:
    config = demo(tmp_path).pipeline.step("count_tokens").config
    assert (config.tokenizer.model, config.tokenizer.revision) == ("reference-vlm", None)
