"""The packaged weights answer, packing changes no loss, a killed run goes on as if it had not been."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from PIL import Image

from generators.reference import train as training
from generators.reference.architecture import CAPTION_PROMPT, MARKUP, Size, build_processor, train_tokenizer
from generators.reference.card import render_card
from generators.reference.evaluate import CARD, WEIGHTS, is_right, share
from generators.reference.examples import FACTS, FIRST_LENGTH, Batch, Steps, layout_of
from generators.reference.replies import Reader
from generators.reference.train import (
    Run,
    TrainConfig,
    answer_loss,
    image_tokens,
    layout_loss,
    read_state,
    start,
    train,
    write_state,
)
from generators.scenes import Digit, SceneObject, iter_scenes, make_scene, questions, render

TINY = TrainConfig(
    steps=4, batch=2, warmup=2, size=Size(vision_width=32, vision_layers=1, text_width=64, text_layers=1)
)
TEXTS = [
    "What color is the circle?",
    "2 shapes: a large red circle at the top left.",
    "yes no A) red B) blue 0123456789",
]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Train the tokenizer on three lines, and on one thread: two that wait for each other crawl on a busy machine."""
    monkeypatch.setattr(training, "task_texts", lambda seed: TEXTS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(WEIGHTS)


@lru_cache
def _fixed(level: int, scenes: int = 8) -> list[tuple[Image.Image, str, str]]:
    shown = iter_scenes("test", scenes, "packaged", [level])
    return [(render(scene), q.question, q.answer) for scene in shown for q in questions(scene)]


def test_weights_fit_in_the_package() -> None:
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 10_000_000
    assert {f.name for f in WEIGHTS.iterdir()} == {
        *("model.safetensors", "config.json", "generation_config.json", "chat_template.jinja"),
        *("tokenizer.json", "tokenizer_config.json", "processor_config.json", "training.json", "metrics.json"),
    }


def test_packaged_model_answers_well_above_chance(reader: Reader) -> None:
    for level, least in ((1, 0.55), (3, 0.4), (5, 0.3)):
        asked = _fixed(level)
        replies = reader.reply([(image, question) for image, question, _ in asked])
        right = share(is_right(reply, answer) for (reply,), (*_, answer) in zip(replies, asked, strict=True))
        assert right["accuracy"] >= least, (level, right)


def test_packaged_model_captions_an_easy_scene(reader: Reader) -> None:
    shown = [s for s in iter_scenes("test", 30, "captions", [1]) if len(s.objects) == 1 and s.digit is None]
    replies = reader.reply([(render(s), CAPTION_PROMPT) for s in shown], tokens=40)
    right = [f"{s.objects[0].colour} {s.objects[0].shape}" in text for s, (text,) in zip(shown, replies, strict=True)]
    assert sum(right) >= 0.6 * len(right)


def test_packaged_model_tolerates_no_image_and_any_image(reader: Reader) -> None:
    photo = Image.effect_noise((301, 97), 90).convert("L")
    grey = Image.new("RGB", (64, 64), (128, 128, 128))
    replies = reader.reply([(image, "How many shapes are there?") for image in (None, grey, photo)])
    assert all(text.isdigit() for (text,) in replies)
    assert reader.reply([(None, "Σ naïve 漢字 \n\t" * 20)], samples=2, temperature=1.0, tokens=3)


def test_sampling_follows_the_seed(reader: Reader) -> None:
    queries = [(image, question) for image, question, _ in _fixed(5)[:4]]
    drawn = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        drawn.append(reader.reply(queries, samples=8, temperature=1.5, tokens=4))
    assert drawn[0] == drawn[1] != drawn[2]
    assert {len(texts) for texts in drawn[0]} == {8}


def test_card_is_what_the_metrics_say() -> None:
    metrics = json.loads((WEIGHTS / "metrics.json").read_text())
    assert CARD.read_text() == render_card(metrics)
    assert metrics["bytes"] == (WEIGHTS / "model.safetensors").stat().st_size
    assert metrics["sha256"] == hashlib.sha256((WEIGHTS / "model.safetensors").read_bytes()).hexdigest()
    assert metrics["easy_vqa"]["overall"]["accuracy"] >= 0.9
    assert metrics["spread"]["strictly_between_1_8_and_7_8"]["accuracy"] >= 0.25


def test_card_needs_a_training_record() -> None:
    metrics = json.loads((WEIGHTS / "metrics.json").read_text())
    with pytest.raises(ValueError, match=r"training\.json"):
        render_card({**metrics, "training": None})


def test_tokenizer_round_trips_any_text_and_keeps_markup_whole() -> None:
    tokenizer = build_processor(train_tokenizer(TEXTS, 700)).tokenizer
    text = "<think>naïve 漢字 🎲\n 12 </think><answer>\\boxed{3}</answer>"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text
    assert set(MARKUP) <= set(tokenizer.convert_ids_to_tokens(ids))


def test_chat_template_marks_the_assistant_turn(reader: Reader) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is it?"}]},
        {"role": "assistant", "content": "a star"},
    ]
    text = reader.processor.apply_chat_template(chat)
    assert text == (
        "<|system|>Be brief.<end_of_utterance><|user|><image>What is it?<end_of_utterance>"
        "<|assistant|>a star<end_of_utterance>"
    )


