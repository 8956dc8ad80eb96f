"""Training examples: one image with every question that fits behind it, packed so that the image is read once.

A batch is a pure function of (seed, step), so a resumed run sees what an unbroken one would have seen. Questions about
one image share its prefix and are hidden from each other by the attention mask, with positions counted from the end of
the prefix: the loss is that of separate conversations, for about a seventh of the work.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

import easy_vqa
import torch
from PIL import Image
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from generators.reference.architecture import AROUND, ASSISTANT, CAPTION_PROMPT, END, GLOBAL, IMAGE, IMAGE_TOKENS, USER
from generators.scenes import (
    COLOURS,
    SHAPES,
    SIZE,
    Scene,
    caption,
    iter_scenes,
    make_scene,
    questions,
    render,
    split_of,
)

LENGTH = 160
EASY_SHARE, BLIND_SHARE, CAPTION_SHARE = 0.3, 0.03, 0.6
LEVEL_WEIGHTS = (3, 3, 3, 2, 2)
# Easy scenes first, in short rows so that a step sees twice the images: telling shapes apart takes many images.
FIRST_STEPS, FIRST_WEIGHTS, FIRST_LENGTH = 4450, (4, 4, 2, 0, 0), 72
CAPTION_PROMPTS = (CAPTION_PROMPT, CAPTION_PROMPT, "Describe this image in detail.", "What do you see in the image?")
SUFFIXES = (
    "Answer with a single word or number.", "Answer briefly.", "Give only the final answer.",
    "Answer with the letter of the right option.", "Think step by step, then answer.",
    "Think step by step and put the final answer in \\boxed{}.", "Reply with the answer alone.",
)  # fmt: skip
GREY = (128, 128, 128)
FACTS = (*COLOURS, *SHAPES, "small", "medium", "large", *"0123456789")
UNKNOWN = [[-1.0] * len(FACTS)] * IMAGE_TOKENS


@dataclass(frozen=True)
class Batch:
    """Tensors of one step; `labels` holds the next token where one is to be learned, -100 elsewhere.

    `layout` says what each image token covers, row by row as the tokens are, and is -1 where that is not known.
    """

    pixels: torch.Tensor
    seen: torch.Tensor
    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor
    layout: torch.Tensor


@dataclass(frozen=True)
class Turn:
    """One question and its answer, or a caption, with its weight in the loss."""

    prompt: str
    answer: str
    weight: float = 1.0


@lru_cache(maxsize=1)
def easy_vqa_train() -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Path and (question, answer) pairs of each easy-VQA training image."""
    paths = easy_vqa.get_train_image_paths()
    asked: dict[int, list[tuple[str, str]]] = {number: [] for number in sorted(paths)}
    for question, answer, number in zip(*easy_vqa.get_train_questions(), strict=True):
        asked[number].append((question, answer))
    return [(paths[number], tuple(pairs)) for number, pairs in asked.items()]


def task_texts(seed: int) -> list[str]:
    """Texts to train the tokenizer on, from the training splits alone."""
    texts = [text for _, pairs in easy_vqa_train()[:500] for pair in pairs for text in pair]
    for scene in iter_scenes("train", 1500, f"tokenizer-{seed}"):
        texts += [caption(scene), *(text for q in questions(scene) for text in (q.question, q.answer))]
    return [*texts, *CAPTION_PROMPTS, *SUFFIXES]


