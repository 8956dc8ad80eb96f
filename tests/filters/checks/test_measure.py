"""From verdicts to a row a sample: counts, gains, tests and flags, worked by hand."""

import json
from fractions import Fraction
from typing import Any

import polars as pl
import pytest

from filters.checks.measure import Evidence, Measured, measure_checks
from filters.checks.rules import CheckRules
from filters.checks.score import drop_bad_golds, score_replies
from filters.difficulty import DifficultyConfig
from filters.verify.pool import VerifierPool
from generators.checks.variant import VARIANT
from schemas.answer import Answer, BooleanAnswer, ChoiceAnswer, NumberAnswer, TextAnswer, dump_answer

GOLD = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))
OPTIONS = ["red", "blue", "teal", "pink"]


def variant(sample: str, check: str, base: str = "", answer: Answer = GOLD, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": f"{sample}/{check}/{base}", "sample_id": sample, "check": check, "base": base, "model": "vlm", "n": 8,
        "messages": "[]", "prefix": "", "sampling": "{}", "tags": "plain", "media": [], "options": OPTIONS,
        "answer": {"kind": answer.kind, "raw": answer.raw, "parsed": dump_answer(answer)},
        "verifier": {"id": answer.kind, "params": "{}"}, "detail": "{}",
    }  # fmt: skip
    return {**row, **more}


def replies(row: dict[str, Any], said: list[str], finish: str = "stop") -> list[dict[str, Any]]:
    facts = {
        name: row[name] for name in ("prefix", "answer", "verifier", "options", "tags", "sample_id", "check", "model")
    }
    return [
        {**facts, "id": f"{row['id']}#{i}", "variant_id": row["id"], "text": text, "finish_reason": finish, "tokens": 3}
        for i, text in enumerate(said)
    ]


def measured(told: list[tuple[dict[str, Any], list[str]]], types: dict[str, str], k: int = 8, **rules: Any) -> Measured:
    rows = pl.DataFrame([row for row, _ in told], schema=VARIANT)
    said = pl.DataFrame([reply for row, texts in told for reply in replies(row, texts)])
    with VerifierPool(1) as pool:
        scored = score_replies(said, pool).kept
    names = sorted({row["sample_id"] for row, _ in told} | {"silent"})
    samples = pl.DataFrame(
        {
            "id": names, "dataset": "d", "kind": "choice", "question": "What color is it?",
            "options": [OPTIONS] * len(names), "gold": "B", "parsed": dump_answer(GOLD),
        }
    )  # fmt: skip
    counts = pl.Series([k] * len(names), dtype=pl.Int32)
    base = pl.DataFrame({"id": names, "k": counts, "n": pl.Series([8] * len(names), dtype=pl.Int32), "model": "vlm"})
    checks = pl.DataFrame({"check": list(types), "type": list(types.values()), "rule": [None] * len(types)})
    found = Evidence(samples, base, None, "vlm", rows, scored, checks.cast({"rule": pl.String}))
    return measure_checks(found, CheckRules(**rules), DifficultyConfig())


def test_a_text_only_check_by_hand() -> None:
    told = measured([(variant("a", "blindly"), ["B"] * 5 + ["A", "C", "D", "so tired"])], {"blindly": "text_only"})
    row = told.results.row(0, named=True)
    assert (row["k"], row["n"], row["base_k"], row["base_n"]) == (5, 8, 8, 8)
    assert row["gain"] == pytest.approx(1 - 5 / 8)
    assert row["chance"] == pytest.approx(1 / 4)
    assert row["p_value"] == pytest.approx(0.02730, abs=1e-5)
    # 13 right of 16 in all; at most 5 of them among these 8 means C(13,5)*C(3,3) of C(16,8).
    assert row["p_drop"] == pytest.approx(1287 / 12870)
    sample = told.samples.filter(pl.col("id") == "a").row(0, named=True)
    assert (sample["k"], sample["n"], sample["k_text"], sample["n_text"]) == (8, 8, 5, 8)
    assert sample["blind"] is False


def test_a_sample_that_no_check_speaks_of_is_still_there() -> None:
    told = measured([(variant("a", "text_only"), ["B"])], {"text_only": "text_only"})
    silent = told.samples.filter(pl.col("id") == "silent").row(0, named=True)
    assert silent["k_text"] is None
    assert silent["flags"] == []


def test_text_that_answers_every_question_is_blind() -> None:
    told = measured([(variant(f"s{i:02d}", "text_only"), ["B"] * 4) for i in range(40)], {"text_only": "text_only"})
    assert told.samples.filter(pl.col("id") != "silent")["blind"].all()
    assert told.samples["flags"].to_list() == [["blind"]] * 40 + [[]]


