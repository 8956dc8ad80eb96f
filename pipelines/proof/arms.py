"""The arms of a proof: what a student learns from in each, and which of them are compared to learn what."""

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

    @property
    def trains(self) -> bool:
        """Whether anything is trained; what is not is graded once, whatever the seeds."""
        return self.traces is not None or self.prompts is not None

    @property
    def goes_on(self) -> bool:
        """Whether it begins with the weights that `sft` ended with, so that it is run after it."""
        return self.traces == "sft" and self.prompts is not None


ARMS: Mapping[str, Arm] = {
    BASE: Arm(None, None, "nothing; asked as the release asks"),
    BEST: Arm(None, None, "nothing; asked in the format in which it answers best"),
    "sft": Arm("sft", None, "SFT on `sft`"),
    "sft_answers": Arm("answers", None, "SFT on the same rows, their answers alone, in the same tags"),
    "sft_shuffled": Arm("shuffled", None, "SFT on the same rows, each with its own answer and the thought of another"),
    "sft_random": Arm("random", None, "SFT on as many traces drawn from all that the recipe made, right or wrong"),
    "rl": Arm(None, "rl", "RL on `rl`"),
    "sft_rl": Arm("sft", "rl", "SFT on `sft`, then RL on `rl`"),
    "sft_rl_control": Arm("sft", "control", "SFT on `sft`, then RL on as many random candidates"),
}
"""In the order of tables."""


class Pair(NamedTuple):
    """Two arms, and what it means that the first has more right than the second: it names all that they differ in."""

    first: str
    second: str
    means: str


PAIRS: tuple[Pair, ...] = (
    Pair("sft_rl", BASE, "training on the release helps, asked as it asks"),
    Pair("sft_rl", BEST, "training on the release helps, whatever the format"),
    Pair("sft", BASE, "SFT on the release helps, asked as it asks"),
    Pair("rl", BASE, "RL on the release helps, asked as it asks"),
    Pair("sft_rl", "sft", "RL adds to SFT"),
    Pair("sft_rl", "rl", "the cold start helps RL"),
    Pair("sft_rl", "sft_rl_control", "the selection beats a random choice"),
    Pair("sft", "sft_answers", "thoughts add to answers alone"),
    Pair("sft", "sft_shuffled", "thoughts that are true of their images matter"),
    Pair("sft", "sft_random", "curated traces beat uncurated ones"),
    Pair("sft_rl", "sft_answers", "thoughts and RL together add to answers alone"),
    Pair("sft_rl", "sft_shuffled", "true thoughts and RL together beat the thoughts of other rows"),
    Pair("sft_rl", "sft_random", "curated traces and RL together beat uncurated traces"),
)
"""In the order of tables. A pair of two trained arms that differ in one thing shows that thing; in two, both together."""


def runnable(arms: Collection[str], gone: Mapping[str, str]) -> tuple[dict[str, Arm], dict[str, str]]:
    """The arms that can be run, and those that cannot with the reason; `gone` says it of what is trained on."""
    found = {name: ARMS[name] for name in ARMS if name in arms}
    left = {}
    for name, arm in found.items():
        why = gone.get(arm.traces or "") or gone.get(arm.prompts or "")
        if why:
            left[name] = why
    return {name: arm for name, arm in found.items() if name not in left}, left
