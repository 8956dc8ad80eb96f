"""Twins, evaluation sets, groups and growing data on the whole road, with the embedded encoders and real pictures."""

import io
import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from generators.scenes import iter_scenes, render
from pipelines.build import run_build
from pipelines.preflight import check
from pipelines.recipe.load import load_recipe
from pipelines.release.write import SPLITS
from pipelines.road.decontaminate import sources_of
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.road.steps.split import latest_rows, released_sides
from pipelines.steps.evaluation_sets import evaluation_tables
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError

RECIPE = """\
name: twins
sources:
  - {type: jsonl, name: rows, path: ROWS}
dedup: {text: {model: all-minilm-l6-v2}, image: {model: reference-vlm}}
decontaminate:
  sources: [{type: jsonl, name: exam, path: EXAM}]
split: {sft: 0, rl: 0.6, holdout: 0.4}
"""

LONG = (
    "In the picture that was taken by the camera above the table, which of the objects is the one that stands nearest?"
)
PROSE = "A train leaves the town at noon and a second one follows an hour later on the very same track towards the sea"

Row = dict[str, Any]


class Material:
    """Pictures and rows in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes = [render(scene) for scene in iter_scenes("curate", 24, seed=5, levels=(2, 3))]

    def picture(self, number: int, *, name: str = "png", size: int | None = None) -> str:
        """The path of scene `number`, as PNG, or as JPEG, or in another size."""
        path = self.folder / f"{number}-{size}.{name}"
        image = self.scenes[number]
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        if name == "jpg":
            out = io.BytesIO()
            image.convert("RGB").save(out, "JPEG", quality=92)
            path.write_bytes(out.getvalue())
        else:
            image.save(path)
        return str(path)

    def write(self, name: str, rows: list[Row]) -> Path:
        path = self.folder / name
        path.write_text("\n".join(json.dumps(row) for row in rows))
        return path

    def written(self) -> "Material":
        """The same, with one row and one evaluation question."""
        self.write("rows.jsonl", [asked(0, "What is it?", "x")])
        self.write("exam.jsonl", [asked(0, "Where does the river end?", "")])
        return self

    def build(self, *overrides: str) -> Build:
        text = RECIPE.replace("ROWS", str(self.folder / "rows.jsonl")).replace("EXAM", str(self.folder / "exam.jsonl"))
        (self.folder / "twins.yaml").write_text(text)
        return Build(load_recipe(str(self.folder / "twins.yaml"), overrides), Workspace(self.folder / "out"))


def asked(number: int, question: str, answer: str, **more: Any) -> Row:
    return {"row": f"s{number}", "question": question, "answer": answer} | more


def listed(row: Row) -> Row:
    """A row with a list of images, so that it stands beside rows of several."""
    image = row.get("image")
    bare = {key: value for key, value in row.items() if key != "image"}
    return {"images": [image] if image else []} | bare


def first_rows(material: Material) -> list[Row]:
    """Rows of which each level, and decontamination, has one to drop."""
    rows = [asked(i, f"What is at the place {i * 7 + 3}?", f"thing {i}", image=material.picture(i)) for i in range(12)]
    twins = [
        asked(0, "what is at  the place 3 ?", "Thing 0", image=material.picture(0), row="exact"),
        asked(1, LONG, "box", image=material.picture(1), row="long"),
        asked(1, LONG.replace("stands", "stood"), "box", image=material.picture(1), row="minhash"),
        asked(2, "What is at the place 17?", "thing 2", image=material.picture(2, name="jpg"), row="image_hash"),
        asked(3, "What color is the biggest shape?", "red", image=material.picture(3), row="asked"),
        asked(3, "Which color does the biggest shape have?", "red", image=material.picture(3), row="near"),
        asked(4, "How many shapes are there?", "3", image=material.picture(4), row="other question"),
        asked(5, "What is shown here?", "shapes", image=material.picture(12, size=96), row="exam picture"),
        asked(6, f"Read this. {PROSE}. How long does it take?", "one hour", row="exam text"),
    ]
    return rows + twins


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A finished build of rows with planted twins."""
    found = Material(tmp_path_factory.mktemp("twins"))
    found.write("rows.jsonl", first_rows(found))
    exam: list[Row] = [
        {"row": "q1", "question": "Which shape is missing?", "answer": "", "image": found.picture(12)},
        {"row": "q2", "question": PROSE, "answer": "", "image": None},
        {"row": "q3", "question": "Where does the river end?", "answer": "", "image": found.picture(13)},
    ]
    found.write("exam.jsonl", exam)
    run_build(found.build())
    return found


