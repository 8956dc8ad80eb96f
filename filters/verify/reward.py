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
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem
from schemas.answer import Answer, OpenAnswer, load_answer
from schemas.ids import canonical_json
from schemas.verdict import Verdict

DEFAULT_TAGS = "think_answer"
BUDGET_S = 2.0
"""Seconds of wall-clock for one answer; then it is unscored."""
_LOCK = threading.Lock()
_POOLS: dict[int, VerifierPool] = {}


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

    `completions` are strings or conversations; every other argument is the release's column of that name.
    """
    rows = range(len(completions))
    items = [
        _item(
            _text(completions[i]),
            _gold(answer[i]),
            verifier[i] if verifier else None,
            (verifier_params[i] if verifier_params else None) or "{}",
            tuple((options[i] if options else None) or ()),
            (tags[i] if tags else None) or DEFAULT_TAGS,
        )
        for i in rows
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
    items = [item_of(str(row["response"]), str(row["ground_truth"])) for row in reward_inputs]
    return [_easyr1(item, verdict, format_weight) for item, verdict in zip(items, _judge(items), strict=True)]


def easyr1_sequential(reward_input: Mapping[str, Any], format_weight: float = 0.0) -> dict[str, float]:
    """EasyR1, `REWARD_TYPE = "sequential"`: the same for one."""
    return easyr1_batch([reward_input], format_weight)[0]


class SwiftReward:
    """ms-swift ORM: called with the completions and the data set's columns as keyword arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """One score a completion; unscored ones count 0, because ms-swift cannot skip them.

        Reads a column `ground_truth`, or the release's own columns.
        """
        if "ground_truth" in columns:
            return packed(list(map(_text, completions)), columns["ground_truth"])
        if "answer" not in columns and "solution" in columns:
            columns = {**columns, "answer": columns["solution"]}
        names = ("answer", "verifier", "verifier_params", "options", "tags")
        return [score or 0.0 for score in reward(completions, **{n: columns[n] for n in names if n in columns})]


def openrlhf(queries: Sequence[str], labels: Sequence[str]) -> list[float]:
    """OpenRLHF-M and LMM-R1: a score for each `query`, the decoded prompt with its reply, and `label`, a `ground_truth`."""
    return packed(list(map(reply_in, queries)), labels)


def packed(responses: Sequence[str], truths: Sequence[str]) -> list[float]:
    """One score a response, judged by its `ground_truth`; 0 where nobody can tell."""
    items = [item_of(response, truth) for response, truth in zip(responses, truths, strict=True)]
    return [verdict.score or 0.0 for verdict in _judge(items)]


def reply_in(query: str) -> str:
    """What the model said in a decoded conversation: from the first mark of its turn, without the marks of its end.

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


def item_of(response: str, truth: str) -> VerifyItem:
    """What `ground_truth` packed, beside a response."""
    answer, verifier, params, options, tags = _truth(truth)
    return _item(response, answer, verifier, params, options, tags)


@lru_cache(maxsize=4096)
def _truth(truth: str) -> tuple[Answer | None, str | None, dict[str, Any], tuple[str, ...], str]:
    try:
        packed = json.loads(truth)
    except ValueError:
        packed = None
    if not isinstance(packed, dict) or "answer" not in packed:
        return _gold(truth), None, {}, (), DEFAULT_TAGS
    return (
        _gold(json.dumps(packed["answer"])),
        packed.get("verifier"),
        packed.get("params") or {},
        tuple(packed.get("options") or ()),
        packed.get("tags") or DEFAULT_TAGS,
    )


@lru_cache(maxsize=4096)
def _gold(answer: str) -> Answer | None:
    """The gold that a release stored, or that a formula states; None when nobody can read it."""
    try:
        return load_answer(answer) if answer.startswith("{") else parse_gold("expression", answer)
    except ValueError:
        return None


def _item(
    text: str,
    gold: Answer | None,
    verifier: str | None,
    params: str | Mapping[str, Any],
    options: tuple[str, ...],
    tags: str,
) -> VerifyItem:
    if gold is None:  # never a point and never a zero: no verifier has this name, so the row is unscored
        return VerifyItem(text, OpenAnswer(raw="", reference=""), verifier="an unreadable gold")
    settings = json.loads(params) if isinstance(params, str) else params
    return VerifyItem(text, gold, verifier, settings, options, tags)


def _text(completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"] if completion else ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in content or ())  # a turn that only calls a tool says nothing


def _judge(items: list[VerifyItem]) -> Iterator[Verdict]:
    return _pool().verify_many(items)


def _easyr1(item: VerifyItem, verdict: Verdict, format_weight: float) -> dict[str, float]:
    from schemas.tags import TAG_SCHEMAS, parse_tags

    layout = float(parse_tags(item.response, TAG_SCHEMAS[item.tags]).violation is None)
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
