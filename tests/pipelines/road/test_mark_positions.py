"""`<image>` in a published question: read where rows come in, and shown where it stood in requests, releases and exports."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from PIL import Image

from generators import distill, rollouts
from generators.embedded import reference_folder
from generators.prompts import Prompt, asked, places, turns
from generators.rollouts import RolloutsConfig
from generators.scenes import iter_scenes, questions, render
from pipelines.build import release_path, run_build
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.write import export
from pipelines.ingest.ingest import ingest
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.sources.files import JsonlSource
from pipelines.store.media import MediaStore
from schemas.completion import ImagePart
from schemas.marks import put_marks, take_marks
from schemas.split import Split

COLOURS = {"a": "red", "b": "blue", "c": "green"}


def taken(root: Path, *rows: dict[str, Any], **options: Any) -> Split:
    for name, colour in COLOURS.items():
        Image.new("RGB", (40, 30), colour).save(root / f"{name}.png")
    (root / "rows.jsonl").write_text("".join(json.dumps({"answer": "5", **row}) + "\n" for row in rows))
    source = JsonlSource(name="t", path=str(root / "rows.jsonl"), **options)
    parts = list(ingest([source], MediaStore(root / "media")))
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


def read(split: Split) -> list[tuple[str, list[int | None]]]:
    return [(row["question"], [m["position"] for m in row["media"]]) for row in split.kept.iter_rows(named=True)]


# --- ingest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "images", "text", "positions"),
    [
        ("<image>Find x.", ["a.png"], "Find x.", [None]),  # EasyR1's geometry3k, MMK12
        ("<image>\nWhat colour is it?", ["a.png"], "What colour is it?", [None]),  # LLaVA
        ("<image>\n<image>\nWhich?", ["a.png", "b.png"], "Which?", [None, None]),
        ("Which is red: <image> or <image>?", ["a.png", "b.png"], "Which is red:  or ?", [14, 18]),
        ("What colour is it?\n<image>", ["a.png"], "What colour is it?\n", [19]),
        ("Find x.", ["a.png", "b.png"], "Find x.", [None, None]),
        ("What does <image> mean in HTML?", [], "What does <image> mean in HTML?", []),
        ("<image>\n<image>How many marks?", [], "<image>\n<image>How many marks?", []),
        ("See <image 1>.", ["a.png"], "See <image 1>.", [None]),  # MMMU: a name, which the text needs
    ],
)
def test_marks_that_stand_for_the_images_become_positions(
    question: str, images: list[str], text: str, positions: list[int | None], tmp_path: Path
) -> None:
    split = taken(tmp_path, {"question": question, "images": images})
    assert read(split) == [(text, positions)]


@pytest.mark.parametrize(
    ("question", "images", "marks"),
    [
        ("<image>\n<image>How many?", ["a.png"], 2),
        ("<image>Which of these?", ["a.png", "b.png"], 1),
        ("Is <image>, <image> or <image> red?", ["a.png", "b.png"], 3),
    ],
)
def test_another_number_of_marks_is_told_with_both_numbers(
    question: str, images: list[str], marks: int, tmp_path: Path
) -> None:
    split = taken(tmp_path, {"question": question, "images": images})
    assert split.dropped["reason"].to_list() == ["ingest:mark_count"]
    told = json.loads(split.dropped["evidence"][0])
    assert (told["marks"], told["images"]) == (marks, len(images))
    assert "`marks: literal`" in told["error"]


def test_a_source_may_take_all_marks_for_text(tmp_path: Path) -> None:
    rows = [{"question": q, "images": ["a.png"]} for q in ("<image>\n<image>How many?", "What is <image>?")]
    assert read(taken(tmp_path, *rows, marks="literal")) == [(row["question"], [None]) for row in rows]


def test_marks_in_options_are_text_unless_they_stand_for_images(tmp_path: Path) -> None:
    tag = {"question": "Which tag is it?", "images": ["a.png"], "options": ["<image> or <image>", "<img>"]}
    named = {"question": "<image>Which tag is it?", "images": ["a.png"], "options": ["<image>", "<img>"]}
    shown = {"question": "Which is red?", "images": ["a.png", "b.png"], "options": ["<image>", "<image>"]}
    both = {"question": "<image>Its mirror image?", "images": ["a.png", "b.png"], "options": ["<image>", "none"]}
    split = taken(tmp_path, *({**row, "answer": "A"} for row in (tag, named, shown, both)), kind="choice")
    assert [question for question, _ in read(split)] == ["Which tag is it?"] * 2
    assert split.dropped["reason"].to_list() == ["ingest:mark_in_option"] * 2


def test_only_marks_is_no_question_and_places_are_part_of_an_id(tmp_path: Path) -> None:
    split = taken(tmp_path, {"question": "<image>\n", "images": ["a.png"]})
    assert split.dropped["reason"].to_list() == ["ingest:question_empty"]
    rows = [{"question": q, "images": ["a.png"]} for q in ("<image>Why?", "Why?", "Wh<image>y?", "W<image>hy?")]
    split = taken(tmp_path, *rows)
    assert split.dropped["reason"].to_list() == ["ingest:copy"]
    assert split.kept["id"].n_unique() == 3


# --- what is asked ----------------------------------------------------------------------------------------------------

TWO = [{"kind": "image", "sha256": letter * 64, "position": at} for letter, at in (("a", 3), ("b", 7))]
ROW = {"id": "r", "question": "Is  or  red?", "options": None, "media": TWO}
A, B = ImagePart("a" * 64), ImagePart("b" * 64)


@pytest.mark.parametrize(
    ("template", "content"),
    [
        ("{question}", ("Is ", A, " or ", B, " red?")),
        ("{{x}} Q: {question}!", ("{x} Q: Is ", A, " or ", B, " red?!")),
        ("{question} Again: {question}", ("Is ", A, " or ", B, " red? Again: Is  or  red?")),
        ("Look.", (A, B, "Look.")),
    ],
)
def test_pictures_stand_where_the_question_has_them(template: str, content: tuple[str | ImagePart, ...]) -> None:
    messages = asked(ROW, Prompt("Think.", template))
    assert messages[-1].content == content
    text, at = turns(messages)[-1]["content"], places(messages)
    assert text == template.format(question=ROW["question"])
    if at:
        assert put_marks(text, at) == "".join(p if isinstance(p, str) else "<image>" for p in content)


def test_options_follow_and_another_order_of_pictures_is_shown() -> None:
    row = {**ROW, "options": ["yes", "no"], "media": TWO[::-1]}
    assert asked(row, Prompt())[-1].content == ("Is ", B, " or ", A, " red?\nA) yes B) no")
    front = {**ROW, "media": [{**m, "position": None} for m in TWO]}
    assert asked(front, Prompt())[-1].content == (A, B, "Is  or  red?")
    assert places(asked(front, Prompt())) == []


def test_a_teacher_sees_them_there_and_a_blind_one_is_told_where_they_stood() -> None:
    rows = pl.DataFrame([{**ROW, "caption": "red, blue", "gold": "yes"}])
    sees, told = (
        next(distill.requests(rows, distill.DistillConfig(model="m", sees=how))).messages[-1].content
        for how in ("media", "nothing")
    )
    assert sees == ("Description: red, blue\nQuestion: Is ", A, " or ", B, " red?")
    assert told == ("Description: red, blue\nQuestion: Is [image] or [image] red?",)
    (request,) = rollouts.requests(rows, RolloutsConfig(model="m"))
    assert request.images == (A.sha256, B.sha256)


# --- a build ----------------------------------------------------------------------------------------------------------

WAYS = {
    "plain": ("{question}", 1),
    "front": ("<image>\n{question}", 1),
    "inner": ("Here <image> and <image>: {question}", 2),
    "behind": ("{question}<image>", 1),
    "mention": ("The tag <image>. {question}", 0),
}
"""By source: how its rows put the questions of the same scenes, and with how many images."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, tiny: SimpleNamespace) -> Build:
    """Eight scenes, asked in all `WAYS`, rolled out by the reference model and released."""
    folder = tmp_path_factory.mktemp("marks")
    sources = []
    for name, (way, number) in WAYS.items():
        rows = []
        for i, scene in enumerate(iter_scenes("curate", 8, seed=3, levels=(1,))):
            render(scene).save(folder / f"{i}.png")
            said = next(q for q in questions(scene) if q.kind == "text")
            shown = {"images": [f"{i}.png"] * number, "id": f"{name}{i}", "answer": said.answer, "kind": "text"}
            rows.append({**shown, "question": way.format(question=said.question)})
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        sources.append({"type": "jsonl", "name": name, "path": str(folder / f"{name}.jsonl")})
    absent = ("caption", "distill", "preference", "dedup", "select")
    options = [f"{section}=null" for section in absent] + ["split={sft: 0.0, rl: 1.0, holdout: 0.0}"]
    build = tiny.make(folder, f"sources={json.dumps(sources)}", *options, "release.system=null")
    run_build(build)
    return build


