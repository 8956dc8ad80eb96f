"""The embedded engine: Hugging Face transformers with dynamic batching, on CPU, Apple GPUs or one CUDA GPU.

Requests are encoded on one thread and decoded on another, which lets sequences join and leave a running batch. What it
saves: each prompt (and picture) is prefilled once for all its samples, a prefix common to the batch is computed and
read once, and finished sequences make room for waiting ones.
"""

import asyncio
import gc
import logging
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from generators.engines.batch_decoder import Arrival, BatchDecoder, EncodedPrompt
from generators.engines.kv_cache import register_attention
from generators.engines.prompting import ChatPrompts, ImageCache
from generators.engines.sequence import Sample
from generators.engines.torch_build import broken_torchvision
from generators.models import identify, resolve
from schemas.completion import Completion, Request
from schemas.engine import MediaReader, ModelConfig
from schemas.errors import ConfigError, EngineDiedError, EngineError, MissingDependencyError, PermanentEngineError

logger = logging.getLogger(__name__)

GATHER_S = 0.01
GATHER_POLLS = 100
"""An idle engine lets requests that are being encoded catch up before it starts a batch, so that the batch is full and its
common prefix is known: it looks again every `GATHER_S`, at most `GATHER_POLLS` times."""

ADMIT_EVERY = 8
"""Decoding steps between two admissions: each costs a prefill and a copy of the cache."""

HALF_PRECISION_BYTES = 100_000_000
"""On a CPU with bfloat16 instructions, weights above this size run in bfloat16 (see `_choose_dtype`)."""

OWN_ARGS = frozenset({"chat_template", "chat_template_kwargs", "device", "dtype", "max_model_len"})
VLLM_ARGS = frozenset(
    {
        "enforce_eager",
        "enable_prefix_caching",
        "gpu_memory_utilization",
        "limit_mm_per_prompt",
        "max_num_batched_tokens",
        "max_num_seqs",
        "mm_processor_cache_gb",
        "swap_space",
        "tensor_parallel_size",
    }
)
"""Arguments of vLLM without meaning here, passed over so that one `engine: auto` recipe runs on both."""


@dataclass(slots=True)
class _Job:
    prompt: EncodedPrompt
    samples: list[Sample]
    future: "asyncio.Future[list[Completion]]"
    loop: asyncio.AbstractEventLoop
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.samples)


