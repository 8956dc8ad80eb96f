"""How far a judge can be trusted, counted on answers whose verdicts are known."""

import polars as pl
import pytest

from filters.verify.gold import parse_gold
from filters.verify.judge import calibrate, calibration_rows, wilson
from schemas.answer import dump_answer
from schemas.sample import SAMPLE


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
