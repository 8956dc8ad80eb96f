"""Train the reference model from nothing: `python -m generators.reference.train --out DIR`.

The run needs scenes, easy-VQA and torch alone, and survives being killed: every other minute it puts
its whole state beside the export, and the same command takes it up there. With `--minutes` the learning rate follows
the clock, so that a busy machine ends the schedule in time, at the price of runs that differ; with `--steps` alone
a run repeats bit for bit on the same machine.
"""

import argparse
import json
import logging
import math
import os
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.data import DataLoader
from transformers import Idefics3ForConditionalGeneration, Idefics3Processor

from generators.reference.architecture import IMAGE_TOKENS, Size, build_model, build_processor, save, train_tokenizer
from generators.reference.examples import FACTS, Batch, Steps, task_texts
from generators.scenes import SHAPES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainConfig:
    """All that decides the weights, apart from the clock."""

    steps: int = 6000
    minutes: float | None = None
    batch: int = 32
    seed: int = 0
    rate: float = 1.2e-3
    warmup: int = 150
    decay: float = 0.05
    size: Size = field(default_factory=Size)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or (self.minutes is not None and self.minutes <= 0):
            raise ValueError(f"steps, batch and minutes must be positive: {self}")


@dataclass
class Run:
    """A run in progress: what a checkpoint holds."""

    config: TrainConfig
    model: Idefics3ForConditionalGeneration
    processor: Idefics3Processor
    probe: torch.nn.Linear
    optimizer: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0
    notes: list[str] = field(default_factory=list)  # what was done to the state by hand, for the card

    @property
    def progress(self) -> float:
        """Share of the schedule behind us, by steps or by the clock, whichever is further."""
        clock = self.elapsed / (60 * self.config.minutes) if self.config.minutes else 0.0
        return min(1.0, max(clock, self.step / self.config.steps))