class TransformersEngine:
    """`schemas.engine.Engine` over a transformers model in this process.

    `config.args` goes to `from_pretrained` as it is, but for `device`, `dtype`, `max_model_len`, `chat_template` and
    `chat_template_kwargs`, which mean what they mean to vLLM.
    """

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        self.identity = identify(config)
        self.concurrency = config.concurrency
        self._config = config
        self._images = ImageCache(media)
        self._inbox: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._encoder: ThreadPoolExecutor | None = None
        self._worker: threading.Thread | None = None
        self._model: Any = None
        self._arriving = 0
        self._death: str | None = "the engine has not been started"
        self._jobs: dict[int, _Job] = {}

    async def start(self) -> None:
        """Load the model (not on the event loop).

        Raises:
            MissingDependencyError: torch or transformers is missing.
            ConfigError: the model or an argument does not exist, or the model needs more than a key-value cache.
        """
        if self._worker is not None:
            await self.close()
        await asyncio.to_thread(self._load)
        self._death = None
        self._inbox = queue.SimpleQueue()
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="curate-encode")
        self._worker = threading.Thread(target=self._run, name="curate-decode", daemon=True)
        self._worker.start()

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """One completion for each of `indexes`; the prompt and its pictures are computed once for all of them.

        Raises:
            PermanentEngineError: too long, unreadable picture, or refused by the chat template.
            EngineDiedError: the model failed (out of memory, …); `start` it again.
        """
        if self._death is not None or self._encoder is None:
            raise EngineDiedError(self._death or "the engine is closed")
        if not indexes:
            return []
        loop = asyncio.get_running_loop()
        self._arriving += 1
        try:
            prompt = await loop.run_in_executor(self._encoder, self._encode, request)
        finally:
            self._arriving -= 1
        limit = min(request.sampling.max_tokens, self._context - len(prompt.ids))
        samples = [Sample(i, prompt.ids, request.sampling, limit, self._prompts.tokenizer, self._ends) for i in indexes]
        job = _Job(prompt, samples, loop.create_future(), loop)
        self._inbox.put(job)
        if self._death is not None:
            raise EngineDiedError(self._death)
        return await job.future

    async def close(self) -> None:
        """Stop the threads and free the model. What was in flight fails with `EngineDiedError`."""
        self._death = self._death or "the engine was closed"
        if self._worker is not None:
            self._inbox.put(None)
            await asyncio.to_thread(self._worker.join)
            self._worker = None
        if self._encoder is not None:
            self._encoder.shutdown(wait=False, cancel_futures=True)
            self._encoder = None
        self._model = None
        gc.collect()

    def _load(self) -> None:
        try:
            import torch
            from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
        except (ImportError, RuntimeError) as error:
            raise broken_torchvision(error) or MissingDependencyError(
                "transformers", "cpu", "engine: transformers"
            ) from error
        args = self._config.args
        where = resolve(self._config)
        self._prompts = ChatPrompts(where, args)
        device = str(args.get("device") or _best_device())
        passed = {k: v for k, v in args.items() if k not in OWN_ARGS | VLLM_ARGS}
        shares = _can_share(self._prompts.config) and "attn_implementation" not in passed
        if shares:
            passed["attn_implementation"] = register_attention()
        loader = AutoModelForImageTextToText if self._prompts.sees_images else AutoModelForCausalLM
        dtype = args.get("dtype") or _choose_dtype(device, where.path_or_id)
        try:
            model = loader.from_pretrained(where.path_or_id, revision=where.revision, dtype=dtype, **passed)
        except Exception as error:
            raise ConfigError(f"transformers cannot load the model '{self._config.model}': {error}") from error
        self._model = (model if "device_map" in passed else model.to(device)).eval()
        self._context = _context_length(self._prompts.config, args)
        self._ends = _end_tokens(model, self._prompts.tokenizer)
        pad = next((t for t in (self._prompts.tokenizer.pad_token_id, *sorted(self._ends)) if t is not None), 0)
        budget = 4096 if self._model.device.type == "cpu" else 32768
        self._decoder = BatchDecoder(self._model, pad, shares, budget)
        threads = torch.get_num_threads()
        logger.info("%s on %s in %s (%d threads)", self._config.model, self._model.device, model.dtype, threads)

    def _encode(self, request: Request) -> EncodedPrompt:
        """Token ids and picture tensors, by the model's own processor."""
        text = self._prompts.text(request)
        if not request.images:
            ids = tuple(self._prompts.tokenizer(text, add_special_tokens=False)["input_ids"])
            return self._checked(EncodedPrompt(ids, len(ids) - 1))
        images = [self._images.load(sha) for sha in request.images]
        try:
            batch = dict(
                self._prompts.processor(text=[text], images=[images], add_special_tokens=False, return_tensors="pt")
            )
        except Exception as error:
            raise PermanentEngineError(f"the processor refuses the request: {error}") from error
        ids = tuple(batch.pop("input_ids")[0].tolist())
        batch.pop("attention_mask", None)
        image_token = getattr(self._prompts.config, "image_token_id", None)
        first = ids.index(image_token) if image_token in ids and "mm_token_type_ids" not in batch else 0
        return self._checked(EncodedPrompt(ids, min(first, len(ids) - 1), batch))

    def _checked(self, prompt: EncodedPrompt) -> EncodedPrompt:
        if not prompt.ids:
            raise PermanentEngineError("the prompt is empty")
        if len(prompt.ids) >= self._context:
            raise PermanentEngineError(
                f"the prompt has {len(prompt.ids)} tokens and leaves no room in a context of {self._context}"
            )
        return prompt

    def _run(self) -> None:
        """The decoding thread: take in, admit, step, hand out; until closed or the model fails."""
        waiting: list[_Job] = []
        self._jobs = {}
        steps = 0
        try:
            while self._take_in(waiting):
                if self._decoder.running == 0 or (waiting and steps % ADMIT_EVERY == 0):
                    self._admit(waiting)
                steps += 1
                if self._decoder.running:
                    for sample in self._decoder.step():
                        self._hand_out(sample)
        except Exception as error:
            logger.debug("decoding failed", exc_info=True)
            self._death = f"the model failed: {type(error).__name__}: {error}"
        self._fail(waiting, self._death or "the engine was closed")

    def _take_in(self, waiting: list[_Job]) -> bool:
        """Move arrived jobs to `waiting`; blocks while there is nothing to do. False when the engine was closed."""
        idle = not waiting and self._decoder.running == 0
        patience = GATHER_POLLS if idle else 0
        while True:
            try:
                job = self._inbox.get(block=idle)
            except queue.Empty:
                if not (patience and self._arriving and len(waiting) < self.concurrency):
                    return True
                patience -= 1
                time.sleep(GATHER_S)
                continue
            if job is None:
                return False
            waiting.append(job)
            idle = False

    def _admit(self, waiting: list[_Job]) -> None:
        """Start what fits: in order of arrival, up to `concurrency` sequences, without widening a running batch much.

        A prompt far longer than the running batch waits until that has drained, and holds back those behind it.
        """
        for job in [j for j in waiting if j.future.cancelled()]:
            waiting.remove(job)
        for running in [j for j in self._jobs.values() if j.future.cancelled()]:
            self._decoder.drop(running.samples)
            for sample in running.samples:
                self._jobs.pop(id(sample), None)
        free = self.concurrency - self._decoder.running
        if self._decoder.running == 0:
            self._decoder.choose_prefix([j.prompt for j in waiting])
        arrivals = []
        most = 2 * self._decoder.width + 256 if self._decoder.running else self._context
        while waiting and (len(waiting[0].samples) <= free or free == self.concurrency):
            if self._decoder.own_length(waiting[0].prompt) > most:
                break
            job = waiting.pop(0)
            free -= len(job.samples)
            arrivals.append(Arrival(job.prompt, job.samples))
            self._jobs.update({id(s): job for s in job.samples})
        if arrivals:
            self._decoder.admit(arrivals)

    def _hand_out(self, sample: Sample) -> None:
        job = self._jobs.pop(id(sample))
        job.left -= 1
        if job.left == 0:
            _settle(job, [s.completion() for s in job.samples])

    def _fail(self, waiting: list[_Job], reason: str) -> None:
        """Fail everything in flight: running, waiting, or still in the inbox."""
        jobs = [*self._jobs.values(), *waiting]
        while not self._inbox.empty():
            job = self._inbox.get()
            if job is not None:
                jobs.append(job)
        for job in {id(j): j for j in jobs}.values():
            _settle(job, EngineDiedError(reason))


