"""A failure is no answer: what servers refuse, lose or garble, played on loopback through whole builds."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pipelines.build import records, release_path, run_build, up_to_date
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road

from flows.build import worth_retrying
from flows.funnel import funnel_rows, funnel_table
from flows.planned import plan_table
from pipelines.explain.query import run_query
from pipelines.plan import make_plan
from pipelines.run.refusals import terms
from pipelines.store.completions import CompletionsLog
from pipelines.store.garbage import collect_garbage
from pipelines.store.workspace import Workspace
from schemas.completion import ModelIdentity
from schemas.engine import ModelConfig
from schemas.errors import CurateError, FatalEngineError, StageError, TransientEngineError

KEY = "sk-very-secret-0123456789abcdef"
Reply = tuple[int, dict[str, str], Any]

ROWS = [
    {"question": "alpha: two plus two?", "answer": "4", "kind": "number"},
    {"question": "beta: one plus three?", "answer": "4", "kind": "number"},
    {"question": "gamma: eight halved?", "answer": "4", "kind": "number"},
]

RECIPE = """\
name: r
models:
  m: {model: m1, engine: openai, base_urls: [URL]}
sources:
  - {type: jsonl, name: rows, path: ROWS, license: MIT}
rollouts: {model: m, n: 2, sampling: {temperature: 1.0, max_tokens: 64}}
driver: {max_retries: 1, backoff_s: 0.0, backoff_max_s: 1.0}
"""


class Http(ThreadingHTTPServer):
    """Lets as many wait for a connection as the driver opens at once: on a busy machine the usual five do not do."""

    request_queue_size = 256


class Server:
    """Answers 4 to everything; `odd` decides what becomes of the questions with the word gamma, `all` of every one."""

    def __init__(self) -> None:
        self.asked = 0
        self.given = 0
        self.odd: Callable[[dict[str, Any]], Reply | None] = lambda body: None
        self.all: Callable[[dict[str, Any]], Reply | None] = lambda body: None
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, {}, {"object": "list", "data": [{"id": "m1", "object": "model"}]})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    outer.asked += 1
                    said = outer.all(body) or (outer.odd(body) if "gamma" in json.dumps(body["messages"]) else None)
                    if said is None:
                        said = answer(body)
                    if said[0] == 200 and isinstance(said[2], dict):
                        outer.given += len(said[2].get("choices") or ())
                self._send(*said)

            def _send(self, status: int, headers: dict[str, str], body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = Http(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def answer(body: dict[str, Any], count: int | None = None, first: dict[str, Any] | None = None, **top: Any) -> Reply:
    """A usual reply; `first` changes its first choice, `top` the whole (None takes a field away)."""
    message = {"role": "assistant", "content": "<think>Two and two.</think>\\boxed{4}"}
    choices: list[dict[str, Any]] = [
        {"index": i, "message": message, "finish_reason": "stop"} for i in range(count or body.get("n") or 1)
    ]
    choices[0] |= first or {}
    usage = {"prompt_tokens": 9, "completion_tokens": 9 * len(choices), "total_tokens": 18}
    whole = {"id": "x", "object": "chat.completion", "created": 1, "model": "m1", "choices": choices, "usage": usage}
    return 200, {}, {name: value for name, value in {**whole, **top}.items() if value is not None}


def refuse(status: int, body: Any, **headers: str) -> Callable[[dict[str, Any]], Reply]:
    return lambda asked: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


TOO_LONG = refuse(400, {"error": {"message": "This model's maximum context length is 10 tokens"}})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made = Server()
    yield made
    made.close()


@pytest.fixture
def second() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def make(folder: Path, server: Server, *overrides: str, rows: list[dict[str, Any]] | None = None, **how: Any) -> Build:
    """The build of the three rows in the folder's workspace."""
    source = "\n".join(json.dumps(row) for row in rows or ROWS)
    if not (folder / "rows.jsonl").exists():
        (folder / "rows.jsonl").write_text(source)
    text = RECIPE.replace("URL", json.dumps(server.url)).replace("ROWS", str(folder / "rows.jsonl"))
    (folder / "r.yaml").write_text(text)
    return Build(load_recipe(str(folder / "r.yaml"), overrides), Workspace(folder / "out"), **how)


