"""Texts that a model in a loop writes are read in time that grows with their length: fences, stops, judges' lines."""

import pytest

from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.literal import unfenced
from filters.verify.normalise import bare
from filters.verify.verifier import verify


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("```json\n[1]\n```", "[1]"),
        ("``` [1] ```", "[1]"),
        ("So:\n```json\n[1]\n```\nand\n```python\n[2]\n```\n.", "[2]"),
        ("So: ```[1]``` it is", "So: ```[1]``` it is"),
        ("So:\n```\n[1] it is", "So:\n```\n[1] it is"),
        ("[1]", "[1]"),
        ("``````", ""),
    ],
)
def test_the_inside_of_a_fence(text: str, inside: str) -> None:
    assert unfenced(text) == inside


@pytest.mark.parametrize(("text", "left"), [("5 . . .", "5"), ("5..", "5.."), ("5.", "5"), ("$5$ .", "5"), (".", "")])
def test_final_stops(text: str, left: str) -> None:
    assert bare(text) == left


LOOPS = ("```" + "\n" * 2_000 + "x", "x```" + "\n" * 2_000 + "x", "```\n" + "x```" * 50_000, "a" + " ." * 200_000)


@pytest.mark.parametrize("text", LOOPS)
def test_loops_end(text: str) -> None:
    """Cubic and quadratic steps would take minutes to days here."""
    unfenced(text)
    bare(text)
    assert verify(f"<answer>{text}</answer>", parse_gold("json", "[1]")).correct is False
    with pytest.raises(GoldUnparseableError):
        parse_gold("json", text)


HALF = chr(92) + "ud800"


@pytest.mark.parametrize(
    ("kind", "gold"), [("json", '{"a": 1}'), ("order", '["a", "b"]'), ("set", '["a", "b"]'), ("text", "cat")]
)
@pytest.mark.parametrize(
    "reply", [f'{{"a": "{HALF}"}}', f'["{HALF}", "b"]', f"['{HALF}']", f'{{"{HALF}": 1}}', "\ud800"]
)
def test_what_no_table_can_hold_is_a_verdict_that_one_can(kind: str, gold: str, reply: str) -> None:
    verdict = verify(reply, parse_gold(kind, gold), tags="plain")
    assert verdict.score == 0.0
    for text in (verdict.extracted, verdict.explanation, verdict.parsed_gold, verdict.parsed_response):
        assert (text or "").encode() is not None
