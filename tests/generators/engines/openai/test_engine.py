"""Failure paths and habits of servers, played by a scripted server on loopback; the real server is in the contract."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from chat_server import Answer, ChatServer, completion, refusal

from generators.engines.openai.engine import OpenAIEngine
from schemas.completion import Completion, Constraint, Request
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, CurateError, FatalEngineError, PermanentEngineError, TransientEngineError

KEY = "sk-very-secret-0123456789abcdef"
Ask = Callable[..., Request]


def reply(body: dict[str, Any], count: int | None = None, **message: Any) -> Answer:
    """Choices that name their seed and index, the last one first."""
    status, headers, whole = completion(body, count, **message)
    for choice in whole["choices"]:
        words = {"content": f"seed {body.get('seed')} choice {choice['index']}"}
        choice["message"] = {**choice["message"], **words, **message}
    whole["choices"].reverse()
    return status, headers, whole


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer(reply) as made:
        yield made


@pytest.fixture
def second() -> Iterator[ChatServer]:
    with ChatServer(reply) as made:
        yield made


@pytest.fixture
def complete(media: Any, run: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[Completion]]]:
    """Asks a fresh engine over the given servers."""
    monkeypatch.setenv("TEST_KEY", KEY)
    engines = []

    def call(servers: list[ChatServer], request: Request, indexes: Any = (0,), **config: Any) -> list[Completion]:
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


def test_one_call_asks_for_all_samples(server: ChatServer, complete: Any, ask: Ask) -> None:
    done = complete([server], ask("hello", temperature=0.7, top_p=0.9, stop=("\n",)), range(5))
    assert [c.index for c in done] == [0, 1, 2, 3, 4]
    assert [c.text for c in done] == [f"seed None choice {i}" for i in range(5)]
    assert [c.completion_tokens for c in done] == [5] * 5
    (call,) = server.calls
    assert call["n"] == 5
    assert (call["temperature"], call["top_p"], call["stop"], call["max_tokens"]) == (0.7, 0.9, ["\n"], 256)
    assert not {"top_k", "min_p", "repetition_penalty", "seed"} & set(call)
    assert call["authorization"] == f"Bearer {KEY}"


def test_seeds_belong_to_indexes(server: ChatServer, complete: Any, ask: Ask) -> None:
    complete([server], ask("hello", seed=100), [0, 1, 2, 7])
    assert sorted((c["seed"], c.get("n", 1)) for c in server.calls) == [(100, 3), (107, 1)]


def test_greedy_samples_cost_one_answer(server: ChatServer, complete: Any, ask: Ask) -> None:
    done = complete([server], ask("hello", temperature=0), [3, 4, 9])
    assert [c.index for c in done] == [3, 4, 9]
    assert len({c.text for c in done}) == 1
    assert "n" not in server.calls[0]


def test_a_server_that_gives_one_choice_a_call_loses_nothing_of_it(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = lambda body: reply(body, count=1)
    (done,) = complete([server], ask("hello"), range(4))
    assert (done.index, done.text) == (0, "seed None choice 0")
    assert len(server.calls) == 1


def test_a_run_that_fails_takes_no_other_with_it(server: ChatServer, complete: Any, ask: Ask) -> None:
    """Seeded samples that are no neighbours are asked for in calls of their own."""
    server.answer = lambda body: refusal(500)(body) if body["seed"] == 103 else reply(body)
    done = complete([server], ask("hello", seed=100), [1, 3, 5])
    assert [c.index for c in done] == [1, 5]


def test_a_refusal_is_raised_for_the_whole_call(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = refusal(400, "This model's maximum context length is 10 tokens")
    with pytest.raises(PermanentEngineError, match="maximum context length"):
        complete([server], ask("hello"), range(4))
    assert len(server.calls) == 1


def test_newer_names_for_the_limit_are_learned(server: ChatServer, complete: Any, ask: Ask) -> None:
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
        (402, FatalEngineError),
    ],
)
def test_refusals_become_the_right_error(
    server: ChatServer, complete: Any, ask: Ask, status: int, kind: type[CurateError]
) -> None:
    server.answer = refusal(status, f"bad key {KEY} or Bearer {KEY}")
    with pytest.raises(kind) as caught:
        complete([server], ask("hello"))
    assert type(caught.value) is kind
    assert KEY not in "".join(str(e) for e in (caught.value, caught.value.__cause__))
    if status in (401, 403):
        assert "TEST_KEY" in str(caught.value)


def test_a_server_says_when_to_come_back(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = refusal(429, "slow down", **{"retry-after": "7"})
    with pytest.raises(TransientEngineError) as caught:
        complete([server], ask("hello"))
    assert caught.value.retry_after == 7


def test_an_answer_without_choices_is_asked_again(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = lambda body: (200, {}, {"error": "model is loading"})
    with pytest.raises(TransientEngineError, match="without choices; it says: model is loading"):
        complete([server], ask("hello"))


@pytest.mark.parametrize("charset", ["base64", "rot13", "utf-16", "idna", "nonsense", "latin-1"])
def test_a_charset_that_cannot_read_the_answer_costs_nothing(
    server: ChatServer, complete: Any, ask: Ask, charset: str
) -> None:
    server.answer = lambda body: (200, {"content-type": f"application/json; charset={charset}"}, reply(body)[2])
    (said,) = complete([server], ask("hello"))
    assert said.text == "seed None choice 0"


def test_a_slow_server_is_transient(server: ChatServer, complete: Any, ask: Ask) -> None:
    wait = threading.Event()

    def stuck(body: dict[str, Any]) -> Answer:
        wait.wait(5)
        return reply(body)

    server.answer = stuck
    with pytest.raises(TransientEngineError, match="gives no answer"):
        complete([server], ask("hello"), timeout_s=0.2)
    wait.set()


def test_a_server_that_drips_is_held_to_the_time_limit(server: ChatServer, complete: Any, ask: Ask) -> None:
    """Each byte comes in time, the reply never does."""
    stop = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", "100000")
        handler.end_headers()
        while not stop.wait(0.02):
            handler.wfile.write(b" ")

    server.raw = drip
    try:
        with pytest.raises(TransientEngineError, match=r"no answer within timeout_s = 0\.3 s"):
            complete([server], ask("hello"), timeout_s=0.3)
    finally:
        stop.set()


def test_redirects_without_end_end_the_build_soon(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = lambda body: (307, {"location": f"{server.url}/chat/completions"}, {})
    with pytest.raises(FatalEngineError, match="redirects without end"):
        complete([server], ask("hello"))
    assert len(server.calls) <= 5


def test_no_server_at_all_ends_the_build(complete: Any, ask: Ask) -> None:
    gone = ChatServer()
    gone.close()
    with pytest.raises(FatalEngineError, match="no server answers at http://127"):
        complete([gone], ask("hello"))


def test_a_dead_server_leaves_the_rotation(server: ChatServer, complete: Any, ask: Ask, run: Any, media: Any) -> None:
    gone = ChatServer()
    gone.close()
    engine = OpenAIEngine(ModelConfig(model="tiny", engine="openai", base_urls=(gone.url, server.url)), media)
    run(engine.start())
    for i in range(6):
        assert run(engine.complete(ask(f"hello {i}"), [0]))
    run(engine.close())
    assert len(server.calls) == 6


def test_two_servers_share_the_work_within_their_limits(
    server: ChatServer, second: ChatServer, media: Any, run: Any, ask: Ask
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


def test_reasoning_truncation_and_refusals_are_kept_apart(server: ChatServer, complete: Any, ask: Ask) -> None:
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


def test_images_travel_as_data_urls_and_a_prefix_as_an_unfinished_turn(
    server: ChatServer, complete: Any, ask: Ask, media: Any
) -> None:
    args = {"extra_body": {"guided": 1}, "reasoning_effort": "low", "chat_template_kwargs": {"think": False}}
    request = ask("What is it?", media.red, prefix="It is", top_k=5, min_p=0.1)
    complete([server], request, args=args)
    (call,) = server.calls
    image, text = call["messages"][0]["content"]
    assert image["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
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


THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Two and two."}]}


@pytest.mark.parametrize(
    ("content", "text", "reasoning"),
    [
        ([{"type": "text", "text": "4"}], "4", None),
        ([{"type": "text", "text": "It is "}, {"type": "text", "text": "4"}], "It is 4", None),
        ([THOUGHT, {"type": "text", "text": "4"}], "4", "Two and two."),
        ([{"type": "output_text", "text": "4"}], "4", None),
        (["It is ", {"text": "4"}], "It is 4", None),
        ({"type": "text", "text": "4"}, "4", None),
        ([], "", None),
        (None, "", None),
    ],
)
def test_a_reply_in_parts_is_their_text(
    server: ChatServer, complete: Any, ask: Ask, content: Any, text: str, reasoning: str | None
) -> None:
    server.answer = lambda body: reply(body, content=content)
    (done,) = complete([server], ask("hello"))
    assert (done.text, done.reasoning, done.finish_reason) == (text, reasoning, "stop")


def change(body: dict[str, Any], **choice: Any) -> Answer:
    """The ordinary reply with its last choice (the first sample's) changed; None takes a field away."""
    status, headers, data = reply(body)
    first = data["choices"][-1]
    first |= choice
    data["choices"][-1] = {name: value for name, value in first.items() if value is not ...}
    return status, headers, data


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ({"message": None}, "no message"),
        ({"message": ...}, "no message"),
        ({"message": "4"}, "no message"),
        ({"message": {"content": 4}}, "kind 'int'"),
        ({"message": {"content": [{"type": "image_url", "image_url": {}}]}}, "kind 'image_url'"),
        ({"message": {"content": [None]}}, "kind 'NoneType'"),
        ({"message": {"content": None, "refusal": "I will not"}}, "I will not"),
        ({"message": None, "finish_reason": "content_filter"}, "content_filter"),
    ],
)
def test_an_odd_choice_costs_itself_only(
    server: ChatServer, complete: Any, ask: Ask, choice: dict[str, Any], why: str
) -> None:
    server.answer = lambda body: change(body, **choice)
    done = complete([server], ask("hello"), range(3))
    assert [(c.index, c.finish_reason) for c in done] == [(0, "error"), (1, "stop"), (2, "stop")]
    assert why in done[0].error
    assert [c.text for c in done] == ["", "seed None choice 1", "seed None choice 2"]


