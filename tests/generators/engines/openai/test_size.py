"""A server that sends more than it was asked for costs the row that asked, never memory or time."""

import gzip
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from chat_server import ChatServer, completion

from generators.engines.openai.engine import OpenAIEngine
from generators.engines.openai.size import BASE, reply_bytes
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig
from schemas.errors import PermanentEngineError, TransientEngineError

Ask = Callable[..., Request]
Complete = Callable[..., list[Completion]]
PIECE = b" " * (1 << 20)


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as made:
        yield made


@pytest.fixture
def complete(server: ChatServer, media: Any, run: Any) -> Iterator[Complete]:
    engines = []

    def call(request: Request, **config: Any) -> list[Completion]:
        engine = OpenAIEngine(ModelConfig(model="m", engine="openai", base_urls=(server.url,), **config), media)
        engines.append(engine)
        run(engine.start())
        done: list[Completion] = run(engine.complete(request, [0]))
        return done

    yield call
    for engine in engines:
        run(engine.close())


class Sender:
    """Sends a status and headers, then pieces without end, and counts them."""

    def __init__(self, status: int = 200, piece: bytes = PIECE, *, chunked: bool = True, **headers: str) -> None:
        self.status, self.piece, self.chunked, self.headers = status, piece, chunked, headers
        self.sent = 0
        self.ended = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        for name, value in {"content-type": "application/json", **self.headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header(*(("transfer-encoding", "chunked") if self.chunked else ("content-length", str(5 << 30))))
        handler.end_headers()
        whole = b"%x\r\n%s\r\n" % (len(self.piece), self.piece) if self.chunked else self.piece
        try:
            while self.sent < 100 << 20:
                handler.wfile.write(whole)
                self.sent += len(self.piece)
        except OSError:
            self.ended.set()


@pytest.mark.parametrize("chunked", [True, False])
@pytest.mark.parametrize("status", [200, 400, 429, 500, 401])
def test_a_reply_without_end_costs_its_row(
    server: ChatServer, complete: Complete, ask: Ask, status: int, chunked: bool
) -> None:
    server.raw = sender = Sender(status, chunked=chunked)
    with pytest.raises(PermanentEngineError, match="is longer than what was asked for: it sends more than 8 MiB"):
        complete(ask("hello", max_tokens=16))
    assert sender.ended.wait(10) and sender.sent < 50 << 20


@pytest.mark.parametrize("packing", ["gzip", "deflate"])
def test_a_packed_reply_is_counted_as_it_is_unpacked(
    server: ChatServer, complete: Complete, ask: Ask, packing: str
) -> None:
    pack = gzip.compress if packing == "gzip" else zlib.compress
    text = completion({}, content="x" * (BASE + 2000))[2]
    server.answer = lambda body: (200, {"content-encoding": packing}, pack(str(text).encode()))
    with pytest.raises(PermanentEngineError, match="more than 8 MiB"):
        complete(ask("hello", max_tokens=16))
    said = b'{"choices": [{"message": {"content": "four"}}]}'
    server.answer = lambda body: (200, {"content-encoding": packing}, pack(said))
    assert [c.text for c in complete(ask("hello", max_tokens=16))] == ["four"]


def test_headers_without_end_are_a_lost_connection(server: ChatServer, complete: Complete, ask: Ask) -> None:
    ended = threading.Event()

    def send(handler: BaseHTTPRequestHandler) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for n in range(1 << 20):
                handler.wfile.write(b"x-%d: %s\r\n" % (n, b"y" * 1000))
        except OSError:
            ended.set()

    server.raw = send
    with pytest.raises(TransientEngineError, match="gives no answer"):
        complete(ask("hello", max_tokens=16))
    assert ended.wait(10)


def test_a_list_of_models_without_end_does_not_matter(server: ChatServer, complete: Complete, ask: Ask) -> None:
    server.models = b" " * (BASE + 1)
    assert [c.text for c in complete(ask("hello"))] == ["4"]


def test_long_replies_that_were_asked_for_arrive(server: ChatServer, complete: Complete, ask: Ask) -> None:
    server.answer = lambda body: completion(body, content="\u5b57" * 400_000)
    (said,) = complete(ask("hello", max_tokens=400_000))
    assert len(said.text) == 400_000


def test_what_a_reply_may_weigh_follows_what_was_asked() -> None:
    assert reply_bytes({}) == BASE
    assert reply_bytes({"max_tokens": 1000, "n": 8}) == BASE + 8 * 1000 * 64
    assert reply_bytes({"max_completion_tokens": 1000, "logprobs": True}) == BASE + 1000 * 512