class Steps(Dataset[Batch]):  # type: ignore[misc]
    """The batch of each step, from `first` to `last`."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, seed: int, size: int, first: int, last: int) -> None:
        self.tokenizer, self.seed, self.size, self.first, self.last = tokenizer, seed, size, first, last
        self.encode = lru_cache(maxsize=50_000)(self._encode)

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Batch:
        """Draw, render and pack the examples of one step."""
        step = self.first + index
        rng = Random(f"{self.seed}:{step}:batch")
        first = step < FIRST_STEPS
        level_weights, length = (FIRST_WEIGHTS, FIRST_LENGTH) if first else (LEVEL_WEIGHTS, LENGTH)
        rows, images, seen, layouts = [], [], [], []
        for row in range(self.size * (2 if first else 1)):
            image, turns, scene = _draw(rng, f"{self.seed}-{step}-{row}", level_weights)
            blind = rng.random() < BLIND_SHARE
            shown = not (blind and rng.random() < 0.5)
            if blind:
                turns = [turn for turn in turns if turn.prompt not in CAPTION_PROMPTS]
                image = Image.new("RGB", image.size, GREY)
            rows.append(self._pack(turns, length, shown=shown))
            images.append(image)
            seen.append(shown)
            layouts.append(UNKNOWN if blind or scene is None else layout_of(scene))
        ids, positions, segments, labels, weights = zip(*rows, strict=True)
        return Batch(
            to_pixels(images), torch.tensor(seen), torch.tensor(ids), torch.tensor(positions),
            torch.tensor(segments), torch.tensor(labels), torch.tensor(weights), torch.tensor(layouts),
        )  # fmt: skip

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _pack(self, turns: Sequence[Turn], room: int, *, shown: bool) -> tuple[list[int], ...]:
        """Lay turns behind the image until the row is full; returns ids, positions, segments, labels and weights."""
        image = AROUND + GLOBAL + IMAGE * IMAGE_TOKENS + AROUND if shown else ""
        ids = list(self.encode(USER + image))
        start = len(ids)
        positions, segments, labels, weights = list(range(start)), [0] * start, [-100] * start, [0.0] * start
        for number, turn in enumerate(turns, start=1):
            question, answer = self.encode(turn.prompt + END + ASSISTANT), (*self.encode(turn.answer + END),)
            length = len(question) + len(answer)
            if len(ids) + length > room:
                continue
            ids += [*question, *answer]
            positions += range(start, start + length)
            segments += [number] * length
            labels += [*[-100] * (len(question) - 1), *answer, -100]
            weights += [*[0.0] * (len(question) - 1), *[turn.weight] * (len(answer) - 1), 0.2 * turn.weight, 0.0]
        pad = room - len(ids)
        fill = ([0] * pad, [0] * pad, [-1] * pad, [-100] * pad, [0.0] * pad)
        return ids + fill[0], positions + fill[1], segments + fill[2], labels + fill[3], weights + fill[4]  # type: ignore[return-value]


def to_pixels(images: Sequence[Image.Image]) -> torch.Tensor:
    """RGB images of 64 by 64 pixels as the model takes them: (images, 3, 64, 64), from -1 to 1."""
    raw = [torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(64, 64, 3) for image in images]
    return (torch.stack(raw).permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous()


def layout_of(scene: Scene) -> list[list[float]]:
    """Mark in the cell of each object's centre its colour, shape and size, and a digit's value likewise."""
    cells = [[0.0] * len(FACTS) for _ in range(IMAGE_TOKENS)]
    for o in scene.objects:
        for fact in (o.colour, o.shape, o.size):
            cells[_token(o.x, o.y)][FACTS.index(fact)] = 1.0
    if scene.digit is not None:
        cells[_token(scene.digit.x, scene.digit.y)][FACTS.index(str(scene.digit.value))] = 1.0
    return cells


def _token(x: float, y: float) -> int:
    side = math.isqrt(IMAGE_TOKENS)
    return min(side - 1, int(y * side / SIZE)) * side + min(side - 1, int(x * side / SIZE))


def _draw(rng: Random, name: str, level_weights: Sequence[int]) -> tuple[Image.Image, list[Turn], Scene | None]:
    """Draw an image with its turns in random order, a caption first where there is one, and its scene if it has one."""
    if rng.random() < EASY_SHARE:
        path, pairs = rng.choice(easy_vqa_train())
        with Image.open(path) as file:
            image = file.convert("RGB")
        if rng.random() < 0.5:  # no easy-VQA question knows left from right
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turns = [Turn(_vary(rng, question), answer, _weight(answer)) for question, answer in pairs]
        rng.shuffle(turns)
        return image, turns, None
    level = rng.choices((1, 2, 3, 4, 5), level_weights)[0]
    seed = next(s for s in (f"{name}-{k}" for k in range(1000)) if split_of(s) == "train")
    scene = make_scene(seed, level)
    turns = [Turn(_vary(rng, q.question), q.answer, _weight(q.answer)) for q in questions(scene)]
    rng.shuffle(turns)
    if rng.random() < CAPTION_SHARE and scene.objects:
        turns.insert(0, Turn(rng.choice(CAPTION_PROMPTS), caption(scene), 0.3))
    return render(scene), turns, scene


def _weight(answer: str) -> float:
    """Shapes are learned last by far, so they count double."""
    return 2.0 if answer in SHAPES else 1.0


def _vary(rng: Random, question: str) -> str:
    """Change case or add an instruction now and then, so that neither throws the model off."""
    if rng.random() < 0.3:
        question = question[0].swapcase() + question[1:]
    if rng.random() < 0.15:
        question += rng.choice((" ", "\n")) + rng.choice(SUFFIXES)
    return question
