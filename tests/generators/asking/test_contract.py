"""What steps that ask read and give, as the compiler sees it."""

from typing import Any

import polars as pl
import pytest

from generators.ask import STEP
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline
from pipelines.steps.ingest import INGEST
from schemas.errors import ConfigError
from schemas.reply_row import REPLY
from schemas.step import StepConfig


def pipeline(*sections: dict[str, Any]) -> Pipeline:
    entries = [Entry("ingest", INGEST, StepConfig(), "recipe.yaml:1")]
    for place, section in enumerate(sections, 2):
        config = STEP.config.model_validate({"model": "m", **section})
        entries.append(Entry(config.as_ or "ask", STEP, config, f"recipe.yaml:{place}"))
    return compile_steps(entries)


def test_a_question_is_read_with_its_options_and_its_images() -> None:
    step = pipeline({"prompt": "{{ question }}", "sees": "nothing"}).step("ask")
    assert set(step.sources) == {"question", "options", "media"}
    assert set(pipeline({"prompt": "Which?", "sees": "nothing"}).step("ask").sources) == set()
    assert set(pipeline({"prompt": "Which?"}).step("ask").sources) == {"media"}
    assert set(pipeline({"prompt": "{{ options }}", "sees": "nothing"}).step("ask").sources) == {"options"}


def test_all_templates_are_read() -> None:
    first = {"as": "seen", "prompt": "Describe."}
    second = {
        "as": "b",
        "system": "{{ lang }}",
        "prompt": "{{ seen }}",
        "prefix": "{{ ingest.question }}",
        "sees": "nothing",
    }
    step = pipeline(first, second).step("b")
    assert set(step.sources) == {"lang", "seen", "ingest.question"}
    with pytest.raises(ConfigError, match=r"recipe.yaml:3: b: .*reads `sean`.*Did you mean 'seen'"):
        pipeline(first, second | {"prompt": "{{ sean }}"})


def test_a_column_of_images_must_be_one() -> None:
    with pytest.raises(ConfigError, match=r"`question` is String, and it reads List"):
        pipeline({"prompt": "Which?", "sees": "question"})


def test_columns_go_to_the_rows_and_rows_have_those_of_every_reply() -> None:
    given = pipeline({"as": "kind_of", "prompt": "Which?", "reply": {"choice": ["a", "b"]}}).step("kind_of")
    assert (dict(given.gives), given.makes) == ({"kind_of": pl.String()}, None)
    made = pipeline({"as": "seen", "prompt": "Describe.", "n": 8, "makes": "description"}).step("seen")
    assert (dict(made.gives), made.makes) == ({**REPLY, "seen": pl.String()}, "description")


def test_a_prompt_that_shows_the_gold_marks_what_it_makes_and_the_kind_of_a_gold_does_not() -> None:
    made = {"as": "t", "prompt": "{{ question }}", "makes": "trace"}
    assert not pipeline(made).step("t").gold_visible
    assert pipeline(made | {"prompt": "{{ question }} {{ answer }}"}).step("t").gold_visible
    leads = {"as": "hint", "prompt": "{{ answer }}"}
    assert pipeline(leads, made | {"prompt": "{{ hint }}"}).step("t").gold_visible


def test_gives_replaces_a_column_that_the_prompt_does_not_read() -> None:
    first = {"as": "one", "prompt": "Which?", "where": "kind = 'text'"}
    second = {"as": "two", "prompt": "What?", "where": "kind <> 'text'", "gives": {"one": "text"}}
    step = pipeline(first, second, {"as": "three", "prompt": "{{ one }}", "sees": "nothing"}).step("three")
    assert [c.step for c in step.sources["one"].columns] == ["one", "two"]
