"""The steps of a text: what separates them, how many there are, and the text before each."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.segment import RULES, STEP, Pattern, SegmentConfig, segments
from schemas.step import Out, Tables


def run(texts: list[str | None], **config: Any) -> Out:
    rows = pl.DataFrame(
        {"id": [f"r{i}" for i in range(len(texts))], "text": texts}, schema={"id": pl.String, "text": pl.String}
    )
    return STEP.body(Tables(rows, {}, pl.DataFrame()), SegmentConfig(**config), SimpleNamespace(name="steps"))


@pytest.mark.parametrize(
    ("split_at", "text", "steps"),
    [
        ("blank_line", "a\nb\n\nc\n \t\n\nd", ["a\nb", "c", "d"]),
        ("blank_line", "\n\na\r\n\r\nb", ["a", "b"]),
        ("newline", "a\n\n b\nc", ["a", "b", "c"]),
        ("sentence", "It is 3.5 cm. So what? Two!", ["It is 3.5 cm.", "So what?", "Two!"]),
        (
            "sentence",
            "1. Add them. 2. Halve it, e.g. by two. Done",
            ["1. Add them.", "2. Halve it, e.g. by two.", "Done"],
        ),
        ("sentence", "So x = 3. Then stop", ["So x = 3.", "Then stop"]),
        ("sentence", "第一步。第二步。", ["第一步。", "第二步。"]),
        ("step_tag", "Plan.\nStep 1: add\nStep 2: halve", ["Plan.", "Step 1: add", "Step 2: halve"]),
        ("step_tag", "### Step 1\nadd\n**Step 2** halve", ["### Step 1\nadd", "**Step 2** halve"]),
        ("step_tag", "<step>add</step><step>halve</step>", ["<step>add</step>", "<step>halve</step>"]),
        ("step_tag", "No Step 1 here", ["No Step 1 here"]),
        (Pattern(pattern=r"</?step>"), "<step>add</step>\n<step>halve</step>", ["add", "halve"]),
    ],
)
def test_a_text_is_split_at_what_stands_between_its_steps(split_at: Any, text: str, steps: list[str]) -> None:
    assert [step.text for step in segments(text, split_at)] == steps


@pytest.mark.parametrize(("pieces", "sizes"), [(12, [1] * 12), (13, [2] * 6 + [1]), (25, [3] * 8 + [1]), (1, [1])])
def test_more_steps_than_wanted_are_put_together_as_visualprm_does(pieces: int, sizes: list[int]) -> None:
    text = "\n\n".join(map(str, range(pieces)))
    assert [len(step.text.split()) for step in segments(text)] == sizes


@given(
    st.text(alphabet=st.sampled_from("ab1 .\n?Step<>/*#") | st.characters(codec="utf-8")),
    st.sampled_from([*RULES, Pattern(pattern="b")]),
    st.integers(1, 5),
)
def test_the_text_before_and_the_step_are_the_beginning_of_the_text(text: str, split_at: Any, most: int) -> None:
    text = text.replace("\ufdd0", "").replace("\ufdd1", "")
    steps = segments(text, split_at, most)
    assert len(steps) <= most
    assert all(text.startswith(step.before + step.text) and step.text == step.text.strip() != "" for step in steps)
    assert bool(steps) == any(piece.strip() for piece in (text.split("b") if isinstance(split_at, Pattern) else [text]))


def test_each_step_is_a_row_of_its_own_with_the_row_that_it_was_made_from() -> None:
    out = run(["a\n\nb", "c"])
    assert out.rows is not None
    assert out.rows.drop("id").rows() == [("r0", "a", 0, ""), ("r0", "b", 1, "a\n\n"), ("r1", "c", 0, "")]
    assert out.rows["id"].n_unique() == 3
    gives = STEP.gives(SegmentConfig(), SimpleNamespace())
    assert gives.makes == "segment"
    assert gives.columns == {name: out.rows.schema[name] for name in ("text", "place", "before")}


def test_a_row_without_text_drops_as_the_segment_that_it_could_not_make() -> None:
    out = run(["a", " \n\n ", None])
    assert out.rows is not None and out.rows["parent_id"].to_list() == ["r0"]
    assert out.drops.select("reason", "evidence", "parent_id").rows() == [
        ("steps:no_text", "{}", "r1"),
        ("steps:no_text", "{}", "r2"),
    ]
    assert out.drops["id"].n_unique() == 2


def test_ids_are_of_the_content_not_of_the_company() -> None:
    together, alone = run(["a\n\nb", "c"]).rows, run(["a\n\nb"]).rows
    assert together is not None and alone is not None
    assert together["id"].to_list()[:2] == alone["id"].to_list()


def test_an_empty_table_stays_one() -> None:
    out = run([])
    assert out.rows is not None and out.rows.is_empty() and out.drops.is_empty()


def test_the_text_that_is_split_can_be_another_column() -> None:
    assert STEP.reads(SegmentConfig(column="edited.reasoning"), SimpleNamespace()).rows["text"].ref == (
        "edited",
        "reasoning",
    )


@pytest.mark.parametrize(
    ("pattern", "cause"),
    [("(", "not a regular expression"), ("x*", "empty text"), ("(?=a)", "look-around"), ("a" * 201, "200")],
)
def test_a_pattern_is_checked_when_the_recipe_is_read(pattern: str, cause: str) -> None:
    with pytest.raises(ValidationError, match=cause):
        Pattern(pattern=pattern)


def test_a_pattern_costs_linear_time() -> None:
    assert len(segments("a" * 20_000 + "!", Pattern(pattern="(a+)+$"))) == 1


def test_abbreviations_without_end_cost_linear_time() -> None:
    assert len(segments("e.g. " * 20_000, "sentence", 1000)) == 1
