"""Select as a step: the choice of the rule, among the named sides, by the numbers of the named steps."""

from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from filters.select.select import Selection, control, select
from pipelines.run.build import Build
from pipelines.steps.select import GIVEN, STEP, SelectConfig
from schemas.step import Out, Tables

RULES = [
    {"budget": 0.5},
    {"rule": "temporal_r1", "budget": 4},
    {"rule": {"type": "kimi"}, "budget": 3},
    {"budget": 6, "quotas": {"by": ["kind", "band"], "shares": "equal"}, "order": "easy_to_hard"},
]


def known(*columns: str) -> Any:
    types = dict.fromkeys(columns, pl.Int32())
    return SimpleNamespace(steps=(), types=lambda of: types, of_origin=lambda of, name: False)


def run(planted: Any, tables: Tables, section: dict[str, Any], name: str = "best") -> Out:
    config = SelectConfig.model_validate(section)
    out = planted.whole(STEP, tables, config, planted.context(name))
    assert out.rows is not None
    assert dict(out.rows.schema) == {"id": pl.String(), **GIVEN}
    assert sorted([*out.rows["id"], *out.drops["id"]]) == tables.rows["id"].to_list()
    return out


def measured(planted: Any, **more: Any) -> Tables:
    """All samples, of which the k-th is right k times of 27, on two sides."""
    height = planted.rows.height
    counts = {"k": pl.int_range(height, dtype=pl.Int32), "n": pl.lit(height - 1, pl.Int32)}
    side = pl.when(pl.int_range(height) % 4 == 0).then(pl.lit("sft")).otherwise(pl.lit("rl"))
    of = {"of_source": "source", "of_answer": "answer"}
    tables: Tables = planted.tables(rows=planted.rows.sort("id").with_columns(**{**counts, "side": side, **of, **more}))
    return tables


@pytest.mark.parametrize("section", RULES)
def test_the_choice_is_that_of_the_rule_among_the_named_sides(planted: Any, section: dict[str, Any]) -> None:
    tables = measured(
        planted, pass_rate=pl.int_range(28) / 27.0, mean_score=pl.int_range(28) / 27.0, score_std=pl.lit(0.1)
    )
    out = run(planted, tables, section)
    candidates = tables.rows.filter(pl.col("side") == "rl")
    assert out.rows is not None
    kind = pl.col("answer").struct.field("kind")
    cases = {"never": pl.col("k") == 0, "always": pl.col("k") == 27, "hard": pl.col("k") * 8 <= 2 * 27}
    cases |= {"medium": pl.col("k") * 8 <= 5 * 27, "easy": pl.lit(True)}
    band = pl.coalesce(pl.when(met).then(pl.lit(name)) for name, met in cases.items())
    table = candidates.with_columns(kind=kind, band=band)
    old = select(table, Selection.model_validate(section), 0)
    taken = out.rows.drop_nulls("value")
    columns = ["id", "value", "rank", "weight", "order", "evidence"]
    assert taken.sort("id").rows() == old.kept.select(columns).sort("id").rows()
    assert out.drops.sort("id").with_columns(pl.col("reason").str.replace("best", "select")).rows() == (
        old.dropped.sort("id").rows()
    )
    assert set(out.rows.filter(pl.col("value").is_null())["id"]) == set(tables.rows.filter(side="sft")["id"])
    assert out.tables["control"].equals(control(table, old.kept, Selection.model_validate(section), 0))


def test_all_samples_are_candidates_where_nothing_splits(planted: Any) -> None:
    tables = measured(planted)
    out = run(planted, tables._replace(rows=tables.rows.drop("side")), {"budget": 5})
    assert out.rows is not None and out.rows.height == 5 and out.rows["value"].null_count() == 0


def test_no_control_is_drawn_where_none_is_wished(planted: Any) -> None:
    assert "control" not in run(planted, measured(planted), {"control": None}).tables


def test_a_sample_of_which_no_reply_counts_is_unmeasured(planted: Any) -> None:
    tables = measured(planted, n=pl.when(pl.int_range(28) < 4).then(0).otherwise(27).cast(pl.Int32))
    out = run(planted, tables, {"sides": ["rl", "sft"]})
    assert out.drops["reason"].to_list().count("best:unmeasured") == 4


def test_a_flagged_sample_is_no_candidate(planted: Any) -> None:
    flags = pl.when(pl.int_range(28) < 8).then(pl.lit(["blind"])).otherwise(pl.lit([], pl.List(pl.String)))
    out = run(planted, measured(planted, flags=flags), {"without": ["label_suspect", "blind"]})
    assert out.drops["reason"].to_list().count("best:blind") == 6  # two of the eight are on the side that passes


