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
from typing import Any

import pytest

from filters.verify import run as run_module
from filters.verify import symbolic
from filters.verify.gold import GoldUnparseableError, parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.process import WorkerProcess, cpu_seconds
from filters.verify.task import Clock, Task
from filters.verify.verifier import VerifyItem, verify_item
from filters.verify.worker import decode, encode
from schemas.errors import StepError
from schemas.verdict import Verdict

SEVEN = parse_gold("expression", "7")
TOWER = "5^(5^(5^(5^5)))"
HARD = "\\gcd(7,14)"
"""Seven, which the symbolic engine is asked about."""
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
            assert verdict.tier in ("timeout", "crash"), items[at]
            assert not verdict.score
            assert not verdict.correct
        elif at % 5 == 0:
            assert verdict.score == 1.0
        elif at % 5 == 3:
            assert verdict.score == 0.0
        else:
            assert verdict.tier == "math", verdict
    assert verdicts[2].tier == "timeout"
    assert (verdicts[2].score, verdicts[2].explanation) in SPENT
    assert verdicts[2].score is None or not_unread(verdicts[2])


def not_unread(verdict: Verdict) -> bool:
    """Whether the answer counts as one: a reply that takes long must not count as one that gives none."""
    return verdict.parsed_response == verdict.extracted == TOWER


SPENT = ((0.0, "no verdict within 1 s"), (None, "the machine gave it no time"))
"""A machine that has no time for an item cannot say that it is wrong."""
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
    monkeypatch.setattr(run_module, "WINDOW", 50)
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
    monkeypatch.setattr(run_module, "WINDOW_CHARS", 10_000)
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
    assert [v.score for v in verdicts if v.tier == "rule"] == [1.0, 1.0]
    assert all((v.score, v.explanation) in SPENT for v in verdicts if v.tier == "timeout")


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


class _Clock(Clock):
    """A clock that a test sets."""

    now = 0.0

    @property
    def left_s(self) -> float:
        return max(0.0, 10.0 - self.now)


def test_a_batch_with_time_for_all_gives_each_its_whole_budget() -> None:
    for clock in (Clock(2.0, 1), _Clock(2.0, 1, 10.0)):
        task = Task(0, ask("7"))
        clock.begin(task, 5)
        assert (task.turn_s, task.whole) == (2.0, True)


def test_a_batch_without_gives_each_a_look_and_then_a_share_of_what_is_left() -> None:
    clock, tasks = _Clock(2.0, 1, 10.0), [Task(n, ask("7")) for n in range(20)]
    for task in tasks:
        clock.begin(task, 20)
        assert not task.whole
        assert task.turn_s == pytest.approx(0.1)
        task.looked = True
        if task.number % 2:
            continue  # told at the first look
    clock.now = 20 * 0.1
    late = tasks[:10]
    for done, task in enumerate(late):
        clock.begin(task, len(late) - done)
        assert task.whole
        assert task.turn_s == pytest.approx(0.8)
        clock.now += task.turn_s
    assert clock.left_s == pytest.approx(0.0)


def test_looks_fit_into_a_batch_that_has_hardly_any_time() -> None:
    clock, turns = _Clock(2.0, 1, 10.0), 0.0
    for left in range(512, 0, -1):
        task = Task(left, ask("7"))
        clock.begin(task, left)
        turns += task.turn_s
        clock.now += task.turn_s
    assert turns < 10.0 * 0.9