def test_the_answer_follows_the_options_content() -> None:
    moved = ["blue", "red", "teal", "pink"]
    gold = ChoiceAnswer(raw="A", letters=("A",), texts=("blue",))
    detail = json.dumps({"first": "B", "order": [1, 0, 2, 3]})
    rows = [
        (variant("follows", "shuffle", "0", gold, options=moved, detail=detail), ["A"]),
        (variant("stays", "shuffle", "0", gold, options=moved, detail=detail), ["B"]),
        (variant("lost", "shuffle", "0", gold, options=moved, detail=detail), ["no idea"]),
    ]
    told = measured(rows, {"shuffle": "option_shuffle"}).results.select("id", "k", "agree", "answered", "flag")
    assert told.rows() == [("follows", 1, 1, 1, None), ("lost", 0, 0, 0, None), ("stays", 0, 0, 1, "letter_bound")]


@pytest.mark.parametrize(
    ("type_", "said", "k", "flag"),
    [
        ("patch_mask", ["B"] * 8, 8, "unmoved"),
        ("patch_mask", ["A"] * 8, 8, None),
        ("random_mask", ["A"] * 8, 8, "fragile"),
        ("random_mask", ["B"] * 8, 8, None),
        ("frame_shuffle", ["B"] * 8, 8, "order_free"),
        ("caption_only", ["B"] * 8, 8, "caption_sufficient"),
        ("caption_only", ["A"] * 8, 8, "perception_bound"),
        ("drop_cot", ["B"] * 8, 0, "cot_hurts"),
        ("drop_cot", ["B"] * 8, 8, "cot_unneeded"),
        ("drop_cot", ["A"] * 8, 8, None),
        ("question_form", ["A"] * 8, 8, "form_bound"),
        ("guess", ["B"] * 8, 8, "guessable"),
        ("guess", ["B"] * 2 + ["A"] * 6, 8, None),
        ("reverify", ["A"] * 5 + ["B"] * 3, 8, "unsupported"),
        ("reverify", ["B"] * 5 + ["A"] * 3, 8, None),
        ("evidence_mask", ["B"] * 8, 8, "unmoved"),
    ],
)
def test_flags(type_: str, said: list[str], k: int, flag: str | None) -> None:
    told = measured([(variant("a", type_), said)], {type_: type_}, k)
    assert told.results["flag"].to_list() == [flag]
    assert told.samples.filter(pl.col("id") == "a")["flags"].to_list() == [[flag] if flag else []]


def test_two_variants_of_a_check_are_counted_together_and_apart() -> None:
    rows = [(variant("a", "forms", base), said) for base, said in (("yes", ["B", "B"]), ("no", ["A", "B"]))]
    told = measured(rows, {"forms": "question_form"})
    assert told.results.select("k", "n", "variants").rows() == [(3, 4, 2)]
    assert told.variants.select("base", "k", "n").rows() == [("no", 1, 2), ("yes", 2, 2)]


def test_a_form_that_fails_is_not_outvoted_by_the_others() -> None:
    forms = (("open", ["A"] * 8), ("yes", ["B"] * 8), ("no", ["B"] * 8))
    told = measured([(variant("a", "forms", base), said) for base, said in forms], {"forms": "question_form"})
    row = told.results.row(0, named=True)
    # Counted together, 16 of 24 against 8 of 8 is p = 0.07. Of the two forms, the open one has 0 of 8: 1 of C(16,8), twice.
    assert (row["k"], row["n"]) == (16, 24)
    assert row["p_drop"] == pytest.approx(2 / 12870)
    assert row["flag"] == "form_bound"


@pytest.mark.parametrize("type_", ["patch_mask", "evidence_mask", "frame_shuffle", "drop_cot", "caption_only"])
def test_as_good_as_before_is_more_than_not_proven_worse(type_: str) -> None:
    flag = {"frame_shuffle": "order_free", "drop_cot": "cot_unneeded", "caption_only": "caption_sufficient"}
    told = [(variant(f"s{k}", type_), ["B"] * k + ["A"] * (8 - k)) for k in (5, 6)]
    results = measured(told, {type_: type_}).results
    # 5 of 8 is above a chance of 1/4, and not below 8 of 8 by Fisher's test (p = 0.1); but it fell by 3/8.
    assert (results["p_value"] <= 0.05).all()
    assert (results["p_drop"] > 0.05).all()
    assert results["flag"].to_list() == [None, flag.get(type_, "unmoved")]
    assert measured(told, {type_: type_}, tolerance="3/8").results["flag"].null_count() == 0