def test_rap_reads_both_difficulties_by_the_names_of_their_steps(planted: Any) -> None:
    section = {"rule": {"type": "rap", "lambda_a": None}, "k": "seen", "blind": "text_only"}
    reads = STEP.reads(SelectConfig.model_validate(section), known("side")).rows
    addresses = {name: ".".join(column.ref) for name, column in reads.items()}
    assert addresses == {
        "k": "seen.k",
        "n": "seen.n",
        "k_text": "text_only.k",
        "n_text": "text_only.n",
        "of_source": "source",
        "of_answer": "answer",
        "side": "side",
    }
    tables = measured(planted, k_text=pl.lit(3, pl.Int32), n_text=pl.lit(27, pl.Int32))
    out = run(planted, tables, section)
    assert set(out.drops["reason"]) == {"best:cde", "best:too_easy"}


@pytest.mark.parametrize(
    ("rule", "column"),
    [
        ({"type": "mmr1_vas"}, "distinct_3"),
        ({"type": "mmr1_vas", "variant": "code", "diversity": "edit_distance"}, "edit_words"),
        ({"type": "mmr1_vas", "beta": 0}, None),
    ],
)
def test_a_mixture_is_drawn_by_how_differently_replies_go_about_it(
    planted: Any, rule: dict[str, Any], column: str | None
) -> None:
    section = {"rule": rule, "budget": 6, "order": "easy_to_hard"}
    reads = STEP.reads(SelectConfig.model_validate(section), known("side", "pass_rate")).rows
    assert {*reads} & {"distinct_3", "edit_words"} == ({column} if column else set())
    more = {} if column is None else {column: pl.int_range(28) / 27.0}
    out = run(planted, measured(planted, pass_rate=pl.int_range(28) / 27.0, **more), section)
    assert out.rows is not None
    drawn = out.rows.drop_nulls("value")
    assert drawn["weight"].sum() == 6
    assert sorted(drawn["training_order"]) == list(range(drawn.height))


TWO = {"type": "students", "rules": {"small": "base_fails", "large": {"type": "vl_rethinker"}}}


