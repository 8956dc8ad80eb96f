"""Images among the words of a question: asked there, released with their places, and read there by every trainer."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tiny
import yaml
from export_readers import READERS

from generators.embedded import reference_folder
from generators.scenes import iter_scenes, questions, render
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.rows import open_release
from pipelines.export.write import export
from pipelines.job import Job, compile_recipe, open_job
from schemas.marks import put_marks, take_marks

WAYS = {
    "plain": ("{question}", 1),
    "front": ("<image>\n{question}", 1),
    "inner": ("Here <image> and <image>: {question}", 2),
    "behind": ("{question}<image>", 1),
    "mention": ("The tag <image>. {question}", 0),
}
"""By source: how its rows put the questions of the same scenes, and with how many images."""
SCENES = 6
STEPS = [
    {"rollout": {"model": "vlm", "n": 2, "sampling": {"max_tokens": 8, "seed": 0}}},
    {"verify": {"as": "scored", "of": "rollout"}},
    "difficulty",
    {"release": {"rl": {"of": "sample"}}},
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A few scenes, asked in all `WAYS`, answered by the reference model and released."""
    folder = tmp_path_factory.mktemp("places")
    sources = []
    for name, (way, number) in WAYS.items():
        rows = []
        for i, scene in enumerate(iter_scenes("curate", SCENES, seed=3, levels=(1,))):
            render(scene).save(folder / f"{i}.png")
            asked = next(q for q in questions(scene) if q.kind == "text")
            row = {"images": [f"{i}.png"] * number, "id": f"{name}{i}", "answer": asked.answer, "kind": "text"}
            rows.append({**row, "question": way.format(question=asked.question)})
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        sources.append({"type": "jsonl", "name": name, "path": str(folder / f"{name}.jsonl")})
    recipe = {"name": "places", "models": {"vlm": {"model": "reference-vlm"}}, "sources": sources, "steps": STEPS}
    (folder / "places.yaml").write_text(yaml.safe_dump(recipe))
    job = open_job(compile_recipe(str(folder / "places.yaml")), folder / "out")
    job.run()
    return job


def test_every_way_is_answered_and_a_mark_in_front_is_as_none(built: Job) -> None:
    sources = built.rows("sample", ["question", "source"]).select(
        "question", sample_id="id", way=pl.col("source").struct["dataset"]
    )
    replies = built.rows("rollout", ["text", "index"]).join(sources, on="sample_id")
    assert dict(replies["way"].value_counts().iter_rows()) == dict.fromkeys(WAYS, SCENES * 2)
    plain, front = (
        replies.filter(way=way).select("question", "index", "text").sort(pl.all()) for way in ("plain", "front")
    )
    assert plain.equals(front)


def released(job: Job) -> Mapping[str, list[dict[str, Any]]]:
    rows = tiny.config(job, "rl").to_dicts()
    return {way: [row for row in rows if row["dataset"] == way] for way in WAYS}


def test_a_release_says_where_each_image_is(built: Job) -> None:
    rows = released(built)
    for way, (published, number) in WAYS.items():
        assert len(rows[way]) == SCENES
        for row in rows[way]:
            [turn] = row["prompt"]
            assert len(row["images"]) == number and "<image>" not in turn["content"]
            marked = put_marks(turn["content"], row["image_positions"])
            if way in ("inner", "behind"):
                assert take_marks(marked) == (turn["content"], tuple(row["image_positions"]))
                assert way == "behind" or marked.startswith(published.partition("{")[0])
                assert way == "inner" or marked.endswith("<image>")
            else:
                assert row["image_positions"] == []


WITH_PROMPTS = [name for name, exporter in EXPORTERS.items() if any(s.split == "rl" for s in exporter.sheets)]
"""Trainers of prompts; others train on replies alone, of which there are none here."""


def wanted(row: Mapping[str, Any]) -> str:
    """The last turn of a released row with a mark for each image; without places they are all in front."""
    return put_marks(row["prompt"][-1]["content"], row["image_positions"] or [0] * len(row["images"]))


@pytest.mark.parametrize("trainer", WITH_PROMPTS)
def test_trainers_read_each_image_where_it_is(built: Job, trainer: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    made = export(open_release(str(tiny.release(built)), Path()), exporter_of(trainer), tmp_path / "out")
    sheet = next(s.name for s in EXPORTERS[trainer].sheets if s.split == "rl")
    out = SCENES if trainer == "areal" else 0  # which trains on no text beside images: those that mention one
    assert made["rows"][sheet] == SCENES * len(WAYS) - out
    assert made["dropped"] == ({sheet: {"export:no_image": out}} if out else {})
    data = load_dataset(str(tmp_path / "out"), sheet, split="train", cache_dir=str(tmp_path / "cache"))
    stored = {row["id"]: row for rows in released(built).values() for row in rows}
    for row in data:
        assert READERS[trainer](row, tmp_path / "out").question == wanted(stored[row["id"]])


@pytest.mark.filterwarnings("ignore")  # of the libraries
def test_trl_learns_from_images_among_words(built: Job, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import GRPOConfig, GRPOTrainer
    from trl.data_utils import prepare_multimodal_messages

    export(open_release(str(tiny.release(built)), Path()), exporter_of("trl"), tmp_path / "out")
    data = load_dataset(str(tmp_path / "out"), "grpo", split="train", cache_dir=str(tmp_path / "cache"))
    processor = AutoProcessor.from_pretrained(reference_folder())
    stored = {row["id"]: row for rows in released(built).values() for row in rows}
    for row in data:
        turn = prepare_multimodal_messages(row["prompt"], row["images"])[-1]
        prompt = f"<|user|>{wanted(stored[row['id']])}<end_of_utterance>"
        assert processor.apply_chat_template([turn]) == prompt
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
