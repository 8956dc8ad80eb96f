"""Training examples: one image with every question that fits behind it, packed so that the image is read once.

A batch is a pure function of (seed, step), so a resumed run sees what an unbroken one would have seen. Questions about
one image share its prefix and are hidden from each other by the attention mask, with positions counted from the end of
the prefix: the loss is that of separate conversations, for about a seventh of the work.
"""

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
from generators.scenes import caption, iter_scenes, make_scene, questions, render, split_of

LENGTH = 160
EASY_SHARE, BLIND_SHARE, CAPTION_SHARE = 0.3, 0.03, 0.6
LEVEL_WEIGHTS = (3, 3, 3, 2, 2)
FIRST_STEPS, FIRST_WEIGHTS = 2600, (5, 3, 1, 0, 0)  # easy scenes first: the model learns sooner that images matter
CAPTION_PROMPTS = (CAPTION_PROMPT, CAPTION_PROMPT, "Describe this image in detail.", "What do you see in the image?")
SUFFIXES = (
    "Answer with a single word or number.", "Answer briefly.", "Give only the final answer.",
    "Answer with the letter of the right option.", "Think step by step, then answer.",
    "Think step by step and put the final answer in \\boxed{}.", "Reply with the answer alone.",
)  # fmt: skip
GREY = (128, 128, 128)


@dataclass(frozen=True)
class Batch:
    """Tensors of one step; `labels` holds the next token where one is to be learned, -100 elsewhere."""

    pixels: torch.Tensor
    seen: torch.Tensor
    ids: torch.Tensor
    positions: torch.Tensor
    segments: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor


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
        level_weights = FIRST_WEIGHTS if step < FIRST_STEPS else LEVEL_WEIGHTS
        rows, images, seen = [], [], []
        for row in range(self.size):
            image, turns = _draw(rng, f"{self.seed}-{step}-{row}", level_weights)
            blind = rng.random() < BLIND_SHARE
            shown = not (blind and rng.random() < 0.5)
            if blind:
                turns = [turn for turn in turns if turn.prompt not in CAPTION_PROMPTS]
                image = Image.new("RGB", image.size, GREY)
            rows.append(self._pack(turns, shown=shown))
            images.append(torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(64, 64, 3))
            seen.append(shown)
        pixels = torch.stack(images).permute(0, 3, 1, 2).float() / 127.5 - 1
        ids, positions, segments, labels, weights = zip(*rows, strict=True)
        return Batch(
            pixels.contiguous(), torch.tensor(seen), torch.tensor(ids), torch.tensor(positions),
            torch.tensor(segments), torch.tensor(labels), torch.tensor(weights),
        )  # fmt: skip

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def _pack(self, turns: Sequence[Turn], *, shown: bool) -> tuple[list[int], ...]:
        """Lay turns behind the image until the row is full; returns ids, positions, segments, labels and weights."""
        picture = AROUND + GLOBAL + IMAGE * IMAGE_TOKENS + AROUND if shown else ""
        ids = list(self.encode(USER + picture))
        start = len(ids)
        positions, segments, labels, weights = list(range(start)), [0] * start, [-100] * start, [0.0] * start
        for number, turn in enumerate(turns, start=1):
            question, answer = self.encode(turn.prompt + END + ASSISTANT), (*self.encode(turn.answer + END),)
            length = len(question) + len(answer)
            if len(ids) + length > LENGTH:
                continue
            ids += [*question, *answer]
            positions += range(start, start + length)
            segments += [number] * length
            labels += [*[-100] * (len(question) - 1), *answer, -100]
            weights += [*[0.0] * (len(question) - 1), *[turn.weight] * (len(answer) - 1), 0.2 * turn.weight, 0.0]
        pad = LENGTH - len(ids)
        fill = ([0] * pad, [0] * pad, [-1] * pad, [-100] * pad, [0.0] * pad)
        return ids + fill[0], positions + fill[1], segments + fill[2], labels + fill[3], weights + fill[4]  # type: ignore[return-value]


def _draw(rng: Random, name: str, level_weights: Sequence[int]) -> tuple[Image.Image, list[Turn]]:
    """Draw an image with its turns in random order, a caption first where there is one."""
    if rng.random() < EASY_SHARE:
        path, pairs = rng.choice(easy_vqa_train())
        with Image.open(path) as file:
            image = file.convert("RGB")
        if rng.random() < 0.5:  # no easy-VQA question knows left from right
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turns = [Turn(_vary(rng, question), answer) for question, answer in pairs]
        rng.shuffle(turns)
        return image, turns
    level = rng.choices((1, 2, 3, 4, 5), level_weights)[0]
    seed = next(s for s in (f"{name}-{k}" for k in range(1000)) if split_of(s) == "train")
    scene = make_scene(seed, level)
    turns = [Turn(_vary(rng, q.question), q.answer) for q in questions(scene)]
    rng.shuffle(turns)
    if rng.random() < CAPTION_SHARE and scene.objects:
        turns.insert(0, Turn(rng.choice(CAPTION_PROMPTS), caption(scene), 0.3))
    return render(scene), turns


def _vary(rng: Random, question: str) -> str:
    """Change case or add an instruction now and then, so that neither throws the model off."""
    if rng.random() < 0.3:
        question = question[0].swapcase() + question[1:]
    if rng.random() < 0.15:
        question += rng.choice((" ", "\n")) + rng.choice(SUFFIXES)
    return question
