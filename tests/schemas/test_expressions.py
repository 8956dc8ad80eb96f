"""Regular expressions of recipes: what is refused, where they match, and that no text makes them hang."""

import pytest

from schemas.expressions import expression, matches
from schemas.reading import answer_by, read_reply


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("(", "not a regular expression: '\\('.*unclosed group"),
        ("(?=a)(?P<answer>b)", "look-around"),
        (r"(?P<answer>a)\1", "backreferences are not supported"),
        ("a", "no group named answer; write it as"),
        ("(?P<answr>a)", "no group named answer"),
    ],
)
def test_what_is_no_expression_is_refused_in_a_sentence(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        expression(pattern, "answer")


@pytest.mark.parametrize("pattern", ["(?P<answer>a+)", "(?<answer>a|b)", r"(?i)<judge>\s*(?P<answer>[01])\s*</judge>"])
def test_expressions_with_their_group_are_taken(pattern: str) -> None:
    assert expression(pattern, "answer") == pattern


@pytest.mark.parametrize(
    ("pattern", "text", "group", "found"),
    [
        ("a+", "xaa a", None, [(1, 3, "aa"), (4, 5, "a")]),
        (r"=> (?P<answer>\S+)", "=> 4 => 5", "answer", [(0, 4, "4"), (5, 9, "5")]),
        ("a(?P<answer>b)?", "a ab", "answer", [(0, 1, ""), (2, 4, "b")]),
        ("^a$", "b\na\nc", None, [(2, 3, "a")]),
        ("a|b", "b", None, [(0, 1, "b")]),
        ("b", "\ud800\ue000\x00b", None, [(3, 4, "b")]),
        ("b", None, None, []),
        ("$", "ab", None, [(2, 2, "")]),
    ],
)
def test_where_they_match(pattern: str, text: str | None, group: str | None, found: list[tuple[int, int, str]]) -> None:
    assert matches(pattern, [text, ""], group)[0] == found


@pytest.mark.parametrize(
    "pattern", ["(?P<answer>(a+)+)$", "(?P<answer>(a|a)*)b", "(?P<answer>(a*)*c)", "(?P<answer>a?){30}a{30}$"]
)
def test_what_makes_others_hang_ends(pattern: str) -> None:
    """Engines that go back need 2 ** 20,000 steps for these."""
    assert expression(pattern, "answer")
    answer_by(pattern, "a" * 20_000 + "!")
    read_reply("a" * 20_000 + "!", None, pattern)
