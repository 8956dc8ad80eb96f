"""The judge of thoughts: worlds made by hand, sentences true and false of them, and a whole release."""

import importlib.util
import json
import sys
from io import BytesIO
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
from PIL import Image, ImageDraw

from generators.scenes import COLOURS, SHAPES, iter_scenes, questions, render
from generators.scenes import caption as told_of

WHERE = "Where is the star from the red circle, above or below?"
FILE = Path(__file__).parents[2] / "benchmarks" / "thought_truth.py"


@pytest.fixture(scope="module")
def truth() -> ModuleType:
    spec = importlib.util.spec_from_file_location("thought_truth", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["thought_truth"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def false_of(truth: ModuleType, thought: str, world: str, gold: str = "yes", question: str = "") -> list[str]:
    found = truth.judge(thought, _worlds(truth)[world], gold, ("8", "3", "1", "5"), question)
    assert all(f.true is not None for f in found), f"undecided: {found}"
    return [f.sentence for f in found if f.true is False]


def _worlds(truth: ModuleType) -> dict[str, object]:
    item = truth.Item
    return {
        "one": truth.World((item("circle", "blue", None, 32, 32),)),
        # A red circle at the top left, a small red star at the center, a large teal circle at the bottom right, a digit.
        "many": truth.World(
            (item("circle", "red", "medium", 8, 8), item("star", "red", "small", 32, 32),
             item("circle", "teal", "large", 56, 56)), (5, 56, 8)
        ),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("thought", "world"),
    [
        ("The shape is a circle. The circle is blue. The shape is blue, not red.", "one"),
        ("There is no red shape. The image does not contain a rectangle. No star is present.", "one"),
        ("The image is not red. There is a blue circle. There is 1 shape.", "one"),
        ("The shapes are: blue circle. 1 shape: a blue circle at the center.", "one"),
        ("There are 3 shapes. There are 2 circles. The number of red shapes is 2.", "many"),
        ("The red circle is above the star. The star is left of the teal circle.", "many"),
        ("The star is not right of the teal circle. The teal circle is below the red star.", "many"),
        ("There are more circles than stars. 2 is more than 1.", "many"),
        ("The shape at the top left is a circle. The star is at the center. The color of the star is red.", "many"),
        ("The shapes are: red circle, red star, teal circle.", "many"),
        ("The digit is 5. The digit 5 is at the top right.", "many"),
        ("The question asks for a green star. Is there a green star?", "many"),
        ("The small shape is red.", "many"),
    ],
)  # fmt: skip
def test_true_thoughts(truth: ModuleType, thought: str, world: str) -> None:
    found = truth.judge(thought, _worlds(truth)[world], "yes")
    assert [f.sentence for f in found if f.true is False] == []


@pytest.mark.parametrize(
    ("thought", "world"),
    [
        ("The circle is red.", "one"),
        ("The shape is a rectangle.", "one"),
        ("The rectangle is blue.", "one"),
        ("There is no blue shape.", "one"),
        ("The image does not contain a circle.", "one"),
        ("The image is not blue.", "one"),
        ("There is a red circle.", "one"),
        ("There are 2 shapes.", "one"),
        ("The shapes are: blue rectangle.", "one"),
        ("The shapes are: blue circle, red star.", "one"),
        ("The shapes are: red circle, red star.", "many"),
        ("There are 3 circles.", "many"),
        ("The star is above the red circle.", "many"),
        ("The red circle is not above the star.", "many"),
        ("The blue circle is above the star.", "many"),
        ("There are more stars than circles.", "many"),
        ("1 is more than 2.", "many"),
        ("The shape at the top left is a star.", "many"),
        ("The star is at the top.", "many"),
        ("The color of the star is teal.", "many"),
        ("The digit is 6.", "many"),
        ("There is no digit.", "many"),
        ("There is a small teal circle.", "many"),
    ],
)
def test_false_thoughts(truth: ModuleType, thought: str, world: str) -> None:
    assert false_of(truth, thought, world) == [thought]


@pytest.mark.parametrize(
    ("thought", "gold", "question", "false"),
    [
        ("The answer is D. So the answer is 1.", "C", "", ["The answer is D."]),
        ("So the answer is C.", "C", "", []),
        ("The shape is red, not green. So the answer is C.", "C", "", []),
        ("The star is red, not teal. There is a star, there is no cross.", "C", "", []),
        ("The star is teal, not red.", "C", "", ["The star is teal.", "The star is not red."]),
        ("There is a star, there is no circle.", "C", "", ["there is no circle."]),
        ("The star is above. So the answer is above.", "above", WHERE, ["The star is above."]),
        ("The star is below. So the answer is below.", "below", WHERE, []),
    ],
)  # fmt: skip
def test_answers_and_what_only_the_question_completes(
    truth: ModuleType, thought: str, gold: str, question: str, false: list[str]
) -> None:
    assert false_of(truth, thought, "many", gold, question) == false


def test_what_cannot_be_told_is_said_to_be_undecided(truth: ModuleType) -> None:
    one = _worlds(truth)["one"]
    assert [f.true for f in truth.judge("A red herring swims past 3 of them somehow.", one, "yes")] == [None]
    assert [f.true for f in truth.judge("There is a large blue circle.", one, "yes")] == [None], (
        "easy-VQA knows no sizes"
    )
    assert truth.judge("Let me think about it.", one, "yes") == [], "nothing in it could be false of an image"


def test_every_caption_of_a_scene_is_true_of_it_and_false_of_another(truth: ModuleType) -> None:
    """The generator's own captions, and a restatement of every yes-or-no answer, over a hundred scenes."""
    told = 0
    for scene in iter_scenes("curate", 100, 7, (1, 2, 3)):
        world = truth.world_of_scene(scene)
        if scene.objects:
            assert [f.sentence for f in truth.judge(told_of(scene), world, "") if f.true is not True] == []
            absent = next(c for c in COLOURS if c not in {o.colour for o in scene.objects})
            lie = f"There is a {absent} {scene.objects[0].shape}."
            assert [f.true for f in truth.judge(lie, world, "")] == [False]
        for asked in questions(scene):
            if asked.task == "relation" and asked.kind == "boolean":
                claim = asked.question.removeprefix("Is ").rstrip("?")
                for side in ("left of", "right of", "above", "below"):
                    claim = claim.replace(f" {side} ", f" is {side} ")
                assert [f.true for f in truth.judge(f"{claim}.", world, "")] == [asked.answer == "yes"]
                told += 1
    assert told > 50


@pytest.mark.parametrize("shape", SHAPES[:3])
def test_an_easy_image_is_read_from_its_pixels(truth: ModuleType, shape: str) -> None:
    image = Image.new("RGB", (64, 64), (240, 245, 250))
    draw = ImageDraw.Draw(image)
    draw.rectangle((3, 3, 9, 9), fill=(200, 200, 210))  # no colour that has a name
    drawn = {"circle": draw.ellipse, "rectangle": draw.rectangle}
    if shape == "triangle":
        draw.polygon([(40, 20), (54, 44), (26, 44)], fill=COLOURS["teal"])
    else:
        drawn[shape]((28, 20, 52, 44), fill=COLOURS["teal"])
    (item,) = truth.world_of_easy(image).items
    assert (item.shape, item.colour) == (shape, "teal")
    with pytest.raises(ValueError, match="no pixel"):
        truth.world_of_easy(Image.new("RGB", (64, 64), "white"))


def test_easy_images_of_the_package_agree_with_its_own_questions(truth: ModuleType) -> None:
    easy_vqa = pytest.importorskip("easy_vqa")
    paths, asked = easy_vqa.get_test_image_paths(), zip(*easy_vqa.get_test_questions(), strict=True)
    told = 0
    for question, answer, number in asked:
        if answer in COLOURS or answer in SHAPES:
            (item,) = truth.world_of_easy(Image.open(paths[number])).items
            assert answer in (item.colour, item.shape), (question, answer, number)
            told += 1
        if told == 600:
            break
    assert told == 600


def test_a_release_is_told_row_by_row(truth: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = next(iter_scenes("curate", 1, 0, (1,)))
    stored = BytesIO()
    render(scene).save(stored, "PNG")
    first = scene.objects[0]
    other = next(c for c in COLOURS if c not in {o.colour for o in scene.objects})

    def row(id_: str, thought: str) -> dict[str, object]:
        return {
            "id": id_,
            "dataset": "scenes",
            "answer": json.dumps({"kind": "boolean", "raw": "yes", "values": [True]}),
            "options": [],
            "prompt": [{"role": "user", "content": "Is there a shape?"}],
            "completion": [
                {"role": "assistant", "content": f"<think>{thought} So the answer is yes.</think>\\boxed{{yes}}"}
            ],
            "images": [{"bytes": stored.getvalue(), "path": "a.png"}],
        }

    rows = [
        row("a" * 32, f"There is a {first.colour} {first.shape}."),
        row("b" * 32, f"There is a {other} {first.shape}."),
    ]
    (tmp_path / "sft").mkdir()
    pl.DataFrame(rows).write_parquet(tmp_path / "sft" / "part.parquet")
    source = {"type": "scenes", "name": "scenes", "split": "curate", "n": 1, "seed": 0, "levels": [1]}
    (tmp_path / "manifest.json").write_text(json.dumps({"recipe": {"sources": [source]}}))
    assert truth.main([str(tmp_path), "--out", str(tmp_path / "out.json")]) == 0
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["false"] == {"count": 1, "of": 2, "low": 0.0945, "high": 0.9055}
    assert figures["mix"] == {"scenes/boolean": 2}
    shown = capsys.readouterr().out
    assert "bbbbbbbb" in shown and "aaaaaaaa" not in shown and "1 of 2 = 50.0%" in shown


def test_the_wilson_interval_is_the_published_one(truth: ModuleType) -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I: 81 of 263 is 0.2553 to 0.3662.
    assert truth.share(81, 263) == {"count": 81, "of": 263, "low": 0.2553, "high": 0.3662}
