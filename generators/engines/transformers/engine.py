"""The embedded engine: Hugging Face transformers with dynamic batching, on CPU, Apple GPUs or one CUDA GPU.

Requests are encoded on one thread and decoded on another, which lets sequences join and leave a running batch. What it
saves: each prompt (and image) is prefilled once for all its samples, what prompts begin with alike is computed once, a
prefix common to the batch is read once a step, and finished sequences make room for waiting ones.
"""

import asyncio
import gc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from generators.engines.prompting import ImageCache
from generators.engines.transformers.batch_decoder import BatchDecoder
from generators.engines.transformers.decoding_thread import DecodingThread, Job
from generators.engines.transformers.matchers import Matcher, Matchers
from generators.engines.transformers.model_loading import LoadedModel, load_model
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.prompt_tensors import encode_prompt
from generators.engines.transformers.sequence import Sample
from generators.models import identify
from schemas.completion import Completion, Request
from schemas.engine import MediaReader, ModelConfig
from schemas.errors import EngineDiedError

PREFILL_TOKENS = {"cpu": 4096, "gpu": 32768}
"""Most tokens of one prefill: they decide its memory."""

KEPT_BYTES = {"cpu": 1 << 30, "gpu": 2 << 30}
"""Most bytes of keys and values that are kept of prompts and replies, for prompts that begin with them."""


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
        self._encoder: ThreadPoolExecutor | None = None
        self._decoding: DecodingThread | None = None
        self._loaded: LoadedModel | None = None
        self._matchers: Matchers | None = None
        self._arriving = 0

    async def start(self) -> None:
        """Load the model (not on the event loop).

        Raises:
            MissingDependencyError: torch or transformers is missing.
            ConfigError: the model or an argument does not exist, or the model needs more than a key-value cache.
        """
        await self.close()
        loaded = await asyncio.to_thread(load_model, self._config)
        where = "cpu" if loaded.model.device.type == "cpu" else "gpu"
        decoder = BatchDecoder(loaded.model, loaded.pad, loaded.shares_prefix, PREFILL_TOKENS[where], KEPT_BYTES[where])
        self._loaded = loaded
        vocabulary = loaded.prompts.config.get_text_config().vocab_size
        self._matchers = Matchers(loaded.prompts.tokenizer, vocabulary, loaded.ends)
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="curate-encode")
        self._decoding = DecodingThread(decoder, self.concurrency, lambda: self._arriving)

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """One completion for each of `indexes`; the prompt and its images are computed once for all of them.

        Raises:
            PermanentEngineError: too long, unreadable image, a form that cannot be enforced, or refused by the chat
                template.
            EngineDiedError: the model failed (out of memory, …); `start` it again.
        """
        decoding, loaded = self._decoding, self._loaded
        if decoding is None or loaded is None or self._encoder is None:
            raise EngineDiedError("the engine is closed")
        if not indexes:
            return []
        loop = asyncio.get_running_loop()
        self._arriving += 1
        try:
            prompt, matchers = await loop.run_in_executor(self._encoder, self._prepare, request, len(indexes), loaded)
        finally:
            self._arriving -= 1
        limit = min(request.sampling.max_tokens, loaded.context - len(prompt.ids))
        tokenizer = loaded.prompts.tokenizer
        samples = [
            Sample(index, prompt.ids, request.sampling, limit, tokenizer, loaded.ends, matcher)
            for index, matcher in zip(indexes, matchers, strict=True)
        ]
        job = Job(prompt, samples, loop.create_future())
        decoding.submit(job)
        return await job.future

    async def close(self) -> None:
        """Stop the threads and free the model. What was in flight fails with `EngineDiedError`."""
        decoding, encoder = self._decoding, self._encoder
        self._decoding = self._encoder = None
        if decoding is not None:
            await asyncio.to_thread(decoding.stop)
        if encoder is not None:
            # What still waits to be encoded goes on, and then meets the ended thread: cancelling it would look to the
            # caller as if it had been cancelled itself.
            encoder.shutdown(wait=False)
        if self._loaded is not None:
            self._loaded = replace(self._loaded, model=None)
        del decoding
        gc.collect()

    def _prepare(self, request: Request, n: int, loaded: LoadedModel) -> tuple[EncodedPrompt, list[Matcher | None]]:
        """The prompt, and a matcher for each of `n` samples where the reply has a form."""
        form, matchers = request.constraint, self._matchers
        made = [None if form is None or matchers is None else matchers.matcher(form) for _ in range(n)]
        return self._encode(request, loaded), made

    def _encode(self, request: Request, loaded: LoadedModel) -> EncodedPrompt:
        return encode_prompt(request, loaded, [self._images.load(sha) for sha in request.images])
