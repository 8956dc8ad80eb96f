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

ms-swift (`--external_plugins plugin.py --reward_funcs curate`)::

    from swift.rewards import orms
    from filters.verify.reward import SwiftReward
    orms["curate"] = SwiftReward

OpenRLHF-M and LMM-R1 (`--remote_rm_url reward_func.py`): `openrlhf(queries, labels)`, put into a tensor.

`curate export` writes these files for a release, with a copy of this code beside them.
"""

import atexit
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from filters.verify.allowance import Allowance
from filters.verify.pool import VerifierPool
from filters.verify.reward_row import item_of_row
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
    answer: Sequence[str],
    verifier: Sequence[str | None] | None = None,
    verifier_params: Sequence[str | Mapping[str, Any] | None] | None = None,
    options: Sequence[Sequence[str] | None] | None = None,
    tags: Sequence[str | None] | None = None,
    **kwargs: Any,
) -> list[float | None]:
    """TRL: one score in [0, 1] a completion, None (the trainer skips it) where nobody can tell.

    `completions` are strings or conversations; every other argument is the release's column of that name. A row without
    a readable answer, with parameters that do not fit, or with a completion that is neither is None, and costs no other its
    verdict; a completion that says nothing (`None`, a turn that only calls a tool) is 0.
    """
    columns = {"verifier": verifier, "params": verifier_params, "options": options, "tags": tags}
    given = {name: column for name, column in columns.items() if column}
    items = [
        _item(completion, {"answer": answer[i], **{name: column[i] for name, column in given.items()}})
        for i, completion in enumerate(completions)
    ]
    return [verdict.score for verdict in _judge(items)]


def compute_score(
    data_source: str, solution_str: str, ground_truth: str, extra_info: Mapping[str, Any] | None = None, **kwargs: Any
) -> dict[str, float]:
    """verl: `score` and `acc`; a response nobody can score gets 0 and `unscored` 1, because verl cannot skip it."""
    verdict = next(_judge([item_of(solution_str, ground_truth)]))
    return {
        "score": verdict.score or 0.0,
        "acc": float(bool(verdict.correct)),
        "unscored": float(verdict.score is None),
    }


def easyr1_batch(reward_inputs: Sequence[Mapping[str, Any]], format_weight: float = 0.0) -> list[dict[str, float]]:
    """EasyR1, `REWARD_TYPE = "batch"`: `overall`, `accuracy` and `format` for each `{response, ground_truth, …}`."""
    items = [item_of(row.get("response"), row.get("ground_truth")) for row in reward_inputs]
    return [_easyr1(item, verdict, format_weight) for item, verdict in zip(items, _judge(items), strict=True)]


def easyr1_sequential(reward_input: Mapping[str, Any], format_weight: float = 0.0) -> dict[str, float]:
    """EasyR1, `REWARD_TYPE = "sequential"`: the same for one."""
    return easyr1_batch([reward_input], format_weight)[0]


class SwiftReward:
    """ms-swift ORM: called with the completions and the dataset's columns as keyword arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """One score a completion; unscored ones count 0, because ms-swift cannot skip them.

        Reads a column `ground_truth`, or the release's own columns.
        """
        if "ground_truth" in columns:
            return packed(completions, columns["ground_truth"])
        if "answer" not in columns and "solution" in columns:
            columns = {**columns, "answer": columns["solution"]}
        names = ("answer", "verifier", "verifier_params", "options", "tags")
        return [score or 0.0 for score in reward(completions, **{n: columns[n] for n in names if n in columns})]


def openrlhf(queries: Sequence[Any], labels: Sequence[Any]) -> list[float]:
    """OpenRLHF-M and LMM-R1: a score for each `query`, the decoded prompt with its reply, and `label`, a `ground_truth`."""
    return packed([reply_in(query) if isinstance(query, str) else query for query in queries], labels)


def packed(responses: Sequence[Any], truths: Sequence[Any]) -> list[float]:
    """One score a response, judged by its `ground_truth`; 0 where nobody can tell."""
    items = [item_of(response, truth) for response, truth in zip(responses, truths, strict=True)]
    return [verdict.score or 0.0 for verdict in _judge(items)]


def reply_in(query: str) -> str:
    """What the model answered in a decoded conversation: from the first mark of its turn, without the marks of its end.

    The marks are those of TideDra/lmm-r1, openrlhf/models/remote_rm/math_verifier.py, and Llama 3's.
    """
    starts = [(query.find(mark), mark) for mark in _TURNS if mark in query]
    if starts:
        at, mark = min(starts)
        query = query[at + len(mark) :]
    for mark in _ENDS:
        query = query.replace(mark, "")
    return query.strip()


_TURNS = (
    "<|im_start|>assistant\n",
    "<｜Assistant｜>",
    "<|assistant|>\n",
    "<start_of_turn>model\n",
    "<|start_header_id|>assistant<|end_header_id|>\n\n",
)
_ENDS = ("<|im_end|>", "<｜end▁of▁sentence｜>", "<|endoftext|>", "<end_of_turn>", "<|eot_id|>", "<|end|>", "<pad>")


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


def _easyr1(item: VerifyItem, verdict: Verdict, format_weight: float) -> dict[str, float]:
    from schemas.tags import TAG_SCHEMAS, parse_tags

    known = item.tags in TAG_SCHEMAS
    layout = float(known and parse_tags(item.response, TAG_SCHEMAS[item.tags]).violation is None)
    accuracy = verdict.score or 0.0
    return {
        "overall": (1 - format_weight) * accuracy + format_weight * layout,
        "accuracy": accuracy,
        "format": layout,
    }


def _pool() -> VerifierPool:
    """One pool a process: a forked child must not talk through its parent's pipes."""
    with _LOCK:
        if os.getpid() not in _POOLS:
            _POOLS.clear()
            _POOLS[os.getpid()] = VerifierPool(workers=max(1, min(4, (os.cpu_count() or 2) - 1)), budget_s=BUDGET_S)
            atexit.register(_POOLS[os.getpid()].close)
        return _POOLS[os.getpid()]
