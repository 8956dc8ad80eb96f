"""What a name means where a step stands."""

from typing import Any

import pytest
from step_types import pipeline

from schemas.errors import ConfigError


def give(
    name: str, *, of: str = "sample", replaces: tuple[str, ...] = (), where: str | None = None, **columns: str
) -> Any:
    section: dict[str, Any] = {"as": name, "of": of, "columns": columns, "replaces": replaces}
    return "give", section | ({"where": where} if where else {})


def test_a_name_that_nobody_gives_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"recipe.yaml:2: a: .*reads `qestion`.*Did you mean 'question'"):
        pipeline(give("a", x="qestion"))


def test_two_independent_givers_make_a_short_name_ambiguous_and_addresses_settle_it() -> None:
    two = (give("a", x="question"), give("b", x="question || '?'"))
    with pytest.raises(ConfigError, match=r"c: `x` is given by 'a' and by 'b'; write a.x or b.x"):
        pipeline(*two, give("c", y="x"))
    assert pipeline(*two, give("c", y="a.x || b.x")).step("c").sources.keys() == {"a.x", "b.x"}


def test_a_step_that_reads_a_column_and_gives_its_name_replaces_it() -> None:
    found = pipeline(give("a", x="question"), give("b", x="x || '?'"), give("c", y="x"))
    assert [c.step for c in found.step("c").sources["x"].columns] == ["a", "b"]


def test_a_measure_of_what_was_replaced_is_outdated_and_its_address_reads_it() -> None:
    before = (give("a", x="question"), give("m", k="length(x)"), give("b", x="x || '?'"))
    with pytest.raises(ConfigError, match=r"c: `k` is outdated: 'm' gave it before 'b' changed.*write m.k"):
        pipeline(*before, give("c", y="k"))
    pipeline(*before, give("c", y="m.k"))
    pipeline(*before, give("again", k="length(x)"), give("c", y="k"))


def test_what_was_measured_indirectly_is_outdated_too() -> None:
    with pytest.raises(ConfigError, match="`z` is outdated"):
        pipeline(
            give("a", x="question"),
            give("m", k="length(x)"),
            give("n", z="k + 1"),
            give("b", x="x || '?'"),
            give("c", y="z"),
        )


def test_rows_read_upwards_by_bare_names_and_downwards_by_no_name() -> None:
    made = ("make", {"makes": "trace"})
    found = pipeline(made, give("t", of="trace", y="question || text"))
    source = found.step("t").sources["question"]
    assert (source.own, source.node.unit) == (False, "sample")
    with pytest.raises(ConfigError, match=r"reads `text`.*Rows of trace have it; count them with `tally`"):
        pipeline(made, give("s", y="text"))
    with pytest.raises(ConfigError, match="rows of sample are not made from those"):
        pipeline(made, give("s", y="make.text"))


def test_the_own_column_wins_over_the_parents_and_addresses_name_each() -> None:
    steps = (give("a", text="question"), ("make", {"makes": "trace"}))
    found = pipeline(*steps, give("t", of="trace", y="text || parent.text || sample.text"))
    read = {name: source.own for name, source in found.step("t").sources.items()}
    assert read == {"text": True, "parent.text": False, "sample.text": False}


def test_rows_of_one_maker_do_not_see_what_was_measured_on_anothers() -> None:
    makers = (("make", {"as": "a1"}), ("make", {"as": "a2"}))
    measured = (give("m1", of="a1", k="length(text)"), give("m2", of="a2", k="length(text) + 1"))
    found = pipeline(*makers, *measured, give("both", of="trace", y="k"))
    assert {c.step for c in found.step("both").sources["k"].columns} == {"m1", "m2"}
    assert {c.step for c in found.step("both").sources["k"].columns if c.step == "m1"} == {"m1"}
    with pytest.raises(ConfigError, match="reads `k`"):
        pipeline(*makers, measured[0], give("other", of="a2", y="k"))


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"of": "trase", "columns": {"x": "id"}}, "nothing before it makes 'trase'. Did you mean 'trace'"),
        ({"of": "a", "columns": {"x": "id"}}, "'a' makes no rows of its own"),
        ({"of": ["make", "ingest"], "columns": {"x": "id"}}, "`of` mixes rows of sample and trace"),
        ({"of": "sample", "columns": {"id": "question"}}, "`id` is the name of a column that all rows have"),
    ],
)
def test_of_and_reserved_names(section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        pipeline(give("a", x="question"), ("make", {}), ("give", {"as": "c", **section}))
    assert sentence in str(error.value)


def test_a_gold_is_read_as_it_was_published_and_by_the_fields_of_its_parsed_form() -> None:
    sources = pipeline(give("a", x="answer || kind || dataset", z="answer.target")).step("a").sources
    assert {name: source.path for name, source in sources.items()} == {
        "answer": ("raw",),
        "kind": ("kind",),
        "dataset": ("dataset",),
        "answer.target": ("parsed", "$target"),
    }