def start(config: TrainConfig, device: str) -> Run:
    """Begin a run: the tokenizer and the first weights follow from the seed."""
    torch.manual_seed(config.seed)
    tokenizer = train_tokenizer(task_texts(config.seed), config.size.vocabulary)
    model = build_model(tokenizer, config.size).to(device).train()
    heavy = [p for p in model.parameters() if p.ndim >= 2]
    light = [p for p in model.parameters() if p.ndim < 2]
    probe = torch.nn.Linear(config.size.text_width, len(FACTS)).to(device)
    groups: list[dict[str, Any]] = [
        {"params": heavy, "weight_decay": config.decay},
        {"params": [*light, *probe.parameters()], "weight_decay": 0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=config.rate, betas=(0.9, 0.95), fused=True)
    return Run(config, model, build_processor(tokenizer), probe, optimizer)


def image_tokens(model: Idefics3ForConditionalGeneration, batch: Batch) -> torch.Tensor:
    """What the decoder sees of the images that are shown."""
    inner = model.model
    image = inner.vision_model(batch.pixels[batch.seen]).last_hidden_state if bool(batch.seen.any()) else None
    return batch.pixels.new_zeros(0, IMAGE_TOKENS, 1) if image is None else inner.connector(image)


def layout_loss(probe: torch.nn.Linear, image: torch.Tensor, batch: Batch) -> torch.Tensor:
    """How badly each image token by itself tells what it covers; words alone teach a vision tower too slowly."""
    layout = batch.layout[batch.seen]
    known = layout[:, 0, 0] >= 0
    if not bool(known.any()):
        return image.new_zeros(())
    heavy = torch.tensor([3.0 if fact in SHAPES else 1.0 for fact in FACTS], device=layout.device)
    logits = probe(image[known]).float()
    summed = functional.binary_cross_entropy_with_logits(logits, layout[known], weight=heavy, reduction="sum")
    return summed / (known.sum() * IMAGE_TOKENS)


def token_losses(
    model: Idefics3ForConditionalGeneration, image: torch.Tensor, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor]:
    """Negative log-likelihood and weight of each token that is to be learned."""
    inner = model.model
    embedded = inner.text_model.embed_tokens(batch.ids)
    if len(image):
        slots = (batch.ids == model.config.image_token_id).unsqueeze(-1)
        embedded = embedded.masked_scatter(slots, image.to(embedded.dtype))
    query, key = batch.segments.unsqueeze(2), batch.segments.unsqueeze(1)
    mask = ((query == key) | (key == 0)).tril().unsqueeze(1)
    hidden = inner.text_model(
        inputs_embeds=embedded, attention_mask=mask, position_ids=batch.positions, use_cache=False
    )
    learned = batch.labels >= 0
    logits = model.lm_head(hidden.last_hidden_state[learned])
    each = functional.cross_entropy(logits.float(), batch.labels[learned], reduction="none")
    return each, batch.weights[learned]


def answer_loss(model: Idefics3ForConditionalGeneration, image: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Weighted cross-entropy of the packed answers."""
    each, weights = token_losses(model, image, batch)
    return (each * weights).sum() / weights.sum()


def advance(run: Run, batch: Batch, device: str) -> float:
    """Take one optimiser step; returns the loss of the answers."""
    for group in run.optimizer.param_groups:
        group["lr"] = run.config.rate * min(1.0, (run.step + 1) / run.config.warmup) * _decayed(run.progress)
    batch = Batch(**{name: tensor.to(device) for name, tensor in vars(batch).items()})
    narrow = torch.autocast(device, torch.bfloat16, enabled=device != "cpu" or bfloat16_is_fast())
    kernels = [SDPBackend.MATH] if device == "cpu" else [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    with narrow, sdpa_kernel(kernels):  # on a CPU the fused kernel's backward pass costs more than the plain one
        image = image_tokens(run.model, batch)
        answers = answer_loss(run.model, image, batch)
        loss = answers + layout_loss(run.probe, image, batch)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
    run.optimizer.step()
    run.step += 1
    return float(answers.detach())


def _decayed(progress: float) -> float:
    """Factor of the learning rate: level for seven tenths of the schedule, then half a cosine down to 2 %."""
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * max(0.0, progress - 0.7) / 0.3))


def bfloat16_is_fast() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; emulated, it is slower than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def write_state(run: Run, path: Path) -> None:
    """Put the state of the run at `path`, whole or not at all."""
    state = {
        "config": asdict(run.config), "step": run.step, "elapsed": run.elapsed, "model": run.model.state_dict(),
        "probe": run.probe.state_dict(),
        "optimizer": run.optimizer.state_dict(), "random": torch.get_rng_state(), "notes": run.notes,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_state(run: Run, path: Path) -> None:
    """Take up a run where its state was left; refuses the state of another configuration."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["config"] != asdict(run.config):
        raise ValueError(f"{path} belongs to a run with other arguments; remove it or give --state another path")
    run.model.load_state_dict(state["model"])
    run.probe.load_state_dict(state["probe"])
    run.optimizer.load_state_dict(state["optimizer"])
    run.step, run.elapsed, run.notes = state["step"], state["elapsed"], state["notes"]
    torch.set_rng_state(state["random"])


def export(run: Run, out: Path) -> None:
    """Replace the exported model file by file, so that a reader never meets half a file."""
    out.mkdir(parents=True, exist_ok=True)
    record = {
        "config": asdict(run.config),
        "steps": run.step,
        "seconds": round(run.elapsed),
        "torch": torch.__version__,
        "notes": run.notes,
    }
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        save(run.model, run.processor, Path(folder))
        (Path(folder) / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        for file in sorted(Path(folder).iterdir()):
            file.chmod(0o644)
            file.replace(out / file.name)


def train(config: TrainConfig, out: Path, state: Path, *, device: str = "cpu", workers: int = 1) -> Run:
    """Train to the end of the schedule and export; resumes from `state` when it is there."""
    run = start(config, device)
    if state.exists():
        read_state(run, state)
        log.info("resumed at step %d after %.0f s", run.step, run.elapsed)
    steps = Steps(run.processor.tokenizer, seed=config.seed, size=config.batch, first=run.step, last=config.steps)
    batches = iter(DataLoader(steps, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
    clock = saved = exported = time.monotonic()
    while run.progress < 1:
        loss, now = advance(run, next(batches), device), time.monotonic()
        run.elapsed, clock = run.elapsed + now - clock, now
        if run.step % 20 == 0:
            pace = run.step / run.elapsed
            log.info("step %d loss %.4f, %.2f steps/s, %.1f %%", run.step, loss, pace, 100 * run.progress)
        if now - saved > 120:
            write_state(run, state)
            saved = now
        if now - exported > 600:
            export(run, out)
            exported = now
    write_state(run, state)
    export(run, out)
    return run


def main() -> None:
    """Parse the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--state", type=Path, help="file of the run's state (default: OUT.state)")
    parser.add_argument("--steps", type=int, default=TrainConfig.steps)
    parser.add_argument("--minutes", type=float, help="end the schedule after this long, if the steps have not")
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--seed", type=int, default=TrainConfig.seed)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(args.threads)
    config = TrainConfig(steps=args.steps, minutes=args.minutes, batch=args.batch, seed=args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    train(config, args.out, args.state or args.out.with_suffix(".state"), device=device)


if __name__ == "__main__":
    main()
