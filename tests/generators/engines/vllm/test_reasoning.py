"""With a reasoning parser, thoughts are apart from the answer, by vLLM's own code."""

from collections.abc import Callable
from typing import Any

import pytest
from thinking_model import ANSWER, THOUGHTS
from vllm_args import vllm_args

from generators.embedded import reference_folder
from generators.engines.vllm.engine import VllmEngine
from generators.engines.vllm.reasoning import ReasoningParser
from schemas.completion import Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

Ask = Callable[..., Request]
QUESTION = "How many shapes are there?"


def test_thoughts_are_in_a_field_of_their_own(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    (one,) = run(thinker.complete(ask(QUESTION, temperature=0, max_tokens=100), [0]))
    assert (one.reasoning, one.text, one.finish_reason) == (THOUGHTS, ANSWER, "stop")
    assert one.completion_tokens is not None
    assert one.completion_tokens > len(THOUGHTS.split())


def test_samples_are_split_one_by_one(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    done = run(thinker.complete(ask(QUESTION, temperature=0.3, max_tokens=100, seed=1), range(4)))
    assert [(c.reasoning, c.text) for c in done].count((THOUGHTS, ANSWER)) >= 3


def test_thoughts_that_are_cut_off_are_thoughts_and_no_answer(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    (one,) = run(thinker.complete(ask(QUESTION, temperature=0, max_tokens=12), [0]))
    assert (one.text, one.finish_reason, one.completion_tokens) == ("", "length", 12)
    assert one.reasoning
    assert THOUGHTS.startswith(one.reasoning)


def test_behind_a_prefix_that_ends_the_thoughts_all_is_content(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    asked = ask(QUESTION, temperature=0, max_tokens=100, prefix=f"<think>{THOUGHTS}</think>")
    (one,) = run(thinker.complete(asked, [0]))
    assert (one.reasoning, one.text) == (None, ANSWER)
    (one,) = run(thinker.complete(ask(QUESTION, temperature=0, max_tokens=100, prefix="<think>There is"), [0]))
    assert one.text == ANSWER
    assert one.reasoning
    assert THOUGHTS.endswith(one.reasoning)


@pytest.mark.parametrize("name", ["deepseek_r1", "qwen3"])
def test_parsers_of_vllm_agree_on_what_is_a_thought(name: str) -> None:
    from transformers import AutoTokenizer

    parser = ReasoningParser(name, AutoTokenizer.from_pretrained(reference_folder()), {})
    assert parser.split("<think>It is red.</think>red", "") == ("red", "It is red.")
    assert parser.split("It is red.</think>red", "") == ("red", "It is red.")
    assert parser.split("<think>It is r", "") == ("", "It is r")
    assert parser.split("red", "<think></think>") == ("red", None)


def test_a_parser_that_is_none_is_named(media: Any, run: Any) -> None:
    args = vllm_args(reasoning_parser="deepsek_r1")
    engine = VllmEngine(ModelConfig(model="reference-vlm", engine="vllm", args=args), media)
    with pytest.raises(ConfigError, match=r"no reasoning parser 'deepsek_r1'.* Did you mean 'deepseek_r1'"):
        run(engine.start())
