import asyncio
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from filters.verify import pool as pool_module
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.process import WorkerProcess, cpu_seconds
from filters.verify.verifier import VerifyItem, verify_item
from filters.verify.worker import decode, encode
from schemas.errors import StepError

HARD = "\\gcd(7,14)"
"""Seven, which the symbolic engine is asked about."""
SEVEN = parse_gold("expression", "7")
TOWER = "5^(5^(5^(5^5)))"
BOMBS = [
    TOWER,
    "9^{9^{9^{9}}}",
    "100000000!",
]
CHEAP_TRAPS = [
    "(" * 3000 + "7" + ")" * 3000,
    "7" * 1_000_000,
    "{" * 100_000,
    "[" * 1_000_000,
    "a" * 500_000 + "!",
    " " * 900_000 + "8",
    "1," * 400_000,
]


def ask(text: str) -> VerifyItem:
    return VerifyItem(f"<answer>{text}</answer>", SEVEN)


def started(pool: VerifierPool) -> WorkerProcess:
    process = pool.borrow()
    while not process.ready:
        select.select([process.socket], [], [], 60)
        process.receive()
    return process


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(workers=2, budget_s=1.0) as running:
        yield running


def test_hanging_items_time_out_and_their_neighbours_do_not(pool: VerifierPool) -> None:
    items = []
    for bomb in BOMBS:
        items += [ask("7"), ask("\\{7\\}"), ask(bomb), ask("8"), ask("\\int_0^7 1 dx")]
    verdicts = list(pool.verify_many(items))
    assert len(verdicts) == len(items)
    for at, verdict in enumerate(verdicts):
        if at % 5 == 2:
            assert verdict.score is None, items[at]
            assert verdict.tier in ("timeout", "crash")
            assert verdict.correct is None
        elif at % 5 == 0:
            assert verdict.score == 1.0
        elif at % 5 == 3:
            assert verdict.score == 0.0
        else:
            assert verdict.tier == "math", verdict
    assert verdicts[2].tier == "timeout"
    assert "1 s" in verdicts[2].explanation


GOLD = {
    "boxes": "[0,0,1,1]",
    "json": "[1]",
    "functions": "f(1)",
    "choice": "B",
    "boolean": "yes",
    "text": "cat",
    "set": "cat",
}


@pytest.mark.parametrize("trap", CHEAP_TRAPS, ids=lambda t: t[:12].strip() or "blanks")
@pytest.mark.parametrize("kind", ["expression", "number", *GOLD])
def test_huge_and_deep_answers_are_wrong_at_once(pool: VerifierPool, kind: str, trap: str) -> None:
    gold = parse_gold(kind, GOLD.get(kind, "6"))
    verdict = pool.verify(VerifyItem(f"<answer>{trap}</answer>", gold))
    assert verdict.score == 0.0, verdict


def test_a_megabyte_of_thought_before_a_short_answer_is_no_trouble(pool: VerifierPool) -> None:
    verdict = pool.verify(VerifyItem("<think>" + "so \\boxed{8} " * 80_000 + "</think><answer>7</answer>", SEVEN))
    assert verdict.score == 1.0


def test_order_is_kept_and_the_window_is_bounded(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "WINDOW", 50)
    taken = 0

    def items() -> Iterator[VerifyItem]:
        nonlocal taken
        for n in range(2000):
            taken += 1
            yield VerifyItem(f"<answer>{n}</answer>", SEVEN) if n % 100 else ask("\\{7\\}")

    ahead = []
    for n, verdict in enumerate(pool.verify_many(items())):
        ahead.append(taken - n)
        assert verdict.score == (1.0 if n == 7 or n % 100 == 0 else 0.0)
    assert taken == 2000
    assert max(ahead) <= 52


def test_long_responses_count_against_the_window(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "WINDOW_CHARS", 10_000)
    taken = 0

    def items() -> Iterator[VerifyItem]:
        nonlocal taken
        for n in range(60):
            taken += 1
            yield VerifyItem("x" * 2000 + f"<answer>{HARD if n % 20 == 0 else '7'}</answer>", SEVEN)

    ahead = [taken - n for n, _ in enumerate(pool.verify_many(items()))]
    assert taken == len(ahead) == 60
    assert max(ahead) <= 6


def test_the_same_verdicts_from_main_thread_threads_and_asyncio(pool: VerifierPool) -> None:
    items = [ask(t) for t in ("7", "8", "\\{7\\}", "2,1", "\\int_0^7 1 dx", "14/2", "nonsense words here")]
    here = [verify_item(item) for item in items]
    assert list(pool.verify_many(items)) == here
    with ThreadPoolExecutor(2) as threads:
        assert all(result == here for result in threads.map(lambda _: list(pool.verify_many(items)), range(3)))

    async def gather() -> list[object]:
        return list(await asyncio.gather(*(asyncio.to_thread(pool.verify, item) for item in items)))

    assert asyncio.run(gather()) == here
    inside: list[object] = []
    thread = threading.Thread(target=lambda: inside.extend(verify_item(item) for item in items))
    thread.start()
    thread.join()
    assert inside == here