def test_every_way_is_answered_and_a_mark_in_front_as_no_mark(built: Build) -> None:
    plan = road(built)
    samples = plan.table("ingest").select("id", "question", "media", way=pl.col("source").struct["dataset"])
    replies = plan.table("rollouts").join(samples, left_on="sample_id", right_on="id").collect()
    assert dict(replies["way"].value_counts().iter_rows()) == dict.fromkeys(WAYS, 8 * 4)
    assert plan.table("rollouts", "dropped").collect().is_empty()
    said = {
        way: replies.filter(pl.col("way") == way).select("question", "media", "index", "text").sort("question", "index")
        for way in ("plain", "front")
    }
    assert said["plain"].sort("question", "media", "index").equals(said["front"].sort("question", "media", "index"))


def released(build: Build) -> dict[str, list[dict[str, Any]]]:
    rows = pq.read_table(release_path(build, road(build)) / "rl").to_pylist()
    return {way: [row for row in rows if row["dataset"] == way] for way in WAYS}


def test_a_release_says_where_each_picture_stands(built: Build) -> None:
    rows = released(built)
    for way, (published, number) in WAYS.items():
        assert len(rows[way]) == 8
        for row in rows[way]:
            (turn,) = row["prompt"]
            assert len(row["images"]) == number and "<image>" not in turn["content"]
            said = put_marks(turn["content"], row["image_positions"])
            if way in ("inner", "behind"):
                assert take_marks(said) == (turn["content"], tuple(row["image_positions"]))
                assert way == "behind" or said.startswith(published.partition("{")[0])
                assert way == "inner" or said.endswith("<image>")
            else:
                assert row["image_positions"] == []


