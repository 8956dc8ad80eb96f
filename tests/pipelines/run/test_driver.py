"""The driver's failure paths, on an engine that is told how to fail."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import polars as pl
import pytest

from flows.progress import line
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.run.receipt import Receipt
from pipelines.store.completions import CompletionsLog
from schemas.completion import Completion, Message, ModelIdentity, Request, prompt_key
from schemas.engine import CacheUse
from schemas.errors import (
    EngineDiedError,
    FatalEngineError,
    PermanentEngineError,
    StepError,
    TransientEngineError,
)

IDENTITY = ModelIdentity("model", "revision", "template")
QUICK = DriverConfig(backoff_s=0.0, max_retries=3)


class ScriptedEngine:
    """Answers at once, or as the script says: it gets the request and the number of the attempt."""

    def __init__(self, script: Callable[[str, int], None] = lambda id_, attempt: None, concurrency: int = 8) -> None:
        self.identity = IDENTITY
        self.concurrency = concurrency
        self.script = script
        self.attempts: dict[str, int] = {}
        self.starts = 0
        self.closes = 0
        self.in_flight = 0
        self.most_in_flight = 0

    async def start(self) -> None:
        self.starts += 1

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        self.in_flight += len(indexes)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            attempt = self.attempts.get(request.id, 0)
            self.attempts[request.id] = attempt + 1
            self.script(request.id, attempt)
            return [Completion(i, f"{request.id}-{i}", "stop", 3, 2) for i in indexes]
        finally:
            self.in_flight -= len(indexes)

    async def close(self) -> None:
        self.closes += 1


def calls(number: int, n: int = 1) -> Iterator[Call]:
    for i in range(number):
        request = Request(f"{i:04d}", (Message("user", (f"question {i}",)),), n=n)
        yield Call(request, prompt_key(IDENTITY, request), tuple(range(n)))


def run(engine: ScriptedEngine, root: Path, number: int, n: int = 1, config: DriverConfig = QUICK) -> Receipt:
    with Session(engine) as session, CompletionsLog(root).writer(IDENTITY) as log:
        return session.drive(calls(number, n), log, config, total=number * n)


def logged(root: Path) -> pl.DataFrame:
    return CompletionsLog(root).scan().collect()


def failed(root: Path) -> pl.DataFrame:
    return CompletionsLog(root).failures.scan().collect().sort("prompt_key", "index")


def test_every_answer_is_logged_once(tmp_path: Path) -> None:
    receipt = run(ScriptedEngine(), tmp_path, 100, n=3)
    assert logged(tmp_path)["key"].n_unique() == logged(tmp_path).height == 300
    assert (receipt.samples, receipt.completion_tokens, receipt.prompt_tokens) == (300, 600, 300)


def test_what_the_engine_s_caches_held_is_counted_run_by_run(tmp_path: Path) -> None:
    class Caching(ScriptedEngine):
        def cache_use(self) -> CacheUse:
            asked = sum(self.attempts.values())
            return CacheUse(3 * asked, asked)

    with Session(Caching()) as session, CompletionsLog(tmp_path).writer(IDENTITY) as log:
        first, second = (session.drive(calls(n), log, QUICK, total=n) for n in (3, 5))
    assert (first.cache, second.cache) == (CacheUse(9, 3), CacheUse(15, 5))
    assert (first + second).cache == CacheUse(24, 8)
    assert line("ask", first).endswith("· 33% of prompts cached")


def test_an_engine_is_loaded_once_for_all_turns_and_never_where_nothing_is_asked(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    with Session(engine):
        pass
    assert (engine.starts, engine.closes) == (0, 0)
    with Session(engine) as session, CompletionsLog(tmp_path).writer(IDENTITY) as log:
        for n in (1, 2):
            session.drive(calls(3, n), log, QUICK, total=3 * n)
    assert (engine.starts, engine.closes) == (1, 1)


def test_the_window_is_full_and_never_overfull(tmp_path: Path) -> None:
    engine = ScriptedEngine(concurrency=16)
    run(engine, tmp_path, 100, n=4)
    assert engine.most_in_flight == 16


def test_a_request_wider_than_the_window_still_goes(tmp_path: Path) -> None:
    assert run(ScriptedEngine(concurrency=2), tmp_path, 3, n=8).samples == 24


def test_the_stream_of_requests_is_read_as_the_window_moves(tmp_path: Path) -> None:
    engine = ScriptedEngine(concurrency=4)
    ahead = 0

    def counted() -> Iterator[Call]:
        nonlocal ahead
        for taken, call in enumerate(calls(200)):
            ahead = max(ahead, taken - sum(engine.attempts.values()))
            yield call

    with Session(engine) as session, CompletionsLog(tmp_path).writer(IDENTITY) as log:
        session.drive(counted(), log, QUICK, total=200)
    assert ahead <= 5


def test_a_transient_error_is_asked_again(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if attempt < 2:
            raise TransientEngineError("429")

    receipt = run(ScriptedEngine(script), tmp_path, 10)
    assert receipt.retries == 20
    assert receipt.samples == 10


def test_what_stays_unreachable_is_not_logged(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if id_ == "0003":
            raise TransientEngineError("503")

    receipt = run(ScriptedEngine(script), tmp_path, 10)
    assert (receipt.samples, receipt.unanswered) == (9, 1)
    assert logged(tmp_path).height == 9
    assert failed(tmp_path).select("kind", "error").rows() == [("unanswered", "503")]


def test_a_permanent_error_becomes_a_row_and_is_not_asked_again(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if id_ == "0003":
            raise PermanentEngineError("too long")

    engine = ScriptedEngine(script)
    receipt = run(engine, tmp_path, 10, n=2)
    assert engine.attempts["0003"] == 2, "once for both samples, once for one alone"
    assert receipt.errors == 2
    assert failed(tmp_path).select("index", "kind", "error").rows() == [(i, "refused", "too long") for i in range(2)]
    assert logged(tmp_path).height == 18, "a failure is no answer"


def test_a_fatal_error_stops_at_once_and_keeps_what_was_answered(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if id_ == "0050":
            raise FatalEngineError("the key in OPENAI_API_KEY was refused")

    with pytest.raises(FatalEngineError, match="OPENAI_API_KEY"):
        run(ScriptedEngine(script), tmp_path, 10_000)
    assert 40 <= logged(tmp_path).height < 100


def test_too_many_failures_stop_the_step(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        raise PermanentEngineError("no such template")

    with pytest.raises(StepError, match=r"max_error_rate=0\.2.*no such template") as stopped:
        run(ScriptedEngine(script), tmp_path, 1000)
    assert not stopped.value.transient, "a refusal is a refusal in five seconds too"


def test_a_few_requests_that_all_fail_stop_the_step(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        raise TransientEngineError("connection refused")

    with pytest.raises(StepError, match=r"All 3 requests failed.*connection refused") as stopped:
        run(ScriptedEngine(script), tmp_path, 3)
    assert stopped.value.transient


def test_a_dead_engine_is_restarted_once_for_all_who_saw_it_die(tmp_path: Path) -> None:
    engine = ScriptedEngine()

    def script(id_: str, attempt: int) -> None:
        if engine.starts == 1 and sum(engine.attempts.values()) > 20:
            raise EngineDiedError("out of memory")

    engine.script = script
    assert run(engine, tmp_path, 100).samples == 100
    assert engine.starts == 2


def test_an_engine_that_keeps_dying_is_given_up(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        raise EngineDiedError("out of memory")

    with pytest.raises(StepError, match=r"died 3 times.*out of memory"):
        run(ScriptedEngine(script), tmp_path, 10)


def test_ctrl_c_keeps_what_was_answered(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if id_ == "0050":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(ScriptedEngine(script), tmp_path, 10_000)
    assert logged(tmp_path).height >= 40
    assert not list(tmp_path.glob("journal-*"))


class OneEach(ScriptedEngine):
    """Gives one choice a call, as many servers do, or refuses to be asked for more; some single calls fail."""

    def __init__(self, *, refuses: bool = False, fault: float = 0.0, concurrency: int = 64) -> None:
        super().__init__(concurrency=concurrency)
        self.refuses, self.fault, self.chance = refuses, fault, Random(1)
        self.asked: list[tuple[str, tuple[int, ...]]] = []
        self.given = 0

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        await asyncio.sleep(0)
        self.asked.append((request.id, tuple(indexes)))
        if self.refuses and len(indexes) > 1:
            raise PermanentEngineError("body.n: extra inputs are not permitted")
        if self.chance.random() < self.fault:
            raise TransientEngineError("500")
        self.given += 1
        return [Completion(indexes[0], f"{request.id}-{indexes[0]}", "stop", 3, 2)]


@pytest.mark.parametrize("refuses", [False, True])
def test_an_engine_of_one_sample_a_call_is_asked_so(tmp_path: Path, refuses: bool) -> None:
    engine = OneEach(refuses=refuses, concurrency=8)
    receipt = run(engine, tmp_path, 10, n=8)
    assert logged(tmp_path)["key"].n_unique() == receipt.samples == engine.given == 80
    assert receipt.errors == 0
    assert sum(len(indexes) > 1 for _, indexes in engine.asked) == 1, "one try tells"


@pytest.mark.parametrize("n", [8, 64])
def test_a_fault_costs_the_sample_that_it_hit(tmp_path: Path, n: int) -> None:
    """One in twenty calls fails; asked all n again at each fault, 64 samples would need 1 / 0.95^64 = 27 tries."""
    engine = OneEach(fault=0.05)
    receipt = run(engine, tmp_path, 20, n=n, config=DriverConfig(backoff_s=0.0, max_retries=6))
    assert logged(tmp_path)["key"].n_unique() == receipt.samples == 20 * n
    assert engine.given == 20 * n, "nothing was answered twice"
    assert receipt.unanswered == 0


def test_an_answer_waits_for_no_sibling(tmp_path: Path) -> None:
    """One of the samples never ends: what the others said is in the log when the build is stopped."""

    class Stuck(OneEach):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            if indexes[0] != 3:
                return await super().complete(request, indexes)
            for _ in range(1000):
                await asyncio.sleep(0)
            lines = sum(p.read_bytes().count(b"\n") for p in journals())
            raise FatalEngineError(f"{lines} answers in the journal")

    def journals() -> list[Path]:
        return list(tmp_path.glob("journal-*"))

    with pytest.raises(FatalEngineError, match="7 answers in the journal"):
        run(Stuck(), tmp_path, 1, n=8)
    assert logged(tmp_path).height == 7


def test_what_stays_unanswered_is_a_sample_and_not_its_siblings(tmp_path: Path) -> None:
    class Half(OneEach):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            if indexes[0] in (2, 5):
                raise TransientEngineError("503")
            return await super().complete(request, indexes)

    config = DriverConfig(backoff_s=0.0, max_retries=2, max_error_rate=1.0)
    receipt = run(Half(), tmp_path, 4, n=8, config=config)
    assert (receipt.samples, receipt.unanswered, receipt.retries) == (24, 8, 16)
    assert logged(tmp_path).height == 24


def test_an_engine_that_comes_back_with_nothing_is_not_asked_for_ever(tmp_path: Path) -> None:
    class Mute(OneEach):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            return []

    with pytest.raises(StepError, match="without an answer"):
        run(Mute(), tmp_path, 2, n=4)


def test_answers_that_nobody_asked_for_are_left_out(tmp_path: Path) -> None:
    class Generous(ScriptedEngine):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            return [Completion(i, "x", "stop") for i in (*indexes, *indexes, 99)]

    assert run(Generous(), tmp_path, 3, n=2).samples == logged(tmp_path).height == 6


def test_an_odd_answer_costs_itself_only(tmp_path: Path) -> None:
    class Odd(ScriptedEngine):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            done = await super().complete(request, indexes)
            return [Completion(0, ["parts"], "stop"), *done[1:]]  # type: ignore[arg-type]

    receipt = run(Odd(), tmp_path, 3, n=4)
    assert (receipt.samples - receipt.errors, receipt.errors) == (9, 3)


def test_a_server_that_asks_for_a_day_is_out(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if id_ == "0003":
            raise TransientEngineError("429: daily quota", retry_after=86400)

    engine = ScriptedEngine(script)
    receipt = run(engine, tmp_path, 10, config=DriverConfig(backoff_s=0.0, backoff_max_s=2.0))
    assert (receipt.samples, receipt.unanswered, engine.attempts["0003"]) == (9, 1, 1)
    assert receipt.last_error.startswith(
        "429: daily quota (It asks to come back in 24 h, and driver.backoff_max_s is 2:"
    )


@pytest.mark.parametrize("retries", [0, 3])
def test_an_outage_is_not_tried_again_in_five_seconds(tmp_path: Path, retries: int) -> None:
    def script(id_: str, attempt: int) -> None:
        raise TransientEngineError("429", retry_after=3600)

    with pytest.raises(StepError, match=r"All 5 requests failed.*come back in 60 min") as stopped:
        run(ScriptedEngine(script), tmp_path, 5, config=DriverConfig(backoff_s=0.0, max_retries=retries))
    assert not stopped.value.transient


def test_a_short_wait_is_waited(tmp_path: Path) -> None:
    def script(id_: str, attempt: int) -> None:
        if attempt == 0:
            raise TransientEngineError("429", retry_after=0.001)

    assert run(ScriptedEngine(script), tmp_path, 5, config=DriverConfig(backoff_s=0, backoff_max_s=1)).samples == 5


def test_unknown_usage_makes_the_sum_unknown(tmp_path: Path) -> None:
    class Silent(ScriptedEngine):
        async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
            known = request.id != "0002"
            return [Completion(i, "x", "stop", 3 if known else None, 2 if known else None) for i in indexes]

    receipt = run(Silent(), tmp_path, 4)
    assert (receipt.prompt_tokens, receipt.completion_tokens, receipt.tokens_per_second) == (None, None, None)
    assert logged(tmp_path)["completion_tokens"].to_list().count(None) == 1
    assert "? tok/s" in line("rollouts", receipt)
