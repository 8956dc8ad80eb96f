"""The engine for any OpenAI-compatible server, or several of them: vLLM, SGLang, llama.cpp, Ollama, hosted APIs."""

import asyncio
import json
import logging
import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from generators.engines.capability import form_fault
from generators.engines.indexes import answered, for_all, seeded_runs
from generators.engines.openai.chat import DataUrls, chat_messages, chat_parameters
from generators.engines.openai.errors import Asked, engine_error, no_choices, scrub
from generators.engines.openai.fleet import BENCH_S, Fleet, Server
from generators.engines.openai.reply import choices_of, completions
from generators.engines.openai.size import at_most, bounded, reply_bytes, too_large
from generators.models import identify
from schemas.completion import Completion, Request
from schemas.engine import MediaReader, ModelConfig
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
PROBE_S = 15.0
"""Seconds that a server has to say which models it serves."""

MAX_REDIRECTS = 3
"""A server that sends us on more often than this sends us in circles."""


def api_key(config: ModelConfig) -> str:
    """The key from the environment; "EMPTY" for servers on this machine when none is set.

    Raises:
        ConfigError: a server elsewhere, and no key.
    """
    key = os.environ.get(config.api_key_env, "").strip()
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
        """Raises ConfigError without `base_urls` or key."""
        if not config.base_urls:
            raise ConfigError(f"the model '{config.model}' needs base_urls: one URL a server, each ending in /v1")
        self.identity = identify(config)
        self.concurrency = config.concurrency * len(config.base_urls)
        self._config = config
        self._key = api_key(config)
        self._headers = headers(config)
        self._urls = DataUrls(media)
        self._clients: dict[str, Any] = {}

    async def start(self) -> None:
        """Open the connections and see that a server answers.

        Raises:
            MissingDependencyError: the openai package is missing.
            FatalEngineError: no server answers, or the key is refused.
        """
        try:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient
        except ImportError as error:
            raise MissingDependencyError("openai", "cpu", "the openai engine") from error
        await self.close()
        config = self._config
        self._fleet = Fleet(config.base_urls, config.concurrency)
        self._clients = {
            url: AsyncOpenAI(
                base_url=url,
                api_key=self._key,
                default_headers=self._headers,
                max_retries=0,
                timeout=config.timeout_s,
                http_client=DefaultAsyncHttpxClient(
                    max_redirects=MAX_REDIRECTS,
                    headers={"accept-encoding": "gzip, deflate"},  # what `bounded` unpacks
                    event_hooks={"response": [bounded]},
                ),
            )
            for url in config.base_urls
        }
        for client in self._clients.values():
            # Where none are given the library takes them from OPENAI_ORG_ID, _PROJECT_ID and _CUSTOM_HEADERS.
            client.organization = client.project = None
            client._custom_headers = dict(self._headers)
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
            TransientEngineError, PermanentEngineError, FatalEngineError: see `errors.engine_error`.
        """
        if not self._clients:
            raise EngineDiedError("the engine is closed")
        if request.constraint is not None and (fault := form_fault(self._config, request.constraint)):
            raise PermanentEngineError(fault)
        messages = chat_messages(request, self._urls)
        runs = seeded_runs(indexes, request.sampling)
        done = await answered(self._run(request, messages, run, seed) for run, seed in runs)
        return for_all(done, indexes, request.sampling)

    async def close(self) -> None:
        clients, self._clients = self._clients, {}
        await asyncio.gather(*(client.close() for client in clients.values()))

    async def _probe(self, server: Server) -> bool:
        """Whether a server answers at all; one that does not list its models is fine."""
        import openai

        try:
            page = await self._clients[server.url].models.list(timeout=PROBE_S)
        except openai.APIConnectionError as error:
            if too_large(error):
                return True
            logger.warning("%s does not answer: %s", server.label, scrub(str(error), self._secrets))
            self._fleet.bench(server)
            return False
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise self._error(error, server) from None
        except Exception as error:
            logger.debug("%s does not list its models: %s", server.label, scrub(str(error), self._secrets))
            return True
        listed = getattr(page, "data", None)
        served = [str(getattr(model, "id", None)) for model in listed] if isinstance(listed, list) else []
        if served and self._config.model not in served:
            logger.warning("%s lists %s, not '%s'", server.label, ", ".join(served[:5]), self._config.model)
        return True

    async def _run(
        self, request: Request, messages: list[dict[str, Any]], indexes: list[int], seed: int | None
    ) -> list[Completion]:
        """The samples of one run of indexes, from one server."""
        async with self._fleet.room(len(indexes)) as server:
            return await self._call(server, request, messages, indexes, seed)

    async def _call(
        self, server: Server, request: Request, messages: list[dict[str, Any]], indexes: list[int], seed: int | None
    ) -> list[Completion]:
        limit_name = server.limit_name
        parameters = chat_parameters(request, self._config.args, limit_name)
        if len(indexes) > 1:
            parameters["n"] = len(indexes)
        if seed is not None:
            parameters["seed"] = seed
        try:
            body = await self._post(server, messages, parameters)
        except TypeError as error:
            raise FatalEngineError(f"args of the model '{self._config.model}': {error}") from error
        except TimeoutError:
            self._fleet.bench(server)
            raise TransientEngineError(
                f"{server.label} gives no answer within timeout_s = {self._config.timeout_s:g} s"
            ) from None
        except Exception as error:
            raised = self._error(error, server)
            if isinstance(raised, PermanentEngineError) and limit_name == "max_tokens" and _renames_limit(str(raised)):
                server.limit_name = "max_completion_tokens"
                return await self._call(server, request, messages, indexes, seed)
            # Without its cause, whose headers hold the key.
            raise raised from None
        if not choices_of(body):
            raise no_choices(body, self._asked(server))
        return completions(body, indexes, request.sampling.logprobs)

    async def _post(self, server: Server, messages: list[dict[str, Any]], parameters: dict[str, Any]) -> Any:
        """The body of the answer, as JSON or, where it is none, as text. The time limit is that of the whole request:
        a server that sends a byte now and then does not stretch it."""
        create = self._clients[server.url].chat.completions.with_raw_response.create
        async with asyncio.timeout(self._config.timeout_s):
            with at_most(reply_bytes(parameters)):
                reply = await create(model=self._config.model, messages=messages, **parameters)
        text = _text(reply.http_response)
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def _error(self, error: Exception, server: Server) -> Exception:
        if large := too_large(error):
            return PermanentEngineError(f"the reply of {server.label} is longer than what was asked for: {large}")
        raised = engine_error(error, self._asked(server))
        status = getattr(error, "status_code", None)
        if isinstance(raised, TransientEngineError) and status in (None, 429, 502, 503, 504):
            self._fleet.bench(server, raised.retry_after or BENCH_S)
        return raised

    @property
    def _secrets(self) -> tuple[str, ...]:
        return (self._key, *self._headers.values())

    def _asked(self, server: Server) -> Asked:
        return Asked(server.label, self._config.model, self._secrets, self._config.api_key_env)


def _text(response: Any) -> str:
    """The text of an answer of HTTP, in UTF-8 where the charset that it names cannot read it."""
    try:
        return str(response.text)
    except Exception:  # a server may name any codec of Python, also those that are none of text
        return bytes(response.content).decode("utf-8", "replace")


def _renames_limit(message: str) -> bool:
    return "max_completion_tokens" in message
