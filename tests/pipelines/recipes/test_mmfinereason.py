"""MMFineReason's check of the teacher: a rule first, and the judge for all that no rule calls right."""

import json
from collections import Counter
from pathlib import Path

import pytest
from given_replies import reasons, with_given
from scripted_engine import Scripted, question_of

from schemas.completion import Request

GOLDS = {"rule": "a red roof", "judge": "a red roof", "other": "a red roof"}
FOUND = {"rule": "a red roof", "judge": "the roof, which is red", "other": "a blue door"}


def says(request: Request, index: int) -> str:
    asked = question_of(request)
    kind = next(kind for kind in GOLDS if f"of the {kind} house" in asked)
    if "error_types" in asked:
        return json.dumps({"error_types": [], "question": f"What is seen of the {kind} house?"})
    if "EQUIVALENT" in asked:
        return "DIFFERENT" if kind == "other" else "EQUIVALENT"
    if "four phases" in asked:
        thought = " ".join(f"word{n}" for n in range(120))
        return f"<think>{thought}</think><answer>{FOUND[kind]}</answer>"
    return "A house."


@pytest.mark.parametrize("kind", ["text", "open"])
def test_the_judge_decides_what_no_rule_calls_right_and_is_asked_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Of a text a rule says right or wrong; of an open answer it says nothing, and the judge is asked about each."""
    engine = Scripted(says).install(monkeypatch)
    rows = [{"question": f"What is seen of the {name} house?", "answer": gold} for name, gold in GOLDS.items()]
    job = with_given(tmp_path, "mmfinereason", rows, [], [], {}, kind=kind)
    judged = {question_of(request) for request, _ in engine.asked if "EQUIVALENT" in question_of(request)}
    assert len(judged) == (2 if kind == "text" else 3)
    kept = job.rows("trace", ("sample.question",))["sample.question"].sort().to_list()
    assert kept == ["What is seen of the judge house?", "What is seen of the rule house?"]
    assert Counter(reasons(job)) == {"inconsistent:answer": 1, "disputed:label": 1}
