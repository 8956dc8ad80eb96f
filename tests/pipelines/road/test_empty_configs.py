"""A release without the rows that its recipe gives is an error, and says what became of them."""

import polars as pl
import pytest
from old_quickstart import OLD_QUICKSTART

from pipelines.recipe.load import load_recipe
from pipelines.road.empty_configs import Given, check_not_empty, given_configs
from schemas.errors import StageError

DROPS = pl.DataFrame({"sample_id": [], "reason": []}, schema={"sample_id": pl.String, "reason": pl.String})


def sides(**counts: int) -> pl.DataFrame:
    rows = [(f"{side}{i}", side) for side, count in counts.items() for i in range(count)]
    return pl.DataFrame(rows, schema={"id": pl.String, "split": pl.String}, orient="row")


def drops(*rows: tuple[str, str]) -> pl.LazyFrame:
    return pl.DataFrame(list(rows), schema=DROPS.schema, orient="row").lazy()


def test_rows_everywhere() -> None:
    given = [Given("sft", True), Given("rl", False)]
    check_not_empty(given, {"sft": 1, "rl": 1, "holdout": 0}, sides(sft=1, rl=1), drops())


def test_all_that_was_dealt_to_it_was_dropped() -> None:
    lost = drops(("rl0", "select:too_hard"), ("rl1", "select:too_hard"), ("sft0", "verify:wrong"))
    with pytest.raises(StageError) as caught:
        check_not_empty([Given("rl", False)], {"rl": 0}, sides(sft=1, rl=2), lost)
    sentence = str(caught.value)
    assert "'rl' is empty, though 2 samples were dealt" in sentence
    assert "2 select:too_hard" in sentence
    assert "verify:wrong" not in sentence
    assert "stronger" in sentence
    assert "release.allow_empty: [rl]" in sentence


def test_a_default_share_that_no_sample_was_dealt_to_is_chance_and_a_written_one_is_not() -> None:
    check_not_empty([Given("holdout", False)], {"holdout": 0}, sides(sft=5, rl=5), drops())
    with pytest.raises(StageError, match=r"none of 10 samples was dealt to that split; raise split\.holdout"):
        check_not_empty([Given("holdout", True)], {"holdout": 0}, sides(sft=5, rl=5), drops())


def test_nothing_came_as_far_as_the_split() -> None:
    lost = drops(*((str(i), "difficulty:unmeasured") for i in range(9)), ("9", "ingest:image_missing"))
    with pytest.raises(StageError, match=r"no sample was left for any split\. .*9 difficulty:unmeasured"):
        check_not_empty([Given("rl", False)], {"rl": 0}, sides(), lost)


def test_pairs_that_nobody_can_make() -> None:
    with pytest.raises(StageError, match="no prompt has a right response and a wrong one"):
        check_not_empty([Given("preference", True)], {"preference": 0}, sides(rl=3), drops())


def test_a_sample_that_lost_many_traces_is_counted_once() -> None:
    lost = drops(
        *(("sft0", "verify:wrong") for _ in range(8)),
        *((id_, cause) for id_ in ("sft0", "sft1") for cause in ("verify:no_answer", "release:no_verified_trace")),
    )
    with pytest.raises(StageError, match="2 verify:no_answer, 1 verify:wrong"):
        check_not_empty([Given("sft", False)], {"sft": 0}, sides(sft=2), lost)


def test_what_a_recipe_gives() -> None:
    """Without traces the share of `sft` is `rl`'s; a trial of a few rows may leave anything empty."""
    every = load_recipe(OLD_QUICKSTART)
    assert [given.config for given in given_configs(every)] == ["sft", "rl", "holdout"]
    assert [given.config for given in given_configs(load_recipe(OLD_QUICKSTART, ["distill=null", "quality={}"]))] == [
        "rl",
        "holdout",
    ]
    assert given_configs(load_recipe(OLD_QUICKSTART, ["split={sft: 1.0, rl: 0.0, holdout: 0.0}"])) == [
        Given("sft", True)
    ]
    assert given_configs(load_recipe(OLD_QUICKSTART, ["release.allow_empty=[sft]"])) == given_configs(every)[1:]
    assert given_configs(load_recipe(OLD_QUICKSTART, limit=3)) == []
