"""What a GPU does for curate, beside the bare libraries on the same GPU: at most eight minutes.

    make bench-gpu                                            # or: python benchmarks/gpu.py [--model HUB_ID] [--only vllm,…]
    python benchmarks/gpu.py --small                          # the same code on a CPU, at sizes of a minute or two

Each part runs in a process of its own and is stopped after its time:

- `vllm`: tokens/s through driver, log and engine over bare `vllm.LLM.generate`, text and images at 8 samples each, rounds
  taken in turn (`vllm_sides.py`); limit 0.97;
- `exact`, `ivf`: near duplicates of 1,000,000 and 10,000,000 vectors of 1,024 by `filters.dedup`, beside bare FAISS
  (`gpu_vectors.py`);
- `encoders`: texts and images a second beside bare sentence-transformers and bare transformers (`gpu_encoders.py`);
- `attention`: replies a second whose attentions RAP reads, beside the same passes that read none (`gpu_attention.py`).

Models are hub ids (`--model`, `--text-encoder`, `--image-encoder`, `--attention-model`) or local folders; nothing else is
downloaded. With `--small` they are those that come with curate. Writes benchmarks/results/gpu.json, or gpu_small.json, with
the machine's name.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

from machine import machine

RESULTS = Path(__file__).parent / "results"
SECONDS = {"vllm": 190, "exact": 45, "ivf": 150, "encoders": 45, "attention": 50}
"""What each part may take; together eight minutes."""
PARTS = {
    "vllm": ("gpu_vllm", {}),
    "exact": ("gpu_vectors", {"kind": "exact"}),
    "ivf": ("gpu_vectors", {"kind": "ivf"}),
    "encoders": ("gpu_encoders", {}),
    "attention": ("gpu_attention", {}),
}
MODELS = {
    "model": (
        "Qwen/Qwen3-VL-2B-Instruct",
        "reference-vlm",
        "a VLM that vLLM runs; a small one is the hardest on the driver",
    ),
    "text_encoder": ("Qwen/Qwen3-Embedding-0.6B", "all-minilm-l6-v2", "a model of sentence-transformers"),
    "image_encoder": ("google/siglip2-base-patch16-224", "reference-vlm", "a CLIP or SigLIP model"),
    "attention_model": ("Qwen/Qwen3-VL-2B-Instruct", "reference-vlm", "a VLM that transformers runs"),
}


def run_part(name: str, given: argparse.Namespace, patience: float) -> dict[str, Any]:
    """A part in a process of its own; why there is nothing, where it fails or takes too long."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "found.json"
        command = [sys.executable, __file__, "--part", name, "--out", str(out), *(["--small"] if given.small else [])]
        for option in MODELS:
            command += [f"--{option.replace('_', '-')}", getattr(given, option)]
        started = time.perf_counter()
        try:
            done = subprocess.run(command, timeout=patience, check=False)
        except subprocess.TimeoutExpired:
            return {"failed": f"not done within {patience:.0f} s"}
        if done.returncode or not out.is_file():
            return {"failed": f"ended with code {done.returncode}"}
        return {"seconds": round(time.perf_counter() - started, 1), **json.loads(out.read_text())}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, separated by commas")
    parser.add_argument(
        "--small", action="store_true", help="small sizes and the models of this package, on any machine"
    )
    parser.add_argument("--patience", type=float, default=1.0, help="times the seconds that a part may take")
    for option, (_, _, what) in MODELS.items():
        parser.add_argument(f"--{option.replace('_', '-')}", help=what)
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    for option, (large, small, _) in MODELS.items():
        if getattr(given, option) is None:
            setattr(given, option, small if given.small else large)
    if given.part:
        module, more = PARTS[given.part]
        given.out.write_text(json.dumps(import_module(module).measure(given, **more)))
        return 0
    here = machine()
    if not here["gpus"] and not given.small:
        sys.stderr.write("There is no GPU that torch can use. `--small` runs the same code on a CPU.\n")
        return 1
    found = {"machine": here, "small": given.small, "parts": {}}
    for name in given.only.split(","):
        found["parts"][name] = part = run_part(name, given, given.patience * SECONDS[name])
        for line in part.get("lines", [part.get("failed", "")]):
            sys.stdout.write(f"{name:10} {line}\n")
        sys.stdout.flush()
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"gpu{'_small' * given.small}.json").write_text(json.dumps(found, indent=1) + "\n")
    return int(any("failed" in part for part in found["parts"].values()))


if __name__ == "__main__":
    sys.exit(main())