MARKED = {
    "llama_factory": None,  # trains on replies only, of which there are none here
    "verl": lambda row: row["prompt"][-1]["content"],
    "easyr1": lambda row: row["problem"],
    "ms_swift": lambda row: row["messages"][-1]["content"],
    "openrlhf": lambda row: said_in_parts(json.loads(row["message"])[-1]["content"]),
    "hugging_face": lambda row: put_marks(row["question"], row["image_positions"] or [0] * len(row["images"])),
    "trl": lambda row: said_in_parts(row["prompt"][-1]["content"]),
}


def said_in_parts(parts: list[dict[str, Any]]) -> str:
    return "".join(part["text"] if part["type"] == "text" else "<image>" for part in parts)


@pytest.mark.parametrize("trainer", [name for name, read in MARKED.items() if read])
def test_trainers_read_each_picture_where_it_stands(built: Build, trainer: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    release = open_release(str(release_path(built, road(built))), Path())
    told = export(release, exporter_of(trainer), tmp_path / "out")
    sheet = next(s.name for s in EXPORTERS[trainer].sheets if s.split == "rl")
    assert told["rows"][sheet] == 8 * len(WAYS) and not told["dropped"]
    data = load_dataset(str(tmp_path / "out"), sheet, split="train", cache_dir=str(tmp_path / "cache"))
    question = {row["id"]: row for rows in released(built).values() for row in rows}
    for row in data:
        of = question[row["id"]]
        front = [0] * len(of["images"])
        wanted = put_marks(of["prompt"][-1]["content"], of["image_positions"] or front)
        assert MARKED[trainer](row) == wanted


def test_every_trainer_is_asked() -> None:
    assert set(MARKED) == set(EXPORTERS)


def test_trl_learns_from_pictures_among_words(built: Build, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import GRPOConfig, GRPOTrainer
    from trl.data_utils import prepare_multimodal_messages

    export(open_release(str(release_path(built, road(built))), Path()), exporter_of("trl"), tmp_path / "out")
    data = load_dataset(str(tmp_path / "out"), "grpo", split="train", cache_dir=str(tmp_path / "cache"))
    processor = AutoProcessor.from_pretrained(reference_folder())
    stored = {row["id"]: row for rows in released(built).values() for row in rows}
    for row in data:
        turn = prepare_multimodal_messages(row["prompt"], row["images"])[-1]
        of = stored[row["id"]]
        wanted = put_marks(of["prompt"][-1]["content"], of["image_positions"] or [0] * len(of["images"]))
        assert processor.apply_chat_template([turn]) == f"<|user|>{wanted}<end_of_utterance>"
    asked: list[str] = []

    def reward(completions: list[Any], **columns: Any) -> list[float]:
        asked.extend(columns["id"])
        return [float(i) for i in range(len(completions))]

    config = GRPOConfig(
        output_dir=str(tmp_path / "run"), report_to="none", save_strategy="no", use_cpu=True, bf16=False, max_steps=3,
        gradient_checkpointing=False, disable_tqdm=True, per_device_train_batch_size=2, num_generations=2,
        max_completion_length=8, shuffle_dataset=False,
    )  # fmt: skip
    few = data.select([i for i, row in enumerate(data) if len(row["images"]) == 2][:3])
    model = AutoModelForImageTextToText.from_pretrained(reference_folder())
    GRPOTrainer(model, reward_funcs=reward, args=config, train_dataset=few, processing_class=processor).train()
    assert set(asked) == set(few["id"][:])
