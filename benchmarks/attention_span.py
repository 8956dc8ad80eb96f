"""How much of a set of long replies does ACE discard, by how its open parts are read?

    python benchmarks/attention_span.py [--scenes 300] [--seed 0] [--out FILE]

The reference VLM describes scenes at temperature 1; each description is read back for its attentions. Rows are the ways of
`signals.attention.span` and `reduce`, columns those of `heads`; a number is the share with psi > 0.1 at sigma = 2, RAP's
published thresholds (arXiv 2506.04755). A rule that discards nearly all, or nothing, chooses nothing.
"""

import argparse
import json
import sys
import tempfile
from io import BytesIO
from math import log
from pathlib import Path
from typing import Any

import polars as pl
import torch

from generators.embedded import reference_folder
from generators.reference.replies import Reader
from generators.scenes import iter_scenes, render
from generators.signals.attention import AttentionConfig, column_sums, log_psi
from generators.signals.columns import HEADS
from generators.signals.forced import Forced, ForcedModel
from pipelines.store.media import MediaStore
from schemas.completion import ImagePart, Message, Request
from schemas.engine import ModelConfig

PROMPT = "Describe the image."
LAMBDA_A = 0.1
WAYS: dict[str, dict[str, Any]] = {
    "all (literal)": {"span": "all"},
    "min 2 (default)": {},
    "min 5": {"span": "min", "span_tokens": 5},
    "min 10": {"span": "min", "span_tokens": 10},
    "window 5": {"span": "window", "span_tokens": 5},
    "window 10": {"span": "window", "span_tokens": 10},
    "min 2, mean_log": {"reduce": "mean_log"},
    "min 10, mean_log": {"span_tokens": 10, "reduce": "mean_log"},
}


def described(scenes: int, seed: int, media: MediaStore) -> list[Forced]:
    """A sampled description of each scene."""
    torch.manual_seed(seed)
    images = [render(scene) for scene in iter_scenes("curate", scenes, seed=seed, levels=(1, 2, 3))]
    texts = Reader(reference_folder()).reply([(p, PROMPT) for p in images], temperature=1.0, tokens=160)
    found = []
    for image, (text,) in zip(images, texts, strict=True):
        data = BytesIO()
        image.save(data, "PNG")
        sha = media.put(data.getvalue(), "png")
        found.append(Forced(Request(sha, (Message("user", (ImagePart(sha), PROMPT)),)), text))
    return found


def measure(scenes: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        media = MediaStore(Path(folder))
        texts = described(scenes, seed, media)
        model = ForcedModel(ModelConfig(model="reference-vlm", engine="transformers"), media)
        windows = {AttentionConfig.model_validate(way).window for way in WAYS.values()}
        sums = {window: column_sums(model.attention(texts, window)) for window in windows}
    ids = pl.Series("key", [str(i) for i in range(len(texts))])
    shares: dict[str, dict[str, float]] = {}
    for name, way in WAYS.items():
        shares[name] = {}
        for heads in HEADS:
            config = AttentionConfig.model_validate({**way, "heads": heads})
            psi = log_psi(sums[config.window].with_columns(ids), config)["log_psi"]
            shares[name][heads] = round(float((psi > log(LAMBDA_A)).mean()), 3)  # type: ignore[arg-type]
    lengths = next(iter(sums.values()))["length"]
    quartiles = [lengths.quantile(q, "nearest") for q in (0.25, 0.5, 0.75)]
    return {"replies": len(texts), "tokens, quartiles": quartiles, "share with psi > 0.1": shares}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = measure(options.scenes, options.seed)
    lines = [f"{found['replies']} replies, tokens (quartiles): {found['tokens, quartiles']}"]
    lines.append(f"{'':18}" + "".join(f"{heads:>8}" for heads in HEADS))
    for name, row in found["share with psi > 0.1"].items():
        lines.append(f"{name:18}" + "".join(f"{row[heads]:>8.3f}" for heads in HEADS))
    sys.stdout.write("\n".join(lines) + "\n")
    if options.out:
        told = {"command": " ".join(["python", *sys.argv]), "seed": options.seed, **found}
        options.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
