"""The engine for any OpenAI-compatible server, or several of them: vLLM, SGLang, llama.cpp, Ollama, hosted APIs."""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from generators.engines.capability import form_fault
from generators.engines.indexes import answered, for_all, seeded_runs
from generators.engines.openai.arguments import check_arguments
from generators.engines.openai.chat import DataUrls, chat_body, chat_messages, chat_parameters
from generators.engines.openai.errors import Asked, lost, no_choices, refusal, scrub
from generators.engines.openai.fleet import Fleet, Server
from generators.engines.openai.pace import Pace
from generators.engines.openai.reply import cache_use, choices_of, completions
from generators.engines.openai.size import BASE, ReplyTooLargeError, reply_bytes
from generators.engines.openai.transport import Reply, Transport, content_of
from generators.models import identify
from schemas.completion import Completion, Request
from schemas.engine import CacheUse, MediaReader, ModelConfig
from schemas.errors import (
    ConfigError,
    EngineDiedError,
    FatalEngineError,
    MissingDependencyError,
    PermanentEngineError,
    TransientEngineError,
)

logger = logging.getLogger(__name__)

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MOVES = 2
"""How often a request that a server lost goes to another one at once; after that the driver waits."""

PROBE_S = 15.0
"""Seconds that a server has to say which models it serves."""


def api_key(config: ModelConfig) -> str:
    """The key from the environment; "EMPTY" for servers on this machine when none is set.

    Raises:
        ConfigError: a server elsewhere, and no key.
    """
    key = os.environ.get(config.api_key_env, "").strip()
    if not key.isprintable():
        raise ConfigError(f"the environment variable {config.api_key_env} is not set to a line of text")
    if key:
        return key
    if all(urlsplit(url).hostname in LOOPBACK for url in config.base_urls):
        return "EMPTY"
    raise ConfigError(
        f"the model '{config.model}' is behind a server, and the environment variable {config.api_key_env} is not set. "
        "Set it to the server's key, or to any text if the server asks for none."
    )


def headers(config: ModelConfig) -> dict[str, str]:
    """The further headers of a model, from the environment. Raises ConfigError for a variable that is not set."""
    found = {name: os.environ.get(variable, "").strip() for name, variable in config.headers_env.items()}
    for name, value in found.items():
        if not value or not value.isprintable():
            raise ConfigError(
                f"the model '{config.model}' sends the header {name}, and the environment variable "
                f"{config.headers_env[name]} is not set to a line of text. Set it to the header's value."
            )
    return found


