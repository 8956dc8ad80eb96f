"""How long a proof will take, from a few updates and replies of the student on the rows themselves."""

import time
from collections.abc import Callable
from typing import NamedTuple

from pipelines.proof.arms import ARMS
from pipelines.proof.prove import Proving
from pipelines.proof.schedule import one_thread

_SFT, _RL, _ASKED = 12, 2, 64
"""SFT updates, RL updates and replies that are timed: a few seconds of the embedded student. An RL update is many replies,
so two of them say as much."""

_WARMUP = 2
"""Updates until the rate is highest where so few are timed, so that the student has learned something by the end."""

_BASE = 4
"""How often what was not trained is graded: as it is asked, and in up to three formats."""


def _clock() -> Callable[[], float]:
    """Processor time, which a busy machine does not change; on a GPU the time that passes."""
    import torch

    return time.perf_counter if torch.cuda.is_available() else time.process_time


class Cost(NamedTuple):
    """Seconds of one processor: for one SFT, one RL, grading once, measuring pass rates once, a seed, and all of it."""

    sft: float
    rl: float
    graded: float
    band: float
    seed: float
    whole: float


def estimate(proving: Proving) -> Cost:
    """Train for a moment and multiply. The replies that are timed are of a student that has begun to write traces, because
    one that was not trained writes shorter ones; they are still shorter than they will be where its traces are long. One
    that is drawn for pass rates counts as a greedy one."""
    plan, material, student = proving.plan, proving.material, proving.student
    config, has = material.config, plan.facts["rows"]
    with one_thread():
        sft = _timed_sft(proving) if "sft" in has else 0.0
        rl = 0.0
        if "rl" in has:
            budget = config.rl.model_copy(update={"steps": _RL})
            began = _clock()()
            student.rl(material.rl.questions, material.rl.rewards, budget, plan.tokens, 0)
            rl = (_clock()() - began) / _RL * config.rl.steps
        one = _timed_replies(proving)
        student.load(None)
    graded = one * sum(has[name]["rows"] for name in ("holdout", "fresh"))
    band = one * config.graded.band * config.graded.replies if "rl" in has else 0.0
    arms = {name: ARMS[name] for name in plan.arms if ARMS[name].trains}
    cold = any(arm.traces == "sft" for arm in arms.values())
    trainings = sft * (cold + sum(arm.traces not in (None, "sft") for arm in arms.values()))
    seed = trainings + rl * sum(arm.prompts is not None for arm in arms.values()) + (graded + band) * len(arms)
    return Cost(sft, rl, graded, band, seed, seed * len(plan.seeds) + _BASE * graded + band)


def _timed_sft(proving: Proving) -> float:
    config, rows = proving.material.config.sft, proving.material.sft
    budget = config.model_copy(update={"steps": _SFT, "warmup": _WARMUP})
    began = _clock()()
    proving.student.sft(rows.questions, rows.replies, budget, 0)
    return (_clock()() - began) / _SFT * config.steps


def _timed_replies(proving: Proving) -> float:
    """Seconds of a greedy reply."""
    questions = proving.material.holdout.questions[:_ASKED]
    began = _clock()()
    proving.student.reply(questions, number=1, temperature=0.0, tokens=proving.plan.tokens, seed=0)
    return (_clock()() - began) / len(questions)
