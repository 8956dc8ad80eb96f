"""What travels over the wire: to whom a key goes, by which way, over how many connections, and what of a reply counts."""

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, completion

from generators.engines.openai.engine import OpenAIEngine
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, FatalEngineError, TransientEngineError

KEY, LAB = "sk-very-secret-0123456789abcdef", "of-the-lab-0123"
Ask = Callable[..., Request]
Complete = Callable[..., list[Completion]]


class Recording(ChatServer):
    """Keeps the path, headers and client of each request, and answers 4 until a test says otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, str]] = []
        self.raw = self._note
        self.then: Callable[[BaseHTTPRequestHandler], None] = self.four

    def _note(self, handler: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        client = str(handler.client_address[1])
        with self.lock:
            self.seen.append({**headers, "path": handler.path, "client": client})
        self.then(handler)

    def four(self, handler: Any) -> None:
        handler._send(*completion({}))

    def redirects(self, to: str, status: int = 307) -> None:
        self.then = lambda handler: handler._send(status, {"location": to}, {})  # type: ignore[attr-defined]


@pytest.fixture
def server() -> Iterator[Recording]:
    with Recording() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Recording]:
    with Recording() as made:
        yield made


@pytest.fixture
def engine(media: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., OpenAIEngine]]:
    """Makes engines that are started, with a key and a header of their own."""
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("CURATE_LAB_KEY", LAB)
    engines = []

    def make(*urls: str, **config: Any) -> OpenAIEngine:
        keys = {"api_key_env": "TEST_KEY", "headers_env": {"X-Lab": "CURATE_LAB_KEY"}}
        made = OpenAIEngine(ModelConfig(model="m", engine="openai", base_urls=urls, **{**keys, **config}), media)
        engines.append(made)
        run(made.start())
        return made

    yield make
    for made in engines:
        run(made.close())


@pytest.fixture
def complete(engine: Any, run: Any, ask: Ask) -> Complete:
    def call(*urls: str, **config: Any) -> list[Completion]:
        done: list[Completion] = run(engine(*urls, **config).complete(ask("hello"), [0]))
        return done

    return call


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_server_that_moved_is_followed_with_what_was_asked(
    server: Recording, complete: Complete, status: int
) -> None:
    moved = threading.Event()

    def once(handler: Any) -> None:
        if moved.is_set():
            return server.four(handler)
        moved.set()
        return handler._send(status, {"location": "/v2/chat/completions?a=b"}, {})

    server.then = once
    assert [c.text for c in complete(server.url)] == ["4"]
    first, second = server.seen
    assert second["path"] == "/v2/chat/completions?a=b"
    assert (
        (second["authorization"], second["x-lab"]) == (f"Bearer {KEY}", LAB) == (first["authorization"], first["x-lab"])
    )
    assert server.calls[0]["messages"] == server.calls[1]["messages"]


def test_no_secret_goes_to_another_host_nor_to_one_that_it_sends_us_to(
    server: Recording, other: Recording, complete: Complete
) -> None:
    back = threading.Event()

    def returned(handler: Any) -> None:
        if back.is_set():
            return server.four(handler)
        back.set()
        return handler._send(307, {"location": other.url.replace("://", "://me:mine@") + "/there"}, {})

    server.then = returned
    other.redirects(f"{server.url}/chat/completions")
    assert [c.text for c in complete(server.url)] == ["4"]
    assert [found["path"] for found in (*server.seen, *other.seen)] == ["/v1/chat/completions"] * 2 + ["/v1/there"]
    assert server.seen[0]["authorization"] == f"Bearer {KEY}"
    for found in (other.seen[0], server.seen[1]):
        assert not {"authorization", "x-lab", "cookie"} & set(found)
        assert found["content-type"] == "application/json"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://[", "mailto:me@example.com"])
def test_a_redirect_to_nowhere_is_a_lost_answer(server: Recording, complete: Complete, location: str) -> None:
    server.redirects(location)
    with pytest.raises(TransientEngineError, match="gives no answer"):
        complete(server.url)


def test_a_redirect_that_asks_to_look_elsewhere_is_looked_up(server: Recording, complete: Complete) -> None:
    server.redirects(f"{server.url}/models", 303)
    with pytest.raises(TransientEngineError, match="answers without choices"):
        complete(server.url)


def test_name_and_password_of_an_address_are_sent_as_such_and_never_shown(
    server: Recording, complete: Complete
) -> None:
    assert complete(server.url.replace("://", "://alice:planted@"))[0].text == "4"
    assert server.seen[0]["authorization"] == "Basic YWxpY2U6cGxhbnRlZA=="
    server.then = lambda handler: handler._send(400, {}, "alice:planted")  # type: ignore[attr-defined]
    with pytest.raises(Exception, match="refuses") as caught:
        complete(server.url.replace("://", "://alice:planted@") + "?version=1")
    assert "alice:planted@" not in str(caught.value)
    assert server.seen[-1]["path"] == "/v1/chat/completions?version=1"


def test_a_proxy_of_the_environment_is_used_but_where_it_says_so(
    server: Recording, other: Recording, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", other.url.removesuffix("/v1").replace("://", "://alice:planted@"))
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    assert complete("http://nowhere.invalid/v1")[0].text == "4"
    assert other.seen[0]["path"] == "http://nowhere.invalid/v1/chat/completions"
    assert other.seen[0]["proxy-authorization"] == "Basic YWxpY2U6cGxhbnRlZA=="
    assert other.seen[0]["authorization"] == f"Bearer {KEY}"
    assert complete(server.url)[0].text == "4"
    assert len(server.seen) == len(other.seen) == 1


def test_a_proxy_that_cannot_be_used_is_a_sentence_without_its_password(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://alice:planted@127.0.0.1:9")
    with pytest.raises(
        FatalEngineError, match=r"names socks5://127\.0\.0\.1:9 as the proxy for http://.*NO_PROXY"
    ) as caught:
        complete("http://127.0.0.1:1/v1")
    assert "planted" not in str(caught.value)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    pytest.importorskip("cryptography")  # which Prefect brings
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    alternatives = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + datetime.timedelta(days=365 * 100))
    signed = made.add_extension(alternatives, critical=True).sign(key, hashes.SHA256())
    paths = tmp_path / "certificate.pem", tmp_path / "key.pem"
    paths[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    paths[1].write_bytes(key.private_bytes(*form))
    return paths


def test_a_server_whose_certificate_nobody_knows_is_sent_nothing(
    server: Recording,
    complete: Complete,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
    url = server.url.replace("http://", "https://")
    with pytest.raises(FatalEngineError, match="no server answers at https://"):
        complete(url)
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert server.seen == []
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert complete(url)[0].text == "4"


def test_connections_are_kept_and_no_more_than_the_servers_limit(
    server: Recording, engine: Callable[..., OpenAIEngine], run: Any, ask: Ask
) -> None:
    made = engine(server.url, concurrency=3)

    async def many() -> None:
        await asyncio.gather(*(made.complete(ask(f"q {i}"), [0]) for i in range(30)))

    run(many())
    assert len(server.seen) == 30
    assert len({found["client"] for found in server.seen}) <= 3


def test_a_request_that_is_given_up_ends_at_the_server(
    server: Recording, engine: Callable[..., OpenAIEngine], run: Any, ask: Ask
) -> None:
    asked, ended = threading.Event(), threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        asked.set()
        if not handler.rfile.read(1):  # the connection is closed
            ended.set()

    server.then = wait
    made = engine(server.url)

    async def give_up() -> None:
        task = asyncio.create_task(made.complete(ask("hello"), [0]))
        await asyncio.to_thread(asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(give_up())
    assert ended.wait(10)
    server.then = server.four
    assert run(made.complete(ask("hello"), [0]))[0].text == "4"


GOOD = b'{"choices": [{"message": {"content": "4"}}]}'


def sends(data: bytes, length: int | None = None, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Sends bytes, maybe fewer than it says, and closes the connection."""

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)
        handler.close_connection = True

    return send