@pytest.mark.parametrize("index", [..., None, "0", "first", 1, -1, 0.5])
def test_choices_without_a_usable_index_stand_as_they_come(
    server: ChatServer, complete: Any, ask: Ask, index: Any
) -> None:
    server.answer = lambda body: change(body, index=index)
    done = complete([server], ask("hello"), range(2))
    assert [c.finish_reason for c in done] == ["stop", "stop"]
    assert sorted(c.text for c in done) == ["seed None choice 0", "seed None choice 1"]


@pytest.mark.parametrize("usage", [..., None, {}, "no", {"prompt_tokens": None}, {"prompt_tokens": "9"}])
def test_tokens_that_nobody_counted_are_not_zero(server: ChatServer, complete: Any, ask: Ask, usage: Any) -> None:
    def answer(body: dict[str, Any]) -> Answer:
        status, headers, data = reply(body)
        return status, headers, {k: v for k, v in {**data, "usage": usage}.items() if v is not ...}

    server.answer = answer
    for done in complete([server], ask("hello"), range(2)):
        assert (done.prompt_tokens, done.completion_tokens) == (None, None)


PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title><style>h1 {x}</style></head><body>nginx</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (422, {"detail": [{"loc": ["body", "n"], "msg": "n must be 1"}]}, PermanentEngineError, "body.n: n must be 1"),
        (422, {"detail": "too many images"}, PermanentEngineError, "too many images"),
        (400, {"message": "context is 4,096 tokens"}, PermanentEngineError, "context is 4,096 tokens"),
        (400, {"error": "no such template"}, PermanentEngineError, "no such template"),
        (400, {"errors": [{"message": "bad image"}]}, PermanentEngineError, "bad image"),
        (413, PAGE, PermanentEngineError, "502 Bad Gateway nginx"),
        (402, {"error": {"message": "Insufficient credits"}}, FatalEngineError, "no credit left.*Insufficient credits"),
        (429, {"error": {"message": "pay", "code": "insufficient_quota"}}, FatalEngineError, "no credit left.*pay"),
        (403, {"error": {"message": "Your input was flagged"}}, PermanentEngineError, "flagged"),
        (502, PAGE, TransientEngineError, "502 Bad Gateway nginx"),
        (200, PAGE, TransientEngineError, "502 Bad Gateway nginx"),
        (200, b"not JSON", TransientEngineError, "not JSON"),
        (200, [], TransientEngineError, "without choices"),
        (200, {"choices": None, "detail": "busy"}, TransientEngineError, "busy"),
        (200, {"error": {"message": "Provider overloaded", "code": 502}}, TransientEngineError, "502: Provider overl"),
        (200, {"error": {"message": "Too long", "code": 400}}, PermanentEngineError, "Too long"),
        (200, {"error": {"message": "Add credits", "code": 402}}, FatalEngineError, "no credit left.*Add credits"),
        (404, {"detail": "Not Found"}, FatalEngineError, r"404\): Not Found$"),
    ],
)
def test_the_servers_own_words_arrive(
    server: ChatServer, complete: Any, ask: Ask, status: int, body: Any, kind: type[CurateError], said: str
) -> None:
    server.answer = lambda asked: (status, {"content-type": "text/html"} if isinstance(body, bytes) else {}, body)
    with pytest.raises(kind, match=said) as caught:
        complete([server], ask("hello"), range(2))
    assert type(caught.value) is kind
    assert "<" not in str(caught.value)


