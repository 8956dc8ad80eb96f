"""Guess rates and the sieve, by hand, and what the sieve must never do."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.guessing import ANSWERED, drop_guessed, guess_rates, verified_shares
from schemas.answer import BooleanAnswer, ChoiceAnswer, TextAnswer, dump_answer

TRACES = {"id": pl.String, "sample_id": pl.String}
RATES = {"id": pl.String, "chance": pl.Float64}


def samples(*rows: tuple[str, str, str, list[str] | None]) -> pl.DataFrame:
    """Samples of (id, kind, gold, options) of one source."""
    answers = {
        "boolean": lambda gold: BooleanAnswer(raw=gold, values=(gold == "yes",)),
        "choice": lambda gold: ChoiceAnswer(raw=gold, letters=(gold,)),
        "text": lambda gold: TextAnswer(raw=gold, value=gold),
        "number": lambda gold: TextAnswer(raw=gold, value=gold),
    }
    return pl.DataFrame(
        [
            {
                "id": id_,
                "dataset": "d",
                "kind": kind,
                "gold": gold,
                "parsed": dump_answer(answers[kind](gold)),
                "options": o,
            }
            for id_, kind, gold, o in rows
        ],
        schema_overrides={"options": pl.List(pl.String)},
    )


def rates(*rows: tuple[str, str, str, list[str] | None]) -> list[float | None]:
    return guess_rates(samples(*rows)).sort("id")["chance"].to_list()


def test_a_truth_value_and_a_choice_are_guessed_at_known_rates() -> None:
    assert rates(("a", "boolean", "yes", None), ("b", "choice", "C", list("wxyz")), ("c", "text", "blue", None)) == [
        0.5,
        0.25,
        None,
    ]


def test_words_can_be_guessed_only_where_their_source_uses_few_over_and_over() -> None:
    few = [(f"s{i:02d}", "text", "red" if i % 4 else "blue", None) for i in range(20)]
    assert set(rates(*few)) == {0.75}
    many = [(f"s{i:02d}", "text", f"word {i % 5}", None) for i in range(20)]
    assert set(rates(*many)) == {None}, "five words four times each: too few of each to call them a closed set"
    assert rates(("s", "text", "red", None)) == [None], "one row is all of its source, and no evidence"
    assert rates(("s", "choice", "A", None)) == [None], "a letter whose options nobody knows"


def sieve(verdicts: list[bool | None], chance: float | None = 0.5, max_guess: float | None = None) -> pl.DataFrame:
    """What is dropped of a sample `s` with these verdicts; its right traces stand before the sieve."""
    right = [f"t{i}" for i, verdict in enumerate(verdicts) if verdict]
    traces = pl.DataFrame([(t, "s") for t in right], schema=TRACES, orient="row")
    answered = pl.DataFrame([("s", verdict) for verdict in verdicts], schema=ANSWERED, orient="row")
    parted = drop_guessed(traces, answered, pl.DataFrame([("s", chance)], schema=RATES, orient="row"), max_guess)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == right
    assert parted.kept.columns == list(TRACES)
    return parted.dropped


@pytest.mark.parametrize(
    ("verdicts", "chance", "stays"),
    [
        ([True, True], 0.5, True),
        ([True, False], 0.5, False),  # a coin does this
        ([True, True, False], 0.5, True),
        ([True, True, False, False], 0.5, False),
        ([True, False, False], 0.25, True),
        ([True, False, False, False], 0.25, False),
        ([True, False, False, False], None, True),  # nobody guesses a free answer
        ([True], 0.5, False),  # one answer is no share
        ([True, None, None], 0.5, False),  # what was not scored is no evidence
        ([True, True, None, None], 0.5, True),  # … nor is it a wrong answer
    ],
)
def test_a_sample_stays_if_its_share_right_beats_chance(
    verdicts: list[bool | None], chance: float | None, stays: bool
) -> None:
    dropped = sieve(verdicts, chance)
    assert dropped.is_empty() == stays
    assert set(dropped["reason"]) <= {"pick:chance"}


def test_the_evidence_says_how_well_a_guesser_does() -> None:
    evidence = json.loads(sieve([True, True, False, False])["evidence"][0])
    assert evidence == {"sample_id": "s", "right": 2, "answered": 4, "chance": 0.5, "guess": pytest.approx(11 / 16)}


def test_max_guess_asks_for_more() -> None:
    three_of_four = [True, True, True, False]  # P(at least 3 of 4 heads) = 5/16
    assert sieve(three_of_four, max_guess=0.32).is_empty()
    assert not sieve(three_of_four, max_guess=0.31).is_empty()
    assert sieve([True, False], chance=None, max_guess=0.01).is_empty()


@given(st.lists(st.sampled_from([True, False, None]), max_size=8), st.sampled_from([0.1, 0.25, 0.5]))
def test_another_right_answer_never_costs_a_sample_its_traces(verdicts: list[bool | None], chance: float) -> None:
    if sieve(verdicts, chance).is_empty() and any(verdicts):
        assert sieve([*verdicts, True], chance).is_empty()
        assert sieve([*verdicts, None], chance).is_empty()


def test_shares_by_gold_show_what_verification_alone_changed() -> None:
    yes = [(f"y{i}", "boolean", "yes", None) for i in range(4)]
    no = [(f"n{i}", "boolean", "No", None) for i in range(4)]
    rows = samples(*yes, *no, ("t", "text", "blue", None))
    wrong, right = ("y1", "y2", "y3"), ("y0", "n0", "n1", "n2", "t")
    said = [*((id_, False) for id_ in wrong), *((id_, True) for id_ in right), ("n3", None)]
    answered = pl.DataFrame(said, schema=ANSWERED, orient="row")
    kept = pl.DataFrame({"sample_id": ["n0", "n1", "t"]})
    found = verified_shares(rows, answered, kept, pl.DataFrame({"id": ["n1"]}))
    columns = ("samples", "answered", "right", "share", "chance", "verified", "kept", "released")
    assert dict(zip(found["gold"], found.select(columns).rows(), strict=True)) == {
        "no": (4, 3, 3, 1.0, 0.5, 3, 2, 1),
        "yes": (4, 4, 1, 0.25, 0.5, 1, 0, 0),
        None: (1, 1, 1, 1.0, None, 1, 1, 0),
    }
