"""The answers that a reasoning gives and lets stand."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import conclusions as module
from filters.conclusions import conclusions


@pytest.mark.parametrize(
    ("reasoning", "answers"),
    [
        ("So the answer is blue.", ["blue"]),
        ("The answer is D. So the answer is 1.", ["D", "1"]),
        ("Option D is correct. So the answer is 1.", ["D", "1"]),
        ("The correct option is (B). So the answer is red.", ["(B)", "red"]),
        ("I choose A. So the answer is red.", ["A", "red"]),
        ("The answer is yes. So the answer is no.", ["yes", "no"]),
        ("The answer is 3.5. No: the answer is 4.", ["4"]),
        ("So the answer is A. Wait, the answer is blue.", ["blue"]),
        ("So the answer is A, but B fits better. The answer is B.", ["B"]),
        (r"Hence \boxed{12}.", ["12"]),
        (r"\boxed{3} apples and so \boxed{12}", ["3", "12"]),
        # Supposed, asked or talked about.
        ("If the answer is A, then x is 3. So the answer is B.", ["B"]),
        ("First I thought the answer is 5. But two and two make four.", []),
        ("Is it that the answer is A? So the answer is B.", ["B"]),
        ("The answer is not A. So the answer is B.", ["B"]),
        ("Option D is wrong. So the answer is B.", ["B"]),
        ("The answer is 3 times the width of it. So the answer is 12.", ["12"]),
        ("The answer is clear from the picture: blue.", []),
        ("The option A is a red star. So the answer is B.", ["B"]),
        ("It is red.", []),
        ("", []),
        (None, []),
    ],
)
def test_conclusions(reasoning: str | None, answers: list[str]) -> None:
    assert conclusions(reasoning) == answers


PIECES = ["The answer is", "answer is", "ANSWER İS", "\\boxed{", "}", "option", "Choice", "B", "is", "the", "right",
          "correct", "I choose", "I go with", "if", "2", ".", "?", "\n", "K", "é", "3.5"]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join))
def test_where_it_is_looked_at_hides_no_conclusion(text: str) -> None:
    found = [match.span() for match in module._SAYS.finditer(text)]
    assert [match.span() for match in module._statements(text)] == found
    may = pl.select(pl.lit(text).str.contains(module.MAY_CONCLUDE)).item()
    assert may or not found
    for start, _ in found:
        sentence = max(text.rfind(end, 0, start) for end in ".!?\n") + 1
        whole = module._SUPPOSED.search(text, 0, start)
        assert bool(module._SUPPOSED.search(text, sentence, start)) == bool(whole)