def test_two_students_are_measured_by_steps_of_their_own(planted: Any) -> None:
    section = {"rule": TWO, "k": {"small": "by_3b", "large": "by_72b"}, "quotas": {"by": ["band_large"]}}
    reads = STEP.reads(SelectConfig.model_validate(section), known("side", "by_3b.enough")).rows
    addresses = {name: ".".join(column.ref) for name, column in reads.items() if not name.startswith("of_")}
    assert addresses == {
        "k_small": "by_3b.k",
        "n_small": "by_3b.n",
        "k_large": "by_72b.k",
        "n_large": "by_72b.n",
        "enough:k_small": "by_3b.enough",
        "enough:n_small": "by_3b.enough",
        "side": "side",
    }
    counts = {name: pl.lit(27, pl.Int32) for name in ("n_small", "n_large", "k_large")}
    out = run(planted, measured(planted, k_small=pl.int_range(28, dtype=pl.Int32) // 14, **counts), section)
    assert out.rows is not None and out.rows["value"].count() == 10
    assert set(out.drops["reason"]) == {"best:small_too_easy"}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"rule": TWO}, "the rule judges the student 'small', so say which step measured it"),
        ({"rule": TWO, "k": {"small": "a"}}, "the rule judges the student 'large'"),
        ({"rule": TWO, "k": {"small": "a", "large": "b", "other": "c"}}, "nothing reads the numbers of 'other'"),
        ({"k": {"small": "a", "large": "b"}}, "nothing reads the numbers of 'large'"),
        ({"rule": "all", "k": {"small": "a"}}, "nothing reads the numbers of 'small'"),
        ({"k": {}}, "name a student"),
    ],
)
def test_a_student_that_nobody_measured_or_reads_is_refused(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectConfig.model_validate(section)


def test_hard_rows_want_a_teacher_and_a_rank_wants_a_number() -> None:
    with pytest.raises(
        ValueError, match=r"which no step before it gives: count right traces .* take the rule base_fails"
    ):
        STEP.reads(SelectConfig.model_validate({"rule": "hard_only"}), known("side"))
    section = {"rule": "hard_only", "columns": {"confirmed": "reached.agreed"}}
    reads = STEP.reads(SelectConfig.model_validate(section), known("reached.agreed")).rows
    assert reads["confirmed"].ref == ("reached", "agreed")
    text = SimpleNamespace(steps=(), types=lambda of: {"question": pl.String()})
    with pytest.raises(ValueError, match="`question` is String, and rows are ranked by a number"):
        STEP.reads(SelectConfig.model_validate({"rule": {"type": "column", "by": "question"}}), text)


def test_numbers_of_too_few_rollouts_are_neither_hard_nor_easy(planted: Any) -> None:
    """`difficulty: {unmeasured: keep}` leaves rows of which hardly a rollout counts: 0 of 1 is no row of 0 of 4."""
    guards = {f"enough:{name}": pl.int_range(28) % 7 > 0 for name in ("k", "n")}
    tables = measured(planted, **guards).rows.with_columns(k=pl.lit(0, pl.Int32))
    out = run(planted, planted.tables(rows=tables), {"rule": "base_fails", "sides": ["sft", "rl"]})
    assert out.drops["reason"].to_list() == ["best:unmeasured"] * 4


def test_nothing_has_to_be_measured_to_cover_the_candidates(planted: Any) -> None:
    """Rule `all`: no rollouts, no verdicts; vectors decide, and quotas by what a row is."""
    bare = planted.rows.sort("id").with_columns(of_source="source", of_answer="answer")
    encoder = {"text": {"model": "all-minilm-l6-v2"}}
    section = {"rule": "all", "budget": 6, "coverage": {"method": "k_center"}, "vectors": encoder}
    out = run(planted, planted.tables(rows=bare), section)
    assert out.rows is not None and out.rows.height == 6 and out.tables["control"].height == 6
    assert {*out.drops["reason"]} == {"best:covered", "best:budget"} or {*out.drops["reason"]} == {"best:covered"}
    near = out.tables["comparison"].filter(figure="mean nearness").to_dicts()[0]
    assert near["control"] < near["selected"]


def test_answers_are_balanced_by_kind(planted: Any) -> None:
    """Yes as often as no, each letter as often as the others: the golds of kinds that have few answers are cells."""
    rows = measured(planted).rows
    golds = [("boolean", "true")] * 12 + [("boolean", "false")] * 4 + [("number", None)] * 12
    parsed = [{"kind": kind, "raw": "", "parsed": f'{{"value":{gold or 4}}}'} for kind, gold in golds]
    rows = rows.with_columns(of_answer=pl.Series(parsed), side=pl.lit("sft"))
    section = {"rule": "all", "budget": 9, "quotas": {"by": ["kind", "gold"], "shares": "equal"}, "sides": ["sft"]}
    out = run(planted, planted.tables(rows=rows), section)
    assert out.rows is not None
    taken = rows.join(out.rows.drop_nulls("value").select("id"), on="id").sort("id")["of_answer"].struct.unnest()
    assert dict(taken.group_by("kind", "parsed").len().select("parsed", "len").iter_rows()) == {
        '{"value":true}': 3,
        '{"value":false}': 3,
        '{"value":4}': 3,
    }


def test_it_reads_what_its_rule_and_quotas_name_and_what_it_compares_where_that_is_there() -> None:
    section = {"quotas": {"by": ["skill", "band", "source"]}, "columns": {"skill": "label.skill"}, "without": ["blind"]}
    reads = STEP.reads(SelectConfig.model_validate(section), known("pass_rate", "tokens")).rows
    addresses = {name: ".".join(column.ref) for name, column in reads.items()}
    assert addresses == {
        "k": "k",
        "n": "n",
        "skill": "label.skill",
        "of_source": "source",
        "of_answer": "answer",
        "pass_rate": "pass_rate",
        "tokens": "tokens",
        "flags": "flags",
    }


def test_flags_of_ones_own_are_read_where_the_section_says() -> None:
    section = {"without": ["mine"], "columns": {"flags": "review.flags"}}
    assert STEP.reads(SelectConfig.model_validate(section), known()).rows["flags"].ref == ("review", "flags")


def test_what_it_gives_needs_no_quotes(planted: Any) -> None:
    import duckdb

    rows = run(planted, measured(planted), {"budget": 3}).rows
    assert rows is not None
    with duckdb.connect() as database:
        database.register("chosen", rows.to_arrow())
        assert database.sql(f"SELECT {', '.join(rows.columns)} FROM chosen WHERE rank < 3").pl().height == 3


def test_clusters_and_coverage_compare_vectors(planted: Any) -> None:
    encoder = {"text": {"model": "all-minilm-l6-v2"}}
    section = {
        "budget": 6,
        "quotas": {"by": ["cluster"], "shares": "equal"},
        "clusters": {"clusters": 3},
        "vectors": encoder,
    }
    out = run(planted, measured(planted), section)
    assert out.tables["clusters"].height == 21 and out.tables["clusters"]["cluster"].n_unique() == 3
    covering = run(planted, measured(planted), {"budget": 6, "coverage": {"method": "k_center"}, "vectors": encoder})
    assert covering.rows is not None and covering.rows["value"].count() == 6
    assert "mean nearness" in " ".join(covering.tables["comparison"]["figure"])
    assert STEP.facts(SelectConfig.model_validate(section), planted.build)[0]["model"] == "all-minilm-l6-v2"
    assert STEP.facts(SelectConfig(), planted.build) is None


def test_an_empty_table_stays_one(planted: Any) -> None:
    tables = measured(planted)
    out = run(planted, tables._replace(rows=tables.rows.clear()), {"budget": 3})
    assert out.rows is not None and out.rows.is_empty()


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"coverage": {"method": "k_center"}, "budget": 3}, "coverage compares candidates"),
        ({"quotas": {"by": ["cluster"]}}, "quotas.by: .cluster. compares"),
        ({"model": "vlm"}, "model"),
        ({"budget": 1.5}, "a share up to 1.0"),
        ({"without": ["blnd"]}, "Did you mean 'blind'"),
    ],
)
def test_a_mistake_is_one_sentence(section: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SelectConfig.model_validate(section)


def test_the_running_build_is_all_that_it_needs() -> None:
    assert {"recipe", "workspace", "replay", "media"} <= {*dir(Build), *Build.__dataclass_fields__}
