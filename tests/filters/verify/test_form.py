"""Whether a response is laid out as its tag schema says."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.form import well_formed
from schemas.tags import TAG_SCHEMAS, render_trace, thoughts

NEAT = "<think>2 + 2</think><answer>4</answer>"


def test_every_section_once_and_nothing_outside() -> None:
    said = [NEAT, f"Sure! {NEAT}", "<think>2 + 2</think>4", f"{NEAT}{NEAT}", "4", "", None]
    assert well_formed(said, "think_answer").to_list() == [True, False, False, False, False, False, None]
    assert well_formed(["4", NEAT, "", None], "plain").to_list() == [True, True, False, None]


def test_each_response_has_a_schema_of_its_own_where_they_are_listed() -> None:
    assert well_formed([NEAT, "4"], ["think_answer", "plain"]).to_list() == [True, True]
    assert well_formed([NEAT, "4"], ["plain_boxed", "think_answer"]).to_list() == [False, False]
    assert well_formed([], "plain").dtype == pl.Boolean


WORDS = st.text(alphabet="abc 123", min_size=1).filter(str.strip)


@given(st.sampled_from([name for name, schema in TAG_SCHEMAS.items() if len(thoughts(schema)) < 2]), WORDS, WORDS)
def test_what_is_written_in_a_schema_has_its_form(name: str, thought: str, answer: str) -> None:
    assert well_formed([render_trace(TAG_SCHEMAS[name], thought, answer)], name).to_list() == [True]
