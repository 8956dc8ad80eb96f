"""Duplicates, evaluation sets and groups in builds of a source that grows: what once went out stays, on its side."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tiny
import yaml
from PIL import Image

from generators.scenes import iter_scenes, render
from pipelines.job import Job, compile_recipe, open_job

ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}
LONG = "In the view that was taken by the camera above the table, which of the objects is the one that stands nearest?"
PROSE = "A train leaves the town at noon and a second one follows an hour later on the very same track towards the sea"
SIDES = ("rl", "holdout")

Row = dict[str, Any]


class Material:
    """Images and rows in a folder, and the recipe that reads them."""

    def __init__(self, folder: Path, exam: list[Row]) -> None:
        self.folder = folder
        self.scenes = [render(scene) for scene in iter_scenes("curate", 24, seed=5, levels=(2, 3))]
        self.write("exam.jsonl", exam)

    def image(self, number: int, *, form: str = "png", size: int | None = None) -> str:
        """The path of scene `number`, as PNG, or as JPEG, or in another size."""
        path = self.folder / f"{number}-{size}.{form}"
        image = self.scenes[number]
        if size is not None:
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        image.convert("RGB").save(path, **({"quality": 92} if form == "jpg" else {}))
        return str(path)

    def write(self, name: str, rows: list[Row]) -> str:
        (self.folder / name).write_text("\n".join(map(json.dumps, rows)))
        return str(self.folder / name)

    def built(self, rows: list[Row], dedup: Row | None = None) -> Job:
        """A build of these rows."""
        source = {"type": "jsonl", "name": "rows", "path": self.write("rows.jsonl", rows)}
        exam = {"type": "jsonl", "name": "exam", "path": str(self.folder / "exam.jsonl")}
        recipe = {
            "name": "growing",
            "sources": [source],
            "driver": {"workers": 1},
            "steps": [
                {"dedup": ENCODERS if dedup is None else dedup},
                {"decontaminate": {"sources": [exam], **ENCODERS}},
                {"split": {"rl": 0.6, "holdout": 0.4, **ENCODERS}},
                {"release": {side: {"of": "sample"} for side in SIDES}},
            ],
        }
        path = self.folder / "growing.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        job = open_job(compile_recipe(str(path)), self.folder / "out")
        job.run()
        return job


def asked(question: str, answer: str, row: str, **more: Any) -> Row:
    return {"row": row, "question": question, "answer": answer, "images": []} | more


def first_rows(material: Material) -> list[Row]:
    """Rows of which each level of dedup, and decontaminate, has one to drop."""
    image = material.image
    rows = [asked(f"What is at the place {i * 7 + 3}?", f"thing {i}", f"s{i}", images=[image(i)]) for i in range(12)]
    return [
        *rows,
        asked("what is at  the place 3 ?", "Thing 0", "exact", images=[image(0)]),
        asked(LONG, "box", "long", images=[image(1)]),
        asked(LONG.replace("stands", "stood"), "box", "minhash", images=[image(1)]),
        asked("What is at the place 17?", "thing 2", "image_hash", images=[image(2, form="jpg")]),
        asked("What color is the biggest shape?", "red", "asked", images=[image(3)]),
        asked("Which color does the biggest shape have?", "red", "near", images=[image(3)]),
        asked("How many shapes are there?", "3", "other question", images=[image(4)]),
        asked("What is shown here?", "shapes", "exam image", images=[image(12, size=96)]),
        asked(f"Read this. {PROSE}. How long does it take?", "one hour", "exam text"),
    ]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("growing")
    found = Material(folder, [])
    found.write(
        "exam.jsonl",
        [
            asked("Which shape is missing?", "", "q1", images=[found.image(12)]),
            asked(PROSE, "", "q2"),
            asked("Where does the river end?", "", "q3", images=[found.image(13)]),
        ],
    )
    return found


@pytest.fixture(scope="module")
def finished(material: Material) -> Job:
    return material.built(first_rows(material))


def names(job: Job) -> dict[str, str]:
    """The source's name of each sample, by its id."""
    table = tiny.rows(job, "ingest").select("id", pl.col("source").struct.field("row"))
    return dict(table.iter_rows())


