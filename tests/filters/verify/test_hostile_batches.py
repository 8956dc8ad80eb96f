"""Batches with answers that are meant to stop a trainer, as each trainer calls the reward: they end, at no row's cost."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from filters.verify import reward as module
from filters.verify.allowance import Allowance
from filters.verify.gold import parse_gold
from filters.verify.reward import compute_score, easyr1_batch, graded, ground_truth, openrlhf, reward
from filters.verify.task import Clock, Task
from schemas.answer import dump_answer
from tests.support.hostile import TRAPS, traps

Scores = Sequence[float | None]
SOLVED = [
    ("number", "7", "7", "8"),
    ("expression", "\\frac{x}{2}", "x/2", "x/3"),
    ("choice", "B", "the answer is B", "C"),
    ("expression", "\\int x dx", "\\int x dx", "\\int 2x dx"),
]
"""Kind, gold, a right answer and a wrong one; the last pair is for the symbolic engine."""


@pytest.fixture(autouse=True)
def close_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_ALLOWANCE", Allowance(module.ALONE_S))
    yield
    for pool in module._POOLS.values():
        pool.close()
    module._POOLS.clear()


def _trl(answers: list[str], golds: list[str]) -> Scores:
    return reward([[{"role": "assistant", "content": answer}] for answer in answers], golds)


def _easyr1(answers: list[str], golds: list[str]) -> Scores:
    rows = [{"response": a, "ground_truth": ground_truth(g)} for a, g in zip(answers, golds, strict=True)]
    return [row["overall"] for row in easyr1_batch(rows)]


def _graded(answers: list[str], golds: list[str]) -> Scores:
    return [grade["score"] for grade in graded(answers, [ground_truth(gold) for gold in golds])]


def _openrlhf(answers: list[str], golds: list[str]) -> Scores:
    queries = [f"<|im_start|>user\n?<|im_end|>\n<|im_start|>assistant\n{answer}<|im_end|>" for answer in answers]
    scores: Scores = openrlhf(queries, [ground_truth(gold) for gold in golds])["rewards"]
    return scores


def _verl(answers: list[str], golds: list[str]) -> Scores:
    """verl calls for one sample at a time, from the threads of an executor."""
    with ThreadPoolExecutor(4) as threads:
        found = threads.map(lambda a, g: compute_score("d", a, ground_truth(g)), answers, golds)
        return [row["score"] for row in found]


CALLS: dict[str, Callable[[list[str], list[str]], Scores]] = {
    "trl": _trl, "easyr1": _easyr1, "graded": _graded, "openrlhf": _openrlhf, "verl": _verl,
}  # fmt: skip


def _pair(number: int) -> int:
    """Every sixteenth is for the engine."""
    return len(SOLVED) - 1 if number % 16 == 3 else number % (len(SOLVED) - 1)


def _batch(size: int, hostile: int) -> tuple[list[str], list[str], list[float]]:
    """Answers, golds and the scores that are due; the hostile ones come first."""
    rows = [(kind, gold, answer, 0.0) for kind, gold, answer in traps(hostile)]
    for number in range(size - hostile):
        kind, gold, right, wrong = SOLVED[_pair(number)]
        rows.append((kind, gold, wrong, 0.0) if number % 3 == 1 else (kind, gold, right, 1.0))
    answers = [f"<think>t</think><answer>{answer}</answer>" for _, _, answer, _ in rows]
    return answers, [dump_answer(parse_gold(kind, gold)) for kind, gold, _, _ in rows], [due for *_, due in rows]


def _ends(call: str, size: int, hostile: int, within_s: float | None, monkeypatch: pytest.MonkeyPatch) -> float:
    turns: list[float] = []
    real = Clock.begin

    def begin(clock: Clock, task: Task, waiting: int) -> None:
        real(clock, task, waiting)
        turns.append(task.turn_s)

    monkeypatch.setattr(Clock, "begin", begin)
    if within_s is not None:
        monkeypatch.setattr(module, "BATCH_S", within_s)
    answers, golds, due = _batch(size, hostile)
    module._pool().parse_gold("expression", "\\int y dy")  # the libraries are loaded, as after a trainer's first batch
    turns.clear()
    start = time.monotonic()
    scores = CALLS[call](answers, golds)
    spent = time.monotonic() - start
    for number in range(hostile, size):
        # Only what needs the engine can find that a batch of a few seconds has no time left, on a machine under load.
        unscored = within_s is not None and _pair(number - hostile) == len(SOLVED) - 1
        assert scores[number] == due[number] or (unscored and not scores[number]), (number, answers[number])
    assert all(score is None or 0.0 <= score < 0.5 for score in scores[:hostile])
    if call == "verl":
        assert max(turns) <= module.BUDGET_S
    else:
        # An item that waits behind one whose process is ended is handed out again, and its turn counted twice.
        assert sum(turns) <= 2.5 * module.BATCH_S * module._pool().workers
    return spent


@pytest.mark.parametrize("call", CALLS)
def test_a_hostile_batch_ends_and_neighbours_keep_their_verdicts(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns that are handed out together fit into the cap, on any machine; one call has its own budget in verl."""
    monkeypatch.setattr(module._pool(), "budget_s", 0.25)
    _ends(call, 96, len(TRAPS), 4.0, monkeypatch)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", CALLS)
def test_512_rows_with_64_traps_end_within_the_cap(
    call: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spent = _ends(call, 512, 64, None, monkeypatch)
    with capsys.disabled():
        sys.stdout.write(f"\n{call}: 512 rows, 64 of them hostile: {spent:.1f} s (cap {module.BATCH_S:g} s)\n")
