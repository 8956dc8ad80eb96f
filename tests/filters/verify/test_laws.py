"""Laws that hold for every kind, tried on what hypothesis thinks of and on every row of the regression table."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.verify.catalogue import KINDS
from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.verifier import VerifyItem, settle, state_of, verify
from schemas.answer import Answer, ChoiceAnswer
from schemas.reply import thinks

CASES = [
    json.loads(line)
    for path in sorted((Path(__file__).parent / "cases").glob("*.jsonl"))
    for line in path.read_text(encoding="utf-8").splitlines()
]
GOLDS = {
    "choice": "B",
    "number": "42 cm",
    "expression": "\\frac{x}{2}+1",
    "equation": "(1+2+3)*4",
    "boolean": "yes, no",
    "text": "a red car",
    "set": "red, blue",
    "boxes": "[[0,0,10,10],[20,20,30,30]]",
    "points": "[[1,2],[30,40]]",
    "mask": '{"size":[4,4],"counts":[5,2,2,2,5]}',
    "spans": "[[0,2],[8,10]]",
    "track": "[[0,0,10,10],[1,1,11,11]]",
    "order": "c, a, b",
    "grid": "1 2\n3 4",
    "action": '{"action":"click","bbox":[0,0,10,10],"text":"ok"}',
    "functions": "f(1,'a'), g(2)",
    "json": '{"a":[1,{"b":null}]}',
    "code": "x = 1\ny = 2",
    "open": "because it rains",
    "composite": '{"answer": {"kind": "choice", "raw": "B"}, "glue": {"kind": "spans", "raw": "[3, 9]"}}',
    "abstain": "unanswerable",
}
PARAMS: dict[str, dict[str, Any]] = {"equation": {"numbers": [1, 2, 3, 4]}}
EVERY_METRIC = [
    (kind, metric)
    for kind, entry in KINDS.items()
    for metric in entry.metrics
    if (kind, metric) not in {("equation", "template"), ("spans", "time_r1"), ("boxes", "point_in")}
]
HOSTILE = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="0123456789.,-+*/^%()[]{}\\ abxyzABCDE$=\"':\n", max_size=120),
    st.text(alphabet="[]{}(),:\"'0123456789truefalsn ", max_size=120),
    st.sampled_from(
        [
            "[" * 5000,
            "{" * 5000,
            "9" * 5000,
            "-" * 5000 + "1",
            "[" * 900 + "]" * 900,
            '{"a":' * 300 + "1" + "}" * 300,
            "(" * 3000 + "1",
            "\\frac{" * 900,
            "a," * 3000,
        ]
    ),
)


def gold_of(kind: str, metric: str | None = None) -> Answer:
    return parse_gold(kind, GOLDS[kind], params=params_of(kind, metric))


def params_of(kind: str, metric: str | None = None) -> dict[str, Any]:
    return PARAMS.get(kind, {}) | ({"metric": metric} if metric else {})


def test_every_kind_is_under_these_laws() -> None:
    assert set(GOLDS) == set(KINDS)


@pytest.mark.parametrize(("kind", "metric"), EVERY_METRIC)
def test_the_gold_is_worth_one_and_nothing_is_worth_zero(kind: str, metric: str) -> None:
    gold, params = gold_of(kind, metric), params_of(kind, metric)
    stated = state_of(gold, kind, params)
    response = stated if "<answer>" in stated else f"<answer>{stated}</answer>"
    verdict = verify(response, gold, verifier=kind, params=params)
    if KINDS[kind].judged:
        assert verdict.score is None
        return
    if metric == "giou":
        return  # two gold boxes: the metric is defined for one
    assert verdict.score == 1.0, verdict
    assert verdict.correct is True
    for nothing in ("", "<answer></answer>", "<answer> \n</answer>", "<think>hm"):
        empty = verify(nothing, gold, verifier=kind, params=params)
        assert empty.score == 0.0, nothing
        assert empty.correct is False
        assert empty.extracted is None or kind == "composite"


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(text=HOSTILE)
@settings(max_examples=60, deadline=None)
def test_verdicts_are_bounded_and_settling_never_raises(kind: str, text: str) -> None:
    gold = gold_of(kind)
    item = VerifyItem(f"<answer>{text}</answer>", gold, kind, params_of(kind))
    verdict = settle(item)
    if verdict is None:
        return
    assert verdict.score is None or 0.0 <= verdict.score <= 1.0
    assert verdict.score is None or not math.isnan(verdict.score)
    assert (verdict.correct is None) == (verdict.score is None)
    assert verdict.explanation
    assert "Error" not in verdict.explanation, verdict


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(text=st.text(max_size=60))
@settings(max_examples=40, deadline=None)
def test_a_gold_is_read_or_refused_and_what_is_read_states_itself(kind: str, text: str) -> None:
    params = PARAMS.get(kind, {})
    if kind == "expression" and any(c in text for c in "\\^!"):
        return  # formulas that need the symbolic engine are not tried in bulk
    try:
        gold = parse_gold(kind, text, params=params)
    except GoldUnparseableError:
        return
    assert gold.raw == text
    stated = state_of(gold, kind, params)
    if "<" in stated or thinks(stated) or "\\box" in stated or KINDS[kind].judged:
        return
    verdict = settle(VerifyItem(f"<answer>{stated}</answer>", gold, kind, params))
    assert verdict is None or verdict.score == 1.0, (gold, stated, verdict)


@pytest.mark.parametrize("case", [c for c in CASES if c["kind"] != "code"], ids=lambda c: c["kind"])
def test_blanks_around_the_answer_change_nothing(case: dict[str, Any]) -> None:
    params, options = case.get("params", {}), case.get("options", ())
    gold = parse_gold(case["kind"], case["gold"], options=options, params=params)
    more = case["response"].replace("<answer>", "<answer>\n  ").replace("</answer>", " \n</answer>\n")
    settings_ = {"verifier": case.get("verifier", case["kind"]), "params": params, "options": options}
    tags = case.get("tags", "think_answer")
    first = settle(VerifyItem(case["response"], gold, tags=tags, **settings_))
    second = settle(VerifyItem(more, gold, tags=tags, **settings_))
    assert (first and first.score) == (second and second.score)


SYMMETRIC = [
    (kind, metric)
    for kind, metric in EVERY_METRIC
    if KINDS[kind].symmetric
    and (kind, metric) not in {("number", "mra"), ("number", "smooth"), ("number", "regression")}
    and metric not in ("wer", "rouge", "rouge_l", "bleu")
]
PAIRS = {
    "choice": ("A", "B"), "number": ("42", "43"), "boolean": ("yes, no", "no, no"), "text": ("a red car", "the red bar"),
    "set": ("a, b", "b, c, d"), "mask": ('{"size":[4,4],"counts":[5,2,2,2,5]}', '{"size":[4,4],"counts":[4,4,8]}'),
    "spans": ("[[0,4]]", "[[2,9]]"), "order": ("1 2 3 4", "1 3 2 4"), "grid": ("1 2\n3 4", "2 1\n3 4"),
    "functions": ("f(1,'a'), g(2)", "f(1,'b')"), "json": ('{"a":1,"b":2}', '{"a":1,"b":3}'), "code": ("abcd", "abce"),
}  # fmt: skip


WRONG = PAIRS | {
    "expression": ("x+1", "x+2"), "boxes": ("[[0,0,10,10]]", "[[20,20,30,30]]"), "points": ("[[1,2]]", "[[30,40]]"),
    "track": ("[[0,0,10,10]]", "[[50,50,60,60]]"), "action": ('{"action":"wait"}', '{"action":"scroll"}'),
    "equation": ("(1+2+3)*4", "1+2+3+4"),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(WRONG))
def test_a_wrong_answer_shows_how_it_was_read(kind: str) -> None:
    """What a verdict does not show as read counts as no answer (`filters.difficulty`), which a wrong answer is not."""
    gold, wrong = WRONG[kind]
    params = PARAMS.get(kind, {})
    verdict = verify(f"<answer>{wrong}</answer>", parse_gold(kind, gold, params=params), verifier=kind, params=params)
    assert verdict.correct is False, verdict
    assert verdict.parsed_response, verdict


@pytest.mark.parametrize("kind", ["number", "boolean", "choice", "boxes", "spans", "json"])
def test_what_reads_as_nothing_of_its_kind_shows_no_reading(kind: str) -> None:
    verdict = verify("I would rather not say.", gold_of(kind), verifier=kind, tags="plain", options=("a", "b"))
    assert verdict.correct is False
    assert verdict.parsed_response is None, verdict


@pytest.mark.parametrize(("kind", "metric"), SYMMETRIC)
def test_symmetric_kinds_are_symmetric(kind: str, metric: str) -> None:
    params = {"metric": metric} | ({"duration": 10} if kind == "spans" else {})
    scores = []
    for gold, response in (PAIRS[kind], PAIRS[kind][::-1]):
        answer = parse_gold(kind, gold, params=params)
        scores.append(verify(f"<answer>{response}</answer>", answer, params=params).score)
    assert scores[0] == pytest.approx(scores[1])


@given(st.permutations(["cat", "dog", "red fish", "none"]), st.integers(0, 3), st.integers(0, 3))
def test_the_order_of_options_changes_nothing(options: list[str], gold: int, said: int) -> None:
    names = ["cat", "dog", "red fish", "none"]
    answer = parse_gold("choice", names[gold], options=options)
    assert isinstance(answer, ChoiceAnswer)
    assert answer.letters == ("ABCD"[options.index(names[gold])],)
    by_text = verify(f"<answer>{names[said]}</answer>", answer, options=options)
    by_letter = verify(f"<answer>{'ABCD'[options.index(names[said])]}</answer>", answer, options=options)
    assert by_text.score == by_letter.score == float(gold == said)


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.integers(1, 40), st.integers(1, 40)),
        min_size=1,
        max_size=4,
    )
)
@settings(deadline=None)
def test_shifting_and_scaling_boxes_together_keeps_their_score(shapes: list[tuple[int, int, int, int]]) -> None:
    boxes = [[x, y, x + w, y + h] for x, y, w, h in shapes]
    said = [[x + 3, y, x + w + 3, y + h] for x, y, w, h in shapes]
    doubled = [[2 * v for v in box] for box in said]
    gold = parse_gold("boxes", json.dumps(boxes), params={"size": [200, 200]})
    plain = verify(f"<answer>{said}</answer>", gold, params={"size": [200, 200]})
    scaled = verify(f"<answer>{doubled}</answer>", gold, params={"size": [200, 200], "response_size": [400, 400]})
    assert plain.score == pytest.approx(scaled.score)
    thousandths = [[5 * v for v in box] for box in said]
    norm = verify(f"<answer>{thousandths}</answer>", gold, params={"size": [200, 200], "response_space": "norm1000"})
    assert norm.score == pytest.approx(plain.score)