def test_an_address_without_v1_is_asked_about(server: ChatServer, complete: Any, ask: Ask) -> None:
    server.answer = lambda body: (404, {}, {"detail": "Not Found"})
    server.url = server.url.removesuffix("/v1")
    with pytest.raises(FatalEngineError, match=r"Not Found Is the URL right\?.*below /v1"):
        complete([server], ask("hello"))


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (Constraint("choice", '["yes", "no"]'), {"structured_outputs": {"choice": ["yes", "no"]}}),
        (Constraint("regex", "[0-9]"), {"structured_outputs": {"regex": "[0-9]"}}),
        (
            Constraint("json", '{"type": "object", "additionalProperties": false}'),
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {
                        "name": "reply",
                        "schema": {"type": "object", "additionalProperties": False},
                        "strict": True,
                    },
                }
            },
        ),
    ],
)
def test_a_form_travels_as_the_server_knows_it(
    server: ChatServer, complete: Any, ask: Ask, form: Constraint, sent: dict[str, Any]
) -> None:
    kinds = ("choice", "json", "regex")
    complete([server], replace(ask("hello", top_k=3), constraint=form), structured=kinds)
    complete([server], ask("hello"), structured=kinds)
    held, free = server.calls
    assert {name: held[name] for name in sent} == sent
    assert held["top_k"] == 3
    assert not {"structured_outputs", "response_format"} & set(free)