class OpenAIEngine:
    """`schemas.engine.Engine` over chat completions. `config.concurrency` is the limit of each server."""

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        """Raises ConfigError without `base_urls` or key, and for `args` that are no fields of a request."""
        if not config.base_urls:
            raise ConfigError(f"the model '{config.model}' needs base_urls: one URL a server, each ending in /v1")
        check_arguments(config.model, config.args)
        self.identity = identify(config)
        self.concurrency = config.concurrency * len(config.base_urls)
        self._config = config
        self._key = api_key(config)
        self._headers = headers(config)
        self._urls = DataUrls(media)
        self._pace = Pace(config.requests_per_second)
        self._transport: Transport | None = None
        self._cache = CacheUse()

    async def start(self) -> None:
        """Open the connections and see that a server answers.

        Raises:
            MissingDependencyError: the aiohttp package is missing.
            FatalEngineError: no server answers, the key is refused, or the environment names a proxy that cannot be used.
        """
        await self.close()
        config = self._config
        self._fleet = Fleet(config.base_urls, config.concurrency)
        try:
            self._transport = Transport(config.base_urls, self._key, self._headers, config.concurrency)
        except ImportError as error:
            raise MissingDependencyError("aiohttp", "cpu", "engine: openai") from error
        answers = await asyncio.gather(*(self._probe(server) for server in self._fleet.servers))
        if not any(answers):
            names = ", ".join(server.label for server in self._fleet.servers)
            await self.close()
            raise FatalEngineError(
                f"no server answers at {names}. Is it running, and is the URL right (it ends in /v1)?"
            )

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        """Completions for `indexes`, in one call with `n`; for some of them where a server gives fewer choices.

        Raises:
            PermanentEngineError: the server cannot hold a reply to the form that the request asks for.
            TransientEngineError, PermanentEngineError, FatalEngineError: see `errors`.
        """
        if self._transport is None:
            raise EngineDiedError("the engine is closed")
        if request.constraint is not None and (fault := form_fault(self._config, request.constraint)):
            raise PermanentEngineError(fault)
        messages = chat_messages(request, self._urls)
        runs = seeded_runs(indexes, request.sampling)
        done = await answered(self._run(request, messages, run, seed) for run, seed in runs)
        return for_all(done, indexes, request.sampling)

    def cache_use(self) -> CacheUse:
        """What servers that say so found of prompts in their prefix caches."""
        return self._cache

    async def close(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.close()

    async def _probe(self, server: Server) -> bool:
        """Whether a server answers at all; one that does not list its models is fine."""
        assert self._transport is not None
        try:
            async with asyncio.timeout(PROBE_S):
                reply = await self._transport.get(server.url, "models", BASE)
        except ReplyTooLargeError:
            return True
        except Exception as error:  # whatever a server does on its way to an answer
            why = scrub(f"{type(error).__name__} {error}", self._secrets)
            logger.warning("%s does not answer: %s", server.label, why)
            self._fleet.bench(server)
            return False
        body = content_of(reply)
        if reply.status in (401, 403):
            raise self._refused(reply, body, server)
        listed = body.get("data") if isinstance(body, Mapping) else None
        served = [str(m.get("id") if isinstance(m, Mapping) else m) for m in listed] if isinstance(listed, list) else []
        if reply.status >= 300:
            logger.debug("%s does not list its models (%s)", server.label, reply.status)
        elif served and self._config.model not in served:
            logger.warning("%s lists %s, not '%s'", server.label, ", ".join(served[:5]), self._config.model)
        return True

    async def _run(
        self, request: Request, messages: list[bytes], indexes: list[int], seed: int | None
    ) -> list[Completion]:
        """The samples of one run of indexes, from one server; from another one at once where that one is passed over."""
        for _ in range(MOVES):
            async with self._fleet.room(len(indexes)) as server:
                try:
                    return await self._call(server, request, messages, indexes, seed)
                except TransientEngineError:
                    if not self._fleet.passes_over(server):
                        raise
        async with self._fleet.room(len(indexes)) as server:
            return await self._call(server, request, messages, indexes, seed)

    async def _call(
        self, server: Server, request: Request, messages: list[bytes], indexes: list[int], seed: int | None
    ) -> list[Completion]:
        limit_name = server.limit_name
        parameters = chat_parameters(request, self._config.args, limit_name)
        if len(indexes) > 1:
            parameters["n"] = len(indexes)
        if seed is not None:
            parameters["seed"] = seed
        reply = await self._post(server, messages, parameters)
        body = content_of(reply)
        if not 200 <= reply.status < 300:
            raised = self._refused(reply, body, server)
            if isinstance(raised, PermanentEngineError) and limit_name == "max_tokens" and _renames_limit(str(raised)):
                server.limit_name = "max_completion_tokens"
                return await self._call(server, request, messages, indexes, seed)
            raise raised
        if not choices_of(body):
            raise no_choices(body, self._asked(server))
        self._cache = self._cache.plus(cache_use(body))
        return completions(body, indexes, request.sampling.logprobs)

    async def _post(self, server: Server, messages: list[bytes], parameters: dict[str, Any]) -> Reply:
        """The time limit is that of the whole request: a server that sends a byte now and then does not stretch it."""
        try:
            body = chat_body(self._config.model, messages, parameters)
        except (TypeError, ValueError) as error:
            raise FatalEngineError(f"args of the model '{self._config.model}': {error}") from error
        if wait := self._pace.wait(asyncio.get_running_loop().time()):
            await asyncio.sleep(wait)
        if self._transport is None:
            raise EngineDiedError("the engine is closed")
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._transport.post(server.url, "chat/completions", body, reply_bytes(parameters))
        except TimeoutError:
            self._fleet.bench(server, silent=True)
            raise TransientEngineError(
                f"{server.label} gives no answer within timeout_s = {self._config.timeout_s:g} s"
            ) from None
        except ReplyTooLargeError as error:
            raise PermanentEngineError(
                f"the reply of {server.label} is longer than what was asked for: {error}"
            ) from None
        except Exception as error:  # whatever a server does on its way to an answer
            raised = lost(error, self._asked(server))
            if isinstance(raised, TransientEngineError):
                self._fleet.bench(server)
            raise raised from None  # without its cause, whose headers hold the key

    def _refused(self, reply: Reply, body: Any, server: Server) -> Exception:
        raised = refusal(reply.status, body, reply.headers, self._asked(server))
        if isinstance(raised, TransientEngineError) and reply.status in (429, 502, 503, 504):
            self._fleet.bench(server, raised.retry_after)
        return raised

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._key, *self._headers.values())

    def _asked(self, server: Server) -> Asked:
        return Asked(server.label, self._config.model, self._secrets, self._config.api_key_env)


def _renames_limit(message: str) -> bool:
    return "max_completion_tokens" in message
