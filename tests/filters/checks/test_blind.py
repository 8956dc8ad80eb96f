"""Families, chance and the blind flag, worked by hand."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.checks.blind import blind
from filters.checks.chance import chance_rates
from filters.checks.families import families
from filters.checks.rules import CheckRules
from filters.checks.significance import above_chance
from schemas.answer import Answer, BooleanAnswer, ChoiceAnswer, TextAnswer, dump_answer


def samples(rows: list[tuple[str, str, Answer, list[str]]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [r[0] for r in rows],
            "dataset": ["d"] * len(rows),
            "kind": [r[2].kind for r in rows],
            "question": [r[1] for r in rows],
            "options": [r[3] for r in rows],
            "gold": [r[2].raw for r in rows],
            "parsed": [dump_answer(r[2]) for r in rows],
        },
        schema_overrides={"options": pl.List(pl.String)},
    )


def text(value: str) -> TextAnswer:
    return TextAnswer(raw=value, value=value)


def test_questions_that_differ_in_answers_only_are_a_family() -> None:
    rows = samples(
        [
            ("a", "Is the red one left?", text("blue"), []),
            ("b", "is the BLUE one left", text("red"), []),
            ("c", "Where is it?", text("left"), []),
            ("d", "Is the big one left?", text("red"), []),
        ]
    )
    found = families(rows, 2)
    assert found["family"].to_list() == [
        "d / text / is the _ one _",
        "d / text / is the _ one _",
        "d / text",
        "d / text",
    ]
    assert found["wide"].unique().to_list() == ["d / text"]


def test_sentences_that_are_golds_blank_no_words() -> None:
    rows = samples([("a", "what is the red one", text("it is the red one here"), [])])
    assert families(rows, 1)["family"].to_list() == ["d / text / what is the red one"]


def test_chance_by_kind() -> None:
    options = ["w", "x", "y", "z"]
    two = ChoiceAnswer(raw="A,B", letters=("A", "B"))
    rows = samples(
        [
            ("one", "q", ChoiceAnswer(raw="A", letters=("A",)), options),
            ("two", "q", two, options),
            ("yes", "q", BooleanAnswer(raw="yes", values=(True,)), []),
            ("list", "q", BooleanAnswer(raw="yes, no", values=(True, False)), []),
            ("t1", "q", text("Red"), []),
            ("t2", "q", text("red "), []),
            ("t3", "q", text("blue"), []),
        ]
    )
    chance = dict(chance_rates(rows).iter_rows())
    assert chance == pytest.approx(
        {"one": 1 / 4, "two": 1 / 6, "yes": 1 / 2, "list": 1 / 4, "t1": 2 / 3, "t2": 2 / 3, "t3": 2 / 3}
    )


def family(name: str, m: int, hits: int, chance: float = 0.5) -> pl.DataFrame:
    """`hits` of m questions whose blind answers are all right, the others' all wrong."""
    return pl.DataFrame(
        {
            "id": [f"{name}{i:03d}" for i in range(m)],
            "k": [8 if i < hits else 0 for i in range(m)],
            "n": [8] * m,
            "wrong": [0 if i < hits else 8 for i in range(m)],
            "chance": [chance] * m,
            "p_value": [chance**8 if i < hits else 1.0 for i in range(m)],
            "family": [name] * m,
            "wide": ["w"] * m,
        }
    )


def test_a_lucky_guess_is_not_blind() -> None:
    lucky = family("f", 100, 50)
    assert blind(lucky, CheckRules())["blind"].sum() == 0
    assert blind(lucky, CheckRules(blind="binomial"))["blind"].sum() == 50


def test_a_language_prior_is_not_blind_but_an_answer_in_the_text_is() -> None:
    rows = pl.concat([family("prior", 100, 88), family("text", 50, 50)])
    found = blind(rows, CheckRules())
    flagged = found.filter("blind")["id"].str.slice(0, 4).value_counts().rows()
    assert flagged == [("text", 50)]
    # lower bound of 50 of 50 is 0.05^(1/50) = 0.9418; share (0.9418 - 0.5) / 0.5 = 0.8837; certainty 0.8837 / 0.9418
    assert found.filter("blind")["certainty"].unique().to_list() == pytest.approx([0.93826], abs=1e-4)