def rollouts(build: Build) -> dict[str, Any]:
    return next(r for r in records(road(build)) if r["stage"] == "rollouts")


def dropped(build: Build) -> list[tuple[str, Any]]:
    """Reason and last words of every rollout that was dropped."""
    table = road(build).table("rollouts", "dropped").collect()
    return sorted((reason, json.loads(evidence)["error"]) for _, reason, evidence in table.iter_rows())


def released(build: Build) -> int:
    return int(road(build).table("release").select(pl.len()).collect().item())


# --- odd replies ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        {"message": {"content": [{"type": "text", "text": "\\boxed{4}"}]}},
        {"message": {"content": [{"type": "thinking", "thinking": "Two."}, {"type": "text", "text": "\\boxed{4}"}]}},
        {"index": None},
        {"index": "0"},
        {"index": 1},
    ],
)
def test_a_reply_of_another_shape_is_read(tmp_path: Path, server: Server, first: dict[str, Any]) -> None:
    server.odd = lambda body: answer(body, first=first)
    told = {r["stage"]: r for r in run_build(make(tmp_path, server))}
    assert (told["rollouts"]["kept"], told["score"]["kept"], told["rollouts"]["unanswered"]) == (6, 6, 0)


@pytest.mark.parametrize(
    ("first", "why"),
    [
        ({"message": None}, "no message"),
        ({"message": {"content": 4}}, "kind 'int'"),
        ({"message": {"content": [{"type": "audio"}]}}, "kind 'audio'"),
        ({"message": {"content": None, "refusal": "I will not"}}, "I will not"),
        ({"finish_reason": "content_filter"}, "content_filter"),
    ],
)
def test_an_odd_reply_costs_itself_only_now_and_later(
    tmp_path: Path, server: Server, first: dict[str, Any], why: str
) -> None:
    server.odd = lambda body: answer(body, first=first)
    run_build(make(tmp_path, server))
    ((reason, words),) = dropped(make(tmp_path, server))
    assert reason == "rollouts:error"
    assert why in words
    assert run_query(tmp_path / "out", "SELECT count(*) AS n FROM completions").count("5")
    server.odd = lambda body: None
    before = server.asked
    run_build(make(tmp_path, server))
    assert server.asked == before + 1
    assert rollouts(make(tmp_path, server))["kept"] == 6


def test_a_reply_without_choices_is_a_sample_lost_and_told(tmp_path: Path, server: Server) -> None:
    server.odd = refuse(200, {"error": {"message": "Provider returned error: model overloaded"}})
    run_build(make(tmp_path, server))
    found = dropped(make(tmp_path, server))
    assert [reason for reason, _ in found] == ["rollouts:unanswered"] * 2
    assert all("Provider returned error: model overloaded" in words for _, words in found)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "no_credit",
    [
        refuse(402, {"error": {"message": "Insufficient credits"}}),
        refuse(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
        refuse(200, {"error": {"message": "Insufficient credits", "code": 402}}),
    ],
)
def test_no_credit_stops_the_stage_at_once_and_is_forgotten_with_credit(
    tmp_path: Path, server: Server, no_credit: Any
) -> None:
    server.all = no_credit
    rows = [{**ROWS[0], "question": f"row {i}?"} for i in range(40)]
    with pytest.raises(FatalEngineError, match=r"OPENAI_API_KEY has no credit left.*(Insufficient|exceeded)"):
        run_build(make(tmp_path, server, "models.m.concurrency=2", rows=rows))
    assert server.asked <= 3
    server.all = lambda body: None
    run_build(make(tmp_path, server, rows=rows))
    assert rollouts(make(tmp_path, server, rows=rows))["kept"] == 80


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body", "n"], "msg": "n must be 1", "type": "value_error"}]},
        {"detail": [{"loc": ["body"], "msg": "Extra inputs are not permitted"}]},
        {"error": {"message": "Only one completion choice is allowed"}},
        {"message": "no"},
    ],
)
def test_a_server_that_refuses_to_be_asked_for_several_is_asked_one_by_one(
    tmp_path: Path, server: Server, body: Any
) -> None:
    server.all = lambda asked: refuse(422, body)(asked) if (asked.get("n") or 1) > 1 else None
    run_build(make(tmp_path, server))
    assert (rollouts(make(tmp_path, server))["kept"], server.given) == (6, 6)


