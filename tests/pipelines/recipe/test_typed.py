# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Sections as typed configurations: every mistake of every step at once, each with its line and the nearest name."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from pydantic import Field, model_validator

from pipelines.recipe.document import Document
from pipelines.recipe.typed import typed_steps
from schemas.completion import Sampling
from schemas.errors import ConfigError
from schemas.section import Section
from schemas.step import Asks, Gives, Out, Reads, StepConfig, StepType

Load = Callable[..., Document]


class Part(Section):
    kind: Literal["whole", "half"] = "whole"


class AskConfig(StepConfig):
    model: str | tuple[str, ...]
    n: int = 1
    sampling: Sampling = Sampling()
    parts: dict[str, Part] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _needs(self) -> "AskConfig":
        if self.n == 13:
            raise ValueError("13 is no number of replies.")
        return self


def step_type(name: str, config: type[StepConfig], asks: Asks[Any] | None = None) -> StepType[Any]:
    return StepType(
        name,
        name,
        1,
        config,
        lambda c, known: Reads(),
        lambda c, known: Gives(),
        lambda tables, c, context: Out(),
        asks=asks,
    )


def asked(config: AskConfig) -> tuple[str, ...]:
    return (config.model,) if isinstance(config.model, str) else config.model


CATALOGUE = {
    "ask": step_type("ask", AskConfig, Asks(models=asked, requests=lambda rows, config: iter(()))),
    "quality": step_type("quality", StepConfig),
    "judge": step_type("judge", StepConfig),
}


def test_every_entry_gets_its_type_and_its_configuration(load: Load) -> None:
    steps = typed_steps(
        load("- ask: {as: seen, model: [vlm], n: 2, where: k > 0}\n- quality\n- judge: {of: [seen, a]}"), CATALOGUE
    )
    assert [(step.entry.name, step.type.name) for step in steps] == [
        ("seen", "ask"),
        ("quality", "quality"),
        ("judge", "judge"),
    ]
    first = steps[0].config
    assert isinstance(first, AskConfig)
    assert (first.as_, first.of, first.where, first.model, first.n) == ("seen", None, "k > 0", ("vlm",), 2)
    assert steps[2].config.of == ("seen", "a")


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        ("- qualty", "r.yaml:5: there is no step type 'qualty'. Did you mean 'quality'?"),
        ("- xyz: {n: 3}", "r.yaml:5: there is no step type 'xyz'. Step types: ask, judge, quality."),
        ("- Quality", "r.yaml:5: there is no step type 'Quality'. Did you mean 'quality'?"),
        ("- ask:\n    model: vlm\n    nn: 3", "r.yaml:7: unknown key 'steps.ask.nn'. Did you mean 'n'?"),
        ("- ask:\n    model: vlm\n    wher: k", "r.yaml:7: unknown key 'steps.ask.wher'. Did you mean 'where'?"),
        ("- ask:\n    model: vlm\n    ass: k", "r.yaml:7: unknown key 'steps.ask.ass'. Did you mean 'as'?"),
        ("- ask:\n    model: vlm\n    as_: k", "r.yaml:7: unknown key 'steps.ask.as_'. Did you mean 'as'?"),
        ("- ask: {as: seen, n: 2}", "r.yaml:5: 'steps.seen.model' is missing."),
        ("- ask", "r.yaml:5: 'steps.ask.model' is missing."),
        ("- ask: {model: vlm, n: many}", "r.yaml:5: 'steps.ask.n': input should be a valid integer (given: 'many')."),
        ("- ask: {model: vlm, n: 1e3x}", "r.yaml:5: 'steps.ask.n': input should be a valid integer (given: '1e3x')."),
        ("- ask:\n    model: vlm\n    sampling:\n      temprature: 1", "r.yaml:8: unknown key 'steps.ask.sampling.temprature'. Did you mean 'temperature'?"),
        ("- ask:\n    model: vlm\n    parts: {a: {kind: hal}}", "r.yaml:7: 'steps.ask.parts.a.kind' has no choice 'hal'. Did you mean 'half'? Choices: whole, half."),
        ("- verify: {of: 3}\n- quality: {of: 3}", "r.yaml:5: there is no step type 'verify'. Step types: ask, judge, quality.\nr.yaml:6: 'steps.quality.of': input should be a valid string or write it as a list, [one, two] (given: 3)."),
        ("- ask: {model: vlm, n: 13}", "r.yaml:5: steps.ask: 13 is no number of replies."),
        ("- ask:\n    as: seen\n    model: [vlm, vlmm]", "r.yaml:7: steps.seen.model: no model named 'vlmm'. Did you mean 'vlm'?"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(load: Load, tmp_path: Any, steps: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        typed_steps(load(steps), CATALOGUE)
    assert str(caught.value).replace(f"{tmp_path}/", "") == sentence


def test_a_mistake_of_the_command_line_names_the_option(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"^--set steps\.ask\.nn=3: unknown key 'steps\.ask\.nn'\. Did you mean 'n'\?$"
    ):
        typed_steps(load("- ask: {model: vlm}", "steps.ask.nn=3"), CATALOGUE)


def test_the_mistakes_of_all_steps_are_reported_at_once(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        typed_steps(load("- ask: {n: 0x, q: 1}\n- qualty\n- judge\n- ask: {as: b, model: no}"), CATALOGUE)
    assert [line.rpartition("r.yaml:")[2][0] for line in str(caught.value).split("\n")] == ["5", "5", "5", "6", "8"]