def test_a_form_that_a_server_is_not_known_to_enforce_is_refused_before_it_is_asked(
    server: ChatServer, complete: Any, ask: Ask
) -> None:
    request = replace(ask("hello"), constraint=Constraint("choice", '["yes", "no"]'))
    with pytest.raises(PermanentEngineError, match=r"held to json, not to choice; add choice to `structured`"):
        complete([server], request)
    assert server.calls == []


def test_of_the_environment_a_server_is_sent_what_the_recipe_names_and_nothing_else(
    server: ChatServer, complete: Callable[..., list[Completion]], ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library adds variables of its own: a stranger's server would learn whose they are, and keys of a gateway."""
    planted = {"OPENAI_ORG_ID": "mine", "OPENAI_PROJECT_ID": "mine", "OPENAI_CUSTOM_HEADERS": "X-Gateway: mine"}
    for name, value in {**planted, "CURATE_LAB_KEY": "for you"}.items():
        monkeypatch.setenv(name, value)
    seen = list[dict[str, str]]()

    def answer(handler: Any) -> None:
        seen.append({name.lower(): value for name, value in handler.headers.items()})
        handler._send(*reply(server.calls[-1]))

    server.raw = answer
    complete([server], ask("hello"), headers_env={"X-Lab": "CURATE_LAB_KEY"})
    assert seen[-1]["x-lab"] == "for you" and "mine" not in str(seen)
