"""The answers that a reasoning gives and lets stand."""

import pytest

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
