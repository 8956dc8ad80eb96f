import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.engines.openai.errors import retry_after, scrub

NOW = {"date": "Thu, 01 Jan 1970 00:00:10 GMT"}
"""The clock of a server, which need not be ours."""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT", **NOW}, 90.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:01 GMT", **NOW}, 0.0),
        ({"retry-after": "Fri, 01 Jan 2100 00:00:30 GMT", "date": "Fri, 01 Jan 2100 00:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT", "date": "once upon a time"}, 0.0),
        ({"retry-after": "soon"}, None),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@given(st.text(min_size=4, max_size=40), st.text(max_size=60), st.text(max_size=60))
def test_no_key_survives_scrubbing(key: str, before: str, after: str) -> None:
    assert key not in scrub(before + key + after, [key]).replace("***", "")


@pytest.mark.parametrize(
    "text", ["Incorrect API key provided: sk-abcde*****wxyz.", "Bearer abc.def", "token hf_AbCdEfGh", "gsk_0123456789"]
)
def test_what_looks_like_a_key_is_hidden_though_it_is_not_ours(text: str) -> None:
    shown = scrub(text, ["another-key"])
    assert "***" in shown
    assert not any(secret in shown for secret in ("abcde", "wxyz", "abc.def", "AbCd", "0123"))
