import pytest
from hypothesis import given
from hypothesis import strategies as st

from generators.engines.transformers.sequence import Sample
from schemas.completion import Sampling


class Bytes:
    """A tokenizer with one token a byte, which (as sentencepiece does) swallows a blank at the start."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        return bytes(t for t in tokens if t > 0).decode("utf-8", "replace").removeprefix(" ")


def feed(text: str, limit: int = 1000, prompt: str = "Q:", **sampling: object) -> Sample:
    sample = Sample(0, list(prompt.encode()), Sampling.model_validate(sampling), limit, Bytes(), ends=frozenset({0}))
    for token in [*text.encode(), 0]:
        sample.push(token, -1.0)
        if sample.finish:
            break
    return sample


@given(st.text(alphabet="ab é", max_size=30), st.lists(st.text(alphabet="ab é", min_size=1, max_size=4), max_size=3))
def test_a_reply_ends_where_a_stop_string_first_appears(text: str, stops: list[str]) -> None:
    done = feed(text, stop=tuple(stops)).completion()
    places = [text.find(s) for s in stops if s in text]
    # The first stop string to be complete ends the reply; another may have begun before it.
    if places:
        end = min(text.find(s) + len(s) for s in stops if s in text)
        assert done.text == text[: min(text.find(s) for s in stops if s in text[:end])]
    else:
        assert done.text == text
        assert done.completion_tokens == len(text.encode()) + 1
    assert done.finish_reason == "stop"


def test_a_leading_blank_belongs_to_the_reply() -> None:
    assert feed(" Paris", prompt="The answer is").completion().text == " Paris"


def test_the_limit_truncates_and_the_end_token_does_not_count_as_such() -> None:
    cut = feed("abcdef", limit=3).completion()
    assert (cut.text, cut.finish_reason, cut.completion_tokens) == ("abc", "length", 3)
    exact = feed("abc", limit=4).completion()
    assert (exact.finish_reason, exact.completion_tokens) == ("stop", 4)


def test_logprobs_are_kept_only_where_wanted() -> None:
    assert feed("ab").completion().logprobs is None
    assert feed("ab", logprobs=True).completion().logprobs == pytest.approx((-1.0, -1.0, -1.0))


def test_chance_depends_on_seed_prompt_and_index_only() -> None:
    def stream(seed: int, prompt: list[int], index: int) -> list[float]:
        sample = Sample(index, prompt, Sampling(seed=seed), 9, Bytes(), frozenset())
        return [sample.chance() for _ in range(3)]

    assert stream(1, [5], 0) == stream(1, [5], 0)
    assert len({tuple(stream(*args)) for args in ((1, [5], 0), (2, [5], 0), (1, [6], 0), (1, [5], 1))}) == 4