def told(build: Build) -> pl.DataFrame:
    """Every dropped row of the build: the source's name of it, reason, evidence, and that of the kept partner."""
    plan = road(build)
    names = plan.table("ingest").select("id", row=pl.col("source").struct.field("row")).collect()
    gone = pl.concat([plan.table(stage.name, "dropped").collect() for stage in plan.stages])
    partner = names.rename({"id": "kept", "row": "partner"})
    gone = gone.with_columns(kept=pl.col("evidence").str.json_path_match("$.kept"))
    return gone.join(names, on="id", how="left").join(partner, on="kept", how="left")


def named(build: Build) -> list[Row]:
    """`id, row` (the source's name) of every sample."""
    samples = road(build).table("ingest")
    return samples.select("id", row=pl.col("source").struct.field("row")).collect().to_dicts()


def sides(build: Build) -> dict[str, str]:
    """The side of each row of the latest release."""
    releases = sorted((build.workspace.releases("twins")).glob("v*"), key=lambda p: int(p.name[1:]))
    return {row: name for name in SPLITS for row in pl.read_parquet(releases[-1] / name / "*.parquet")["id"].to_list()}


def test_each_level_drops_its_twin_and_names_the_one_that_stays(material: Material) -> None:
    found = {row["row"]: row for row in told(material.build()).to_dicts()}
    expected = {
        "exact": ("dedup:exact", "s0"),
        "minhash": ("dedup:text", "long"),
        "image_hash": ("dedup:image_hash", "s2"),
        "near": ("dedup:near", "asked"),
    }
    for row, (reason, partner) in expected.items():
        twin = found.get(row) or found[partner]  # of two equally good rows the smaller id stays
        assert twin["reason"] == reason
        assert {twin["row"], twin["partner"]} == {row, partner}
        assert 0.5 < json.loads(twin["evidence"])["similarity"] <= 1
    assert "other question" not in found, "the same picture under another question is no duplicate"


def test_a_level_can_be_left_out(material: Material) -> None:
    build = material.build("dedup.minhash=null", "dedup.image_hash=null", "dedup.text=null", "name=other")
    run_build(build)
    reasons = road(build).table("dedup", "dropped").collect()["reason"]
    assert reasons.unique().to_list() == ["dedup:exact"]


def test_evaluation_rows_are_dropped_by_name_and_listed(material: Material) -> None:
    build = material.build()
    found = {row["row"]: row for row in told(build).to_dicts() if row["reason"].startswith("decontaminate:")}
    assert {row: (r["reason"], json.loads(r["evidence"])["row"]) for row, r in found.items()} == {
        "exam picture": ("decontaminate:exam", "q1"),
        "exam text": ("decontaminate:exam", "q2"),
    }
    assert json.loads(found["exam text"]["evidence"])["by"] == "ngram13"
    hits = road(build).table("decontaminate", "hits").collect()
    assert set(hits["id"]) == {row["id"] for row in found.values()}
    record = road(build).record(road(build).stage("decontaminate"))
    assert record is not None and record["notes"]["evaluation_sets"] == {"exam": {"questions": 3, "rows": 2}}


def test_the_card_lists_the_hits(material: Material) -> None:
    release = max(material.build().workspace.releases("twins").glob("v*"))
    manifest = json.loads((release / "manifest.json").read_text())["evaluation_sets"]
    assert manifest["sets"] == {"exam": {"questions": 3, "rows": 2}}
    assert [(hit["row"], hit["by"]) for hit in manifest["hits"]] == [("q1", "image"), ("q2", "ngram13")]
    card = (release / "README.md").read_text()
    assert "| exam | 3 | 2 |" in card
    assert f"| {manifest['hits'][1]['id']} | exam | q2 | ngram13 |" in card


