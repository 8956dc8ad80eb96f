"""Split as a step: sides by share, sides by condition, groups that stay together and releases that bind."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError
from sealing import sealed

from filters.assign import AssignConfig
from filters.assign import side as dealt
from filters.dedup.embedding import near_pairs
from filters.dedup.image_hash import ImageHashConfig, same_image_pairs
from filters.groups import group_ids
from pipelines.steps.split import STEP, NearQuestions, SplitConfig
from pipelines.store.workspace import Workspace
from schemas.step import Out, Tables

ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}
SHARES = {"sft": 0.5, "rl": 0.4, "holdout": 0.1}


def nothing_known() -> Any:
    return SimpleNamespace()


def run(planted: Any, tables: Tables, section: dict[str, Any], build: Any = None) -> Out:
    out = planted.whole(STEP, tables, SplitConfig.model_validate(section), planted.context("sides", build))
    assert out.rows is not None
    assert out.rows.columns == ["id", *STEP.gives(SplitConfig(), nothing_known()).columns]
    assert sorted([*out.rows["id"], *out.drops["id"]]) == tables.rows["id"].to_list()
    return out


def texts(**sides: str | None) -> pl.DataFrame:
    """Questions without media; equal first letters are a group that the source names."""
    rows = [(id_, f"Question {id_}?", id_[0], cued) for id_, cued in sides.items()]
    made = pl.DataFrame(rows, schema=["id", "question", "group_id", "mood"], orient="row")
    return made.with_columns(
        pl.Series("media", [[]] * made.height, pl.List(pl.Struct({"kind": pl.String, "sha256": pl.String}))),
        pl.Series("options", [[]] * made.height, pl.List(pl.String)),
        answer=pl.struct(kind=pl.lit("text"), raw="id", parsed="id"),
        source=pl.struct(dataset=pl.lit("d")),
        parent_id=pl.lit(None, pl.String),
    )


def sides_of(out: Out) -> dict[str, str]:
    assert out.rows is not None
    return dict(out.rows.select("id", "side").rows())


@pytest.mark.parametrize("section", [{}, ENCODERS])
def test_a_group_is_all_that_shows_one_scene_and_is_dealt_by_its_name(planted: Any, section: dict[str, Any]) -> None:
    out = run(planted, planted.tables(), SHARES | section)
    assert out.rows is not None and out.drops.is_empty()
    groups = dict(out.rows.select("id", "split_group").iter_rows())
    by_scene = {planted.scenes[id_]: group for id_, group in groups.items()}
    assert groups == {id_: by_scene[scene] for id_, scene in planted.scenes.items()} and len({*by_scene.values()}) == 12
    assert sides_of(out) == {id_: dealt(group, AssignConfig.model_validate(SHARES)) for id_, group in groups.items()}


def test_the_same_image_in_another_encoding_is_no_tie_where_that_is_wished(planted: Any) -> None:
    out = run(planted, planted.tables(), SHARES | {"same_images": None})
    assert out.rows is not None and out.rows["split_group"].n_unique() == 16


@pytest.mark.parametrize("threshold", [0.6, 0.8])
def test_near_questions_about_near_images_are_tied(planted: Any, threshold: float) -> None:
    near = {"text_threshold": threshold, "image_threshold": 0.2}
    out = run(planted, planted.tables(), SHARES | ENCODERS | {"near_questions": near})
    rows = planted.rows.sort("id")
    config = NearQuestions.model_validate(near)
    pairs = near_pairs(rows, planted.text_vectors, planted.image_vectors, config)
    expected = group_ids(rows, [pairs], same_image_pairs(planted.hashes, None, ImageHashConfig()))
    assert out.rows is not None and 1 < out.rows["split_group"].n_unique() < 12
    assert out.rows.select("id", group="split_group").sort("id").equals(expected.sort("id"))


def test_a_group_goes_to_the_first_side_that_one_of_its_rows_meets(planted: Any) -> None:
    rows = texts(a1="aha", a2=None, b1=None, b2="calm", c1="aha", c2="hard", d1=None)
    section = {"sides": {"hard": "mood = 'hard'", "rl": "mood = 'aha'", "sft": "else"}}
    out = run(planted, planted.tables(rows=rows), section)
    expected = {"a1": "rl", "a2": "rl", "b1": "sft", "b2": "sft", "c1": "hard", "c2": "hard", "d1": "sft"}
    assert sides_of(out) == expected


def test_a_group_that_meets_no_condition_drops_where_no_side_takes_the_rest(planted: Any) -> None:
    rows = texts(a1="aha", b1=None, b2="calm")
    out = run(planted, planted.tables(rows=rows), {"sides": {"rl": "mood = 'aha'"}})
    assert sides_of(out) == {"a1": "rl"}
    assert out.drops["reason"].to_list() == ["sides:no_side"] * 2
    assert out.drops["evidence"].n_unique() == 1 and '"group"' in out.drops["evidence"][0]


@pytest.fixture
def released(planted: Any, tmp_path: Path) -> Any:
    """A build whose first release gave these rows away."""

    def make(**sides: list[str]) -> Any:
        folder = Workspace(tmp_path).releases("tiny") / "v1"
        for side, ids in sides.items():
            (folder / side).mkdir(parents=True)
            rows = pl.DataFrame({"id": ids})
            rows = rows.with_columns(split=pl.lit("rl")) if side == "unfiltered" else rows
            rows.write_parquet(folder / side / "a.parquet")
        sealed(folder, {})
        build = planted.build
        return SimpleNamespace(workspace=Workspace(tmp_path), media=build.media, replay=False, recipe=build.recipe)

    return make


def test_what_a_release_gave_away_keeps_its_side_and_so_does_its_group(planted: Any, released: Any) -> None:
    rows = texts(a1="aha", a2=None, b1="aha", c1=None)
    build = released(sft=["a1"], unfiltered=["c1"])
    by_condition = run(planted, planted.tables(rows=rows), {"sides": {"rl": "mood = 'aha'", "sft": "else"}}, build)
    assert sides_of(by_condition) == {"a1": "sft", "a2": "sft", "b1": "rl", "c1": "rl"}
    by_share = run(planted, planted.tables(rows=rows), {"holdout": 1}, build)
    assert sides_of(by_share) == {"a1": "sft", "a2": "sft", "b1": "holdout", "c1": "rl"}


def test_a_row_that_would_join_two_sides_drops(planted: Any, released: Any) -> None:
    rows = texts(a1=None, b1=None, a2=None).with_columns(question=pl.lit("Q?") + pl.col("id").str.slice(0, 1))
    rows = pl.concat([rows, texts(b3=None).with_columns(question=pl.lit("Q?a"))])
    out = run(planted, planted.tables(rows=rows), {"sft": 1}, released(sft=["a1"], rl=["b1"]))
    assert sides_of(out) == {"a1": "sft", "a2": "sft", "b1": "rl"}
    assert out.drops.rows() == [("b3", "sides:bridges_groups", '{"sides":["rl","sft"]}')]


def test_a_released_row_that_was_dropped_since_binds_its_group(planted: Any, released: Any) -> None:
    rows = texts(a1=None, a2=None, b1=None)
    alive = planted.tables(rows=rows.filter(pl.col("id") != "a1"))
    tables = Tables(alive.rows, {"samples": planted.tables(rows=rows).rows}, alive.answers)
    assert sides_of(run(planted, tables, {"sft": 1}, released(rl=["a1"]))) == {"a2": "rl", "b1": "sft"}


def test_it_reads_what_ties_rows_and_what_its_conditions_name(known: Any) -> None:
    config = SplitConfig(sides={"rl": "aha.cued > 0", "sft": "else"})
    reads = STEP.reads(config, known)
    assert {*reads.rows} == {"aha.cued", "question", "options", "answer", "media", "source", "group_id"}
    assert reads.rows["aha.cued"].ref == ("aha", "cued")
    assert reads.beside["samples"].dropped
    assert STEP.closes == "sample" and STEP.scope(config) == "all"


def test_an_empty_table_stays_one(planted: Any) -> None:
    out = run(planted, planted.tables(rows=planted.rows.clear()), SHARES | ENCODERS)
    assert out.rows is not None and out.rows.is_empty()


@pytest.mark.parametrize(
    ("section", "shares"),
    [({}, (0.6, 0.35, 0.05)), ({"rl": 1}, (0, 1, 0)), ({"sft": 0.7, "holdout": 0.3}, (0.7, 0, 0.3))],
)
def test_a_share_that_is_not_given_is_none_where_another_is(section: Any, shares: tuple[float, ...]) -> None:
    given = SplitConfig.model_validate(section).shares
    assert (given.sft, given.rl, given.holdout) == shares


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"rl": 0.5}, "must be 1, not 0.5"),
        ({"sides": {"rl": "k > 0"}, "sft": 0.5}, "either `sides`"),
        ({"sides": {"rl": "else", "sft": "k > 0"}}, "`else` is the last"),
        ({"sides": {"RL side": "k > 0"}}, "small letters"),
        ({"sides": {"rl": "k >"}}, "cannot be parsed"),
        ({"sides": {"rl": "random() > 0.5"}}, "random"),
        ({"sides": {}}, "at least 1"),
    ],
)
def test_a_mistake_is_one_sentence(section: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SplitConfig.model_validate(section)


def test_of_a_row_are_held_hashes_unless_meanings_are_compared(planted: Any) -> None:
    """All rows are held at once: what they ask is known by its hash, of images by which they are the same or derived."""
    rows = planted.tables().rows
    assert STEP.narrow is not None
    held = STEP.narrow(rows, SplitConfig.model_validate({"sides": {"long": "length(question) > 30", "short": "else"}}))
    assert set(held["question"].str.len_chars()) == {32}
    assert held["met:long"].to_list() == (rows["question"].str.len_chars() > 30).to_list()
    assert set(held.columns) == {
        "id",
        "sample_id",
        "parent_id",
        "made_by",
        "group_id",
        "question",
        "options",
        "media",
        "met:long",
    }
    assert group_ids(held).sort("id").equals(group_ids(rows).sort("id"))
    asked = pl.Series("question", ["How many?", "HOW  MANY", "", ""])
    plain = texts(a=None, b=None, c=None, d=None).with_columns(asked, group_id=pl.lit(None, pl.String))
    plain = plain.with_columns(sample_id="id", parent_id=pl.lit(None, pl.String), made_by=pl.lit("ingest"))
    alike = group_ids(STEP.narrow(plain, SplitConfig()))
    assert alike.equals(group_ids(plain))
    assert alike["group"].n_unique() == 3, "asked the same, and twice nothing"
    compared = STEP.narrow(rows, SplitConfig.model_validate({"text": {"model": "all-minilm-l6-v2"}}))
    assert compared["question"].equals(rows["question"])
