"""Failure paths and habits of servers, played by a scripted server on loopback; the real server is in the contract."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from generators.engines.openai_engine import OpenAIEngine
from schemas.completion import Completion, Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, CurateError, FatalEngineError, PermanentEngineError, TransientEngineError

KEY = "sk-very-secret-0123456789abcdef"
Answer = tuple[int, dict[str, str], Any]
Ask = Callable[..., Request]


class Scripted:
    """A server whose answers the test sets, and whose requests it can read."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], Answer] = reply
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, {}, {"object": "list", "data": [{"id": "tiny", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.calls.append({**body, "authorization": self.headers["authorization"]})
                self._send(*outer.answer(body))

            def _send(self, status: int, headers: dict[str, str], body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def reply(body: dict[str, Any], count: int | None = None, **message: Any) -> Answer:
    n = body.get("n", 1) if count is None else count
    seed = body.get("seed")
    choices = [
        {
            "index": i,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": f"seed {seed} choice {i}", **message},
        }
        for i in reversed(range(n))
    ]
    usage = {"prompt_tokens": 11, "completion_tokens": 5 * n, "total_tokens": 11 + 5 * n}
    return (
        200,
        {},
        {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage},
    )


def refusal(status: int, message: str = "no", **headers: str) -> Callable[[dict[str, Any]], Answer]:
    return lambda body: (status, headers, {"error": {"message": message, "type": "error", "code": None}})


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def second() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def complete(media: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Completion]]]:
    """Asks a fresh engine over the given servers."""
    monkeypatch.setenv("TEST_KEY", KEY)
    engines = []

    def call(servers: list[Scripted], request: Request, indexes: Any = (0,), **config: Any) -> list[Completion]:
        urls = tuple(s.url for s in servers)
        engine = OpenAIEngine(
            ModelConfig(model="tiny", engine="openai", base_urls=urls, api_key_env="TEST_KEY", **config), media
        )
        engines.append(engine)
        run(engine.start())
        done: list[Completion] = run(engine.complete(request, list(indexes)))
        return done

    yield call
    for engine in engines:
        run(engine.close())


def test_one_call_asks_for_all_samples(server: Scripted, complete: Any, ask: Ask) -> None:
    done = complete([server], ask("hello", temperature=0.7, top_p=0.9, stop=("\n",)), range(5))
    assert [c.index for c in done] == [0, 1, 2, 3, 4]
    assert [c.text for c in done] == [f"seed None choice {i}" for i in range(5)]
    assert [c.completion_tokens for c in done] == [5] * 5
    (call,) = server.calls
    assert call["n"] == 5
    assert (call["temperature"], call["top_p"], call["stop"], call["max_tokens"]) == (0.7, 0.9, ["\n"], 256)
    assert not {"top_k", "min_p", "repetition_penalty", "seed"} & set(call)
    assert call["authorization"] == f"Bearer {KEY}"


def test_seeds_belong_to_indexes(server: Scripted, complete: Any, ask: Ask) -> None:
    complete([server], ask("hello", seed=100), [0, 1, 2, 7])
    assert sorted((c["seed"], c.get("n", 1)) for c in server.calls) == [(100, 3), (107, 1)]


def test_greedy_samples_cost_one_answer(server: Scripted, complete: Any, ask: Ask) -> None:
    done = complete([server], ask("hello", temperature=0), [3, 4, 9])
    assert [c.index for c in done] == [3, 4, 9]
    assert len({c.text for c in done}) == 1
    assert "n" not in server.calls[0]


@pytest.mark.parametrize(
    "habit",
    [
        lambda body: reply(body, count=1),
        lambda body: (
            refusal(400, "Only one completion choice is allowed")(body) if body.get("n", 1) > 1 else reply(body)
        ),
        lambda body: refusal(422, "'n' must be 1")(body) if body.get("n", 1) > 1 else reply(body),
    ],
)
def test_servers_without_n_are_asked_sample_by_sample(
    server: Scripted, media: Any, run: Any, ask: Ask, habit: Any
) -> None:
    server.answer = habit
    engine = OpenAIEngine(ModelConfig(model="tiny", engine="openai", base_urls=(server.url,)), media)
    run(engine.start())
    first = run(engine.complete(ask("hello", seed=50), range(4)))
    assert [c.text for c in first] == [f"seed {50 + i} choice 0" for i in range(4)]
    probes = sum(c.get("n", 1) > 1 for c in server.calls)
    run(engine.complete(ask("again", seed=50), range(4)))
    run(engine.close())
    assert probes == 1
    assert sum(c.get("n", 1) > 1 for c in server.calls) == 1


def test_a_400_for_another_reason_is_not_blamed_on_n(server: Scripted, complete: Any, ask: Ask) -> None:
    server.answer = refusal(400, "This model's maximum context length is 10 tokens")
    with pytest.raises(PermanentEngineError, match="maximum context length"):
        complete([server], ask("hello"), range(4))
    assert len(server.calls) == 1


def test_newer_names_for_the_limit_are_learned(server: Scripted, complete: Any, ask: Ask) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.answer = lambda body: refusal(400, message)(body) if "max_tokens" in body else reply(body)
    complete([server], ask("hello", max_tokens=9))
    assert server.calls[-1]["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PermanentEngineError),
        (413, PermanentEngineError),
        (422, PermanentEngineError),
        (408, TransientEngineError),
        (429, TransientEngineError),
        (500, TransientEngineError),
        (503, TransientEngineError),
        (401, FatalEngineError),
        (403, FatalEngineError),
        (404, FatalEngineError),
    ],
)
def test_refusals_become_the_right_error(
    server: Scripted, complete: Any, ask: Ask, status: int, kind: type[CurateError]
) -> None:
    server.answer = refusal(status, f"bad key {KEY} or Bearer {KEY}")
    with pytest.raises(kind) as caught:
        complete([server], ask("hello"))
    assert type(caught.value) is kind
    assert KEY not in "".join(str(e) for e in (caught.value, caught.value.__cause__))
    if status in (401, 403):
        assert "TEST_KEY" in str(caught.value)


def test_a_server_says_when_to_come_back(server: Scripted, complete: Any, ask: Ask) -> None:
    server.answer = refusal(429, "slow down", **{"retry-after": "7"})
    with pytest.raises(TransientEngineError) as caught:
        complete([server], ask("hello"))
    assert caught.value.retry_after == 7


def test_an_answer_without_choices_is_asked_again(server: Scripted, complete: Any, ask: Ask) -> None:
    server.answer = lambda body: (200, {}, {"error": "model is loading"})
    with pytest.raises(TransientEngineError, match="without choices"):
        complete([server], ask("hello"))


def test_a_slow_server_is_transient(server: Scripted, complete: Any, ask: Ask) -> None:
    wait = threading.Event()

    def stuck(body: dict[str, Any]) -> Answer:
        wait.wait(5)
        return reply(body)

    server.answer = stuck
    with pytest.raises(TransientEngineError, match="APITimeoutError"):
        complete([server], ask("hello"), timeout_s=0.2)
    wait.set()


def test_no_server_at_all_ends_the_build(complete: Any, ask: Ask) -> None:
    gone = Scripted()
    gone.close()
    with pytest.raises(FatalEngineError, match="no server answers at http://127"):
        complete([gone], ask("hello"))


def test_a_dead_server_leaves_the_rotation(server: Scripted, complete: Any, ask: Ask, run: Any, media: Any) -> None:
    gone = Scripted()
    gone.close()
    engine = OpenAIEngine(ModelConfig(model="tiny", engine="openai", base_urls=(gone.url, server.url)), media)
    run(engine.start())
    for i in range(6):
        assert run(engine.complete(ask(f"hello {i}"), [0]))
    run(engine.close())
    assert len(server.calls) == 6


def test_two_servers_share_the_work_within_their_limits(
    server: Scripted, second: Scripted, media: Any, run: Any, ask: Ask
) -> None:
    import asyncio

    running = {server.url: 0, second.url: 0}
    most = dict(running)
    lock = threading.Lock()

    def counted(url: str) -> Callable[[dict[str, Any]], Answer]:
        def answer(body: dict[str, Any]) -> Answer:
            with lock:
                running[url] += body.get("n", 1)
                most[url] = max(most[url], running[url])
            threading.Event().wait(0.01)
            with lock:
                running[url] -= body.get("n", 1)
            return reply(body)

        return answer

    server.answer, second.answer = counted(server.url), counted(second.url)
    urls = (server.url, second.url)
    engine = OpenAIEngine(ModelConfig(model="tiny", engine="openai", base_urls=urls, concurrency=4), media)
    assert engine.concurrency == 8

    async def many() -> None:
        await engine.start()
        await asyncio.gather(*(engine.complete(ask(f"q {i}"), [0, 1]) for i in range(40)))
        await engine.close()

    run(many())
    assert max(most.values()) <= 4
    assert min(len(server.calls), len(second.calls)) >= 10


def test_reasoning_truncation_and_refusals_are_kept_apart(server: Scripted, complete: Any, ask: Ask) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        status, headers, data = reply(body, reasoning_content="because")
        data["choices"][0]["finish_reason"] = "length"
        data["choices"][1]["message"] = {"role": "assistant", "content": None, "refusal": "I will not"}
        return status, headers, data

    server.answer = answer
    first, second = complete([server], ask("hello"), range(2))
    assert (first.finish_reason, first.text) == ("error", "")
    assert "I will not" in first.error
    assert (second.finish_reason, second.reasoning, second.error) == ("length", "because", None)


def test_pictures_travel_as_data_urls_and_a_prefix_as_an_unfinished_turn(
    server: Scripted, complete: Any, ask: Ask, media: Any
) -> None:
    args = {"extra_body": {"guided": 1}, "reasoning_effort": "low", "chat_template_kwargs": {"think": False}}
    request = ask("What is it?", media.red, prefix="It is", top_k=5, min_p=0.1)
    complete([server], request, args=args)
    (call,) = server.calls
    picture, text = call["messages"][0]["content"]
    assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert text["text"] == "What is it?"
    assert call["messages"][1] == {"role": "assistant", "content": "It is"}
    assert (call["continue_final_message"], call["add_generation_prompt"]) == (True, False)
    assert (call["top_k"], call["min_p"], call["guided"], call["reasoning_effort"]) == (5, 0.1, 1, "low")
    assert call["chat_template_kwargs"] == {"think": False}


def test_a_key_is_needed_elsewhere_but_not_on_loopback(media: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    there = ModelConfig(model="m", engine="openai", base_urls=("https://api.example.com/v1",), api_key_env="NO_KEY")
    with pytest.raises(ConfigError, match="NO_KEY"):
        OpenAIEngine(there, media)
    OpenAIEngine(there.model_copy(update={"base_urls": ("http://localhost:1/v1", "http://127.0.0.1:2/v1")}), media)
    with pytest.raises(ConfigError, match="base_urls"):
        OpenAIEngine(ModelConfig(model="m", engine="openai"), media)
