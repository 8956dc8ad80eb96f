import json

import polars as pl
import pytest
from pydantic import ValidationError

from filters.verify.contracts import CONTRACTS
from filters.verify.gold import parse_gold
from filters.verify.judge import JudgeConfig, calibrate, calibration_rows, collect, requests, wilson
from schemas.answer import dump_answer
from schemas.sample import SAMPLE
from schemas.verdict import VERDICT

ROWS = pl.DataFrame(
    {
        "id": ["a", "b", "c"],
        "question": ["Why is it wet?", "What is it?", "Who?"],
        "gold": ["It rained.", "a {strange} thing", "Ann"],
        "answer": ["Rain fell.", "a thing", None],
        "rubric": [None, "be strict", None],
    },
    schema=dict.fromkeys(("id", "question", "gold", "answer", "rubric"), pl.String),
)


def answers(*replies: tuple[str, int, str | None, str | None]) -> pl.DataFrame:
    names = ("id", "index", "text", "finish_reason")
    rows = [dict(zip(names, reply, strict=True)) | {"gold": "g", "answer": "x", "error": None} for reply in replies]
    schema = {"id": pl.String, "index": pl.Int32, "text": pl.String, "finish_reason": pl.String}
    return pl.DataFrame(rows, schema={**schema, "gold": pl.String, "answer": pl.String, "error": pl.String})


@pytest.mark.parametrize(
    ("contract", "reply", "score"),
    [
        ("equivalence", "They agree.\nVerdict: correct", 1.0),
        ("equivalence", "**Verdict: Incorrect.**", 0.0),
        ("equivalence", "Verdict: correct\nOn second thought\nVerdict: incorrect", 0.0),
        ("equivalence", "The answer is correct.", None),
        ("equivalence", "Verdict: correct or incorrect", None),
        ("equivalence", "", None),
        ("valid_invalid", "Verdict: valid", 1.0),
        ("valid_invalid", "Verdict: invalid", 0.0),
        ("final_decision", "Final Decision: Yes", 1.0),
        ("final_decision", "Final Decision: No", 0.0),
        ("yes_no", "Yes.", 1.0),
        ("yes_no", "No", 0.0),
        ("yes_no", "Not sure", None),
        ("yes_no", "Yes and no", None),
        ("one_zero", "1", 1.0),
        ("one_zero", "0", 0.0),
        ("one_zero", "10", None),
        ("zero_is_correct", "<think>1</think><judge>0</judge>", 1.0),
        ("zero_is_correct", "<think>0</think><judge>1</judge>", 0.0),
        ("zero_is_correct", "0", None),
        ("graded", "Fine.\nGrade: 7", 0.7),
        ("graded", "Grade: 7.5/10", 0.75),
        ("graded", "Grade: 70", None),
        ("graded", "Grade: high", None),
    ],
)
def test_a_reply_is_read_by_its_contract_or_not_at_all(contract: str, reply: str, score: float | None) -> None:
    assert CONTRACTS[contract].read(reply) == (None if score is None else pytest.approx(score))


@pytest.mark.parametrize("name", sorted(CONTRACTS))
def test_every_contract_asks_for_what_it_reads(name: str) -> None:
    config = JudgeConfig(model="m", contract=name, votes=3)
    asked = list(requests(ROWS, config))
    assert [r.id for r in asked] == ["a", "b"]
    assert all(r.n == 3 for r in asked)
    text = "".join(str(part) for message in asked[1].messages for part in message.content)
    assert "a {strange} thing" in text
    assert all(ROWS[field][1] in text for field in CONTRACTS[name].inputs)
    assert ("be strict" in text) == ("rubric" in CONTRACTS[name].inputs)


def test_an_unknown_contract_is_a_config_error() -> None:
    with pytest.raises(ValidationError, match="no judge contract"):
        JudgeConfig(model="m", contract="vibes")


