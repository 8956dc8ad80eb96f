"""What the driver costs on top of vLLM in process. Of servers see `driver_rate.py` and `makespan.py`.

    python benchmarks/driver_overhead.py [--prompts 256] [--rounds 3]

Tokens/s through curate's driver, log and vLLM engine, over tokens/s of bare `vllm.LLM.generate`, on the same
prompts with the same settings in the same run, rounds taken in turn; the limit is 0.97. Both are loaded at the same time,
and the one that does not work waits; both have seen prompts and images once before. Two loads: few-shot text
(SmolLM2-135M), and images with 8 samples each (the reference VLM).

Prints a table and writes benchmarks/results/driver_overhead.json.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from pipelines.store.completions import CompletionsLog
from schemas.completion import ImagePart, Message, Request, Sampling, prompt_key
from schemas.engine import ModelConfig
from schemas.ids import hash_text, seeded

RESULTS = Path(__file__).parent / "results"
SEQUENCES = 64

SHOTS = "\n".join(
    f"Description: {n} shapes: a large {a} circle at the top, a small {b} star at the left.\nQuestion: What color is the "
    f"star?\nThe description says there is a small {b} star at the left. The star is {b}. So the answer is {b}."
    for n, a, b in ((2, "red", "blue"), (3, "gray", "teal"), (2, "green", "orange"), (4, "black", "pink"))
)
COLORS = ("red", "green", "blue", "yellow", "black", "white", "gray", "orange")


def text_requests(number: int) -> list[Request]:
    """Few-shot prompts that share their start and differ in their end."""
    requests = []
    for i in range(number):
        chance = seeded(0, str(i))
        scene = f"Description: {i} shapes: a {chance.choice(COLORS)} circle and a {chance.choice(COLORS)} square."
        text = f"{SHOTS}\n{scene}\nQuestion: What color is the square?"
        requests.append(Request(str(i), (Message("user", (text,)),), Sampling(temperature=0, max_tokens=64)))
    return requests


def image_requests(number: int, media: "Images") -> list[Request]:
    sampling = Sampling(temperature=1.0, max_tokens=48, seed=0)
    return [
        Request(str(i), (Message("user", (ImagePart(media.draw(i)), "Describe the image.")),), sampling, n=8)
        for i in range(number)
    ]


class Images:
    """A folder of drawn images, by name."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def draw(self, number: int) -> str:
        from PIL import Image, ImageDraw

        chance = seeded(1, str(number))
        image = Image.new("RGB", (64, 64), "lightgray")
        x, y = chance.randrange(30), chance.randrange(30)
        ImageDraw.Draw(image).ellipse((x, y, x + 30, y + 30), fill=chance.choice(COLORS))
        name = hash_text(str(number))
        image.save(self.path(name))
        return name

    def path(self, sha256: str) -> Path:
        return self._root / f"{sha256}.png"

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()


def drive_all(requests: Sequence[Request], session: Session) -> Receipt:
    """Through the driver into a fresh log."""
    identity = session.engine.identity
    calls: Iterator[Call] = iter([Call(r, prompt_key(identity, r), tuple(r.indexes)) for r in requests])
    total = sum(r.n for r in requests)
    with tempfile.TemporaryDirectory() as scratch, CompletionsLog(Path(scratch)).writer(identity) as log:
        return session.drive(calls, log, DriverConfig(), total=total)


class BareVllm:
    """`vllm.LLM` with the prompts rendered beforehand."""

    def __init__(self, config: ModelConfig, media: Images, requests: Sequence[Request]) -> None:
        from vllm import LLM

        from generators.engines.prompting import ChatPrompts, ImageCache
        from generators.engines.vllm.engine import sampling_params
        from generators.models import resolve

        where = resolve(config)
        prompts, images = ChatPrompts(where, config.args), ImageCache(media, size=len(requests))
        self.llm = LLM(where.path_or_id, max_num_seqs=config.concurrency, disable_log_stats=True, **config.args)
        self.prompts: list[Any] = []
        for request in requests:
            prompt: dict[str, Any] = {"prompt": prompts.text(request)}
            if request.images:
                prompt["multi_modal_data"] = {"image": [images.load(sha) for sha in request.images]}
                prompt["multi_modal_uuids"] = {"image": list(request.images)}
            self.prompts.append(prompt)
        self.parameters = sampling_params(requests[0].sampling, requests[0].n, requests[0].sampling.seed)

    def tokens_per_second(self) -> float:
        started = time.perf_counter()
        outputs = self.llm.generate(self.prompts, self.parameters, use_tqdm=False)
        seconds = time.perf_counter() - started
        return sum(len(o.token_ids) for output in outputs for o in output.outputs) / seconds


def vllm_case(name: str, model: str, requests: Sequence[Request], media: Images, rounds: int) -> dict[str, Any]:
    """Tokens/s of both, medians over rounds taken in turn, after one warm-up round each."""
    args = {"enforce_eager": True, "dtype": "float32"}
    config = ModelConfig(model=model, engine="vllm", concurrency=SEQUENCES, args=args)
    bare = BareVllm(config, media, requests)
    ours = Session(make_engine(config, media))
    speeds: dict[str, list[float]] = {"bare": [], "curate": []}
    for turn in range(rounds + 1):
        once = {"bare": bare.tokens_per_second(), "curate": drive_all(requests, ours).tokens_per_second}
        sys.stdout.write(f"{name} round {turn}: {once['bare']:.1f} bare, {once['curate']:.1f} curate tokens/s\n")
        if turn:
            for side, speed in once.items():
                speeds[side].append(speed)
    ours.close()
    ratios = [mine / theirs for mine, theirs in zip(speeds["curate"], speeds["bare"], strict=True)]
    middle = {side: round(statistics.median(values), 1) for side, values in speeds.items()}
    return {"case": name, "requests": len(requests), **middle, "rounds": speeds, "ratio": statistics.median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        media = Images(Path(scratch))
        text, images = text_requests(arguments.prompts), image_requests(arguments.prompts, media)
        rows.append((vllm_case("text", "smollm2-135m-instruct", text, media, arguments.rounds), 0.97))
        rows.append((vllm_case("images", "reference-vlm", images, media, arguments.rounds), 0.97))
    RESULTS.mkdir(exist_ok=True)
    found = [{**row, "ratio": round(row["ratio"], 4), "limit": limit} for row, limit in rows]
    (RESULTS / "driver_overhead.json").write_text(json.dumps(found, indent=2) + "\n")
    for row in found:
        shown = {k: v for k, v in row.items() if k not in ("case", "ratio", "limit", "rounds")}
        verdict = "ok" if row["ratio"] >= row["limit"] else "BELOW"
        sys.stdout.write(f"{row['case']:9} {row['ratio']:.3f} (limit {row['limit']}) {verdict}  {shown}\n")


if __name__ == "__main__":
    main()