@pytest.mark.parametrize(
    ("send", "says"),
    [
        (sends(GOOD, 100), "gives no answer"),
        (sends(GOOD[:-9]), "answers without choices; it says: {"),
        (sends(b"not packed", content_encoding="gzip"), "gives no answer"),
        (sends(gzip.compress(GOOD)[:-20], content_encoding="gzip"), "answers without choices"),
        (sends(b""), "answers without choices; it says: nothing"),
        (lambda handler: handler.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"), "gives no answer"),
        (lambda handler: setattr(handler, "close_connection", True), "gives no answer"),
    ],
    ids=["cut", "cut JSON", "not packed", "packed and cut", "empty", "another protocol", "closed"],
)
def test_what_is_no_whole_reply_is_asked_for_again(server: Recording, complete: Complete, send: Any, says: str) -> None:
    server.then = send
    with pytest.raises(TransientEngineError, match=says) as caught:
        complete(server.url, timeout_s=5)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "", "nonsense;;;=", "text/plain; charset="])
def test_a_reply_counts_whatever_it_calls_itself(server: Recording, complete: Complete, kind: str) -> None:
    server.then = sends(GOOD, content_type=kind)
    assert complete(server.url)[0].text == "4"


@pytest.mark.parametrize(
    "lost",
    [sends(GOOD, 100), lambda handler: handler._send(503, {"retry-after": "9"}, {}), None],
    ids=["cut", "503", "late"],
)
def test_what_a_server_lost_another_one_is_asked_at_once(
    server: Recording, other: Recording, complete: Complete, lost: Any
) -> None:
    stop = threading.Event()
    server.then = lost or (lambda handler: stop.wait(5))  # type: ignore[assignment, return-value]
    assert complete(server.url, other.url, timeout_s=600 if lost else 0.5)[0].text == "4"
    stop.set()
    assert (len(server.seen), len(other.seen)) == (1, 1)


def test_a_request_that_ends_every_server_is_put_to_few_of_them(complete: Complete) -> None:
    servers = [Recording() for _ in range(5)]
    for one in servers:
        one.then = lambda handler: setattr(handler, "close_connection", True)
    with pytest.raises(TransientEngineError, match="gives no answer"):
        complete(*(one.url for one in servers))
    assert sum(len(one.seen) for one in servers) == 3
    for one in servers:
        one.close()


def test_a_key_of_several_lines_is_refused_and_not_shown(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", f"{KEY}\nX-Evil: 1")
    with pytest.raises(ConfigError, match="OTHER_KEY is not set to a line of text") as caught:
        engine("http://127.0.0.1:1/v1", api_key_env="OTHER_KEY")
    assert KEY not in str(caught.value)
