"""The part `attention` of `gpu.py`: replies a second whose attentions RAP reads (`generators.signals`).

Beside the same forward passes that read none, which is what looking costs.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from vllm_sides import COLORS, Images

from generators.signals.forced import Forced, ForcedModel
from generators.signals.forward import forward
from schemas.completion import ImagePart, Message, Request
from schemas.engine import ModelConfig
from schemas.ids import seeded

ROUNDS = 3


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Medians of rounds taken in turn."""
    number, side, words = (24, 64, 60) if given.small else (512, 448, 300)
    with tempfile.TemporaryDirectory() as scratch:
        media = Images(Path(scratch), side)
        texts = [_reply(media, i, words) for i in range(number)]
        args = {"dtype": "float32"} if given.small else {}
        model = ForcedModel(ModelConfig(model=given.attention_model, engine="transformers", args=args), media)
        seconds: dict[str, list[float]] = {"read": [], "blind": []}
        for counted in (False, *[True] * ROUNDS):
            for name, spent in seconds.items():
                started = time.perf_counter()
                found = model.attention(texts, None) if name == "read" else _passes(model, texts)
                if counted:
                    spent.append(time.perf_counter() - started)
            assert found is None or not any(isinstance(row, str) for row in found)
    speeds = {name: number / median(spent) for name, spent in seconds.items()}
    cost = median(read / blind for read, blind in zip(seconds["read"], seconds["blind"], strict=True))
    lines = [
        f"{speeds['read']:,.1f} replies a second ({words} words, an image of {side} pixels); the same passes without "
        f"looking {speeds['blind']:,.1f}; looking costs {cost - 1:+.1%}"
    ]
    return {"model": given.attention_model, "replies_a_second": speeds, "read_over_blind": cost, "lines": lines}


def _reply(media: Images, number: int, words: int) -> Forced:
    chance = seeded(2, str(number))
    text = " ".join(chance.choices(("the", "shape", "is", "left", "of", *COLORS), k=words))
    return Forced(
        Request(str(number), (Message("user", (ImagePart(media.draw(number)), "Describe the image.")),)), text
    )


def _passes(model: ForcedModel, texts: list[Forced]) -> None:
    """The batches of `ForcedModel.attention`, of which nothing is kept."""
    for batch in model._batches(texts, [None] * len(texts)):
        forward(model._loaded, [item.whole for item in batch], 1).float().cpu()
