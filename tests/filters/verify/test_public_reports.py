"""Inputs of public bug reports on verifiers: what is right, whoever says so.

A line of `cases/reports/public.jsonl` names the thread (`source`, project#number); `right` says whether only we or both give
the right verdict. `text`: "thread" where the thread itself writes the response and what is right; "retold" where one of them
was made from what it describes, or where the thread was not seen again. `expected` "refused": a gold that is not read.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.verifier import verify

LINES = (Path(__file__).parent / "cases" / "reports" / "public.jsonl").read_text(encoding="utf-8").splitlines()
CASES = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['source']}-{case['response'][-30:]}")
def test_the_verdict_is_right(case: dict[str, Any]) -> None:
    options = case.get("options", ())
    if case["expected"] == "refused":
        with pytest.raises(GoldUnparseableError):
            parse_gold(case["kind"], case["gold"], options=options)
        return
    gold = parse_gold(case["kind"], case["gold"], options=options)
    verdict = verify(case["response"], gold, options=options, tags=case.get("tags", "think_answer"))
    assert verdict.score == case["expected"], verdict


def test_the_table_names_its_threads() -> None:
    assert len(CASES) >= 120
    assert len({case["source"] for case in CASES}) >= 40
    assert sum(case["text"] == "thread" for case in CASES) >= 70
    assert all(case["text"] in ("thread", "retold") for case in CASES)
    assert all("#" in case["source"] and case["right"] in ("ours", "both") for case in CASES)
