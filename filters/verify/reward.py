"""The verifier as a reward function: the same code that curated the data, in the shapes that trainers call.

Every function reads what a release stores. A row carries `answer` (the gold as JSON, see `schemas.answer`), `verifier`,
`verifier_params` (JSON), `options`, `tags`. Where a trainer passes a single string, that string is `ground_truth(...)`
of the same things; a string that is no such JSON is read as a formula, so `$\\frac{1}{2}$` works too.

TRL::

    from filters.verify.reward import reward
    GRPOTrainer(model=..., reward_funcs=reward, train_dataset=...)

verl (`custom_reward_function.path=reward_file.py`), where the file holds::

    from filters.verify.reward import compute_score

EasyR1 (`worker.reward.reward_function=reward_file.py:compute_score`)::

    from filters.verify.reward import easyr1_batch as compute_score
    REWARD_NAME, REWARD_TYPE = "curate", "batch"

OpenRLHF (`--reward.remote_url reward_func.py`): `openrlhf(queries, labels, 0.0, prompts)`, whose lists become tensors.

Any other trainer, as in the plug-in for ms-swift: `graded(responses, truths)` has `score`, `accuracy` and `format` of each.
`score` is `accuracy` alone, as in curation, unless a `format_weight` gives the layout a share of it.

`curate export` writes these files for a release, with a copy of this code beside them.
"""

import atexit
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from filters.verify.allowance import Allowance
from filters.verify.decoded import reply_after, without_ends
from filters.verify.pool import VerifierPool
from filters.verify.reward_row import at, item_of_row, layout_of, row_at
from filters.verify.verifier import VerifyItem
from schemas.answer import Answer, load_answer
from schemas.ids import canonical_json
from schemas.remembered import remembered
from schemas.verdict import Verdict, unscored

DEFAULT_TAGS = "think_answer"
BUDGET_S = 2.0
"""Seconds of CPU time for one answer; then it is wrong."""
BATCH_S = 30.0
"""Seconds of wall clock for all answers of a call together, which share them evenly."""
ALONE_S = 20.0
"""Seconds that calls for one answer each may waste together, before each gets a share of what is left."""
_LOCK = threading.Lock()
_POOLS: dict[int, VerifierPool] = {}
_ALLOWANCE = Allowance(ALONE_S)


def ground_truth(
    answer: str,
    verifier: str | None = None,
    verifier_params: str | None = None,
    options: Sequence[str] | None = None,
    tags: str | None = None,
) -> str:
    """One string with all that is needed to judge a response: canonical JSON, for verl and EasyR1."""
    row = {
        "answer": json.loads(answer),
        "verifier": verifier,
        "params": json.loads(verifier_params or "{}"),
        "options": list(options or ()),
        "tags": tags,
    }
    return canonical_json({key: value for key, value in row.items() if value})


def reward(
    completions: Sequence[Any],
    answer: Sequence[Any] | None = None,
    verifier: Sequence[str | None] | None = None,
    verifier_params: Sequence[str | Mapping[str, Any] | None] | None = None,
    options: Sequence[Sequence[str] | None] | None = None,
    tags: Sequence[str | None] | None = None,
    format_weight: float = 0.0,
    log_metric: Callable[[str, float], object] | None = None,
    **kwargs: Any,
) -> list[float | None]:
    """TRL: one score in [0, 1] a completion, None (the trainer skips it) where nobody can tell.

    `completions` are strings or conversations; every other argument is the release's column of that name. A row without
    a readable answer, with parameters that do not fit, or with a completion that is neither is None, and costs no other its
    verdict; a completion that says nothing (`None`, a turn that only calls a tool) is 0. With `log_metric`, TRL's own, the
    parts are logged as `curate/accuracy` and `curate/format`, means of the batch.
    """
    columns = {"answer": answer, "verifier": verifier, "params": verifier_params, "options": options, "tags": tags}
    grades = _grades([_item(completion, row_at(columns, i)) for i, completion in enumerate(completions)])
    scored = [grade for grade in grades if grade.accuracy is not None]
    if log_metric is not None and scored:
        log_metric("curate/accuracy", sum(grade.accuracy or 0.0 for grade in scored) / len(scored))
        log_metric("curate/format", sum(grade.format for grade in scored) / len(scored))
    return [None if grade.accuracy is None else grade.score(format_weight) for grade in grades]


def accuracy_part(
    completions: Sequence[Any], answer: Sequence[Any] | None = None, **columns: Any
) -> list[float | None]:
    """TRL: whether the answers are right, whatever their layout: `reward` without a weight of the format, and no logs."""
    return reward(completions, answer, **{**columns, "format_weight": 0.0, "log_metric": None})


def format_part(
    completions: Sequence[Any], answer: Sequence[Any] | None = None, tags: Sequence[str | None] | None = None, **_: Any
) -> list[float]:
    """TRL: 1 for a completion that is laid out as its row's tag schema says, to the letter, else 0, right or wrong."""
    rows = (row_at({"tags": tags}, i) for i in range(len(completions)))
    return [layout_of(text, row.get("tags") or DEFAULT_TAGS) for text, row in zip(completions, rows, strict=True)]


def compute_score(
    data_source: Any = None,
    solution_str: Any = None,
    ground_truth: Any = None,
    extra_info: Any = None,
    format_weight: float = 0.0,
    **kwargs: Any,
) -> dict[str, float]:
    """verl: `score`, `acc` (right or not), and the parts `accuracy` and `format`; a response nobody can score gets 0 and
    `unscored` 1, because verl cannot skip it. Its reward loop calls this from threads, one response a call."""
    return graded([solution_str], [ground_truth], format_weight)[0]


