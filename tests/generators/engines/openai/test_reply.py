"""Laws of what is read from servers: whatever a body holds, it costs itself only."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.engines.openai.errors import Asked, no_choices, refusal, words
from generators.engines.openai.reply import cache_use, choices_of, completions
from schemas.completion import completion_fault
from schemas.engine import CacheUse
from schemas.errors import EngineError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
WORDS = """index message content text type thinking reasoning refusal finish_reason logprobs logprob error detail msg loc
code choices usage completion_tokens"""
NAMES = st.sampled_from(WORDS.split()) | st.text(max_size=4)
VALUES = st.sampled_from(["text", "thinking", "stop", "length", "content_filter", "0", "1", 0, 1, 2**31, -1])
JSON = st.recursive(
    SCALARS | VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
CHOICE = st.fixed_dictionaries(
    {"message": st.fixed_dictionaries({"content": JSON}, optional={"refusal": JSON, "reasoning_content": JSON})},
    optional={"index": JSON, "finish_reason": JSON, "logprobs": JSON},
)
ASKED = Asked("https://host/v1", "model", ("sk-secret-key",), "KEY")


def test_what_a_server_found_in_its_cache_is_counted_where_it_says_so() -> None:
    usage = {"prompt_tokens": 11, "prompt_tokens_details": {"cached_tokens": 8}}
    assert cache_use({"usage": usage}) == CacheUse(11, 8)
    assert cache_use({"usage": {**usage, "prompt_tokens_details": {"cached_tokens": 80}}}) == CacheUse(11, 11)
    for odd in (
        None,
        {"prompt_tokens": 11},
        {**usage, "prompt_tokens_details": None},
        {**usage, "prompt_tokens": "11"},
    ):
        assert cache_use({"usage": odd}) == CacheUse()


@given(st.lists(JSON | CHOICE, min_size=1, max_size=4), JSON, st.integers(1, 4), st.booleans())
@settings(max_examples=400)
def test_any_choice_is_an_answer_that_the_log_can_hold_or_an_error(
    choices: list[Any], usage: Any, n: int, logprobs: bool
) -> None:
    found = completions({"choices": choices, "usage": usage}, range(n), logprobs)
    assert all(count >= 0 for count in cache_use({"usage": usage}))
    assert [c.index for c in found] == list(range(min(n, len(choices))))
    for c in found:
        if c.finish_reason == "error":
            assert c.error
            assert not c.text
            continue
        logged = None if c.logprobs is None else list(c.logprobs)
        row = {name: getattr(c, name) for name in ("index", "text", "reasoning", "finish_reason", "error")}
        row |= {"prompt_tokens": c.prompt_tokens, "completion_tokens": c.completion_tokens, "logprobs": logged}
        named = dict.fromkeys(("key", "prompt_key", "model", "revision", "sampling"), "x")
        assert completion_fault({**row, **named, "created_at": "2026-01-01T00:00:00+00:00"}) is None


@given(st.lists(CHOICE, min_size=1, max_size=4), st.integers(0, 3), JSON)
def test_an_odd_choice_takes_no_other_with_it(choices: list[Any], place: int, odd: Any) -> None:
    """What the others say is the same with and without it, where they stand in the order in which they came."""
    plain = [{**choice, "index": i} for i, choice in enumerate(choices)]
    place = min(place, len(plain))
    spoilt = [*plain[:place], odd, *plain[place:]]
    before = {(c.text, c.finish_reason, c.error) for c in completions({"choices": plain}, range(9), False)}
    after = {(c.text, c.finish_reason, c.error) for c in completions({"choices": spoilt}, range(9), False)}
    assert before <= after


def nested(levels: int, wrap: Callable[[Any], Any]) -> Any:
    inner: Any = "x"
    for _ in range(levels):
        inner = wrap(inner)
    return inner


DEEP = [
    nested(3000, lambda inner: [inner]),
    nested(3000, lambda inner: {"error": inner}),
    nested(3000, lambda inner: {"other": inner}),
    [nested(3000, lambda inner: {"type": "thinking", "thinking": [inner]})],
]


@pytest.mark.parametrize("place", ["content", "reasoning"])
@pytest.mark.parametrize("deep", DEEP, ids=["lists", "errors", "objects", "thoughts"])
def test_what_is_nested_without_end_costs_its_choice_only(place: str, deep: Any) -> None:
    fine = {"message": {"content": "4"}, "finish_reason": "stop"}
    odd = {"message": {"content": "4", place: deep}, "finish_reason": "stop"}
    found = completions({"choices": [odd, fine]}, range(2), False)
    assert (len(found), found[1].text) == (2, "4")


@pytest.mark.parametrize("deep", DEEP, ids=["lists", "errors", "objects", "thoughts"])
@pytest.mark.parametrize("status", [400, 402, 429, 500])
def test_an_error_nested_without_end_is_a_sentence(deep: Any, status: int) -> None:
    assert len(str(refusal(status, deep, {}, ASKED))) < 1000
    assert isinstance(no_choices({"error": {"code": status, "message": deep}}, ASKED), EngineError)
    assert isinstance(no_choices({"other": deep}, ASKED), EngineError)


@pytest.mark.parametrize("index", ["9" * 5000, "1" * 10, "²", "٣", True, 10**400])
@pytest.mark.parametrize("logprob", [10**400, -(10**400), True, float("nan")])
@pytest.mark.parametrize("count", [True, 10**400, -1])
def test_numbers_beyond_all_measure_cost_no_answer(index: Any, logprob: Any, count: Any) -> None:
    choice = {"index": index, "message": {"content": "4"}, "logprobs": {"content": [{"logprob": logprob}]}}
    usage = {"prompt_tokens": count, "completion_tokens": count}
    found = completions({"choices": [choice, {**choice, "index": 0}], "usage": usage}, range(2), True)
    assert [c.text for c in found] == ["4", "4"]
    assert [c.prompt_tokens for c in found] == [None, None]


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "page",
    [
        "<!--a-->" * 5000 + "<div>gone</div>",
        "<!--a-->\n" * 5000 + "<html><h1>gone</h1>",
        "<html>" + "<" * 100_000,
        "<html>" + "<script>" * 20_000,
        "<html>" + "<!--" * 50_000,
        "<!--" * 50_000,
        " " * 100_000 + "<!--" + " " * 100_000,
    ],
    ids=["comments", "comments-page", "brackets", "scripts", "open", "open-first", "blanks"],
)
def test_a_page_is_read_in_one_pass(page: str) -> None:
    """The time is that of one look; it was that of every way to part the page."""
    assert isinstance(words(page), str)
    assert words("<!-- a --><html><title>502</title><h1>Bad Gateway</h1>") == "502 Bad Gateway"


@given(JSON, st.sampled_from([200, 400, 401, 402, 403, 404, 413, 422, 429, 500, 503]))
def test_any_body_of_an_error_is_a_sentence(body: Any, status: int) -> None:
    assert isinstance(words(body), str)
    assert isinstance(refusal(status, body, {}, ASKED), EngineError)
    if not choices_of(body):
        assert isinstance(no_choices(body, ASKED), EngineError)
