"""The models of `label_checks.py`, made of the reference VLM: a second solver, a judge, and a weaker student.

    python benchmarks/label_checkpoints.py --out FOLDER [--steps 500] [--seed 0]

`solver` goes on with the reference model's own training, on other images, so it is the stronger model. `judge` is
trained from the same weights for as many steps, on the same mix of images, to say yes or no to a proposed answer: the
reference model was never asked that and says "yes" to nearly everything, so as it ships it is no judge. Half of the
answers that it is shown are wrong ones, written by the rule that the benchmark plants by. `student` is the reference
model with noise on its weights. Nothing is trained on an image or scene of a test split.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import AutoModelForImageTextToText, PreTrainedTokenizerFast

from generators.embedded import reference_folder
from generators.reference.architecture import CAPTION_PROMPT
from generators.reference.examples import CAPTION_PROMPTS, UNKNOWN, Batch, Steps, Turn, _draw, to_pixels
from generators.reference.train import answer_loss, bfloat16_is_fast, image_tokens
from generators.scenes import COLOURS, SHAPES

JUDGE_PROMPT = "Question: {question}\nAnswer: {answer}\nIs this answer right? Reply with yes or no only."
LEVEL_WEIGHTS, ROOM, IMAGES, RATE, WARMUP = (3, 3, 3, 1, 1), 160, 24, 4e-4, 20
STUDENT_NOISE = 0.4
DOMAINS = (
    ("red", "green", "blue", "yellow", "black", "brown", "gray", "teal"),
    tuple(COLOURS),
    ("circle", "triangle", "rectangle"),
    SHAPES,
    ("more", "fewer", "equal"),
    ("left", "right"),
    ("above", "below"),
    ("yes", "no"),
)


def wrong_answer(rng: Random, question: str, answer: str) -> str:
    """What an annotator might have written instead: one more or fewer, another option, another word of the same domain."""
    if answer.isdigit():
        return str(int(answer) + rng.choice((1, -1) if int(answer) > 0 else (1,)))
    if len(answer) == 1 and f"{answer})" in question:
        return rng.choice([letter for letter in "ABCD" if f"{letter})" in question and letter != answer])
    domain = next(words for words in DOMAINS if answer in words)
    return rng.choice([word for word in domain if word != answer])


def judged(rng: Random, turn: Turn) -> Turn:
    """The turn as a question to a judge: is this answer right?"""
    right = rng.random() < 0.5
    shown = turn.answer if right else wrong_answer(rng, turn.prompt, turn.answer)
    return Turn(JUDGE_PROMPT.format(question=turn.prompt, answer=shown), "yes" if right else "no")


class Tuning(Steps):
    """Batches of train images, each with its questions, put plainly or to a judge."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, *, seed: int, steps: int, judge: bool) -> None:
        super().__init__(tokenizer, seed=seed, size=IMAGES, first=0, last=steps)
        self.judge = judge

    def __getitem__(self, index: int) -> Batch:
        rng = Random(f"label-checks-{self.seed}-{self.judge}:{index}")
        rows, images = [], []
        for row in range(self.size):
            image, turns, _ = _draw(rng, f"label-checks-{self.seed}-{self.judge}-{index}-{row}", LEVEL_WEIGHTS)
            plain = [turn for turn in turns if turn.prompt not in (CAPTION_PROMPT, *CAPTION_PROMPTS)]
            rows.append(self._pack([judged(rng, t) for t in plain] if self.judge else plain, ROOM, shown=True))
            images.append(image)
        columns = [torch.tensor(column) for column in zip(*rows, strict=True)]
        longest = int((columns[2] >= 0).sum(1).max())
        ids, positions, segments, labels, weights = (column[:, :longest] for column in columns)
        seen, layout = torch.ones(len(images), dtype=torch.bool), torch.tensor([UNKNOWN] * len(images))
        return Batch(to_pixels(images), seen, ids, positions, segments, labels, weights, layout)


def tune(folder: Path, *, steps: int, seed: int, judge: bool) -> None:
    """Train the reference model for `steps` and save it in `folder`."""
    torch.manual_seed(seed)
    source = reference_folder()
    model: Any = AutoModelForImageTextToText.from_pretrained(source, dtype=torch.float32).train()
    batches = Tuning(_tokenizer(source), seed=seed, steps=steps, judge=judge)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / WARMUP) * (1 - 0.95 * step / steps)
        batch = batches[step]
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16_is_fast()), sdpa_kernel([SDPBackend.MATH]):
            loss = answer_loss(model, image_tokens(model, batch), batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 20 == 0:
            sys.stderr.write(f"{'judge' if judge else 'solver'} step {step} loss {float(loss.detach()):.4f}\n")
    save(model, folder)


def weaken(folder: Path, seed: int) -> None:
    """The reference model with normal noise on each matrix, of `STUDENT_NOISE` times the deviation of its entries."""
    model: Any = AutoModelForImageTextToText.from_pretrained(reference_folder(), dtype=torch.float32)
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim >= 2:
                noise = torch.randn(weight.shape, generator=chance)
                weight.add_(noise * weight.std() * STUDENT_NOISE)
    save(model, folder)


def save(model: Any, folder: Path) -> None:
    """The model in `folder`, whole or not at all, with the reference model's tokenizer and processor."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        draft = Path(scratch) / "model"
        shutil.copytree(reference_folder(), draft, ignore=shutil.ignore_patterns("*.safetensors", "*metrics*"))
        model.to(torch.bfloat16).save_pretrained(draft)
        draft.rename(folder)


def _tokenizer(folder: Path) -> Any:
    return PreTrainedTokenizerFast.from_pretrained(folder)


def make(out: Path, steps: int, seed: int) -> dict[str, Path]:
    """The folder of each model; what is there already is not made again."""
    out.mkdir(parents=True, exist_ok=True)
    folders = {
        "student": out / f"student-{STUDENT_NOISE}-{seed}",
        "solver": out / f"solver-{steps}-{seed}",
        "judge": out / f"judge-{steps}-{seed}",
    }
    if not folders["student"].exists():
        weaken(folders["student"], seed)
    if not folders["solver"].exists():
        tune(folders["solver"], steps=steps, seed=seed, judge=False)
    if not folders["judge"].exists():
        tune(folders["judge"], steps=steps, seed=seed, judge=True)
    return folders


def main() -> None:
    """Make the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    folders = make(given.out, given.steps, given.seed)
    sys.stdout.write("\n".join(map(str, folders.values())) + "\n")


if __name__ == "__main__":
    main()