@pytest.mark.parametrize(
    "refusal",
    [TOO_LONG, refuse(413, b"<html><title>413 Payload Too Large</title></html>", content_type="text/html")],
    ids=["400", "413"],
)
def test_all_refused_then_cured_is_asked_again(tmp_path: Path, server: Server, refusal: Any) -> None:
    server.all = refusal
    for _ in range(5):
        before = server.asked
        with pytest.raises(StageError, match=r"maximum context length|413 Payload Too Large") as stopped:
            run_build(make(tmp_path, server))
        assert not stopped.value.transient
        assert server.asked > before, "a stage without one answer asks again, however often that was in vain"
    server.all = lambda body: None
    run_build(make(tmp_path, server))
    assert rollouts(make(tmp_path, server))["kept"] == 6


def refused_until_final(tmp_path: Path, server: Server) -> None:
    """Three builds in which the row with gamma is refused; then nothing is left to do."""
    server.odd = TOO_LONG
    for left in (2, 2, 0):
        before = server.asked
        run_build(make(tmp_path, server))
        assert server.asked > before
        assert rollouts(make(tmp_path, server))["unanswered"] == left
        assert up_to_date(make(tmp_path, server)) == (left == 0)


def test_a_refusal_is_asked_again_in_later_builds_and_then_it_is_final(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    before = server.asked
    run_build(make(tmp_path, server))
    assert server.asked == before
    build = make(tmp_path, server)
    assert [reason for reason, _ in dropped(build)] == ["rollouts:error"] * 2
    assert all("maximum context length is 10 tokens" in words for _, words in dropped(build))
    assert {p.stage: p.missing for p in make_plan(build)}["rollouts"] == 0


def test_a_refusal_that_is_cured_in_time_needs_no_word(tmp_path: Path, server: Server) -> None:
    server.odd = TOO_LONG
    run_build(make(tmp_path, server))
    assert {p.stage: p.missing for p in make_plan(make(tmp_path, server))}["rollouts"] == 2
    server.odd = lambda body: None
    before = server.asked
    run_build(make(tmp_path, server))
    assert server.asked == before + 1
    assert (rollouts(make(tmp_path, server))["kept"], released(make(tmp_path, server))) == (6, 3)
    assert up_to_date(make(tmp_path, server))


def test_retry_errors_asks_once_more(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    assert not up_to_date(make(tmp_path, server, retry_errors=True))
    before = server.asked
    run_build(make(tmp_path, server, retry_errors=True))
    assert server.asked > before
    assert up_to_date(make(tmp_path, server)), "refused again, it is final again"
    server.odd = lambda body: None
    run_build(make(tmp_path, server, retry_errors=True))
    assert rollouts(make(tmp_path, server))["kept"] == 6
    assert up_to_date(make(tmp_path, server, retry_errors=True)), "nothing refused is left"


def test_another_server_or_other_limits_begin_anew(tmp_path: Path, server: Server, second: Server) -> None:
    refused_until_final(tmp_path, server)
    assert not up_to_date(make(tmp_path, second))
    assert not up_to_date(make(tmp_path, server, "models.m.args={extra_body: {truncate: true}}"))
    assert up_to_date(make(tmp_path, server, "models.m.concurrency=3"))
    run_build(make(tmp_path, second))
    assert (second.asked, rollouts(make(tmp_path, second))["kept"]) == (1, 6)


def test_how_often_is_the_recipes_to_say(tmp_path: Path, server: Server) -> None:
    server.odd = TOO_LONG
    run_build(make(tmp_path, server, "driver.error_attempts=1"))
    assert up_to_date(make(tmp_path, server, "driver.error_attempts=1"))


def test_one_build_asks_once_however_often_a_stage_is_tried(tmp_path: Path, server: Server) -> None:
    """Prefect tries a stage again where a server was lost; what was refused meanwhile is not asked about again."""
    server.odd = TOO_LONG
    build = make(tmp_path, server)
    run_build(build)
    before = server.asked
    run_build(build)
    assert server.asked == before
    assert rollouts(build)["unanswered"] == 2


def test_a_replay_takes_refusals_as_they_are(tmp_path: Path, server: Server, tiny: SimpleNamespace) -> None:
    server.odd = TOO_LONG
    run_build(make(tmp_path, server))
    release, before = release_path(make(tmp_path, server), road(make(tmp_path, server))), server.asked
    first = tiny.digests(release)
    (tmp_path / "out" / "builds").rename(tmp_path / "gone")
    release.rename(tmp_path / "former")
    run_build(make(tmp_path, server, replay=True))
    assert server.asked == before
    assert tiny.digests(release) == first


def test_many_old_refusals_do_not_stop_a_stage(tmp_path: Path, server: Server) -> None:
    """Of 480 rows 60 are refused; the next build asks about those alone, and that all of them fail is no news."""
    rows = [{**ROWS[0], "question": f"row {i} {'gamma' if i % 8 == 0 else ''}?"} for i in range(480)]
    server.odd = TOO_LONG
    alone = ("rollouts.n=1",)
    run_build(make(tmp_path, server, *alone, rows=rows))
    assert rollouts(make(tmp_path, server, *alone, rows=rows))["unanswered"] == 60
    before = server.asked
    run_build(make(tmp_path, server, *alone, rows=rows))
    assert server.asked == before + 60


def test_adaptive_rollouts_pass_refusals_by(tmp_path: Path, server: Server) -> None:
    adaptive = ("rollouts.n=6", "rollouts.adaptive={first: 2, wave: 2}")
    server.odd = TOO_LONG
    for left in (True, True, False):
        run_build(make(tmp_path, server, *adaptive))
        assert all("maximum context length" in words for _, words in dropped(make(tmp_path, server, *adaptive)))
        assert bool(rollouts(make(tmp_path, server, *adaptive))["unanswered"]) == left
    before = server.asked
    run_build(make(tmp_path, server, *adaptive))
    assert server.asked == before
    server.odd = lambda body: None
    run_build(make(tmp_path, server, *adaptive, retry_errors=True))
    assert server.asked > before
    assert not dropped(make(tmp_path, server, *adaptive))


def test_gc_keeps_what_failures_say(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    log = make(tmp_path, server).log.failures
    before = log.scan().collect()
    collect_garbage(Workspace(tmp_path / "out"))
    assert len(list(log.folder.glob("part-*"))) == 1
    assert log.scan().collect().sort("created_at", "key").equals(before.sort("created_at", "key"))
    assert "maximum context" in run_query(tmp_path / "out", "SELECT DISTINCT error FROM failures")


# --- what was left unanswered -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (refuse(429, {"error": {"message": f"slow down, {KEY}"}}), "429: slow down, ***"),
        (refuse(503, {"detail": "no worker"}), "503: no worker"),
        (refuse(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html"), "502: 502 Bad Gateway"),
        (refuse(429, {"message": "daily quota"}, retry_after="86400"), "daily quota (It asks to come back in 24 h"),
        (refuse(429, {"message": "quota"}, retry_after="Fri, 01 Jan 2100 00:00:00 GMT"), "backoff_max_s is 1"),
    ],
)
def test_the_last_words_stand_in_the_evidence(tmp_path: Path, server: Server, failure: Any, words: str) -> None:
    server.odd = failure
    run_build(make(tmp_path, server))
    found = dropped(make(tmp_path, server))
    assert [reason for reason, _ in found] == ["rollouts:unanswered"] * 2
    assert all(words in said for _, said in found)
    assert rollouts(make(tmp_path, server))["unanswered"] == 2
    for path in (tmp_path / "out").rglob("*.json*"):
        assert KEY not in path.read_text()
    server.odd = lambda body: None
    run_build(make(tmp_path, server))
    assert released(make(tmp_path, server)) == 3


@pytest.mark.parametrize("failure", [TOO_LONG, refuse(503, {"detail": "no worker"})], ids=["refused", "unanswered"])
@pytest.mark.parametrize(
    ("stage", "override"),
    [
        ("distill", "distill={model: m, prompt: '{question}', n: 2}"),
        ("rollouts", "rollouts.adaptive={first: 1, wave: 1}"),
    ],
)
def test_every_stage_hands_the_last_words_on(
    tmp_path: Path, server: Server, stage: str, override: str, failure: Any
) -> None:
    server.odd = failure
    run_build(make(tmp_path, server, override))
    table = road(make(tmp_path, server, override)).table(stage, "dropped").collect()
    assert table.height
    assert table["reason"].str.contains(rf"^{stage}:(error|unanswered)$").all()
    assert table["evidence"].str.contains("maximum context length is 10 tokens|503: no worker").all()


def test_a_fault_of_a_server_of_one_choice_costs_one_sample(tmp_path: Path, server: Server) -> None:
    """One call in twenty fails: all that was answered is in the log, and nothing was answered twice."""

    def one_choice(body: dict[str, Any]) -> Reply:
        if server.asked % 20 == 0:
            return refuse((429, 500, 503)[server.asked % 3], {"error": {"message": "oops"}})(body)
        return answer(body, count=1)

    server.all = one_choice
    build = make(tmp_path, server, "rollouts.n=64", "driver.max_retries=6", rows=ROWS[:2])
    run_build(build)
    assert server.given == build.log.scan().collect().height == 128
    assert rollouts(build)["unanswered"] == 0


# --- unknown is not zero ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}])
def test_tokens_that_nobody_counted_are_a_question_mark(tmp_path: Path, server: Server, usage: Any) -> None:
    server.all = lambda body: answer(body, usage=usage)
    priced = ("models.m.price_out=1",)
    run_build(make(tmp_path, server, *priced))
    build = make(tmp_path, server, *priced)
    asked = rollouts(build)["asked"]["m"]
    assert (asked["prompt_tokens"], asked["completion_tokens"]) == (None, None)
    assert build.log.scan().collect()["completion_tokens"].null_count() == 6
    (row,) = (r for r in funnel_rows(records(road(build))) if r["stage"] == "rollouts")
    assert row["tokens"] is None
    assert "?" in list(funnel_table(records(road(build))).columns[6].cells)
    changed = make(tmp_path, server, *priced, "rollouts.n=4")
    planned = {p.stage: p for p in make_plan(changed)}["rollouts"]
    assert (planned.missing, planned.tokens, planned.dollars) == (6, None, None)
    assert list(plan_table([planned]).columns[5].cells) == ["?"]


# --- trying again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (StageError("a server was lost", transient=True), True),
        (StageError("all were refused"), False),
        (FatalEngineError("no credit"), False),
        (TransientEngineError("no server"), False),
        (ValueError("a defect"), False),
    ],
)
def test_prefect_tries_again_what_may_pass(error: CurateError, again: bool) -> None:
    def result(raise_on_failure: bool) -> None:
        raise error

    assert worth_retrying(None, None, SimpleNamespace(result=result)) is again


def test_terms_hold_what_a_refusal_may_depend_on_and_no_password() -> None:
    config = ModelConfig(model="m", engine="openai", base_urls=("https://a:b@host/v1",))
    same = config.model_copy(update={"base_urls": ("https://host/v1",), "timeout_s": 3.0, "concurrency": 2})
    assert terms(config) == terms(same)
    others = ({"args": {"max_model_len": 9}}, {"base_urls": ("https://other/v1",)}, {"api_key_env": "OTHER"})
    assert len({terms(config.model_copy(update=other)) for other in others} | {terms(config)}) == 4


def test_joining_parts_loses_no_failure_after_a_kill_between_its_two_steps(tmp_path: Path) -> None:
    log = CompletionsLog(tmp_path)
    for prompt in ("a", "b"):
        with log.writer(ModelIdentity("m", "r", "t")) as writer:
            writer.unanswered(prompt, [0, 1], "gone")
    parts = {path: path.read_bytes() for path in (tmp_path / "failures").glob("part-*")}
    before = log.failures.scan().collect().sort("key")
    assert log.failures.join_parts(1 << 20) == len(parts) == 2
    for path, data in parts.items():  # the kill: the joined part is there, and the old ones still are
        path.write_bytes(data)
    assert log.failures.join_parts(1 << 20) == 3
    assert log.failures.scan().collect().sort("key").equals(before) and before.height == 4
    assert log.failures.join_parts(1 << 20) == 0
