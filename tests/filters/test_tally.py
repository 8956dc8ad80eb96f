"""The step `tally`: what was made from a row becomes a column of it."""

import polars as pl
import pytest
from pydantic import ValidationError

from filters.tally import STEP, TallyConfig
from schemas.step import Read, Tables

BASE = {"id": pl.String, "sample_id": pl.String, "parent_id": pl.String, "made_by": pl.String}
TYPES = {"cues": pl.Int64(), "correct": pl.Boolean(), "text": pl.String()}


def table(*cells, **types):
    return pl.DataFrame(list(cells), schema={**BASE, **types}, orient="row")


def tally(context, rows, counted, gives, of="trace"):
    out = STEP.body(Tables(rows, {"counted": counted}, pl.DataFrame()), TallyConfig(of=of, gives=gives), context("aha"))
    assert out.drops.height == 0 and out.rows["id"].to_list() == rows["id"].to_list()
    return out.rows


SAMPLES = table(("b", "b", "b", "ingest"), ("a", "a", "a", "ingest"), ("c", "c", "c", "ingest"))
TRACES = table(
    ("1", "a", "a", "distill", 0, True),
    ("2", "a", "a", "distill", 2, None),
    ("3", "b", "b", "tries", None, False),
    ("4", "z", "z", "tries", 9, True),
    cues=pl.Int64,
    correct=pl.Boolean,
)


def test_children_are_counted_into_every_row_in_its_order(context) -> None:
    gives = {
        "n": "count(*)",
        "cued": "count(*) FILTER (cues > 0)",
        "most": "max(cues)",
        "tried": "count(*) FILTER (made_by = 'tries')",
    }
    out = tally(context, SAMPLES, TRACES, gives)
    assert out.rows() == [("b", 1, 0, None, 1), ("a", 2, 1, 2, 0), ("c", 0, 0, None, 0)]
    assert out.schema == {"id": pl.String(), **dict.fromkeys(gives, pl.Int64())}


def test_a_row_without_children_has_what_sql_gives_over_nothing(context) -> None:
    gives = {"n": "count(*)", "sum": "sum(cues)", "any": "coalesce(bool_or(correct), false)", "all": "list(cues)"}
    assert tally(context, SAMPLES, TRACES, gives).rows()[2] == ("c", 0, None, False, None)
    assert tally(context, SAMPLES, TRACES.clear(), gives).rows() == [(id_, 0, None, False, None) for id_ in "bac"]
    assert tally(context, SAMPLES.clear(), TRACES, gives).height == 0


def test_a_value_that_is_null_is_not_that_of_nothing(context) -> None:
    gives = {"one": "CASE WHEN count(*) > 0 THEN max(cues) ELSE -1 END"}
    assert tally(context, SAMPLES, TRACES, gives)["one"].to_list() == [None, 2, -1]


def test_rows_are_counted_by_parent_before_sample(context) -> None:
    traces = table(("t1", "a", "a", "distill"), ("t2", "a", "a", "distill"))
    segments = table(("x", "a", "t1", "segment"), ("y", "a", "t1", "segment"), ("z", "a", "t2", "segment"))
    assert tally(context, traces, segments, {"n": "count(*)"})["n"].to_list() == [2, 1]
    assert tally(context, SAMPLES, segments, {"n": "count(*)"})["n"].to_list() == [0, 3, 0]


def test_it_reads_dropped_children_too_and_gives_columns_with_types(known) -> None:
    config = TallyConfig(of="trace", gives={"n": "count(*) FILTER (cues > 0)", "by": "mode(made_by)"})
    there = known({"trace": TYPES})
    counted = STEP.reads(config, there).beside["counted"]
    assert (counted.of, counted.dropped, counted.reads) == ("trace", True, {"cues": Read(("cues",), text=True)})
    assert STEP.reads(config, there).rows == {}
    assert STEP.gives(config, there).columns == {"n": pl.Int64(), "by": pl.String()}


def test_it_works_on_the_parent_unit_unless_it_names_another(known) -> None:
    there = known({"segment": TYPES}, {"segment": "trace"})
    assert STEP.over(TallyConfig(of="segment", gives={"n": "count(*)"}), there) == "trace"
    assert STEP.over(TallyConfig(of="segment", to="sample", gives={"n": "count(*)"}), there) == "sample"
    with pytest.raises(ValueError, match="counts segment rows into segment rows"):
        STEP.over(TallyConfig(of="segment", to="segment", gives={"n": "count(*)"}), there)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"of": "trace", "gives": {}}, "at least 1"),
        ({"gives": {"n": "count(*)"}}, "name the rows that are counted"),
        ({"of": "trace", "gives": {"n": "cues"}}, "`cues` counts nothing"),
        ({"of": "trace", "gives": {"n": "count(*) FILTER (cues >)"}}, "cannot be parsed"),
    ],
)
def test_a_bad_section_is_one_sentence(section, message) -> None:
    with pytest.raises(ValidationError) as caught:
        TallyConfig.model_validate(section)
    assert message in str(caught.value)


def test_a_column_that_is_not_there_is_refused_before_a_build(known) -> None:
    with pytest.raises(ValueError, match=r"`max\(cue\)` reads cue, which nothing gives\. Did you mean 'cues'\?"):
        STEP.gives(TallyConfig(of="trace", gives={"n": "max(cue)"}), known({"trace": TYPES}))