def test_votes_are_averaged_over_the_readable_replies() -> None:
    good, bad = "Verdict: correct", "Verdict: incorrect"
    table = answers(
        ("a", 0, good, "stop"), ("a", 1, bad, "stop"), ("a", 2, good, "stop"),
        ("b", 0, "hm", "stop"), ("b", 1, good, "length"), ("b", 2, bad, "stop"),
        ("c", 0, "hm", "stop"), ("c", 1, good, "length"), ("c", 2, None, "error"),
        ("d", 0, None, "error"), ("e", 0, None, None),
    )  # fmt: skip
    parted = collect(table, JudgeConfig(model="m", votes=3))
    assert parted.kept.columns == ["id", *VERDICT]
    by = {row["id"]: row for row in parted.kept.to_dicts()}
    assert by["a"]["score"] == pytest.approx(2 / 3)
    assert by["a"]["correct"] is True
    assert by["b"]["score"] == 0.0
    assert by["b"]["correct"] is False
    assert by["c"]["score"] is None
    assert by["c"]["correct"] is None
    assert "none of 2 replies" in by["c"]["explanation"]
    assert set(parted.kept["tier"]) == {"judge"}
    assert dict(parted.dropped.select("id", "reason").iter_rows()) == {"d": "judge:error", "e": "judge:unanswered"}


def test_no_replies_at_all() -> None:
    parted = collect(answers(), JudgeConfig(model="m"))
    assert parted.kept.height == parted.dropped.height == 0


def samples() -> pl.DataFrame:
    rows = []
    for i, raw in enumerate(["red", "blue", "green", "red"]):
        rows.append(
            {
                "id": str(i),
                "source": {"dataset": "d", "split": "", "row": "", "license": "", "url": ""},
                "question": f"q{i}",
                "answer": {"kind": "text", "raw": raw, "parsed": dump_answer(parse_gold("text", raw))},
                "verifier": {"id": "text", "params": "{}"},
            }
        )
    return pl.DataFrame(rows, schema=SAMPLE)


def test_calibration_rows_have_known_verdicts() -> None:
    rows = calibration_rows(samples(), 0)
    assert rows.height == 8
    assert rows["id"].n_unique() == 8
    assert all((r["gold"] == r["answer"]) == r["known"] for r in rows.to_dicts())
    assert rows.equals(calibration_rows(samples(), 0))
    assert list(requests(rows, JudgeConfig(model="m")))


def test_agreement_is_counted() -> None:
    rows = pl.DataFrame({"known": [True, True, False, False, True], "correct": [True, False, False, True, None]})
    figures = calibrate(rows).to_dicts()[0]
    assert (figures["rows"], figures["scored"], figures["unscored"]) == (5, 4, 1)
    assert figures["agreement"] == 0.5
    assert figures["false_accept"] == 0.5
    assert figures["false_reject"] == 0.5
    assert figures["kappa"] == pytest.approx(0.0)
    assert figures["agreement_low"] < 0.5 < figures["agreement_high"]
    perfect = calibrate(pl.DataFrame({"known": [True, False] * 50, "correct": [True, False] * 50})).to_dicts()[0]
    assert perfect["kappa"] == perfect["agreement"] == 1.0
    assert perfect["agreement_low"] == pytest.approx(0.963, abs=1e-3)
    nothing = calibrate(
        pl.DataFrame({"known": [True], "correct": [None]}, schema={"known": pl.Boolean, "correct": pl.Boolean})
    )
    assert nothing["agreement"].item() is None


def test_wilson_interval_of_a_textbook_case() -> None:
    low, high = wilson(10, 20)
    assert low == pytest.approx(0.2993, abs=1e-4)
    assert high == pytest.approx(0.7007, abs=1e-4)
    assert wilson(0, 0) == (None, None)


def test_evidence_is_json() -> None:
    dropped = collect(answers(("d", 0, None, "error")), JudgeConfig(model="m")).dropped
    assert json.loads(dropped["evidence"][0]) == {"error": None}
