"""Records that a build is loud about, and records that it is not."""

from pathlib import Path
from typing import Any

import pytest
from recipe_build import built, sums, write_recipe

from pipelines.run.losses import LOOK, cure_of, losses
from pipelines.steps.catalogue import step_types
from pipelines.steps.ingest import INGEST

TYPES = {**step_types(), "ingest": INGEST}


def of(type_: str, kept: int = 0, dropped: dict[str, int] | None = None, **notes: int) -> list[str]:
    return losses(TYPES[type_], {"unit": "trace", "kept": kept, "dropped": dropped or {}, "notes": notes})


@pytest.mark.parametrize(
    "told",
    [
        of("drop", 6, {"drop:wrong": 94}),  # a share that data may have
        of("drop", 0, {"drop:no_answer": 50, "drop:wrong": 50}),  # no one cause
        of("drop", 0, {"drop:wrong": 4}),  # too few to say
        of("select", 1, {"select:budget": 99}),  # on purpose
        of("pick", 4, {"pick:not_picked": 96}),
        of("promote", 0, {"p:retired": 9}),
        of("verify", 40, right=40),  # a model that knows it all
        of("verify", 40, no_answer=30, right=10),
        of("pair", 40, left_out=960),  # a count that is nobody's verdict
        of("sql", 100),
    ],
)
def test_what_is_no_alarm(told: list[str]) -> None:
    assert told == []


@pytest.mark.parametrize(
    ("type_", "reason", "words"),
    [
        ("ingest", "ingest:image_missing", "image_root"),
        ("ingest", "ingest:gold_unparseable", "`answer`"),
        ("difficulty", "hard:unmeasured", "`tags`"),
        ("difficulty", "difficulty:too_few", "`min_n`"),
        ("pick", "pick:chance", "`beats_chance`"),
        ("select", "select:too_hard", "stronger"),
        ("split", "split:no_side", "`else`"),
        ("dedup", "dedup:near", "repeat each other"),
        ("drop", "drop:unheard_of", LOOK),
    ],
)
def test_one_cause_for_almost_all(type_: str, reason: str, words: str) -> None:
    (told,) = of(type_, 5, {reason: 95})
    assert told.startswith(f"95 of 100 rows of trace dropped as {reason}; ")
    assert words in told


@pytest.mark.parametrize("verdict", ["no_answer", "truncated", "unscored", "wrong"])
def test_one_verdict_for_almost_all(verdict: str) -> None:
    (told,) = of("verify", 40, **{verdict: 39, "right": 1})
    assert told.startswith(f"39 of 40 rows of trace are `{verdict}`; ")


def test_the_longest_beginning_counts() -> None:
    assert cure_of(TYPES["ingest"], "image_broken") != cure_of(TYPES["ingest"], "gold_nested")
    assert cure_of(TYPES["select"], "budget") is None


def test_a_build_records_what_it_warns_of(tmp_path: Path) -> None:
    """Sources, drops and verdicts of a real build: nine of ten rows have no gold, and no given trace reaches one."""
    rows = [*sums(2), *({"question": f"Q{n}?", "answer": "plenty"} for n in range(38))]
    made = {"of": "sample", "makes": "trace", "select": "SELECT id AS parent_id, 'no idea' AS final FROM rows"}
    thrice = {"of": "sample", "makes": "trace", "select": "SELECT id AS parent_id, '-1' AS final FROM rows"}
    steps: list[Any] = [
        {"sql": {"as": "a", **made}},
        *({"sql": {"as": f"wrong{n}", **thrice, "of": "sample"}} for n in range(3)),
        {"verify": {"as": "silent", "of": "a"}},
        {"verify": {"as": "wrong", "of": ["wrong0", "wrong1", "wrong2"]}},
        {"drop": {"as": "gone", "of": ["wrong0", "wrong1", "wrong2"], "if": {"wrong": "NOT wrong.correct"}}},
    ]
    job = built(write_recipe(tmp_path, steps, rows), tmp_path / "out")
    told = {record["step"]: record["warnings"] for record in job.records() if record["warnings"]}
    assert list(told) == ["ingest", "wrong", "gone"], "of two silent traces nobody tells"
    assert told["ingest"][0].startswith(
        "38 of 40 rows of sample dropped as ingest:gold_unparseable; look at the source's"
    )
    assert told["wrong"][0].startswith("6 of 6 rows of trace are `wrong`; ")
    assert told["gone"] == [f"6 of 6 rows of trace dropped as gone:wrong; {LOOK}."]
