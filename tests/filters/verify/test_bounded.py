"""Laws of bounded work: whatever is repeated, time and memory are in line with the length, and there is a verdict."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from filters.verify.catalogue import KINDS
from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.literal import MAX_DEPTH, NotLiteralError, read_literal
from filters.verify.normalise import bare, flat, unprefixed
from filters.verify.verifier import VerifyItem, settle, verify_item
from schemas.answer import Answer
from schemas.answer_span import answer_span, section
from schemas.reply import around_statement, before_statement, final_sentence, only_states, split_reply, stated_answer
from schemas.reply_choice import read_choice
from schemas.reply_json import read_object
from schemas.reply_score import read_score
from schemas.tags import TAG_SCHEMAS, parse_tags
from tests.filters.verify.test_laws import gold_of, params_of
from tests.support.growth import ALPHABET, MORE, PLACES, growth, peak, repeated, turns

SHORT, LONG = 16_000, 1_000_000
SLOW = pytest.mark.slow


def _statement(text: str) -> None:
    found = stated_answer(text)
    if found is not None:
        before_statement(text, found)
        around_statement(text, found)


READERS: dict[str, Callable[[str], object]] = {
    "flat": flat,
    "bare": bare,
    "unprefixed": unprefixed,
    "split_reply": split_reply,
    "statement": _statement,
    "final_sentence": final_sentence,
    "only_states": only_states,
    "section": lambda text: section(text, "glue"),
    "choice": lambda text: read_choice(text, ["yes", "no", "not sure"]),
    "score": lambda text: read_score(text, 0, 9),
    "object": lambda text: read_object(text, {"label": "str", "boxes": ("float",)}),
    "spans": lambda text: [answer_span(text, tags) for tags in ("think_answer", "plain", "answer_marker", "staged")],
    "tags": lambda text: [parse_tags(text, schema) for schema in TAG_SCHEMAS.values()],
}


def too_fast(
    work: Callable[[str], object], length: int, units: Sequence[str] = ALPHABET, every: int = 1
) -> list[tuple[str, str, float]]:
    """What makes the time of `work` grow faster than it may: unit, place, and by how much."""
    found = []
    for unit, place in turns(units, every):
        around = PLACES[place]
        share = growth(work, lambda n, unit=unit, around=around: around(repeated(unit, n)), length)
        if share is not None and share > 1:
            found.append((unit, place, share))
    return found


def settled(kind: str, metric: str | None = None, tags: str = "think_answer") -> Callable[[str], None]:
    """Settles a text as the answer of a kind, and holds the verdict to what every verdict must be."""
    gold, params = gold_of(kind, metric), params_of(kind, metric)

    def work(text: str) -> None:
        response = text if tags == "plain" else f"<answer>{text}</answer>"
        verdict = settle(VerifyItem(response, gold, kind, params, tags=tags))
        if verdict is not None and not KINDS[kind].judged:
            assert verdict.score is not None, (text[:40], verdict.explanation)
            assert 0.0 <= verdict.score <= 1.0

    return work


def read_as_gold(kind: str) -> Callable[[str], None]:
    """Reads a text as the gold of a kind, whose formulas no engine is asked about."""

    def work(text: str) -> None:
        try:
            parse_gold(kind, text, params=params_of(kind))
        except GoldUnparseableError as error:
            assert len(str(error)) < 1_000

    return work


def judged(kind: str) -> Callable[[str], None]:
    """Judges a text as the answer of a kind to its end, as a process does; formulas up to where the engine is asked."""
    if kind == "expression":
        return settled(kind)
    gold, params = gold_of(kind), params_of(kind)

    def work(text: str) -> None:
        verdict = verify_item(
            VerifyItem(text if kind == "composite" else f"<answer>{text}</answer>", gold, kind, params)
        )
        if not KINDS[kind].judged:
            assert verdict.score is not None, (text[:40], verdict.explanation)
            assert 0.0 <= verdict.score <= 1.0

    return work


def as_option(text: str) -> None:
    """Judges answers beside an option of this text."""
    options = (text, "cat")
    for said in ("the answer is cat because dog", text[:60], "A"):
        verify_item(VerifyItem(f"<answer>{said}</answer>", CAT, "choice", {}, options))


def as_options(text: str) -> None:
    """Judges an answer beside many options that this text is cut into."""
    options = tuple(text[at : at + 40] for at in range(0, len(text), 40))
    verify_item(VerifyItem("<answer>the answer is cat because dog</answer>", CAT, "choice", {}, options))


CAT = parse_gold("choice", "B", options=("dog", "cat"))
OPTIONS = {"one": as_option, "many": as_options}
FEW = 2_400
"""Characters that each kind is tried with where tests have to be fast; at most the longest answer that it reads."""
MANY_CHARS = 10_000


def reach(kind: str, most: int) -> int:
    """So many characters that nothing around them makes an answer too long for its kind."""
    return min(KINDS[kind].longest - 60, most)


@pytest.mark.parametrize("reader", READERS)
def test_readers_take_time_in_line_with_the_length(reader: str) -> None:
    assert too_fast(READERS[reader], SHORT) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_answer_is_judged_in_time_in_line_with_its_length(kind: str) -> None:
    assert too_fast(judged(kind), reach(kind, FEW), ALPHABET + MORE) == []


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"expression"}))
def test_a_gold_is_read_in_time_in_line_with_its_length(kind: str) -> None:
    assert too_fast(read_as_gold(kind), reach(kind, FEW), ALPHABET + MORE) == []


@pytest.mark.parametrize("options", OPTIONS)
def test_options_are_read_in_time_in_line_with_their_length(options: str) -> None:
    assert too_fast(OPTIONS[options], SHORT, ALPHABET + MORE) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_whole_reply_is_settled_in_time_in_line_with_its_length(kind: str) -> None:
    assert too_fast(settled(kind, tags="plain"), SHORT) == []


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_answer_as_long_as_its_kind_reads_is_judged_in_line_with_its_length(kind: str) -> None:
    assert too_fast(judged(kind), reach(kind, MANY_CHARS), ALPHABET + MORE, every=2) == []


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_megabyte_of_an_answer_is_settled_in_line_with_its_length(kind: str) -> None:
    assert too_fast(settled(kind), LONG) == []


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"expression"}))
def test_a_megabyte_of_a_gold_is_read_in_line_with_its_length(kind: str) -> None:
    assert too_fast(read_as_gold(kind), min(LONG, KINDS[kind].longest - 60)) == []


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("options", OPTIONS)
def test_a_megabyte_of_options_is_read_in_line_with_its_length(options: str) -> None:
    assert too_fast(OPTIONS[options], LONG) == []


@SLOW
@pytest.mark.timeout(900)
@pytest.mark.parametrize("reader", READERS)
def test_a_megabyte_is_read_in_time_in_line_with_its_length(reader: str) -> None:
    assert too_fast(READERS[reader], LONG) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("unit", [" ", "[", "1,", "\\boxed{", "\u0301\u0327", "```\n"])
def test_memory_is_in_line_with_the_length(kind: str, unit: str) -> None:
    text = repeated(unit, 200_000)
    assert peak(lambda: settled(kind)(text)) < 200 * len(text)


def test_the_measure_sees_a_quadratic_step() -> None:
    share = growth(re.compile(r"(\w+)=").search, lambda n: repeated("a", n), 8_000)
    assert share is not None
    assert share > 1


MANY: dict[str, list[str]] = {
    "boxes": [str([[1, 2, 3, 4]] * 100_000), "[1,2,3,4] " * 5_000, str([[[[1, 2, 3, 4]] * 20] * 20] * 20)],
    "points": [str([[1, 2]] * 100_000), "(1, 2) " * 5_000, '<point x="1" y="1"' * 301],
    "mask": [
        str([[0, 0, 1, 1, 1, 0] * 100_000]),
        str([[0, 0, 10**8, 10**8, 0, 10**8]]),
        str([[0, 0, 1e8, 1e8, -1e8, 1e8]] * 9),
        '{"size": [1000000, 1000000], "counts": [1]}',
        '{"size": [4, 4], "counts": "' + "o" * 900_000 + '"}',
    ],
    "track": [
        str([[0, 0, 1, 1]] * 100_000),
        '[{"t": 1e999, "bbox": [0,0,10,10]}]',
        f'[{{"t": {"9" * 400}, "bbox": [0,0,1,1]}}]',
    ],
    "spans": [str([[0, 1]] * 100_000), "[0, 1e999]", f"[0, {'9' * 400}]"],
    "order": ["a, " * 30_000, str(["a"] * 30_000)],
    "grid": ["1 " * 90_000, "1 1\n" * 40_000, str([[1] * 300] * 300)],
    "set": ["a," * 400_000],
    "functions": ["f(1)," * 3_000, str([{"fn": "f", "args": [1]}] * 800), f"f({'9' * 390})"],
    "json": [
        '{"a": 1e999}',
        f'{{"a": {"9" * 400}}}',
        f'{{"a": {"9" * 5000}}}',
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"a": NaN}',
        str([1] * 300_000),
    ],
    "number": ["1e999", "9" * 400, "9" * 100_000, "1/" + "9" * 300, "10^{400}", "2^{4000}*2^{4000}", "9" * 310 + ".5"],
    "expression": ["1e999", "9" * 400, "10^{400}", "\\sqrt{2}*10^{400}", "2^{4000}"],
    "equation": ["(1+2+3)*4=" + "9" * 400, "-" * 490 + "1", "(" * 250 + "1"],
    "action": ['{"action": "click", "coordinate": [1e999, 1]}', f"click(x={'9' * 400}, y=1)", "x" * 19_000],
    "code": ["x\n" * 400_000],
    "composite": ["<answer>" * 10_000, "<glue>[3, 1e999]</glue><answer>A</answer>"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "answer"), [(kind, answer) for kind, answers in MANY.items() for answer in answers])
def test_too_much_is_wrong_and_never_unscored(kind: str, answer: str) -> None:
    response = answer if kind == "composite" else f"<answer>{answer}</answer>"
    verdict = settle(VerifyItem(response, gold_of(kind), kind, params_of(kind)))
    if verdict is not None:
        assert (verdict.score, verdict.correct) == (0.0, False), verdict


def test_a_number_beyond_all_floats_is_compared() -> None:
    big = "9" * 400
    gold = parse_gold("json", f'{{"a": {big}}}')
    for said, score in ((big, 1.0), ("1.5", 0.0), ("9" * 399 + "8", 1.0), ("8" * 400, 0.0)):
        for metric in ("exact", "leaves"):
            verdict = settle(VerifyItem(f'<answer>{{"a": {said}}}</answer>', gold, f"json:{metric}"))
            assert verdict is not None
            assert verdict.score == score, (said[:5], metric)


def test_depth_has_a_bound() -> None:
    assert read_literal("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    for text in ("[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1), "(" * 150 + "1" + ",)" * 150):
        with pytest.raises(NotLiteralError):
            read_literal(text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_gold_that_is_too_long_is_refused_with_both_lengths(kind: str) -> None:
    text = "1" * (KINDS[kind].longest + 1)
    with pytest.raises(GoldUnparseableError, match=f"{len(text)} characters; an answer of kind {kind} has"):
        parse_gold(kind, text, params=params_of(kind))


def test_an_error_is_the_response_s_fault_only_where_the_gold_s_own_words_make_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gold: Answer = gold_of("boolean")

    def judge(span: str, *rest: Any) -> Any:
        if span in at_fault:
            raise OverflowError("too large")
        return real(span, *rest)

    real, at_fault = KINDS["boolean"].judge, {"yes, yes"}
    object.__setattr__(KINDS["boolean"], "judge", judge)
    try:
        item = VerifyItem("<answer>yes, yes</answer>", gold)
        wrong = settle(item)
        assert wrong is not None
        assert (wrong.score, wrong.explanation) == (0.0, "no answer that can be read: OverflowError: too large")
        at_fault.add("yes, no")
        unscored = settle(item)
        assert unscored is not None
        assert (unscored.score, unscored.explanation) == (None, "OverflowError: too large")
    finally:
        object.__setattr__(KINDS["boolean"], "judge", real)