def _settle(job: _Job, outcome: list[Completion] | EngineError) -> None:
    def set_outcome() -> None:
        if job.future.done():
            return
        if isinstance(outcome, EngineError):
            job.future.set_exception(outcome)
        else:
            job.future.set_result(outcome)

    if not job.loop.is_closed():
        job.loop.call_soon_threadsafe(set_outcome)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _choose_dtype(device: str, path: str) -> str:
    """The weights' own type on a GPU; on a CPU bfloat16 where the processor multiplies it natively, else float32.

    Measured on one core with AVX512-BF16, SmolLM2-135M: prefill of 16 x 50 tokens 1,400 tokens/s in bfloat16 and 370
    in float32, decoding 64 sequences 870 and 230. Small models (below `HALF_PRECISION_BYTES`) are fast enough in
    float32 and keep its exactness.
    """
    if not device.startswith("cpu"):
        return "auto"
    folder = Path(path)
    size = sum(f.stat().st_size for f in folder.glob("*.safetensors")) if folder.is_dir() else HALF_PRECISION_BYTES + 1
    return "bfloat16" if size > HALF_PRECISION_BYTES and _has_bfloat16() else "float32"


def _has_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(name in flags.split() for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _can_share(config: Any) -> bool:
    """Whether `kv_cache.shared_attention` computes this model's attention: plain softmax over all that came before."""
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    windowed = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    if layers - {"full_attention", "sliding_attention"}:
        raise ConfigError(
            f"the transformers engine decodes models with a plain key-value cache; '{text.model_type}' has layers of "
            f"type {', '.join(sorted(layers))}. Use engine: vllm or openai for it."
        )
    return layers == {"full_attention"} and not windowed and not getattr(text, "attn_logit_softcapping", None)


def _context_length(config: Any, args: dict[str, Any]) -> int:
    limit = getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 20
    return min(int(limit), int(args.get("max_model_len") or limit))


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a reply, by the model's generation settings and by its tokenizer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    return frozenset(int(t) for t in ends if t is not None)