def test_of_an_evaluation_set_only_texts_and_hashes_are_stored(material: Material) -> None:
    workspace = material.build().workspace
    stored = list(workspace.evaluation_sets.rglob("*"))
    assert [path.suffix for path in stored] == [".parquet"]
    table = pl.read_parquet(stored[0])
    assert table.columns == ["benchmark", "row", "key", "text", "pictures"]
    pictures = table["pictures"].explode().struct.field("sha256").drop_nulls()
    assert len(pictures) == 2
    assert not [p for sha in pictures for p in workspace.media.rglob(f"{sha}.*")]
    left = workspace.evaluation_sets / ".reading-killed"
    left.mkdir()
    os.utime(left, (0, 0))
    before = stored[0].stat().st_mtime_ns
    run_build(material.build("decontaminate.rule.ngram=12"))
    assert stored[0].stat().st_mtime_ns == before, "read once"
    stored[0].unlink()
    run_build(material.build())
    assert list(workspace.evaluation_sets.iterdir()) == [stored[0]], "what a killed reader left is gone"


def test_rows_of_one_picture_stay_on_one_side(material: Material) -> None:
    build = material.build()
    plan = road(build)
    media = plan.table("ingest").select("id", sha=pl.col("media").list.first().struct.field("sha256")).collect()
    table = plan.table("split").collect().join(media, on="id").drop_nulls("sha")
    assert table.group_by("sha").agg(pl.col("split").n_unique())["split"].max() == 1
    assert table.height > table["sha"].n_unique()
    notes = (plan.record(plan.stage("split")) or {})["notes"]
    assert notes["groups"] == plan.table("split").collect()["group"].n_unique()
    assert notes["largest"] >= 2


def test_growing_data_moves_and_removes_no_released_row(material: Material) -> None:
    before = sides(material.build())
    rows = first_rows(material)
    ids = road(material.build()).table("ingest").select(pl.col("source").struct.field("row"), "id").collect()
    side = {row: before[id_] for row, id_ in ids.iter_rows() if row in {f"s{i}" for i in range(12)} and id_ in before}
    one = next(int(row[1:]) for row, name in side.items() if name == "rl")
    other = next(int(row[1:]) for row, name in side.items() if name == "holdout")
    new = [
        asked(7, "What is at the place 52?", "thing 7", image=material.picture(7, size=128), row="larger"),
        asked(0, "What is in front?", "x", image=material.picture(14), row="new 1"),
        asked(0, "What is in front?", "y", image=material.picture(15), row="new 2"),
        asked(0, "Which is larger?", "b", images=[material.picture(one), material.picture(other)], row="bridge"),
    ]
    path = material.write("grown.jsonl", [listed(row) for row in rows + new])
    build = material.build(f"sources.0.path={path}")
    run_build(build)
    after = sides(build)
    assert {row: after.get(row) for row in before} == before
    assert len(after) == len(before) + 2
    found = {row["row"]: row for row in told(build).to_dicts()}
    assert found["larger"]["partner"] == "s7", "a released row is better than a larger new one"
    assert found["bridge"]["reason"] == "split:bridges_groups"
    assert len(json.loads(found["bridge"]["evidence"])["sides"]) == 2


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["decontaminate.against=[MathVistas]"], "no evaluation set 'MathVistas'"),
        (["decontaminate.sources=[]"], "name evaluation sets in 'against'"),
        (["decontaminate.rule.ngrams=3"], "unknown key 'decontaminate.rule.ngrams'. Did you mean 'ngram'?"),
        (["split.sft=0.9"], "must be 1"),
    ],
)
def test_mistakes_are_one_sentence(material: Material, overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace(".", r"\.").replace("?", r"\?")):
        material.build(*overrides)


