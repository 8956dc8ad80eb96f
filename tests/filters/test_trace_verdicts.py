"""Whether a right trace says something else on the way to its answer."""

import polars as pl
import pytest

from filters.conclusions import conclusions
from filters.trace_verdicts import contradictions
from filters.verify.pool import VerifierPool
from schemas.answer import Answer, BooleanAnswer, ChoiceAnswer, NumberAnswer, TextAnswer, dump_answer

BLUE = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))
ONE = ChoiceAnswer(raw="C", letters=("C",), texts=("1",))
COUNTS = ["8", "3", "1", "5"]


@pytest.mark.parametrize(
    ("reasoning", "gold", "options", "contradicts", "said"),
    [
        ("It is red. So the answer is A.", BLUE, ["red", "blue"], True, "A"),
        ("It is blue. So the answer is B.", BLUE, ["red", "blue"], False, None),
        ("So the answer is A. Wait, no: the answer is blue.", BLUE, ["red", "blue"], False, None),
        ("It is blue, as one sees.", BLUE, ["red", "blue"], None, None),
        ("The answer is clear from the picture: blue.", BLUE, ["red", "blue"], None, None),
        (None, BLUE, ["red", "blue"], None, None),
        # A letter on the way that is not the letter given.
        ("The answer is D. So the answer is 1.", ONE, COUNTS, True, "D"),
        ("Option D is correct. So the answer is 1.", ONE, COUNTS, True, "D"),
        ("Option D is wrong. So the answer is 1.", ONE, COUNTS, False, None),
        ("The answer is 1. So the answer is C.", ONE, COUNTS, False, None),
        # The same of other kinds.
        ("The answer is yes. So the answer is no.", BooleanAnswer(raw="no", values=(False,)), None, True, "yes"),
        ("The answer is no. So the answer is no.", BooleanAnswer(raw="no", values=(False,)), None, False, None),
        ("The answer is 3. So the answer is 2.", NumberAnswer(raw="2", value=2), None, True, "3"),
        ("The answer is red. So the answer is blue.", TextAnswer(raw="blue", value="blue"), None, True, "red"),
        # Words about a gold of words.
        ("The answer is the blue one. So the answer is blue.", TextAnswer(raw="blue", value="blue"), None, False, None),
        ("The answer is obvious. So the answer is blue.", TextAnswer(raw="blue", value="blue"), None, False, None),
    ],
)
def test_contradictions(
    reasoning: str | None, gold: Answer, options: list[str] | None, contradicts: bool | None, said: str | None
) -> None:
    row = {
        "reasoning": reasoning,
        "question": "Which one?",
        "conclusions": conclusions(reasoning),
        "answer": {"kind": gold.kind, "raw": gold.raw, "parsed": dump_answer(gold)},
        "verifier": {"id": gold.kind, "params": "{}"},
        "options": options,
    }
    rows = pl.DataFrame([row] * 2, schema_overrides={"conclusions": pl.List(pl.String), "options": pl.List(pl.String)})
    with VerifierPool(1) as pool:
        assert contradictions(rows, pool).rows() == [(contradicts, said)] * 2


def test_a_claim_of_the_question_that_the_answer_denies_is_a_contradiction() -> None:
    gold = BooleanAnswer(raw="no", values=(False,))
    rows = [
        {
            "reasoning": reasoning,
            "question": "is there a circle in the image?",
            "conclusions": conclusions(reasoning),
            "answer": {"kind": "boolean", "raw": "no", "parsed": dump_answer(gold)},
            "verifier": {"id": "boolean", "params": "{}"},
            "options": None,
        }
        for reasoning in ("The shape is a circle. So the answer is no.", "There is no circle. So the answer is no.")
    ]
    with VerifierPool(1) as pool:
        found = contradictions(pl.DataFrame(rows, schema_overrides={"options": pl.List(pl.String)}), pool)
    assert found.rows() == [(True, "yes"), (False, None)]
