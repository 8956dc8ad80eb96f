"""Cases of other libraries' own tests, as facts: their verdict, ours, and a reason where the two differ.

The files of `cases/suites/` hold a case a line: `theirs` and `ours` are 1, 0, null (no verdict) or "refused" (a gold that is
not read); where they differ, `right` says who is right and `reason` why. A case whose `right` is "theirs" is a known limit;
"policy" is a rule of ours that the docs state and that a reader may want otherwise. A `source` that says "retold" is no test
of theirs: the input was written for a rule of their code, whose verdict on it was measured.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem

SUITES = {
    path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for path in sorted((Path(__file__).parent / "cases" / "suites").glob("*.jsonl"))
}
NEEDED = 0.97
"""Share of cases of a suite in which we agree, or are right, or follow a rule that the docs state."""
LETTERS = ("W", "X", "Y", "Z")


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(workers=1, budget_s=20) as own:
        yield own


def ours(cases: list[dict[str, Any]], pool: VerifierPool) -> list[Any]:
    verdicts: list[Any] = ["refused"] * len(cases)
    items, places = [], []
    for place, case in enumerate(cases):
        options = LETTERS if case["kind"] == "choice" else ()
        try:
            gold = parse_gold(case["kind"], case["gold"], options=options)
        except GoldUnparseableError:
            continue
        items.append(VerifyItem(case["response"], gold, options=options, tags=case.get("tags", "plain")))
        places.append(place)
    for place, verdict in zip(places, pool.verify_many(items), strict=True):
        verdicts[place] = verdict.score
    return verdicts


@pytest.mark.parametrize("suite", SUITES)
def test_our_verdicts_on_their_cases(suite: str, pool: VerifierPool) -> None:
    cases = SUITES[suite]
    found = ours(cases, pool)
    assert [(c["gold"], c["response"], v) for c, v in zip(cases, found, strict=True) if v != c["ours"]] == []


@pytest.mark.parametrize("suite", SUITES)
def test_we_agree_or_are_right_for_a_reason(suite: str) -> None:
    cases = SUITES[suite]
    differ = [c for c in cases if c["ours"] != c["theirs"] and not (c["theirs"] is None and c["ours"] == "refused")]
    assert all(c["right"] in ("ours", "theirs", "policy") and c["reason"] for c in differ)
    limits = sum(c["right"] == "theirs" for c in differ)
    share = 1 - limits / len(cases)
    print(  # noqa: T201
        f"{suite}: {len(cases)} cases, {len(cases) - len(differ)} agree, {len(differ) - limits} ours, {limits} limits"
    )
    assert share >= NEEDED, share


def test_every_suite_is_there() -> None:
    assert set(SUITES) == {
        "math-verify", "lighteval", "nemo-skills", "open-r1", "opencompass", "trl", "qwen2_5-math", "ms-swift",
    }  # fmt: skip
    assert sum(map(len, SUITES.values())) >= 700
    assert all("@" in case["source"] for cases in SUITES.values() for case in cases)
