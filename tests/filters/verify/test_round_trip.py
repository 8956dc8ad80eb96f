import json
import warnings
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.verify.gold import parse_gold
from filters.verify.graders import GRADERS, Grader, trl
from filters.verify.quick_grader import quick_grader
from filters.verify.round_trip import SUITS_ALL, RoundTrip, RoundTripConfig, canonical, fault, misread
from schemas.answer import dump_answer
from schemas.split import Split
from schemas.tags import TAG_SCHEMAS, render_trace, thoughts

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


def rows(golds: list[str], kind: str = "expression") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [str(i) for i in range(len(golds))],
            "answer": [dump_answer(parse_gold(kind, g)) for g in golds],
            "stated": golds,
        },
        schema=dict.fromkeys(("id", "answer", "stated"), pl.String),
    )


def traces(texts: list[str], solution: str = "$7$") -> pl.DataFrame:
    ids = [str(i) for i in range(len(texts))]
    return pl.DataFrame({"id": ids, "sample_id": ["s"] * len(ids), "text": texts, "solution": solution})


def golds_of(table: pl.DataFrame, trainer: str, wrong: int = 2) -> Split:
    gate = RoundTrip(RoundTripConfig(trainer=trainer, wrong=wrong))
    gate.look_at(table["stated"].to_list())
    return gate.golds(table)


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
    parted = golds_of(table, trainer)
    assert parted.kept["id"].to_list() == table["id"].to_list()
    assert parted.kept["solution"].to_list() == [f"${g}$" for g in GOLDS]
    assert parted.dropped.height == 0


def test_golds_that_mean_the_same_are_no_wrong_answers_for_each_other() -> None:
    assert golds_of(rows(["\\frac{1}{2}", "0.5", "\\frac{2}{4}", "7"]), "trl", wrong=3).dropped.height == 0


def test_a_gold_that_the_grader_takes_another_for_is_dropped_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    real = GRADERS["trl"]
    lenient = Grader(real.gold, real.answer, lambda gold, answer: 1.0)
    monkeypatch.setitem(GRADERS, "trl", lenient)
    parted = golds_of(rows(["A", "B"]), "trl")
    assert parted.dropped["reason"].to_list() == ["round_trip:gold"] * 2
    evidence = json.loads(parted.dropped["evidence"][0])
    assert (evidence["grader"], evidence["gold"]) == ("trl", "A")
    assert "wrong answer" in evidence["fault"]


@pytest.mark.parametrize("trainer", ["trl", "verl", "lmm_r1"])
def test_a_trace_that_the_grader_cannot_read_is_dropped_as_a_trace(trainer: str) -> None:
    table = traces([canonical("7"), "<think>t</think><answer>7</answer>", canonical("8")])
    parted = RoundTrip(RoundTripConfig(trainer=trainer)).traces(table)
    assert parted.kept["id"].to_list() == ["0"]
    assert parted.dropped["reason"].to_list() == ["round_trip:trace"] * 2
    evidence = json.loads(parted.dropped["evidence"][0])
    assert (evidence["sample_id"], evidence["grader"], evidence["solution"]) == ("s", trainer, "$7$")
    assert "right answer" in evidence["fault"]


def test_what_a_grader_never_reads_is_found_by_one_try_of_each_kind() -> None:
    all_three = ("choice", "number", "expression")
    assert misread("trl", "think_answer") == misread("trl", "think_tail") == misread("verl", "plain") == all_three
    assert misread("trl", "think_tail_boxed") == misread("easyr1", "think_answer") == ()
    assert misread("easyr1", "think_tail_boxed") == all_three
    assert misread("ms_swift", "think_answer") == ("choice", "expression")


@pytest.mark.parametrize("trainer", sorted(GRADERS))
def test_every_grader_reads_the_schema_that_is_not_tried(trainer: str) -> None:
    for gold in GOLDS:
        assert GRADERS[trainer](render_trace(TAG_SCHEMAS[SUITS_ALL], "It is so.", gold), f"${gold}$") == 1.0


