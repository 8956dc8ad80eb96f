"""The arms of a proof: what a student learns from in each, and what a difference between two of them would mean."""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

Traces = Literal["sft", "answers", "shuffled", "random"]
Prompts = Literal["rl", "control"]

BASE, BEST = "base", "base_best"


class Arm(NamedTuple):
    """What is trained on, first traces and then prompts, and that in words."""

    traces: Traces | None
    prompts: Prompts | None
    words: str


ARMS: Mapping[str, Arm] = {
    BASE: Arm(None, None, "the student as it was, asked as the release asks"),
    BEST: Arm(None, None, "the same, in the format in which it answers best"),
    "sft": Arm("sft", None, "SFT on `sft`"),
    "sft_answers": Arm("answers", None, "SFT on the same rows, their answers alone"),
    "sft_shuffled": Arm("shuffled", None, "SFT on the same rows, each with the thought of another"),
    "sft_random": Arm("random", None, "SFT on as many traces drawn from all that the recipe made"),
    "rl": Arm(None, "rl", "RL on `rl`"),
    "sft_rl": Arm("sft", "rl", "SFT on `sft`, then RL on `rl`"),
    "sft_rl_control": Arm("sft", "control", "SFT on `sft`, then RL on as many random candidates"),
}
"""In the order of tables."""

WHOLE = "sft_rl"
"""The arm that a release is for: each of the others lacks one thing of it."""

MEANS: Mapping[str, str] = {
    BASE: "training on the release helps, asked as it asks",
    BEST: "training on the release helps, whatever the format",
    "sft": "RL adds to SFT",
    "sft_answers": "thoughts and RL add to answers alone",
    "sft_shuffled": "thoughts that are true of their images matter",
    "sft_random": "curated traces and RL beat uncurated traces",
    "rl": "the cold start helps RL",
    "sft_rl_control": "the selection beats a random choice",
}
"""What it means that `WHOLE` beats an arm."""


def runnable(arms: Collection[str], gone: Mapping[str, str]) -> tuple[dict[str, Arm], dict[str, str]]:
    """The arms that can be run, and those that cannot with the reason; `gone` says it of what is trained on."""
    found = {name: ARMS[name] for name in ARMS if name in arms}
    left = {}
    for name, arm in found.items():
        why = gone.get(arm.traces or "") or gone.get(arm.prompts or "")
        if why:
            left[name] = why
    return {name: arm for name, arm in found.items() if name not in left}, left
