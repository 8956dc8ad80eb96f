"""Dedup as a step: one row of each group stays, its own name in front of each cause, and releases go first."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
import recipe_build
import tiny
from PIL import Image
from pydantic import ValidationError
from sealing import sealed

from pipelines.steps.dedup import STEP, DedupConfig
from pipelines.steps.set_context import SEARCHES
from pipelines.store.workspace import Workspace
from schemas.step import Out, Tables

ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}


def deduplicated(tables: Tables, config: DedupConfig, context: Any, pieces: int = 3) -> Out:
    """What the step makes of rows that come in so many buckets."""
    places = tables.rows["id"].hash(0) % pieces
    parts = [tables.rows.filter(places == piece) for piece in range(pieces)]
    found = []
    for part, survey in zip(parts, STEP.survey(iter(parts), config, context), strict=True):  # type: ignore[misc]
        context.survey = survey
        found.append(STEP.body(Tables(part, {}, tables.answers), config, context))
        assert found[-1].drops.join(part, on="id", how="anti").is_empty()
    return found[0]._replace(drops=pl.concat([out.drops for out in found]))


def expected(planted: Any, rows: pl.DataFrame, *, same_bytes: str, other_bytes: str) -> dict[str, tuple[str, str]]:
    """Reason and partner of all `rows` but the smallest id of each scene: all that show a scene ask the same of it."""
    shas = dict(rows.select("id", pl.col("media").list.first().struct.field("sha256")).iter_rows())
    first: dict[int, str] = {}
    for id_ in sorted(shas):
        first.setdefault(planted.scenes[id_], id_)
    kept = {id_: first[planted.scenes[id_]] for id_ in shas if first[planted.scenes[id_]] != id_}
    return {id_: (same_bytes if shas[id_] == shas[to] else other_bytes, to) for id_, to in kept.items()}


def reasons(dropped: pl.DataFrame) -> dict[str, tuple[str, str]]:
    return {id_: (reason, json.loads(evidence)["kept"]) for id_, reason, evidence in dropped.iter_rows()}


def test_one_row_of_each_group_stays_and_the_others_name_it(planted: Any) -> None:
    out = deduplicated(planted.tables(), DedupConfig.model_validate(ENCODERS), planted.context("once"))
    assert out.rows is None
    assert out.drops.height == 16  # the twelve in capitals and the four in another encoding, or those that they repeat
    told = {"same_bytes": "once:exact", "other_bytes": "once:image_hash"}
    assert reasons(out.drops) == expected(planted, planted.rows, **told)
    assert out.tables["searches"].schema == SEARCHES


def test_what_other_levels_leave_is_found_by_its_meaning(planted: Any) -> None:
    config = DedupConfig.model_validate({**ENCODERS, "minhash": None, "image_hash": None})
    rows = planted.rows.filter(pl.col("question").str.to_uppercase() != pl.col("question"))
    dropped = deduplicated(planted.tables(rows=rows), config, planted.context("once")).drops
    assert reasons(dropped) == expected(planted, rows, same_bytes="once:exact", other_bytes="once:near")
    near = [json.loads(evidence) for evidence in dropped["evidence"]]
    assert len(near) == 4 and all(one["similarity"] == min(one["text"], one["image"]) > 0.99 for one in near)


def test_a_level_is_left_out_where_its_section_is_null(planted: Any) -> None:
    config = DedupConfig(minhash=None, image_hash=None)
    out = deduplicated(planted.tables(), config, planted.context("dedup"))
    assert {*out.drops["reason"]} == {"dedup:exact"} and out.drops.height == 12


def test_the_best_stays_by_the_columns_that_quality_names(planted: Any) -> None:
    config = DedupConfig.model_validate(
        {"exact": {"quality": {"by": ["n_right"]}}, "minhash": None, "image_hash": None}
    )
    is_capital = planted.rows.sort("id")["question"].str.to_uppercase() == planted.rows.sort("id")["question"]
    out = deduplicated(planted.tables(is_capital.cast(pl.Int32).alias("n_right")), config, planted.context("dedup"))
    gone = planted.rows.filter(pl.col("id").is_in(out.drops["id"].implode()))["question"]
    assert gone.len() == 12 and (gone != gone.str.to_uppercase()).all()


@pytest.fixture
def released(planted: Any, tmp_path: Path) -> Callable[..., Any]:
    """A build with one release, of these ids, made by this section of dedup."""

    def make(ids: list[str], section: Any) -> Any:
        workspace = Workspace(tmp_path)
        folder = workspace.releases("tiny") / "v1"
        (folder / "sft").mkdir(parents=True)
        pl.DataFrame({"id": ["t1"], "sample_id": ids[:1]}).write_parquet(folder / "sft" / "part-00000.parquet")
        (folder / "rl").mkdir()
        pl.DataFrame({"id": ids[1:]}, schema={"id": pl.String}).write_parquet(folder / "rl" / "part-00000.parquet")
        recipe = {"steps": ["verify", {"dedup": section}]}
        sealed(folder, {"recipe": recipe})
        build = planted.build
        facts = {"media": build.media, "recipe": build.recipe, "memory": build.memory}
        return SimpleNamespace(workspace=workspace, replay=False, **facts)

    return make


def test_rows_of_the_latest_release_stay_whatever_else_came(planted: Any, released: Callable[..., Any]) -> None:
    config = DedupConfig(minhash=None, image_hash=None)
    dropped = deduplicated(planted.tables(), config, planted.context("dedup")).drops["id"]
    build = released(dropped.to_list(), None)
    now = deduplicated(planted.tables(), config, planted.context("dedup", build)).drops["id"]
    assert now.len() == 12 and not {*now} & {*dropped}


def test_they_are_compared_with_each_other_under_other_rules_only(planted: Any, released: Callable[..., Any]) -> None:
    section = {"minhash": None, "image_hash": None}
    build = released(planted.rows["id"].to_list(), section)
    same = deduplicated(planted.tables(), DedupConfig.model_validate(section), planted.context("dedup", build))
    assert same.drops.is_empty()
    other = DedupConfig.model_validate(section | {"exact": {"match_answer": False}})
    assert deduplicated(planted.tables(), other, planted.context("dedup", build)).drops.height == 12
    assert deduplicated(planted.tables(), other, planted.context("dedup_2", build)).drops.height == 12


def test_it_reads_what_it_compares_and_the_columns_of_quality(known: Any) -> None:
    reads = STEP.reads(DedupConfig(), known).rows
    assert {*reads} == {"question", "options", "answer", "media", "source", "verified", "n_correct"}
    assert reads["verified"].optional and not reads["media"].optional
    asked = STEP.reads(DedupConfig.model_validate({"exact": {"quality": {"by": ["aesthetic"]}}}), known).rows[
        "aesthetic"
    ]
    assert not asked.optional and asked.ref == ("aesthetic",)
    assert STEP.gives(DedupConfig(), known).columns == {}
    assert STEP.scope(DedupConfig()) == "all"


def test_its_facts_are_the_identities_of_the_encoders(planted: Any) -> None:
    assert STEP.facts(DedupConfig(), planted.build) == [None, None]
    text, image = STEP.facts(DedupConfig.model_validate(ENCODERS), planted.build)
    assert text["model"] == "all-minilm-l6-v2" and image["model"] == "reference-vlm"


def test_an_empty_table_stays_one(planted: Any) -> None:
    empty = planted.tables(rows=planted.rows.clear())
    assert deduplicated(empty, DedupConfig.model_validate(ENCODERS), planted.context("dedup")).drops.is_empty()


def test_a_model_that_is_no_encoder_is_refused_when_the_recipe_is_read() -> None:
    with pytest.raises(ValidationError, match="'reference-vlm' is no text encoder"):
        DedupConfig.model_validate({"text": {"model": "reference-vlm"}})


def test_more_right_traces_win_where_a_tally_counts_them(tmp_path: Path) -> None:
    """Two rows that ask the same: the one whose traces are right stays, whichever has the smaller id."""
    texts = {"poor": ["5", "5"], "rich": ["4", "4"], "fair": ["4", "5"]}
    rows = [
        {"question": question, "answer": "4", "name": name, "tried": [{"text": text} for text in texts[name]]}
        for name, question in (("poor", "What is 2 + 2?"), ("rich", "what is 2 + 2 ?"), ("fair", "What is  2 + 2?"))
    ]
    counts = {"n_correct": "count(*) FILTER (correct)", "verified": "count(*) FILTER (correct) > 0"}
    steps = [
        {"unfold": {"as": "tried_traces", "column": "tried", "makes": "trace"}},
        {"verify": {"column": "text"}},
        {"tally": {"of": "trace", "to": "sample", "gives": counts}},
        "dedup",
    ]
    recipe = recipe_build.write_recipe(tmp_path, steps, rows, driver={"workers": 1})
    job = recipe_build.built(recipe, tmp_path / "out", "sources.sums.columns={name: str, tried: [{text: str}]}")
    assert job.rows("sample", ["name"])["name"].to_list() == ["rich"]
    assert set(tiny.dropped(job, "dedup")["reason"]) == {"dedup:exact"}


def test_it_finds_the_same_in_whatever_memory_and_buckets(planted: Any) -> None:
    found = []
    for memory, buckets in ((1 << 30, 1), (64, 7)):
        facts = {name: getattr(planted.build, name) for name in ("workspace", "media", "recipe")}
        build = SimpleNamespace(**facts, replay=False, memory=SimpleNamespace(bytes=memory, piece=memory))
        config = DedupConfig.model_validate(ENCODERS)
        out = deduplicated(planted.tables(), config, planted.context("dedup", build), buckets)
        found.append(out.drops.sort("id"))
    assert found[0].equals(found[1]) and found[0].height == 16


def test_images_alone_are_compared_whatever_is_asked_about_them(planted: Any) -> None:
    """Of the rows of a scene one stays, also where they ask something else; rows without an image stay all."""
    others = pl.Series("question", [f"question {n}" for n in range(28)])
    blind = planted.rows.head(2).with_columns(media=pl.lit([]), id=pl.col("id") + "x")
    rows = pl.concat([planted.rows.with_columns(others), blind.select(planted.rows.columns)], how="vertical_relaxed")
    for section, level in (({}, "image_hash"), ({"image_hash": None, "image": ENCODERS["image"]}, "near")):
        config = DedupConfig.model_validate({"compare": "images", **section})
        dropped = deduplicated(planted.tables(rows=rows), config, planted.context("seen")).drops
        told = {"same_bytes": "seen:exact", "other_bytes": f"seen:{level}"}
        assert reasons(dropped) == expected(planted, planted.rows, **told)
    assert {"kept", "image", "similarity"} == set(json.loads(dropped.filter(reason="seen:near")["evidence"][0]))


def test_images_of_a_single_colour_are_like_no_other(planted: Any) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (9, 9, 9)).save(file, "PNG")
    sha = planted.build.media.put(file.getvalue(), "png")
    media = planted.rows["media"].dtype
    shown = pl.Series("media", [[{"kind": "image", "sha256": sha, "width": 64, "height": 64}]] * 28, dtype=media)
    tables = planted.tables(rows=planted.rows.with_columns(shown))
    assert deduplicated(tables, DedupConfig(compare="images"), planted.context("seen")).drops.is_empty()


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ({"text": ENCODERS["text"]}, "text"),
        ({"minhash": {"threshold": 0.9}}, "minhash"),
        ({"near": {"image_threshold": 0.9}}, "near"),
    ],
)
def test_what_images_alone_do_not_read_is_refused(section: Any, key: str) -> None:
    with pytest.raises(ValidationError, match=f"{key}: images are compared"):
        DedupConfig.model_validate({"compare": "images", **section})
