"""What looks like a secret is known by its form or its name, and texts of people are not taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.secrets import hidden, is_secret_name, plain_address, secret_in

KEY = "S3cretPlanted0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f"sk-{KEY}", f"Bearer {KEY}", f"hf_{KEY}", f"https://alice:{KEY}@host/v1", f"s3://AKIA:{KEY}@bucket/x",
        "AKIA0123456789ABCDEF",
        f"ghp_{KEY}", f"use sk-proj-{KEY} here", "-----BEGIN RSA PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_a_secret_is_found_and_hidden(text: str) -> None:
    assert secret_in(text)
    assert KEY not in hidden(text) and hidden(text) != text


@pytest.mark.parametrize(
    "name", ["api_key", "X-Api-Key", "authorization", "hf_token", "aws_secret_access_key", "sig", "password", "key"]
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "eos_token", "pad_token_id", "keyword", "n", "secretary", "design", "tokenizer"]
)
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "key-value pairs and sk-learn", "https://host:8000/v1", "Write the basic steps. Bearer of news.", "user@example.org",
        "a token: <image>", "the max_tokens: 4096 limit", "git@github.com:org/name", "http://[::1]:8000/v1", "ratio a:b@c",
    ],
)  # fmt: skip
def test_honest_text_is_left_alone(text: str) -> None:
    assert secret_in(text) is None and hidden(text) == text


@given(st.text(alphabet="ab:/@=&?._- '\"", max_size=200))
def test_hiding_is_done_once(text: str) -> None:
    assert hidden(hidden(text)) == hidden(text)


@pytest.mark.parametrize(
    "text", [f"api_key={KEY}", f"{{'api_key': '{KEY}', 'n': 3}}", f"https://x/?a=1&sig={KEY}", f"X-Auth-Token: {KEY}"]
)
def test_what_goes_by_the_name_of_a_secret_is_hidden(text: str) -> None:
    assert KEY not in hidden(text) and "***" in hidden(text)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("tcp://head:8786", "tcp://head:8786"), ("head:6379", "head:6379"), ("auto", "auto"), ("ray://[::1]:10001", "ray://[::1]:10001"),
        (f"tcp://me:{KEY}@head:8786", "tcp://head:8786"), (f"{KEY}@head", "head"), (f"me:{KEY}@head:8786", "head:8786"),
        (f"ray://me:{KEY[:9]}/{KEY}@head:1", "ray://head:1"), (f"tcp://head:1/a?t={KEY}", "tcp://head:1/a"),
        (f"tls://head:1#{KEY}", "tls://head:1"), (f"me:{KEY} x://{KEY}@head", "head"), (f"http://head/sk-{KEY}", "http://head/***"),
    ],
)  # fmt: skip
def test_an_address_is_shown_without_what_may_be_secret(address: str, plain: str) -> None:
    assert plain_address(address) == plain
