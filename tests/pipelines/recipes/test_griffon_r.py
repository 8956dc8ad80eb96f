"""Griffon-R: a trace stays whose answer is right and whose box overlaps that of the annotation by half."""

import json
from pathlib import Path

from given_replies import reasons, with_given
from tiny import rows

GOLD = json.dumps({"bbox": {"kind": "boxes", "raw": "[10, 10, 30, 30]"}, "answer": {"kind": "text", "raw": "red"}})
PARAMS = {"metric": "min", "threshold": 0.5, "parts": {"bbox": {"verifier": "boxes:iou"}}}


def reply(box: str, answer: str) -> str:
    return f"<bbox>{box}</bbox><think>It is what the question asks about.</think><answer>{answer}</answer>"


def test_the_box_and_the_answer_both_decide(tmp_path: Path) -> None:
    replies = [
        reply("[10, 10, 30, 30]", "red"),
        reply("[10, 10, 30, 50]", "red"),  # 400 of 800: half
        reply("[10, 10, 30, 51]", "red"),  # 400 of 820
        reply("[10, 10, 30, 30]", "blue"),
    ]
    asked = {"question": "What colour is the ball?", "answer": GOLD, "verifier_params": PARAMS, "responses": replies}
    given = {"unfold": {"as": "given_trace", "column": "responses", "makes": "trace"}}
    insert = [{"after": "distill", "steps": [given]}]
    columns, bare = (
        {"responses": ["str"]},
        {"steps.release.allow_empty": ["sft"]},
    )  # unfolded replies have no section `bbox`
    job = with_given(tmp_path, "griffon-r", [asked], insert, ["distill"], columns, bare, kind="composite")
    assert [reason for reason in reasons(job) if reason.startswith("drop:")] == ["drop:wrong"] * 2
    assert sorted(rows(job, "verify")["score"].to_list()) == [0.0, 400 / 820, 0.5, 1.0]