def test_packing_changes_no_loss() -> None:
    run = start(TINY, "cpu")
    run.model.eval()
    batch = Steps(run.processor.tokenizer, seed=0, size=6, first=0, last=1)[0]
    assert int(batch.segments.max()) > 3
    total = weight = 0.0
    for row in range(len(batch.ids)):
        for segment in range(1, int(batch.segments[row].max()) + 1):
            mine = (batch.segments[row] == 0) | (batch.segments[row] == segment)
            packed = ("ids", "positions", "segments", "labels", "weights")
            one = {name: value[row : row + 1] for name, value in vars(batch).items()}
            alone = Batch(**{name: value[:, mine] if name in packed else value for name, value in one.items()})
            if (share_of := float(alone.weights.sum())) > 0:
                total += _answer_loss(run, alone) * share_of
                weight += share_of
    assert total / weight == pytest.approx(_answer_loss(run, batch), rel=1e-4)


@torch.no_grad()
def _answer_loss(run: Run, batch: Batch) -> float:
    return float(answer_loss(run.model, image_tokens(run.model, batch), batch))


def test_the_layout_is_learned_where_it_is_known() -> None:
    run = start(TINY, "cpu")
    batch = Steps(run.processor.tokenizer, seed=0, size=6, first=0, last=1)[0]
    image = image_tokens(run.model, batch)
    assert float(layout_loss(run.probe, image, batch).detach()) > 0
    unknown = replace(batch, layout=torch.full_like(batch.layout, -1.0))
    assert float(layout_loss(run.probe, image, unknown).detach()) == 0


def test_the_layout_marks_each_object_in_its_cell() -> None:
    red = SceneObject("circle", "red", (255, 0, 0), x=60, y=4, radius=4)
    scene = replace(make_scene(0, 1), objects=(red,), digit=Digit(7, 8, 40, 4))
    marked = {(cell, FACTS[k]) for cell, row in enumerate(layout_of(scene)) for k, on in enumerate(row) if on}
    assert marked == {(3, "red"), (3, "circle"), (3, "small"), (8, "7")}


def test_batches_are_pure_functions_of_seed_and_step() -> None:
    tokenizer = train_tokenizer(TEXTS, 400)
    straight = Steps(tokenizer, seed=1, size=2, first=0, last=3)
    resumed = Steps(tokenizer, seed=1, size=2, first=2, last=3)
    other = Steps(tokenizer, seed=2, size=2, first=2, last=3)
    assert len(resumed) == 1
    assert all(torch.equal(a, b) for a, b in zip(vars(straight[2]).values(), vars(resumed[0]).values(), strict=True))
    assert not torch.equal(straight[2].pixels, other[0].pixels)
    assert straight[0].ids.shape == (4, FIRST_LENGTH)  # twice the images in the easy phase


def test_a_resumed_run_ends_where_a_straight_one_does(tmp_path: Path) -> None:
    straight = train(TINY, tmp_path / "straight", tmp_path / "straight.state", workers=0)
    half = start(TINY, "cpu")
    steps = Steps(half.processor.tokenizer, seed=TINY.seed, size=TINY.batch, first=0, last=2)
    for index in range(2):
        training.advance(half, steps[index], "cpu")
    write_state(half, tmp_path / "half.state")
    resumed = train(TINY, tmp_path / "resumed", tmp_path / "half.state", workers=0)
    assert resumed.step == straight.step == 4
    for name, tensor in straight.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("straight", "resumed")]
    assert files[0] == files[1]


def test_a_finished_run_is_only_exported_again(tmp_path: Path) -> None:
    config = replace(TINY, steps=1)
    train(config, tmp_path / "out", tmp_path / "state", workers=0)
    before = (tmp_path / "out" / "model.safetensors").read_bytes()
    assert train(config, tmp_path / "out", tmp_path / "state", workers=0).step == 1
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == before
    assert json.loads((tmp_path / "out" / "training.json").read_text())["steps"] == 1


def test_a_half_written_state_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(TINY, "cpu")
    write_state(run, tmp_path / "state")
    before = (tmp_path / "state").read_bytes()

    def broken(state: object, file: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        write_state(run, tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == before


def test_the_state_of_other_arguments_is_refused(tmp_path: Path) -> None:
    write_state(start(TINY, "cpu"), tmp_path / "state")
    with pytest.raises(ValueError, match="other arguments"):
        read_state(start(replace(TINY, batch=3), "cpu"), tmp_path / "state")


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"batch": 0}, {"minutes": 0.0}])
def test_bad_arguments_raise(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        replace(TINY, **wrong)