@pytest.mark.parametrize("trainer", sorted(GRADERS))
@pytest.mark.parametrize("tags", [name for name, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) == 1])
def test_the_quick_grader_is_the_grader_on_traces_of_every_schema(trainer: str, tags: str) -> None:
    quick, schema = quick_grader(trainer), TAG_SCHEMAS[tags]
    for gold, said in (("7", "7"), ("7", "8"), ("B", "B"), ("x+1", "x+1"), ("0.5", "0.50"), ("3.0", "3")):
        text = render_trace(schema, "Some {braces} and 12 of them.", said)
        for solution in (f"${gold}$", f"\\boxed{{{gold}}}", gold):
            assert quick(text, solution) == GRADERS[trainer](text, solution)


HOSTILE = [
    "\\boxed{7} and \\boxed{8}", "\\boxed{8} and then {7}", "$8$ so \\boxed{7}", "$\\boxed{8}$ and \\boxed{7}",
    "final answer is $8$. I hope \\boxed{7}", "Final Answer is \\frac{8}{1} \\boxed{7}", "\\[\\boxed{8}\\] \\boxed{7}",
    "\\(\\boxed{8}\\) or \\boxed{7}", " [\\boxed{8}] \\boxed{7} ", "\\boxed{}", "\\boxed{7", "\\boxed 7}", "7", "",
    "<answer>\\boxed{7}</answer> \\boxed{8}", "<answer>8</answer>\\boxed{7}", "\\boxed{007}", "\\boxed{7.}",
    "\\boxed{+7}", "\\boxed{7,000}", "\\boxed{ 7 }", "\\boxed{7%}", "\\boxed{7\\%}", "\\boxed{x=7}", "\\fbox{7}",
    "\\boxed{7 \\text{ cm}}", "\\boxed{-7}", "\\boxed{7.000001}", "\\boxed{7.00000}", "\\boxed{14/2}", "\\boxed{{7}}",
    "\\boxed{7}\\boxed{7}", "answer: $7$", "<answer>7</answer>", "<answer>\n\\boxed{7}\n</answer>", "\\boxed{7}\n}",
]  # fmt: skip


@pytest.mark.parametrize("trainer", sorted(GRADERS))
def test_the_quick_grader_is_the_grader_on_hostile_texts(trainer: str) -> None:
    quick = quick_grader(trainer)
    for text in HOSTILE:
        for solution in ("$7$", "$-7$", "$7.0$", "\\boxed{7}", "7", "$7000$", "$0.5$"):
            assert quick(text, solution) == GRADERS[trainer](text, solution), (text, solution)


FORMULAS = [
    ("x+1", "1+x"), ("x+1", "x-1"), ("2x+2", "2(x+1)"), ("x+1", "x+1.0001"), ("2\\sqrt{2}", "\\sqrt{8}"),
    ("\\pi", "3.14159"), ("\\frac{1}{3}", "0.333333"), ("\\frac{1}{3}", "0.333"), ("0.5", "50\\%"),
    ("50\\%", "50"), ("2x", "y=2x"), ("A", "a"),
    ("x", "-x"), ("\\{1,2\\}", "1"), ("x<3", "3"), ("n!", "n"), ("3\\frac{1}{2}", "\\frac{7}{2}"), ("\\infty", "7"),
]  # fmt: skip


@pytest.mark.parametrize("trainer", ["trl", "easyr1", "verl"])
def test_the_quick_grader_is_the_grader_on_pairs_of_formulas(trainer: str) -> None:
    quick, scores = quick_grader(trainer), set()
    for gold, said in FORMULAS:
        score = GRADERS[trainer](canonical(said), f"${gold}$")
        assert quick(canonical(said), f"${gold}$") == score, (gold, said)
        scores.add(score)
    assert scores == {0.0, 1.0}


def test_formulas_that_differ_are_not_simplified(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("math_verify")
    monkeypatch.setattr(library, "verify", lambda *a, **b: pytest.fail("was asked"))
    quick = quick_grader("trl")
    assert quick(canonical("3x-7"), "$x^2+\\sqrt{3}$") == 0.0
    assert quick(canonical("8"), "$7$") == 0.0
    assert quick(canonical("7.0"), "$7$") == 1.0


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,8})(\.[0-9]{1,5})?", fullmatch=True), st.integers(-3, 3), st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_plain_numbers_are_equal_where_their_values_are(text: str, step: int, place: int) -> None:
    near = str(Decimal(text) + Decimal(step).scaleb(-place))
    for trainer in sorted(GRADERS):
        for said in (text, near):
            assert quick_grader(trainer)(canonical(said), f"${text}$") == GRADERS[trainer](canonical(said), f"${text}$")


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