def drops(job: Job) -> dict[str, tuple[str, dict[str, Any]]]:
    """Reason and evidence of every dropped row, by the source's name of it; a partner is named in the same way."""
    found, called = {}, names(job)
    for step in ("dedup", "decontaminate", "split"):
        for id_, reason, text in tiny.dropped(job, step).select("id", "reason", "evidence").iter_rows():
            evidence = json.loads(text)
            partner = {"kept": called[evidence["kept"]]} if "kept" in evidence else {}
            found[called[id_]] = (reason, evidence | partner)
    return found


def sides(job: Job) -> dict[str, str]:
    """The side of each row of the latest release, by the source's name of it."""
    return {row: side for side in SIDES for row in tiny.config(job, side)["source_row"].to_list()}


def test_each_level_drops_a_duplicate_and_names_the_one_that_stays(finished: Job) -> None:
    found = drops(finished)
    expected = {
        "exact": ("dedup:exact", "s0"),
        "minhash": ("dedup:text", "long"),
        "image_hash": ("dedup:image_hash", "s2"),
        "near": ("dedup:near", "asked"),
    }
    for row, (reason, partner) in expected.items():
        gone = row if row in found else partner  # of two equally good rows the smaller id stays
        assert found[gone][0] == reason
        assert {gone, found[gone][1]["kept"]} == {row, partner}
        assert 0.5 < found[gone][1]["similarity"] <= 1
    assert "other question" not in found, "the same image under another question is no duplicate"


def test_rows_of_an_evaluation_set_are_dropped_by_its_name(finished: Job) -> None:
    found = {row: told for row, told in drops(finished).items() if told[0].startswith("decontaminate:")}
    assert {row: (reason, told["row"]) for row, (reason, told) in found.items()} == {
        "exam image": ("decontaminate:exam", "q1"),
        "exam text": ("decontaminate:exam", "q2"),
    }
    assert found["exam text"][1]["by"] == "ngram13"
    assert tiny.manifest(finished)["evaluation_sets"]["sets"] == {"exam": {"questions": 3, "rows": 2}}


def test_growing_data_moves_and_removes_no_released_row(material: Material, finished: Job) -> None:
    before = sides(finished)
    one, other = (next(i for i in range(12) if before.get(f"s{i}") == side) for side in SIDES)
    image = material.image
    new = [
        asked("What is at the place 52?", "thing 7", "larger", images=[image(7, size=128)]),
        asked("What is in front?", "x", "new 1", images=[image(14)]),
        asked("What is in front?", "y", "new 2", images=[image(15)]),
        asked("Which is larger?", "b", "bridge", images=[image(one), image(other)]),
    ]
    grown = material.built([*first_rows(material), *new])
    after = sides(grown)
    assert {row: after.get(row) for row in before} == before
    assert set(after) - set(before) == {"new 1", "new 2"}
    found = drops(grown)
    assert found["larger"][1]["kept"] == "s7", "a released row is better than a larger new one"
    assert found["bridge"] == ("split:bridges_groups", {"sides": ["holdout", "rl"]})


def test_what_replaces_a_released_row_gets_its_side(tmp_path: Path) -> None:
    found = Material(tmp_path, [asked("Where does the river end?", "", "q")])
    rules = {"image_hash": {"quality": {"by": ["pixels"]}}}
    old = [asked("What is here?", f"thing {i}", f"s{i}", images=[found.image(i, size=60)]) for i in range(8)]
    before = sides(found.built(old, dedup={}))
    larger = [row | {"row": f"n{i}", "images": [found.image(i)]} for i, row in enumerate(old)]
    after = sides(found.built([*old, *larger], dedup=rules))
    gone = {row for row in before if row not in after}
    assert {before[row] for row in gone} == {*SIDES}, "larger images take the places of released ones"
    assert {row: after[f"n{row[1:]}"] for row in gone} == {row: before[row] for row in gone}


def test_rules_that_change_judge_released_rows_again(tmp_path: Path) -> None:
    copied = Material(tmp_path, [asked("Where does the river end?", "", "q")])
    rows = [row for row in first_rows(copied) if row["row"] in ("s2", "s3", "s4", "s5", "image_hash")]
    loose = copied.built(rows, dedup={"image_hash": None})
    assert len(sides(loose)) == 5
    strict = copied.built(rows, dedup={})
    assert [reason for reason, _ in drops(strict).values()] == ["dedup:image_hash"]
    assert len(sides(strict)) == 4
