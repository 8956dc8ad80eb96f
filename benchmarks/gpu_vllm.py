"""The part `vllm` of `gpu.py`: tokens/s of the driver over bare vLLM, text and images at 8 samples each.

vLLM's caches are emptied before each round, so that images are encoded and prompts read in each.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

from vllm_sides import Images, Load, Sides, image_requests, quiet_vllm, text_requests

LIMIT = 0.97
SAMPLES = 8


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Both loads with one model, loaded once for each side."""
    quiet_vllm()
    prompts, side, sequences, tokens, rounds = (24, 64, 32, 24, 3) if given.small else (384, 448, 256, 256, 5)
    args: dict[str, Any] = {"max_model_len": 2048} if given.small else {"max_model_len": 8192}
    args |= {"dtype": "float32", "enforce_eager": True} if given.small else {"gpu_memory_utilization": 0.42}
    with tempfile.TemporaryDirectory() as scratch:
        media = Images(Path(scratch), side)
        images = image_requests(prompts // 2, media, n=SAMPLES, max_tokens=tokens)
        sides = Sides(Load(given.model, images, media, sequences, args))
        found: dict[str, Any] = {}
        for case, requests in (("images", images), ("text", text_requests(prompts, tokens))):
            sides.ask(requests)
            for number in range(rounds + 1):
                sides.round(curate_first=number % 2 == 1, counted=number > 0, fresh=True)
            found[case] = sides.found()
        sides.close()
    lines = []
    for case, row in found.items():
        wall, best = row["wall"], {side: max(speeds) for side, speeds in row["tokens_per_s"].items()}
        verdict = "too small to tell" if given.small else "ok" if wall["ratio"] >= LIMIT else "BELOW"
        lines.append(
            f"{case}: {wall['ratio']:.3f} {wall['interval']} of bare vLLM (limit {LIMIT}) {verdict}; best {best}"
        )
        held = row["cache"]
        share = held["cached_tokens"] / held["prompt_tokens"] if held["prompt_tokens"] else 0.0
        lines.append(
            f"{case}: {share:.1%} of prompt tokens and {held['cached_images']} of {held['images']} images cached"
        )
    return {"model": given.model, "limit": LIMIT, "cases": found, "lines": lines}
