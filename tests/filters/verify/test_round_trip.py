import json
import warnings
from typing import Any

import polars as pl
import pytest

from filters.verify.gold import parse_gold
from filters.verify.graders import GRADERS, trl
from filters.verify.round_trip import RoundTripConfig, canonical, fault, round_trip
from schemas.answer import dump_answer

GOLDS = [
    "A",
    "(1,2)",
    "\\sqrt{3}",
    "2\\pi",
    "3:4",
    "60^\\circ",
    "7",
    "-5",
    "\\frac{1}{2}",
    "x+1",
    "yes",
    "blue",
    "3.14",
]
WRONG = {"A": "B", "(1,2)": "(2,1)", "7": "8", "\\frac{1}{2}": "\\frac{1}{3}", "blue": "red", "x+1": "x-1"}


def rows(golds: list[str], responses: list[str | None] | None = None, kind: str = "expression") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [str(i) for i in range(len(golds))],
            "answer": [dump_answer(parse_gold(kind, g)) for g in golds],
            "stated": golds,
            "response": responses or [canonical(g, "so it is") for g in golds],
        },
        schema=dict.fromkeys(("id", "answer", "stated", "response"), pl.String),
    )


@pytest.mark.parametrize("name", sorted(GRADERS))
@pytest.mark.parametrize("gold", GOLDS)
def test_the_canonical_encoding_suits_every_grader(name: str, gold: str) -> None:
    assert GRADERS[name](canonical(gold), f"${gold}$") == 1.0


@pytest.mark.parametrize("name", sorted(GRADERS))
@pytest.mark.parametrize("gold", sorted(WRONG))
def test_no_grader_takes_a_wrong_answer_in_that_encoding(name: str, gold: str) -> None:
    assert GRADERS[name](canonical(WRONG[gold]), f"${gold}$") == 0.0


@pytest.mark.parametrize(
    ("name", "completion", "solution", "score"),
    [
        ("trl", "<answer>7</answer>", "$7$", 0.0),
        ("trl", "\\boxed{7}", "no formula here", None),
        ("ms_swift", "<answer>7</answer>", "$7$", 1.0),
        ("ms_swift", "\\boxed{7}", "no formula here", 0.0),
        ("ms_swift", "\\boxed{7}", "<answer>$7$</answer>", 1.0),
        ("lmm_r1", "\\boxed{7}", "7", 1.0),
        ("easyr1", "<answer>7</answer>", "7", 1.0),
        ("easyr1", "<think>t</think><answer>\n7\n</answer>", "7", 0.0),
        ("verl", "<answer>7</answer>", "7", 0.0),
        ("verl", "so \\boxed{7}", "7", 1.0),
    ],
)
def test_each_grader_has_its_published_ways(name: str, completion: str, solution: str, score: float | None) -> None:
    assert GRADERS[name](completion, solution) == score


def test_the_restated_trl_grader_is_trls() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rewards = pytest.importorskip("trl.rewards.accuracy_rewards")
    completions = [canonical(g) for g in GOLDS] + [canonical(w) for w in WRONG.values()]
    completions += [f"<answer>{g}</answer>" for g in GOLDS] + ["\\boxed{7} and \\boxed{8}", "nothing", "$7$"]
    solutions = [f"${g}$" for g in GOLDS] + [f"${g}$" for g in WRONG] + [f"${g}$" for g in GOLDS] + ["$7$"] * 3
    conversations: list[list[dict[str, Any]]] = [[{"role": "assistant", "content": c}] for c in completions]
    theirs = rewards.accuracy_reward(conversations, solutions)
    assert [trl(c, s) for c, s in zip(completions, solutions, strict=True)] == theirs
    assert {0.0, 1.0} <= set(theirs)


@pytest.mark.parametrize("trainer", sorted(GRADERS))
def test_the_gate_encodes_golds_and_keeps_their_order(trainer: str) -> None:
    table = rows(GOLDS)
    parted = round_trip(table, RoundTripConfig(trainer=trainer))
    assert parted.kept["id"].to_list() == table["id"].to_list()
    assert parted.kept["solution"].to_list() == [f"${g}$" for g in GOLDS]
    assert parted.dropped.height == 0


def test_golds_that_mean_the_same_are_no_wrong_answers_for_each_other() -> None:
    parted = round_trip(rows(["\\frac{1}{2}", "0.5", "\\frac{2}{4}", "7"]), RoundTripConfig(trainer="trl", wrong=3))
    assert parted.dropped.height == 0


def test_a_response_that_the_grader_cannot_read_is_dropped_with_the_reason() -> None:
    table = rows(["7", "8"], ["<think>t</think><answer>7</answer>", None])
    parted = round_trip(table, RoundTripConfig(trainer="trl"))
    assert parted.kept["id"].to_list() == ["1"]
    assert parted.dropped["reason"].to_list() == ["export:round_trip"]
    evidence = json.loads(parted.dropped["evidence"][0])
    assert evidence["grader"] == "trl"
    assert "right answer" in evidence["fault"]


def test_a_grader_that_pays_for_everything_passes_nothing() -> None:
    assert fault("$7$", [canonical("7")], [canonical("8")], lambda completion, solution: 1.0) is not None
    assert fault("$7$", [canonical("7")], [], lambda completion, solution: 1.0) is None


@pytest.mark.parametrize("text", ["__import__('os').system('true')", "().__class__", "lambda: 1", "a.b"])
def test_text_that_could_be_code_never_reaches_a_library_that_evaluates(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grader = pytest.importorskip("mathruler.grader")
    monkeypatch.setattr(grader, "grade_answer", lambda *a: pytest.fail("was handed over"))
    assert GRADERS["verl"](f"\\boxed{{{text}}}", "7") == 0.0
    assert GRADERS["easyr1"](f"<answer>{text}</answer>", "7") == 0.0