def test_few_questions_prove_nothing() -> None:
    assert blind(family("f", 5, 5), CheckRules())["blind"].sum() == 0
    assert blind(family("f", 8, 8, chance=0.05), CheckRules())["blind"].sum() == 8


def test_the_whole_source_may_prove_what_templates_cannot() -> None:
    rows = pl.concat([family(name, 9, 9) for name in "abcdef"])
    assert blind(rows, CheckRules())["blind"].all()
    assert blind(rows, CheckRules())["family"].unique().to_list() == ["w"]


def test_wrong_and_unmeasured_answers_are_never_blind() -> None:
    rows = family("f", 60, 60).with_columns(
        k=pl.when(pl.col("id") == "f000").then(0).otherwise("k"),
        n=pl.when(pl.col("id") == "f001").then(0).otherwise("n"),
    )
    told = dict(blind(rows, CheckRules(certain=0.5)).select("id", "blind").iter_rows())
    assert (told["f000"], told["f001"], told["f002"]) == (False, False, True)


def alone(k: Sequence[int], wrong: Sequence[int], n: int, chance: float) -> pl.DataFrame:
    """Questions that share no wording, k right of n and the most common wrong answer given `wrong` times."""
    m = len(k)
    p = above_chance(np.array(k), np.full(m, n), np.full(m, chance))
    return pl.DataFrame(
        {"id": [f"{i:04d}" for i in range(m)], "k": k, "wrong": wrong, "n": [n] * m, "chance": [chance] * m,
         "p_value": p, "family": ["w"] * m, "wide": ["w"] * m}
    )  # fmt: skip


def guesses(rng: np.random.Generator, m: int, n: int, chance: float) -> tuple[list[int], list[int]]:
    """Independent guesses at 1/chance answers of equal odds: how often the right one, and how often the best wrong one."""
    others = round(1 / chance) - 1
    drawn = rng.multinomial(n, [chance, *[(1 - chance) / others] * others], size=m)
    return drawn[:, 0].tolist(), drawn[:, 1:].max(1).tolist()


@pytest.mark.parametrize("chance", [1 / 2, 1 / 4, 1 / 10])
def test_where_no_wording_is_shared_a_question_is_tested_by_itself(chance: float) -> None:
    """540 questions that are guessed at, and 60 whose text gives the answer: too few to make the source blind."""
    k, wrong = guesses(np.random.default_rng(0), 540, 16, chance)
    found = blind(alone([*k, *[16] * 60], [*wrong, *[0] * 60], 16, chance), CheckRules())
    assert found["blind"][540:].all()
    assert found["blind"][:540].sum() <= 3


def test_a_model_that_is_sure_of_its_guesses_accuses_nobody() -> None:
    """16 of 16 right by luck in every second question, each of which the binomial test by itself accuses."""
    rows = alone([16, 0] * 100, [0, 16] * 100, 16, 0.5)
    assert blind(rows, CheckRules())["blind"].sum() == 0
    assert blind(rows, CheckRules(blind="binomial"))["blind"].sum() == 100


@given(st.integers(0, 2**32 - 1), st.sampled_from([1 / 2, 1 / 4, 1 / 10]), st.integers(0, 60), st.sampled_from([8, 16]))
@settings(max_examples=20, deadline=None)
def test_false_discoveries_among_independent_guesses_are_bounded(
    seed: int, chance: float, planted: int, n: int
) -> None:
    """The mean share of false ones among the accused is at most `alpha`, whatever is planted; here, of 40 tables."""
    rng, shares = np.random.default_rng(seed), []
    for _ in range(40):
        k, wrong = guesses(rng, 200, n, chance)
        found = blind(alone([*k, *[n] * planted], [*wrong, *[0] * planted], n, chance), CheckRules())["blind"]
        shares.append(found[:200].sum() / max(1, found.sum()))
    assert np.mean(shares) <= 0.05 + 3 * np.std(shares) / 40**0.5


@given(st.permutations(range(40)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_questions_does_not_matter(order: list[int]) -> None:
    rows = alone([16] * 15 + [9, 0, 12, 3, 16] * 5, [0] * 15 + [3, 16, 4, 9, 0] * 5, 16, 0.25)
    first, second = blind(rows, CheckRules()), blind(rows[order], CheckRules()).sort("id")
    assert first.equals(second)
