"""Whether a right trace says something else on the way to its answer."""

import polars as pl
import pytest

from filters.trace_quality import concluded
from filters.traces import contradictions
from filters.verify.pool import VerifierPool
from schemas.answer import ChoiceAnswer, dump_answer

GOLD = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))


@pytest.mark.parametrize(
    ("reasoning", "contradicts"),
    [
        ("It is red. So the answer is A.", True),
        ("It is blue. So the answer is B.", False),
        ("So the answer is A. Wait, no: the answer is blue.", False),
        ("It is blue, as one sees.", None),
        ("The answer is clear from the picture: blue.", None),
        (None, None),
    ],
)
def test_contradictions(reasoning: str | None, contradicts: bool | None) -> None:
    row = {
        "concluded": concluded(reasoning),
        "answer": {"kind": "choice", "raw": "B", "parsed": dump_answer(GOLD)},
        "verifier": {"id": "choice", "params": "{}"},
        "options": ["red", "blue"],
    }
    rows = pl.DataFrame([row], schema_overrides={"concluded": pl.String})
    with VerifierPool(1) as pool:
        assert contradictions(rows, pool).to_list() == [contradicts]
