"""A context of 32,768 tokens: what fits is answered, what does not is refused by itself."""

from collections.abc import Callable
from typing import Any

import pytest
from thinking_model import ANSWER

from generators.engines.vllm.engine import VllmEngine
from schemas.completion import Request
from schemas.errors import PermanentEngineError

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

Ask = Callable[..., Request]
CIRCLE = "a small red circle. "
TOKENS = 13
"""Of `CIRCLE`, in the words of the thinking model."""


def test_a_prompt_that_fills_the_context_is_answered_and_found_again(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    text = CIRCLE * (32_600 // TOKENS)
    before = thinker.cache_use()
    (first,) = run(thinker.complete(ask(text, temperature=0, max_tokens=8), [0]))
    assert first.prompt_tokens > 32_500
    assert first.completion_tokens == 8
    once = thinker.cache_use().since(before)
    (again,) = run(thinker.complete(ask(text, temperature=0, max_tokens=8), [0]))
    twice = thinker.cache_use().since(before)
    assert again == first
    assert (once.prompt_tokens, twice.prompt_tokens) == (first.prompt_tokens, 2 * first.prompt_tokens)
    assert twice.cached_tokens - once.cached_tokens > 32_000


def test_a_reply_ends_where_the_context_does(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    text = CIRCLE * (32_740 // TOKENS)
    (one,) = run(thinker.complete(ask(text, temperature=0, max_tokens=64), [0]))
    assert one.prompt_tokens + one.completion_tokens <= 32_768
    assert one.finish_reason == "length" or one.text == ANSWER


def test_a_prompt_that_is_too_long_is_refused_and_the_engine_goes_on(thinker: VllmEngine, run: Any, ask: Ask) -> None:
    with pytest.raises(PermanentEngineError, match="32768"):
        run(thinker.complete(ask(CIRCLE * (40_000 // TOKENS), max_tokens=8), [0]))
    (fine,) = run(thinker.complete(ask("What is 2 + 2?", temperature=0, max_tokens=100), [0]))
    assert fine.text == ANSWER
