"""Procedural tasks: what their rows claim is true of their images, and faults are where they should be."""

import io
from collections import Counter

import polars as pl
import pytest
from PIL import Image

from filters.verify.catalogue import KINDS
from generators.scenes import COLOURS
from generators.tasks.catalogue import TASKS, task_rows
from generators.tasks.rows import TASK, Drawing
from generators.tasks.spoil import FAULTS

SHOWN = [task for task in TASKS if task != "sums"]


def table(task: str, n: int = 8, **more: object) -> pl.DataFrame:
    return pl.DataFrame(list(task_rows(task, n, 0, **more)), schema=TASK)  # type: ignore[arg-type]


@pytest.mark.parametrize("task", TASKS)
def test_rows_are_a_function_of_number_and_seed(task: str) -> None:
    rows = table(task)
    assert rows.height == 8
    assert rows.equals(table(task))
    assert rows["id"].is_unique().all()
    other = pl.DataFrame(list(task_rows(task, 8, 1)), schema=TASK)
    assert not rows.drop("id").equals(other.drop("id"))


@pytest.mark.parametrize("task", TASKS)
def test_a_gold_is_right_by_its_verifier_and_the_wrong_answer_wrong(task: str) -> None:
    for row in table(task).iter_rows(named=True):
        kind, options = KINDS[row["kind"]], row["options"] or []
        gold = kind.read_gold(row["letter"] or row["answer"], options, kind.params())
        if kind.judged:
            assert row["wrong_answer"] != row["answer"]
            continue
        right = kind.judge(row["letter"] or row["answer"], gold, options, kind.params())
        wrong = kind.judge(row["wrong_letter"] or row["wrong_answer"], gold, options, kind.params())
        assert (right.score, (wrong.score or 0) < 0.5) == (1.0, True), row


@pytest.mark.parametrize("task", SHOWN)
def test_every_row_has_a_true_and_a_false_caption_and_rationale(task: str) -> None:
    for row in table(task).iter_rows(named=True):
        assert row["caption"] != row["false_caption"]
        assert row["caption"].rstrip(".") in row["rationale"]
        assert row["false_caption"].rstrip(".") in row["wrong_rationale"]
        assert row["answer"].rstrip(".") in row["rationale"].rpartition("So the answer is")[2]
        assert row["score"] > row["wrong_score"]
        image = Image.open(io.BytesIO(row["image"]))
        assert image.size == (row["width"], row["height"])
        assert row["images"][0] == row["image"]


def test_the_middle_of_the_box_has_the_colour_that_is_asked_for() -> None:
    for size in (64, 128):
        for row in task_rows("points", 6, 0, drawing=Drawing(size)):
            x, y = row["point"]
            pixel = Image.open(io.BytesIO(row["image"])).convert("RGB").getpixel((int(x), int(y)))
            colour = row["question"].split()[-2]
            assert pixel == COLOURS[colour]
            left, top, right, bottom = row["box"]
            assert left < x < right and top < y < bottom


def test_kinds_of_the_mixed_task_come_in_turn_and_images_of_several_are_several() -> None:
    assert Counter(table("mixed")["kind"]) == {"choice": 2, "number": 2, "text": 2, "boolean": 2}
    assert table("multi_image", 3)["images"].list.len().to_list() == [2, 2, 3]
    assert table("sums")["image"].null_count() == 8


def test_faults_are_counted_and_named() -> None:
    rows = table("choice", 12, faults=dict.fromkeys(FAULTS, 1))
    assert Counter(rows["spoiled"].drop_nulls()) == dict.fromkeys(FAULTS, 1)
    found = {row["spoiled"]: row for row in rows.iter_rows(named=True) if row["spoiled"]}
    sound = {row["id"]: row for row in table("choice", 12).iter_rows(named=True)}
    wrong = found["wrong_gold"]
    assert (wrong["letter"], wrong["wrong_letter"]) == tuple(
        sound[wrong["id"]][name] for name in ("wrong_letter", "letter")
    )
    assert found["no_image"]["image"] is None
    assert found["no_answer"]["answer"] == ""
    copy = found["duplicates"]
    assert (copy["image"], copy["question"]) == tuple(rows.row(0, named=True)[name] for name in ("image", "question"))


def test_more_faults_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows are too few"):
        table("text", 3, faults={"wrong_gold": 4})
    with pytest.raises(ValueError, match="too few"):
        table("text", 3, faults={"wrong_gold": 2, "duplicates": 2})