def easyr1_batch(reward_inputs: Sequence[Any], format_weight: float = 0.0) -> list[dict[str, float]]:
    """EasyR1, `REWARD_TYPE = "batch"`: `overall`, `accuracy` and `format` for each `{response, ground_truth, …}`."""
    rows = [row if isinstance(row, Mapping) else {} for row in reward_inputs]
    grades = graded([row.get("response") for row in rows], [row.get("ground_truth") for row in rows], format_weight)
    return [{"overall": grade["score"], **{k: grade[k] for k in ("accuracy", "format")}} for grade in grades]


def openrlhf(
    queries: Sequence[Any], labels: Sequence[Any], format_weight: float = 0.0, prompts: Sequence[Any] | None = None
) -> dict[str, Any]:
    """OpenRLHF: `rewards`, `scores` and `extra_logs` (`accuracy`, `format`, `unscored`), a value for each query.

    A `query` is the decoded prompt with its reply, its `label` a `ground_truth`. `scores`, by which it filters prompts, are
    the accuracy alone.
    """
    replies = [reply_after(query, at(prompts, i)) for i, query in enumerate(queries)]
    grades = graded(replies, labels, format_weight)
    logs = {part: [grade[part] for grade in grades] for part in ("accuracy", "format", "unscored")}
    return {"rewards": [grade["score"] for grade in grades], "scores": logs["accuracy"], "extra_logs": logs}


def graded(responses: Sequence[Any], truths: Sequence[Any], format_weight: float = 0.0) -> list[dict[str, float]]:
    """`score`, `accuracy`, `format`, `acc` (right or not) and `unscored` of each response, judged by its `ground_truth`.

    Where nobody can tell, `unscored` is 1 and `accuracy` 0. Never raises, and never takes longer than `BATCH_S` for all. The
    marks with which templates end a turn, which some trainers leave at the end of a reply, are no part of it.
    """
    items = [item_of(without_ends(response), at(truths, i)) for i, response in enumerate(responses)]
    return [grade.parts(format_weight) for grade in _grades(items)]


def format_of(response: Any, truth: Any) -> float:
    """`format` alone: 1 where a response is laid out as the tag schema of its `ground_truth` says, else 0."""
    row = _truth(truth) if isinstance(truth, str) else truth if isinstance(truth, Mapping) else {}
    return layout_of(response, row.get("tags") or DEFAULT_TAGS)


def item_of(response: Any, truth: Any) -> VerifyItem:
    """What `ground_truth` packed, beside a response: a text, or turns as for `reward`."""
    if isinstance(truth, str):
        return _item(response, _truth(truth))
    return _item(response, truth if isinstance(truth, Mapping) and "answer" in truth else {"answer": truth})


@remembered()
def _truth(truth: str) -> dict[str, Any]:
    try:
        packed = json.loads(truth)
    except (ValueError, RecursionError):
        packed = None
    return packed if isinstance(packed, dict) and "answer" in packed else {"answer": truth}


@remembered()
def _gold(answer: str) -> Answer:
    """The gold that a release stored, or that a formula states. Raises ValueError where nobody can read it."""
    if answer.lstrip().startswith("{"):
        return load_answer(answer)
    return _pool().parse_gold("expression", answer)


def _item(completion: Any, row: Mapping[str, Any]) -> VerifyItem:
    return item_of_row(completion, row, _gold, DEFAULT_TAGS)


def _judge(items: list[VerifyItem]) -> Iterator[Verdict]:
    return iter([_judge_one(items[0])]) if len(items) == 1 else _pool().verify_many(items, within_s=BATCH_S)


def _judge_one(item: VerifyItem) -> Verdict:
    """A batch of one, as verl asks: it has its whole budget, unless calls before it have wasted theirs."""
    turn_s, start = _ALLOWANCE.turn_s(BUDGET_S), time.monotonic()
    verdict = _pool().verify(item, turn_s)
    if verdict.tier not in ("timeout", "crash"):
        return verdict
    _ALLOWANCE.waste(time.monotonic() - start)
    return verdict if turn_s >= BUDGET_S else unscored("the answers before it have used up its time", verdict.tier)


class _Grade(NamedTuple):
    accuracy: float | None
    format: float
    correct: bool

    def score(self, format_weight: float) -> float:
        return (1 - format_weight) * (self.accuracy or 0.0) + format_weight * self.format

    def parts(self, format_weight: float) -> dict[str, float]:
        return {
            "score": self.score(format_weight),
            "acc": float(self.correct),
            "accuracy": self.accuracy or 0.0,
            "format": self.format,
            "unscored": float(self.accuracy is None),
        }


def _grades(items: list[VerifyItem]) -> list[_Grade]:
    verdicts = zip(items, _judge(items), strict=True)
    return [_Grade(v.score, layout_of(item.response, item.tags), bool(v.correct)) for item, v in verdicts]


def _pool() -> VerifierPool:
    """One pool a process: a forked child must not talk through its parent's pipes."""
    with _LOCK:
        if os.getpid() not in _POOLS:
            _POOLS.clear()
            _POOLS[os.getpid()] = VerifierPool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)), budget_s=BUDGET_S)
            atexit.register(_POOLS[os.getpid()].close)
        return _POOLS[os.getpid()]