def test_a_killed_worker_costs_one_item(pool: VerifierPool) -> None:
    process = started(pool)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    pool._idle.append(process)
    verdicts = list(pool.verify_many([ask("\\{7\\}"), ask("\\{7\\}")]))
    assert [v.score for v in verdicts] == [1.0, 1.0]


def test_a_call_that_is_given_up_leaves_no_process_at_work() -> None:
    with VerifierPool(workers=1, budget_s=60) as own:
        verdicts = own.verify_many([ask("7"), ask(TOWER)])
        assert next(verdicts).score == 1.0
        verdicts.close()
        assert own._idle == []


def test_nothing_outlives_the_pool() -> None:
    own = VerifierPool(workers=1, budget_s=60)
    verdicts = own.verify_many([ask("\\{7\\}"), ask(TOWER)])
    assert next(verdicts).score == 1.0
    other = started(own)
    assert other.pid is not None
    own.close()
    deadline = time.monotonic() + 30
    while cpu_seconds(other.pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    assert cpu_seconds(other.pid) is None
    other.kill()
    verdicts.close()


def test_workers_that_cannot_start_stop_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filters.verify.process._PROGRAM", "raise SystemExit(3)")
    with VerifierPool(workers=1) as own, pytest.raises(StepError, match="verify"):
        own.verify(ask("\\{7\\}"))


def test_a_closed_pool_starts_nothing() -> None:
    own = VerifierPool(workers=1)
    own.close()
    assert own.verify(ask("7")).score == 1.0
    with pytest.raises(StepError, match="closed"):
        own.verify(ask(HARD))


def test_a_formula_inside_a_composite_or_behind_another_kind_can_be_stopped_too(pool: VerifierPool) -> None:
    raw = '{"answer": {"kind": "expression", "raw": "7"}, "glue": {"kind": "spans", "raw": "[3, 9]"}}'
    composite = parse_gold("composite", raw)
    good = VerifyItem("<glue>[3,9]</glue><answer>7</answer>", composite)
    bomb = VerifyItem(f"<glue>[3,9]</glue><answer>{TOWER}</answer>", composite)
    number = VerifyItem(f"<answer>{TOWER}</answer>", parse_gold("text", "7"), "expression")
    verdicts = list(pool.verify_many([good, bomb, number, good]))
    assert [v.tier for v in verdicts] == ["rule", "timeout", "timeout", "rule"]
    assert [v.score for v in verdicts] == [1.0, None, None, 1.0]


def test_items_survive_the_pipe() -> None:
    item = VerifyItem("<answer>\ud800 ü\n</answer>", SEVEN, "expression", {"max_chars": 10}, ("a", "b"), "plain")
    number, _, line = encode(3, item).partition(b"\t")
    assert (int(number), decode(line)) == (3, item)


def test_the_pool_loads_no_heavy_library_in_the_process_that_uses_it() -> None:
    program = (
        "import sys\n"
        "from filters.verify.pool import VerifierPool\n"
        "from filters.verify.verifier import VerifyItem\n"
        "from schemas.answer import load_answer\n"
        'gold = load_answer(\'{"kind":"expression","raw":"7","latex":"7"}\')\n'
        "with VerifierPool(1) as pool:\n"
        "    assert pool.verify(VerifyItem('<answer>\\\\gcd(7,14)</answer>', gold)).tier == 'math'\n"
        "print([m for m in ('torch', 'sympy', 'math_verify', 'polars', 'numpy') if m in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.stdout.strip() == "[]"


def test_cpu_time_of_a_process_is_known_here_and_none_elsewhere() -> None:
    assert cpu_seconds(os.getpid()) is not None or sys.platform != "linux"
    assert cpu_seconds(2**22 + 1) is None


def test_a_starved_item_is_given_more_wall_clock(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(pool)
    try:
        process.give(0, ask("\\{7\\}"))
        process._started = True
        process._cpu = 0.0
        process._since = time.monotonic() - 2.0
        monkeypatch.setattr("filters.verify.process.cpu_seconds", lambda pid: 0.1)
        assert not process.overdue(1.0)
        monkeypatch.setattr("filters.verify.process.cpu_seconds", lambda pid: 0.3)
        assert process.overdue(1.0)
        process._since = time.monotonic() - 6.0
        monkeypatch.setattr("filters.verify.process.cpu_seconds", lambda pid: 0.1)
        assert process.overdue(1.0)
    finally:
        process.kill()
