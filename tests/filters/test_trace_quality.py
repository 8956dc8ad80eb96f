"""Measures of a trace, each from a case worked by hand, and the limits that a recipe may set."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.trace_quality import LEAKS, QualityConfig, drop_poor, measure_traces

SCHEMA = {
    "id": pl.String,
    "sample_id": pl.String,
    "reasoning": pl.String,
    "tokens": pl.Int32,
    "finish_reason": pl.String,
    "contradicts": pl.Boolean,
    "concluded": pl.String,
    "off_question": pl.Boolean,
}

FREE = QualityConfig(max_repeated_ngrams=None, max_repeated_sentences=None, max_stutters=None, contradictions=False)
"""No limit at all."""


def traces(*texts: str | None, **more: Any) -> pl.DataFrame:
    row = {"tokens": 10, "finish_reason": "stop", "contradicts": None, "concluded": None, "off_question": None, **more}
    return pl.DataFrame(
        [{"id": f"t{i}", "sample_id": "s", "reasoning": text, **row} for i, text in enumerate(texts)], schema=SCHEMA
    )


@pytest.mark.parametrize(
    ("text", "measure", "value"),
    [
        ("one two three", "words", 3),
        ("", "words", 0),
        # 8 words give 7 pairs, of which 3 are different: ab, ba, and none else but the last stays ab: 2 different.
        ("a b a b a b a b", "repeated_ngrams", 1 - 2 / 7),
        ("a b c", "repeated_ngrams", 0.0),
        ("It is red. It is red! It is blue.", "repeated_sentences", 1 / 3),
        ("It is red.", "repeated_sentences", 0.0),
        ("x = 0.5. y = 0.5. So 1.0", "repeated_sentences", 0.0),
        ("这是红色的。这是红色的。", "repeated_sentences", 0.5),
        ("все red", "foreign", 0.5),
        ("红色 是 the", "foreign", 0.5),
        ("the angle α + β", "foreign", 0.0),
        (r"三角形的面积是 \frac{1}{2} \times 3", "foreign", 0.0),
        ("1 + 2 = 3", "foreign", 0.0),
        ("The description says it is red. According to the caption, it is.", "leaks", 2),
        ("The image shows a red star.", "leaks", 0),
        ("She describes the described circle.", "leaks", 0),
        ("Wait, hmm. Let me double-check.", "cues", 3),
        ("The waiter brings tea.", "cues", 0),
    ],
)
def test_measures_by_hand(text: str, measure: str, value: float) -> None:
    found = measure_traces(traces(text), QualityConfig(ngram=2))
    assert found[measure][0] == pytest.approx(value)


@pytest.mark.parametrize(
    ("limits", "row", "reason"),
    [
        ({"min_tokens": 11}, {}, "quality:too_short"),
        ({"max_tokens": 9}, {}, "quality:too_long"),
        ({"truncated": True}, {"finish_reason": "length"}, "quality:truncated"),
        ({"contradictions": True}, {"contradicts": True}, "quality:contradiction"),
        ({"on_question": True}, {"off_question": True}, "quality:off_question"),
        ({"max_leaks": 0}, {"reasoning": "The caption says so."}, "quality:leaks"),
        ({"max_cues": 0}, {"reasoning": "Wait."}, "quality:cues"),
        ({"max_foreign": 0.1}, {"reasoning": "да yes"}, "quality:language"),
        ({"max_repeated_sentences": 0.2}, {"reasoning": "It is so. It is so."}, "quality:repeated_sentences"),
        ({"ngram": 2, "max_repeated_ngrams": 0.2}, {"reasoning": "a b a b a b"}, "quality:repeated_ngrams"),
    ],
)
def test_each_limit_drops_with_its_reason_and_only_where_it_is_set(
    limits: dict[str, Any], row: dict[str, Any], reason: str
) -> None:
    text = row.pop("reasoning", "It is red.")
    config = QualityConfig(**limits)
    assert drop_poor(measure_traces(traces(text, **row), config), config).dropped["reason"].to_list() == [reason]
    assert drop_poor(measure_traces(traces(text, **row), FREE), FREE).kept.height == 1, "nothing drops without a limit"


@pytest.mark.parametrize(
    ("text", "row", "reason"),
    [
        ("So the So the answer is no.", {}, "quality:stutters"),
        ("It is red. It is red. So the answer is red.", {}, "quality:repeated_sentences"),
        ("and the red star " * 9, {}, "quality:repeated_ngrams"),
        ("The answer is D. So the answer is 1.", {"contradicts": True, "concluded": "D"}, "quality:contradiction"),
        ("The circle is red. So the answer is yes.", {}, None),
        ("Wait. The caption says so, да.", {"tokens": 1, "finish_reason": "length"}, None),
    ],
)
def test_what_drops_by_default_is_wrong_for_any_use(text: str, row: dict[str, Any], reason: str | None) -> None:
    config = QualityConfig()
    dropped = drop_poor(measure_traces(traces(text, **row), config), config).dropped
    assert dropped["reason"].to_list() == ([reason] if reason else [])


def test_what_the_caption_denies_is_measured_and_drops_where_a_limit_is_set() -> None:
    columns = {"caption": "1 shape: a large blue circle.", "question": "Is there a shape?", "stated": "yes"}
    rows = traces("The circle is red.", "The circle is blue.").with_columns(
        **{name: pl.lit(text) for name, text in columns.items()}
    )
    assert measure_traces(rows, FREE)["denied"].to_list() == [["red"], []]
    assert drop_poor(measure_traces(rows, QualityConfig()), QualityConfig()).kept.height == 2
    config = QualityConfig(max_denied=0)
    dropped = drop_poor(measure_traces(rows, config), config).dropped
    assert dropped["reason"].to_list() == ["quality:caption_denies"]
    assert '"denied":"red"' in dropped["evidence"][0]
    assert measure_traces(rows, FREE)["unvouched"].to_list() == [["circle", "red"], ["circle", "blue"]]
    blind = rows.with_columns(caption=pl.lit(None, pl.String))
    assert measure_traces(blind, config)["denied"].to_list() == [None, None]
    assert drop_poor(measure_traces(blind, config), config).kept.height == 2, "without a caption nothing is denied"


def test_a_contradiction_is_dropped_with_what_it_concluded() -> None:
    config = QualityConfig(contradictions=True, max_leaks=0)
    rows = traces("So the answer is red.", contradicts=True, concluded="red")
    rows = pl.concat([rows, traces("The caption says the answer is red.").with_columns(id=pl.lit("t1"))])
    dropped = drop_poor(measure_traces(rows, config), config).dropped
    assert dropped["evidence"].to_list() == [
        '{"sample_id":"s","measured":null,"limit":null,"concluded":"red","denied":null}',
        '{"sample_id":"s","measured":1.0,"limit":0.0,"concluded":null,"denied":null}',
    ]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="not a regular expression"):
        QualityConfig(leaks=("(",))


@given(st.lists(st.text(max_size=60) | st.none(), max_size=12), st.floats(0, 1), st.integers(0, 3))
def test_laws(texts: list[str | None], share: float, count: int) -> None:
    config = QualityConfig(max_repeated_ngrams=share, max_leaks=count, max_foreign=share)
    measured = measure_traces(traces(*texts), config)
    shares = measured.select("repeated_ngrams", "repeated_sentences", "foreign")
    assert all(0 <= value < 1 for row in shares.iter_rows() for value in row)
    parted = drop_poor(measured, config)
    assert sorted([*parted.kept["id"], *parted.dropped["id"]]) == sorted(measured["id"])
    again = drop_poor(measure_traces(traces(*texts)[::-1], config), config)
    assert sorted(again.kept["id"]) == sorted(parted.kept["id"])


LEAKED = [
    "the captions",
    "Description mentions",
    "described above",
    "caption says",
    "ACCORDING TO THE TEXT",
    "as stated in the text",
]


@given(st.lists(st.sampled_from([*LEAKED, "the text", "é", "a", ". "]), max_size=8).map(" ".join))
def test_where_leaks_are_looked_for_hides_none(text: str) -> None:
    every = "(?i)" + "|".join(f"(?:{pattern})" for pattern in LEAKS)
    assert measure_traces(traces(text), FREE)["leaks"][0] == pl.Series([text]).str.count_matches(every)[0]