def test_an_item_that_ends_its_process_is_tried_again_and_then_its_gold_alone(
    pool: VerifierPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the process is ended as soon as it is given one of certain responses, and seems to have been at work on it."""
    killers: set[str] = set()
    real = WorkerProcess.receive

    def receive(process: WorkerProcess) -> Any:
        if process.ready and process.outstanding and process.outstanding[0].item.response in killers:
            process._started, process.at_gold = True, False
            return None
        return real(process)

    monkeypatch.setattr(WorkerProcess, "receive", receive)
    bad, good = ask("\\{7 + 0\\}"), ask("\\{7\\}")
    killers.add(bad.response)
    verdicts = list(pool.verify_many([bad, good]))
    assert [(v.score, v.tier) for v in verdicts] == [(0.0, "crash"), (1.0, "math")]
    killers.add("7")  # the gold's own statement ends it too
    verdicts = list(pool.verify_many([bad, good]))
    assert [(v.score, v.tier) for v in verdicts] == [(None, "crash"), (1.0, "math")]


def test_a_batch_that_has_no_time_ends_at_once(pool: VerifierPool) -> None:
    items = [ask("7"), ask(TOWER), ask("8"), ask("\\{7\\}")]
    verdicts = list(pool.verify_many(items, within_s=0.0))
    assert [v.score for v in verdicts] == [1.0, None, 0.0, None]
    assert verdicts[1].explanation == "the batch had no time for it"


def test_an_item_that_cannot_be_sent_is_unscored_alone(pool: VerifierPool) -> None:
    odd = VerifyItem("<answer>\\{7\\}</answer>", SEVEN, "expression", {"threshold": object()})
    late = VerifyItem("<answer>\\{7\\}</answer>", parse_gold("text", "7"), "expression", {"max_chars": {1}})
    assert [v.score for v in pool.verify_many([ask("7"), odd, late, ask("8")])] == [1.0, None, None, 0.0]


def test_golds_are_read_within_the_budget(pool: VerifierPool) -> None:
    for raw in ("\\{7\\}", "7", "x+1", "\\int_0^7 1 dx", "two words"):
        assert pool.parse_gold("expression", raw) == parse_gold("expression", raw)
    raw = '{"answer": {"kind": "expression", "raw": "\\\\{7\\\\}"}, "glue": {"kind": "spans", "raw": "[3, 9]"}}'
    assert pool.parse_gold("composite", raw) == parse_gold("composite", raw)
    assert pool.parse_gold("choice", "B", options=("cat", "dog")).raw == "B"
    for kind, bad in (("expression", "\\frac{"), ("number", "none"), ("nonsense", "7"), ("expression", " ")):
        with pytest.raises(GoldUnparseableError):
            pool.parse_gold(kind, bad)


def test_a_gold_that_hangs_is_refused(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "budget_s", 0.2)
    monkeypatch.setattr("filters.verify.pool._TRIES", 1)
    with pytest.raises(GoldUnparseableError, match=r"its gold is not read within 0\.2 s|no time"):
        pool.parse_gold("expression", "\\{" + TOWER + "\\}!" + "+\\sum_{k=1}^{9} \\{k\\}" * 150)


def test_nothing_is_loaded_to_read_a_gold_that_needs_the_engine() -> None:
    with symbolic.engine("elsewhere"), pytest.raises(symbolic.ElsewhereError):
        parse_gold("expression", "\\{7\\}")
    with symbolic.engine("readable"):
        assert parse_gold("expression", "\\nonsense{7}").raw


@pytest.mark.parametrize(
    ("waited", "used", "how"),
    [
        (0.5, 0.5, None),
        (2.0, 0.1, None),
        (2.0, 0.95, "spent"),
        (6.0, 0.95, "spent"),
        (6.0, 0.1, "starved"),
        (2.0, None, "spent"),
    ],
)
def test_a_budget_is_cpu_time_and_a_starved_item_is_given_more_wall_clock(
    pool: VerifierPool, monkeypatch: pytest.MonkeyPatch, waited: float, used: float | None, how: str | None
) -> None:
    process = started(pool)
    try:
        process.give(Task(0, ask("\\{7\\}"), turn_s=1.0))
        process._started = True
        process._cpu = 0.0
        process._since = time.monotonic() - waited
        monkeypatch.setattr("filters.verify.process.cpu_seconds", lambda pid: used)
        assert process.overdue() == how
    finally:
        process.kill()
