"""The same load through bare `vllm.LLM.generate` and through curate's driver, log and vLLM engine, beside each other."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from paired import paired

from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from pipelines.store.completions import CompletionsLog
from schemas.completion import ImagePart, Message, Request, Sampling, prompt_key
from schemas.engine import CacheUse, ModelConfig
from schemas.ids import hash_text, seeded

SHOTS = "\n".join(
    f"Description: {n} shapes: a large {a} circle at the top, a small {b} star at the left.\nQuestion: What color is the "
    f"star?\nThe description says there is a small {b} star at the left. The star is {b}. So the answer is {b}."
    for n, a, b in ((2, "red", "blue"), (3, "gray", "teal"), (2, "green", "orange"), (4, "black", "pink"))
)
FORGET = ("reset_mm_cache", "reset_encoder_cache", "reset_prefix_cache")
"""How vLLM forgets what it has read, in `LLMEngine` and `AsyncLLM` alike."""

COLORS = ("red", "green", "blue", "yellow", "black", "white", "gray", "orange")


def quiet_vllm() -> None:
    """Before vLLM is imported."""
    quiet = {
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_LOGGING_LEVEL": "ERROR",
    }
    for name, value in {**quiet, "VLLM_WORKER_MULTIPROC_METHOD": "spawn"}.items():
        os.environ.setdefault(name, value)


class Images:
    """A folder of drawn images, square, of `side` pixels."""

    def __init__(self, root: Path, side: int = 64) -> None:
        self._root, self._side = root, side

    def draw(self, number: int) -> str:
        from PIL import Image, ImageDraw

        chance, side = seeded(1, str(number)), self._side
        image = Image.new("RGB", (side, side), "lightgray")
        x, y = chance.randrange(side // 2), chance.randrange(side // 2)
        ImageDraw.Draw(image).ellipse((x, y, x + side // 2, y + side // 2), fill=chance.choice(COLORS))
        name = hash_text(str(number))
        image.save(self.path(name))
        return name

    def path(self, sha256: str) -> Path:
        return self._root / f"{sha256}.png"

    def read(self, sha256: str) -> bytes:
        return self.path(sha256).read_bytes()


def text_requests(number: int, max_tokens: int = 64) -> list[Request]:
    """Few-shot prompts that share their start and differ in their end."""
    requests = []
    for i in range(number):
        chance = seeded(0, str(i))
        scene = f"Description: {i} shapes: a {chance.choice(COLORS)} circle and a {chance.choice(COLORS)} square."
        text = f"{SHOTS}\n{scene}\nQuestion: What color is the square?"
        requests.append(Request(str(i), (Message("user", (text,)),), Sampling(temperature=0, max_tokens=max_tokens)))
    return requests


def image_requests(number: int, media: Images, *, n: int, max_tokens: int = 48) -> list[Request]:
    """An image each, `n` samples."""
    sampling = Sampling(temperature=1.0, max_tokens=max_tokens, seed=0)
    return [
        Request(str(i), (Message("user", (ImagePart(media.draw(i)), "Describe the image.")),), sampling, n=n)
        for i in range(number)
    ]


@dataclass(frozen=True)
class Load:
    """What both sides are asked. `args` are those of vLLM; requests have one sampling, and `n` samples each."""

    model: str
    requests: Sequence[Request]
    media: Images
    sequences: int
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> ModelConfig:
        return ModelConfig(model=self.model, engine="vllm", concurrency=self.sequences, args=self.args)


class Bare:
    """`vllm.LLM` with the prompts rendered beforehand."""

    def __init__(self, load: Load) -> None:
        from vllm import LLM

        from generators.engines.prompting import ChatPrompts, ImageCache
        from generators.engines.vllm.engine import sampling_params
        from generators.models import resolve

        where = resolve(load.config)
        self._chat, self._images = ChatPrompts(where, load.args), ImageCache(load.media, size=1 << 16)
        self._parameters = sampling_params
        self.llm = LLM(
            where.path_or_id, revision=where.revision, max_num_seqs=load.sequences, disable_log_stats=True, **load.args
        )
        self.ask(load.requests)

    def ask(self, requests: Sequence[Request]) -> None:
        """Render what is asked from now on."""
        self.prompts: list[Any] = []
        for request in requests:
            prompt: dict[str, Any] = {"prompt": self._chat.text(request)}
            if request.images:
                prompt["multi_modal_data"] = {"image": [self._images.load(sha) for sha in request.images]}
                prompt["multi_modal_uuids"] = {"image": list(request.images)}
            self.prompts.append(prompt)
        first = requests[0]
        self.parameters = self._parameters(first.sampling, first.n, first.sampling.seed)

    def run(self) -> int:
        """Answer all; how many tokens that took."""
        outputs = self.llm.generate(self.prompts, self.parameters, use_tqdm=False)
        return sum(len(one.token_ids) for output in outputs for one in output.outputs)

    def forget(self) -> None:
        for reset in FORGET:
            getattr(self.llm.llm_engine, reset)()

    def close(self) -> None:
        self.llm.llm_engine.engine_core.shutdown()


class Curate:
    """The driver, with a log that is fresh each time."""

    def __init__(self, load: Load) -> None:
        self.ask(load.requests)
        self.session = Session(make_engine(load.config, load.media))
        self.receipt = Receipt()

    def ask(self, requests: Sequence[Request]) -> None:
        self._requests = requests

    def run(self) -> int:
        identity = self.session.engine.identity
        calls: Iterator[Call] = iter([Call(r, prompt_key(identity, r), tuple(r.indexes)) for r in self._requests])
        total = sum(request.n for request in self._requests)
        with tempfile.TemporaryDirectory() as scratch, CompletionsLog(Path(scratch)).writer(identity) as log:
            self.receipt = self.session.drive(calls, log, DriverConfig(), total=total)
        assert self.receipt.samples == total
        assert self.receipt.completion_tokens is not None
        return self.receipt.completion_tokens

    def forget(self) -> None:
        engine: Any = self.session.engine
        for reset in FORGET:
            self.session._loop.run(getattr(engine._engine, reset)())

    def close(self) -> None:
        self.session.close()


class Sides:
    """Both of them, each with the processes that it started."""

    def __init__(self, load: Load) -> None:
        self._sides: dict[str, Bare | Curate] = {}
        self._processes: dict[str, list[psutil.Process]] = {}
        for name, side in (("bare", Bare), ("curate", Curate)):
            before = {child.pid for child in psutil.Process().children(recursive=True)}
            self._sides[name] = side(load)
            if name == "curate":
                self._sides[name].run()  # it starts when it is first asked
            children = psutil.Process().children(recursive=True)
            self._processes[name] = [child for child in children if child.pid not in before]
        self.ask(load.requests)

    def ask(self, requests: Sequence[Request]) -> None:
        """Ask both for these from now on; what was measured before is forgotten."""
        for side in self._sides.values():
            side.ask(requests)
        self.speeds: dict[str, list[float]] = {name: [] for name in self._sides}
        self.by_cpu: dict[str, list[float]] = {name: [] for name in self._sides}
        self.cache = CacheUse()

    def round(self, *, curate_first: bool, counted: bool, fresh: bool = False) -> dict[str, float]:
        """Tokens/s of each side, one after the other; `fresh`: with nothing in vLLM's caches."""
        found: dict[str, float] = {}
        for name in ("curate", "bare") if curate_first else ("bare", "curate"):
            if fresh:
                self._sides[name].forget()
            cpu, started = self._cpu(name), time.perf_counter()
            tokens = self._sides[name].run()
            found[name] = tokens / (time.perf_counter() - started)
            if counted:
                self.speeds[name].append(found[name])
                self.by_cpu[name].append(tokens / (self._cpu(name) - cpu))
        mine = self._sides["curate"]
        assert isinstance(mine, Curate)
        self.cache = mine.receipt.cache
        return found

    def found(self) -> dict[str, Any]:
        """What the rounds came to; `cache` is that of the last one."""
        return {
            "wall": paired(self.speeds["curate"], self.speeds["bare"]).to_json(),
            "cpu": paired(self.by_cpu["curate"], self.by_cpu["bare"]).to_json(),
            "tokens_per_s": {name: [round(speed, 1) for speed in speeds] for name, speeds in self.speeds.items()},
            "tokens_per_cpu_s": {name: [round(speed, 1) for speed in speeds] for name, speeds in self.by_cpu.items()},
            "cache": self.cache._asdict(),
        }

    def close(self) -> None:
        for side in self._sides.values():
            side.close()

    def _cpu(self, name: str) -> float:
        """Processor seconds of this process and of what a side started."""
        times = [child.cpu_times() for child in self._processes[name] if child.is_running()]
        return time.process_time() + sum(one.user + one.system for one in times)