def test_a_caption_that_says_less_than_the_image_is_not_sufficient() -> None:
    told = [(variant("a", "caption"), ["B"] * 12 + ["A"] * 12), (variant("b", "caption", model="text"), ["B"] * 16)]
    results = measured(told, {"caption": "caption_only"}).results
    # 12 of 24 is above chance (p = 0.007), and below 8 of 8 (p = 0.012).
    assert (results["p_value"] <= 0.05).all()
    assert results.select("id", "flag").rows() == [("a", "perception_bound"), ("b", "caption_sufficient")]


def test_grey_images_make_a_sample_blind_too() -> None:
    rows = [(variant(f"s{i:02d}", "text_only"), ["A"] * 4) for i in range(40)]
    rows += [(variant(f"s{i:02d}", "grey_image"), ["B"] * 4) for i in range(40)]
    told = measured(rows, {"text_only": "text_only", "grey_image": "grey_image"}).samples.filter(
        pl.col("id") != "silent"
    )
    assert not told["blind_text"].any()
    assert told["blind"].all()
    assert told["flags"].to_list() == [["blind"]] * 40


def test_a_samples_blind_counts_are_its_students() -> None:
    rows = [(variant("a", "first", model="small"), ["B"] * 4), (variant("a", "second"), ["A"] * 3 + ["B"])]
    told = measured(rows, {"first": "text_only", "second": "text_only"}).samples.row(0, named=True)
    assert (told["k_text"], told["n_text"], told["gain_text"]) == (1, 4, 0.75)


def test_many_tests_are_corrected_when_asked() -> None:
    rows = [(variant(f"s{i}", "guess"), ["B"] * 4 + ["A"] * 4 if i else ["B"] * 8) for i in range(4)]
    plain, adjusted = (measured(rows, {"guess": "guess"}, adjust=how).results for how in ("none", "bh"))
    assert adjusted["p_value"][0] == pytest.approx(min(1.0, plain["p_value"][0] * 4))
    assert (adjusted["p_value"] >= plain["p_value"]).all()


def test_derived_golds_are_put_to_their_verifiers() -> None:
    fine = variant(
        "a", "open", answer=TextAnswer(raw="blue", value="blue"), detail=json.dumps({"rejects": ["red", "teal"]})
    )
    twice = variant(
        "b", "open", answer=TextAnswer(raw="blue", value="blue"), detail=json.dumps({"rejects": ["The Blue"]})
    )
    bad = variant("c", "open", answer=TextAnswer(raw="blue", value="blue"), verifier={"id": "number", "params": "{}"},
                  detail=json.dumps({"rejects": []}))  # fmt: skip
    rows = pl.DataFrame([fine, twice, bad, variant("d", "text_only")], schema=VARIANT)
    kept, dropped = drop_bad_golds(rows)
    assert kept["sample_id"].to_list() == ["a", "d"]
    assert dropped["reason"].to_list() == ["variants:gold_not_unique", "variants:gold_unusable"]
    assert json.loads(dropped["evidence"][0])["sample_id"] == "b"


def test_a_claim_that_is_the_gold_in_other_words_is_not_asked() -> None:
    yes, gold = BooleanAnswer(raw="yes", values=(True,)), NumberAnswer(raw="4", value=Fraction(4))
    of = {"answer": dump_answer(gold), "verifier": "number", "params": "{}"}
    asked = [(name, json.dumps({"rejects": [claim], "of": of})) for name, claim in (("a", "4.0"), ("b", "5"))]
    rows = [variant(name, "forms", "yes", yes, detail=detail) for name, detail in asked]
    kept, dropped = drop_bad_golds(pl.DataFrame(rows, schema=VARIANT))
    assert kept["sample_id"].to_list() == ["b"]
    assert dropped["reason"].to_list() == ["variants:gold_not_unique"]


def test_a_forced_start_is_part_of_the_reply() -> None:
    row = variant("a", "shuffle", prefix="<think>x</think>\n<answer>", tags="think_answer")
    with VerifierPool(1) as pool:
        scored = score_replies(pl.DataFrame(replies(row, ["B</answer>", "A</answer>", "B"])), pool).kept
    assert scored["correct"].to_list() == [True, False, True]


def test_right_replies_in_their_form_are_counted_apart() -> None:
    """What RAP's public code rewards in full: `k_formed` of the `k` that are right."""
    neat, bare, wrong = "<think>x</think><answer>B</answer>", "<answer>B</answer>", "<think>x</think><answer>A</answer>"
    blind = variant("a", "text_only", tags="think_answer")
    found = measured([(blind, [neat, neat, bare, wrong])], {"text_only": "text_only"})
    assert found.samples.select("id", "k_text", "n_text", "k_text_formed").rows() == [
        ("a", 3, 4, 2),
        ("silent", None, None, None),
    ]
