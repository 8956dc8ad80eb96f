"""The regression table: every published defect, and the cases around it."""

import json
from pathlib import Path
from typing import Any

import pytest

from filters.verify.catalogue import KINDS
from filters.verify.gold import parse_gold
from filters.verify.verifier import state_of, verify

CASES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
# D3 (a length bonus for wrong answers) and D11 (rewards written to other rows) are tried in test_reward.py; D12 to D14 are
# faults of data loaders and prompts.
FAULTS = [f"D{n}" for n in (1, 2, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20)]


def case_id(case: dict[str, Any]) -> str:
    return f"{case['kind']}-{case['gold'][:20]}-{case['response'][-40:]}"


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_case(case: dict[str, Any]) -> None:
    params, options = case.get("params", {}), case.get("options", ())
    gold = parse_gold(case["kind"], case["gold"], options=options, params=params)
    verdict = verify(
        case["response"],
        gold,
        verifier=case.get("verifier", case["kind"]),
        params=params,
        options=options,
        tags=case.get("tags", "think_answer"),
    )
    expected = case["expected"]
    assert (verdict.score is None) == (expected is None), verdict
    if expected is not None:
        assert verdict.score == pytest.approx(expected), verdict


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_gold_verifies_itself(case: dict[str, Any]) -> None:
    params, options = case.get("params", {}), case.get("options", ())
    gold = parse_gold(case["kind"], case["gold"], options=options, params=params)
    if KINDS[case["kind"]].judged or case["expected"] is None:
        pytest.skip("nobody can score this row by rule")
    stated = state_of(gold, case.get("verifier", case["kind"]), params)
    response = stated if "<answer>" in stated else f"<answer>{stated}</answer>"
    verdict = verify(response, gold, verifier=case.get("verifier", case["kind"]), params=params, options=options)
    assert verdict.score == pytest.approx(1.0), verdict
    assert verdict.correct is True


def test_the_table_is_large_and_names_every_published_defect_of_a_verifier() -> None:
    assert len(CASES) >= 400
    assert {case["kind"] for case in CASES} == set(KINDS)
    assert all(case["source"] for case in CASES)
    text = " ".join(case["source"] for case in CASES) + " "
    assert [fault for fault in FAULTS if f"{fault} " not in text] == []
