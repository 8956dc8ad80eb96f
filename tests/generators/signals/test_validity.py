"""CVS, by hand, and what its prompt may be."""

from math import log

import polars as pl
import pytest
from pydantic import ValidationError

from generators.signals.validity import ValidityConfig, total_logprob, variants, verdict_shift

ONE, TWO = ValidityConfig(), ValidityConfig(no="No")


def shift(config: ValidityConfig, **chances: float | None) -> list[float | None]:
    """`valid, valid_unasked, cvs` of a row whose words have these probabilities."""
    texts = [(name.replace("_", ":"), None if p is None else log(p)) for name, p in chances.items()]
    table = pl.DataFrame(texts, schema={"variant": pl.String, "logprob": pl.Float64}, orient="row")
    return list(table.select(**verdict_shift(config)).row(0))


@pytest.mark.parametrize(
    ("config", "chances", "wanted"),
    [
        (ONE, {"asked": 0.9, "unasked": 0.4}, [0.9, 0.4, 0.5]),  # the question is needed
        (ONE, {"asked": 0.8, "unasked": 0.8}, [0.8, 0.8, 0.0]),  # it does not matter
        (ONE, {"asked": 0.1, "unasked": 0.7}, [0.1, 0.7, -0.6]),  # question and answer conflict
        (ONE, {"asked": 0.9, "unasked": None}, [0.9, None, None]),
        # Held against "No", what the judge would rather say beside both of them counts no more: .3 of .4 is .75.
        (TWO, {"asked": 0.3, "asked_no": 0.1, "unasked": 0.2, "unasked_no": 0.2}, [0.75, 0.5, 0.25]),
    ],
)
def test_the_shift_of_the_verdict_by_hand(
    config: ValidityConfig, chances: dict[str, float | None], wanted: list[float | None]
) -> None:
    assert set(variants(config)) == {name.replace("_", ":") for name in chances}
    assert shift(config, **chances) == [None if value is None else pytest.approx(value) for value in wanted]


def test_a_word_of_several_tokens_is_as_likely_as_all_of_them() -> None:
    values = pl.DataFrame({"key": ["a", "b"], "logprobs": [[log(0.5), log(0.5)], []], "error": [None, "too long"]})
    found = total_logprob(values.cast({"logprobs": pl.List(pl.Float32), "error": pl.String}))
    assert found["key"].to_list() == ["a"]
    assert found["logprob"].to_list() == pytest.approx([log(0.25)])


@pytest.mark.parametrize(
    "prompt", ["{{ answer }}", "{{ question }} {{ answer }}", "{% if question %}{{ question }}{% endif %}"]
)
def test_the_prompt_shows_the_answer_and_does_without_the_question(prompt: str) -> None:
    with pytest.raises(ValidationError, match="shows the answer, and the question where there is one"):
        ValidityConfig(prompt=prompt)
    with pytest.raises(ValidationError, match="may read answer and question, and no `options`"):
        ValidityConfig(prompt="{{ options }}")
