"""A failure is no answer: what servers refuse, lose or garble, played on loopback through whole builds."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import Answer, Asked, Decide, completion, refusal
from served_build import ROWS, Server, built, funnel, job, lost, rollouts, unanswered
from tiny import digests, release

from flows.funnel import funnel_table
from flows.planned import plan_table
from pipelines.explain.query import run_query
from pipelines.plan import make_plan
from pipelines.run.refusals import terms
from pipelines.store.garbage import collect_garbage
from pipelines.store.workspace import Workspace
from schemas.engine import ModelConfig
from schemas.errors import FatalEngineError, StepError

KEY = "sk-very-secret-0123456789abcdef"
TOO_LONG = refusal(400, "This model's maximum context length is 10 tokens")
RELEASED = "  - release: {trainer: null, rl: {of: sample}}\n"
MANY = [{**ROWS[0], "question": f"row {i} {'gamma' if i % 8 == 0 else ''}?"} for i in range(480)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Server() as made:
        yield made


@pytest.fixture
def second() -> Iterator[Server]:
    with Server() as made:
        yield made


def odd(**first: Any) -> Decide:
    return lambda body: completion(body, first=first)


# --- odd replies ---------------------------------------------------------------------------------------------------


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
    server.odd = odd(**first)
    ((reason, words),) = lost(built(tmp_path, server))
    assert reason == "rollout:error"
    assert why in words
    assert "5" in run_query(tmp_path / "out", "SELECT count(*) AS n FROM completions")
    server.odd, before = None, server.asked
    assert rollouts(built(tmp_path, server))["kept"] == 6
    assert server.asked == before + 1


@pytest.mark.parametrize(
    "first",
    [
        {"message": {"content": [{"type": "thinking", "thinking": "Two."}, {"type": "text", "text": "4"}]}},
        {"index": "0"},
        {"index": 1},
    ],
)
def test_a_reply_of_another_shape_is_read(tmp_path: Path, server: Server, first: dict[str, Any]) -> None:
    server.odd = odd(**first)
    done = built(tmp_path, server)
    assert (rollouts(done)["kept"], unanswered(done)) == (6, 0)


def test_a_reply_without_choices_is_a_sample_lost_with_its_last_words(tmp_path: Path, server: Server) -> None:
    server.odd = refusal(200, "Provider returned error: model overloaded")
    found = lost(built(tmp_path, server))
    assert [reason for reason, _ in found] == ["rollout:unanswered"] * 2
    assert all("Provider returned error: model overloaded" in words for _, words in found)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "no_credit",
    [
        refusal(402, "Insufficient credits"),
        refusal(429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
        refusal(200, {"error": {"message": "Insufficient credits", "code": 402}}),
    ],
)
def test_no_credit_stops_the_step_at_once_and_is_forgotten_with_credit(
    tmp_path: Path, server: Server, no_credit: Decide
) -> None:
    usual, server.answer = server.answer, no_credit
    with pytest.raises(FatalEngineError, match=r"OPENAI_API_KEY has no credit left.*(Insufficient|exceeded)"):
        built(tmp_path, server, "models.m.concurrency=2", rows=MANY[:40])
    assert server.asked <= 3
    server.answer = usual
    assert rollouts(built(tmp_path, server, rows=MANY[:40]))["kept"] == 80


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"loc": ["body", "n"], "msg": "n must be 1", "type": "value_error"}]},
        {"error": {"message": "Only one completion choice is allowed"}},
        {"message": "no"},
    ],
)
def test_a_server_that_refuses_to_be_asked_for_several_is_asked_one_by_one(
    tmp_path: Path, server: Server, body: Any
) -> None:
    given: list[int] = []

    def one_by_one(asked: Asked) -> Answer:
        if (asked.get("n") or 1) > 1:
            return refusal(422, body)(asked)
        given.append(1)
        return completion(asked)

    server.answer = one_by_one
    assert (rollouts(built(tmp_path, server))["kept"], len(given)) == (6, 6)


@pytest.mark.parametrize(
    "refused",
    [TOO_LONG, refusal(413, b"<html><title>413 Payload Too Large</title></html>", content_type="text/html")],
    ids=["400", "413"],
)
def test_where_all_is_refused_the_build_fails_with_the_words_and_asks_again(
    tmp_path: Path, server: Server, refused: Decide
) -> None:
    usual, server.answer = server.answer, refused
    for _ in range(5):
        before = server.asked
        with pytest.raises(StepError, match=r"maximum context length|413 Payload Too Large") as stopped:
            built(tmp_path, server)
        assert not stopped.value.transient
        assert server.asked > before, "a step without one answer asks again, however often that was in vain"
    server.answer = usual
    assert rollouts(built(tmp_path, server))["kept"] == 6


def refused_until_final(tmp_path: Path, server: Server) -> None:
    """Three builds in which the row with gamma is refused; then nothing is left to do."""
    server.odd = TOO_LONG
    for left in (2, 2, 0):
        before = server.asked
        done = built(tmp_path, server)
        assert server.asked > before
        assert unanswered(done) == left
        assert job(tmp_path, server).up_to_date() == (left == 0)


def test_a_refusal_is_asked_again_in_later_builds_and_then_it_is_final(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    before = server.asked
    done = built(tmp_path, server)
    assert server.asked == before
    assert [reason for reason, _ in lost(done)] == ["rollout:error"] * 2
    assert all("maximum context length is 10 tokens" in words for _, words in lost(done))
    assert all(planned.fresh for planned in make_plan(done))


def test_a_refusal_that_is_cured_in_time_needs_no_word(tmp_path: Path, server: Server) -> None:
    server.odd = TOO_LONG
    built(tmp_path, server, steps=RELEASED)
    planned = {p.step: p for p in make_plan(job(tmp_path, server, steps=RELEASED))}
    assert [cost.samples for cost in planned["rollout"].costs] == [2]
    server.odd, before = None, server.asked
    done = built(tmp_path, server, steps=RELEASED)
    assert server.asked == before + 1
    assert (rollouts(done)["kept"], unanswered(done)) == (6, 0)
    assert job(tmp_path, server, steps=RELEASED).up_to_date()


def test_retry_errors_asks_once_more(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    assert not job(tmp_path, server, retry_errors=True).up_to_date()
    before = server.asked
    built(tmp_path, server, retry_errors=True)
    assert server.asked > before
    assert job(tmp_path, server).up_to_date(), "refused again, it is final again"
    server.odd = None
    assert rollouts(built(tmp_path, server, retry_errors=True))["kept"] == 6
    assert job(tmp_path, server, retry_errors=True).up_to_date(), "nothing refused is left"


def test_another_server_or_other_limits_begin_anew(tmp_path: Path, server: Server, second: Server) -> None:
    refused_until_final(tmp_path, server)
    assert not job(tmp_path, second).up_to_date()
    assert not job(tmp_path, server, "models.m.args={extra_body: {truncate: true}}").up_to_date()
    assert job(tmp_path, server, "models.m.concurrency=3").up_to_date()
    assert (rollouts(built(tmp_path, second))["kept"], second.asked) == (6, 1)


def test_how_often_is_the_recipes_to_say(tmp_path: Path, server: Server) -> None:
    server.odd = TOO_LONG
    built(tmp_path, server, "driver.error_attempts=1")
    assert job(tmp_path, server, "driver.error_attempts=1").up_to_date()


def test_one_build_asks_once_however_often_a_step_is_tried(tmp_path: Path, server: Server) -> None:
    """Prefect tries a step again where a server was lost; what was refused meanwhile is not asked about again."""
    server.odd = TOO_LONG
    done = built(tmp_path, server)
    before = server.asked
    done.run()
    assert server.asked == before
    assert unanswered(done) == 2


def test_a_replay_takes_refusals_as_they_are(tmp_path: Path, server: Server) -> None:
    server.odd = TOO_LONG
    done = built(tmp_path, server, steps=RELEASED)
    first, before = digests(release(done)), server.asked
    for name in ("builds", "releases"):
        shutil.rmtree(tmp_path / "out" / name)
    again = built(tmp_path, server, steps=RELEASED, replay=True)
    assert server.asked == before
    assert digests(release(again)) == first


def test_many_old_refusals_do_not_stop_a_step(tmp_path: Path, server: Server) -> None:
    """Of 480 rows 60 are refused; the next build asks about those alone, and that all of them fail is no news."""
    server.odd = TOO_LONG
    alone = ("steps.rollout.n=1",)
    assert unanswered(built(tmp_path, server, *alone, rows=MANY)) == 60
    before = server.asked
    built(tmp_path, server, *alone, rows=MANY)
    assert server.asked == before + 60


def test_adaptive_rollouts_pass_refusals_by(tmp_path: Path, server: Server) -> None:
    adaptive = ("steps.rollout.n=6", "steps.rollout.adaptive={first: 2, wave: 2}")
    server.odd = TOO_LONG
    for left in (True, True, False):
        done = built(tmp_path, server, *adaptive)
        assert all("maximum context length" in words for _, words in lost(done)) and lost(done)
        assert bool(unanswered(done)) == left
    before = server.asked
    built(tmp_path, server, *adaptive)
    assert server.asked == before
    server.odd = None
    done = built(tmp_path, server, *adaptive, retry_errors=True)
    assert server.asked > before
    assert not lost(done)


def test_gc_keeps_what_failures_say(tmp_path: Path, server: Server) -> None:
    refused_until_final(tmp_path, server)
    log = job(tmp_path, server).build.log.failures
    before = log.scan().collect()
    collect_garbage(Workspace(tmp_path / "out"))
    assert len(list(log.folder.glob("part-*"))) == 1
    assert log.scan().collect().sort("created_at", "key").equals(before.sort("created_at", "key"))
    assert "maximum context" in run_query(tmp_path / "out", "SELECT DISTINCT error FROM failures")


# --- what was left unanswered -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (refusal(429, f"slow down, {KEY}"), "429: slow down, ***"),
        (refusal(503, {"detail": "no worker"}), "503: no worker"),
        (refusal(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type="text/html"), "502: 502 Bad Gateway"),
        (refusal(429, {"message": "daily quota"}, retry_after="86400"), "daily quota (It asks to come back in 24 h"),
        (refusal(429, {"message": "quota"}, retry_after="Fri, 01 Jan 2100 00:00:00 GMT"), "backoff_max_s is 1"),
    ],
)
def test_the_evidence_holds_the_last_words_and_no_key(
    tmp_path: Path, server: Server, failure: Decide, words: str
) -> None:
    server.odd = failure
    done = built(tmp_path, server)
    assert [reason for reason, _ in lost(done)] == ["rollout:unanswered"] * 2
    assert all(words in spoken for _, spoken in lost(done))
    assert unanswered(done) == 2
    for path in (tmp_path / "out").rglob("*.json*"):
        assert KEY not in path.read_text()
    server.odd = None
    assert rollouts(built(tmp_path, server))["kept"] == 6


@pytest.mark.parametrize("failure", [TOO_LONG, refusal(503, {"detail": "no worker"})], ids=["refused", "unanswered"])
@pytest.mark.parametrize(
    "step",
    [
        "  - ask: {as: mine, model: m, prompt: '{{ question }}'}\n",
        "  - distill: {as: mine, model: m, prompt: '{{ question }}', n: 2, tries: 2, conclude: So it is}\n",
        "  - rollout: {as: mine, model: m, n: 2, adaptive: {first: 1, wave: 1}}\n",
        "  - judge: {as: mine, model: m, of: sample, prompt: '{{ question }}', reply: {choice: ['4', '5']}}\n",
    ],
)
def test_every_step_that_asks_hands_the_last_words_on(
    tmp_path: Path, server: Server, step: str, failure: Decide
) -> None:
    server.odd = failure
    found = lost(built(tmp_path, server, steps=step), "mine")
    assert found
    assert {reason for reason, _ in found} <= {"mine:error", "mine:unanswered"}
    assert all("maximum context length is 10 tokens" in words or "503: no worker" in words for _, words in found)


def test_a_fault_of_a_server_of_one_choice_costs_one_sample(tmp_path: Path, server: Server) -> None:
    """One call in twenty fails: all that was answered is in the log, and nothing was answered twice."""
    given: list[int] = []

    def one_choice(body: Asked) -> Answer:
        if server.asked % 20 == 0:
            return refusal((429, 500, 503)[server.asked % 3], "oops")(body)
        given.append(1)
        return completion(body, count=1)

    server.answer = one_choice
    done = built(tmp_path, server, "steps.rollout.n=64", "driver.max_retries=6", rows=ROWS[:2])
    assert len(given) == done.build.log.scan().collect().height == 128
    assert unanswered(done) == 0


# --- unknown is not zero ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None, "completion_tokens": None}])
def test_tokens_that_nobody_counted_are_a_question_mark(tmp_path: Path, server: Server, usage: Any) -> None:
    def uncounted(body: Asked) -> Answer:
        status, headers, whole = completion(body)
        return status, headers, {**whole, "usage": usage}

    server.answer = uncounted
    priced = ("models.m.price_out=1",)
    done = built(tmp_path, server, *priced)
    asked = rollouts(done)["asked"]["m"]
    assert (asked["prompt_tokens"], asked["completion_tokens"]) == (None, None)
    assert done.build.log.scan().collect()["completion_tokens"].null_count() == 6
    assert funnel(done)["rollout"]["tokens"] is None
    assert "?" in [cell for column in funnel_table(done.records()).columns for cell in column.cells]
    (planned,) = (p for p in make_plan(job(tmp_path, server, *priced, "steps.rollout.n=4")) if p.step == "rollout")
    [cost] = planned.costs
    assert (cost.samples, cost.reply_tokens, cost.dollars) == (6, None, None)
    assert "?" in list(plan_table([planned]).columns[4].cells)


def test_terms_hold_what_a_refusal_may_depend_on_and_no_password() -> None:
    config = ModelConfig(model="m", engine="openai", base_urls=("https://a:b@host/v1",))
    same = config.model_copy(update={"base_urls": ("https://host/v1",), "timeout_s": 3.0, "concurrency": 2})
    assert terms(config) == terms(same)
    others = ({"args": {"max_model_len": 9}}, {"base_urls": ("https://other/v1",)}, {"api_key_env": "OTHER"})
    assert len({terms(config.model_copy(update=other)) for other in others} | {terms(config)}) == 4