def test_an_evaluation_set_that_is_not_there_is_said_before_anything_starts(material: Material) -> None:
    there = material.build()
    check(there)
    for change, said in (
        ("decontaminate.sources.0.path=gone.jsonl", "Source 'exam'"),
        ("decontaminate.sources.0.select=SELECT question FROM raw", "no column 'answer'"),
    ):
        with pytest.raises(ConfigError, match=said):
            check(material.build(change))


def test_a_picture_of_an_evaluation_set_that_cannot_be_read_is_said_and_leaves_a_question_about_a_picture(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = Material(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found.write("exam.jsonl", [listed(asked(0, "What is it?", "", image=str(tmp_path / "broken.png")))])
    build = found.build()
    assert build.recipe.decontaminate is not None
    table = evaluation_tables(build, sources_of(build.recipe.decontaminate), None)
    assert table["pictures"].list.len().to_list() == [1]
    assert "exam: 1 of 1 pictures cannot be read" in caplog.text


def test_an_evaluation_set_without_rows_keeps_nothing_out_and_is_an_error(tmp_path: Path) -> None:
    build = (
        Material(tmp_path)
        .written()
        .build("decontaminate.sources.0.select=SELECT question, answer FROM raw WHERE answer = 'none'")
    )
    assert build.recipe.decontaminate is not None
    with pytest.raises(ConfigError, match="'exam' has no rows"):
        evaluation_tables(build, sources_of(build.recipe.decontaminate), None)


def test_rules_that_change_judge_released_rows_again(tmp_path: Path) -> None:
    copied = Material(tmp_path)
    copied.write("rows.jsonl", [row for row in first_rows(copied) if row["row"] in ("s2", "s3", "image_hash")])
    copied.write("exam.jsonl", [{"row": "q", "question": "Where does the river end?", "answer": ""}])
    loose = copied.build("dedup.image_hash=null", "dedup.text=null")
    run_build(loose)
    assert len(sides(loose)) == 3
    strict = copied.build("dedup.text=null")
    run_build(strict)
    assert told(strict)["reason"].to_list() == ["dedup:image_hash"]
    assert len(sides(strict)) == 2


def test_what_replaces_a_released_row_gets_its_side(tmp_path: Path) -> None:
    found = Material(tmp_path)
    found.write("exam.jsonl", [asked(0, "Where does the river end?", "")])
    old = [asked(i, "What is here?", f"thing {i}", image=found.picture(i, size=60)) for i in range(8)]
    found.write("rows.jsonl", old)
    build = found.build("dedup.text=null")
    run_build(build)
    before = {row["row"]: sides(build)[row["id"]] for row in named(build)}
    found.write("rows.jsonl", [*old, *(row | {"row": f"n{i}", "image": found.picture(i)} for i, row in enumerate(old))])
    better = found.build("dedup.text=null", "dedup.image_hash.quality.by=[pixels]")
    run_build(better)
    after = {row["row"]: sides(better).get(row["id"]) for row in named(better)}
    assert [row for row in before if after[row] is None], "a larger picture takes the place of a released one"
    assert {row: after[f"n{row[1:]}"] for row in before} == before


def test_a_side_is_remembered_beyond_the_latest_release(tmp_path: Path) -> None:
    build = Material(tmp_path).written().build()
    for version, name in (("v1", "rl"), ("v2", "holdout")):
        for split in SPLITS:
            folder = build.workspace.releases("twins") / version / split
            folder.mkdir(parents=True)
            ids = ["old" if version == "v1" else "new"] if split == name else []
            pl.DataFrame({"id": ids}, schema={"id": pl.String}).write_parquet(folder / "part.parquet")
        (build.workspace.releases("twins") / version / "manifest.json").write_text("{}")
    unfiltered = build.workspace.releases("twins") / "v2" / "unfiltered"
    unfiltered.mkdir()
    pl.DataFrame({"id": ["unselected", "old"], "split": ["sft", "sft"]}).write_parquet(unfiltered / "part.parquet")
    sides_of = released_sides(build)
    assert sides_of is not None and dict(sides_of.rows()) == {"old": "rl", "new": "holdout", "unselected": "sft"}
    latest = latest_rows(build)
    assert latest is not None and latest["id"].to_list() == ["new"]
