"""The law of freshness: after any edits of a recipe and its rows, a build equals one from nothing."""

from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recipe_build import built, sums, write_recipe

from pipelines.job import Job, compile_recipe
from schemas.errors import ConfigError

_WHERE = st.sampled_from([None, "length(answer) = 1", "answer IN ('2', '12', '20')"])
_TEXT = st.sampled_from(["question", "answer", "v", "coalesce(v, '-') || '!'", "CAST(NULL AS VARCHAR)"])
_SELECT = "SELECT id AS parent_id, answer AS final"
_NAMES = st.sampled_from([f"s{n}" for n in range(8)])


@st.composite
def _step(draw: st.DrawFn) -> dict[str, Any]:
    """A step that compiles nearly anywhere: values and drops of samples and traces, more traces, counts, promotions."""
    kind, name = draw(st.sampled_from(["give", "drop", "make", "tally", "promote"])), draw(_NAMES)
    of = draw(st.sampled_from(["sample", "trace"]))
    where = {"where": found} if (found := draw(_WHERE)) else {}
    if kind == "give":
        return {"sql": {"as": name, "of": of, **where, "gives": {"v": draw(_TEXT)}}}
    if kind == "drop":
        cause = draw(st.sampled_from(["long", "six"]))
        condition = draw(st.sampled_from(["length(answer) > 1", "answer = '6'", "v LIKE '%1%'"]))
        return {"drop": {"as": name, "of": of, **where, "if": {cause: condition}}}
    if kind == "make":
        select = f"{_SELECT}, {draw(_TEXT)} AS v FROM rows"
        return {"sql": {"as": name, "of": of, **where, "makes": "trace", "select": select}}
    if kind == "tally":
        gives = {"v": draw(st.sampled_from(["CAST(count(*) AS VARCHAR)", "max(final)"]))}
        return {"tally": {"as": name, "of": "trace", "to": "sample", "gives": gives}}
    parents = draw(st.sampled_from(["stay", "retire"]))
    golds = {"question": "question", "answer": "final", "kind": "number", "parents": parents}
    return {"promote": {"as": name, "of": "first", **golds}}


_FIRST: list[Any] = [
    {"sql": {"as": "base", "of": "sample", "gives": {"v": "question"}}},
    {
        "sql": {
            "as": "first",
            "of": "sample",
            "makes": "trace",
            "select": "SELECT id AS parent_id, answer AS final, v FROM rows",
        }
    },
]
_VERSION = st.tuples(st.lists(_step(), max_size=4, unique_by=lambda s: next(iter(s.values()))["as"]), st.integers(1, 8))


def tables(job: Job) -> dict[tuple[str, str], pl.DataFrame]:
    """Everything that the steps of a job wrote and that a reader can find."""
    found = {}
    for step in job.compiled.pipeline.steps:
        for table in ("rows", "dropped", "retired"):
            parts = [job.runner.tables.scan(step.name, table, bucket) for bucket in range(job.runner.record.buckets)]
            if there := [part for part in parts if part is not None]:
                found[step.name, table] = pl.concat(there).sort("id").collect()
    return found


@given(versions=st.lists(_VERSION, min_size=2, max_size=2))
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_build_after_edits_equals_a_build_from_nothing(
    tmp_path_factory: Any, versions: list[tuple[list[Any], int]]
) -> None:
    root: Path = tmp_path_factory.mktemp("law")
    for number, (steps, rows) in enumerate(versions):
        recipe = write_recipe(root, [*_FIRST, *steps], sums(rows, number))
        try:
            compile_recipe(str(recipe))
        except ConfigError:  # such as a promotion of what a step before it outdated
            continue
        again, fresh = built(recipe, root / "ws", buckets=2), built(recipe, root / f"fresh{number}", buckets=2)
        one, other = tables(again), tables(fresh)
        assert one.keys() == other.keys()
        assert all(one[name].equals(other[name]) for name in one)
        assert again.up_to_date()
