"""Judge contracts, as data: what a judge is shown, what it is to reply, and which reply means what.

Published judges differ in exactly these points, down to the polarity: with one of them 0 means *correct*. A reply that
does not fit its contract is read as nothing: the row is then unscored, never right and never wrong by default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TASK = (
    "You check answers. Decide whether the candidate answer says the same as the reference answer to the question. "
    "Wording, format and order of words do not matter; numbers, units, names and negations do. "
    "An answer that declines, hedges between several answers, or is empty is not the same."
)
_BODY = "Question:\n{question}\n\nReference answer:\n{gold}\n\nCandidate answer:\n{answer}\n\n"


@dataclass(frozen=True, slots=True)
class JudgeContract:
    """`prompt` has the fields `inputs`. `reply` finds the verdict in group 1 of its *last* match; `scores` gives it a score.

    With `scale` set, group 1 is a number and the score is number / scale, if it lies in 0–scale.
    """

    name: str
    system: str
    prompt: str
    inputs: tuple[str, ...]
    reply: str
    scores: Mapping[str, float]
    scale: float | None
    seen_in: str

    def read(self, text: str) -> float | None:
        """The score that a reply states; None when it states none, or two different ones on the lines that count."""
        found = re.findall(self.reply, text, re.IGNORECASE | re.MULTILINE)
        if not found:
            return None
        last = found[-1].strip().casefold()
        if self.scale is None:
            return self.scores.get(last)
        try:
            value = float(last) / self.scale
        except ValueError:
            return None
        return value if 0 <= value <= 1 else None


_LINE = r"^[ \t*#>]*(?:final )?{word}[ \t]*[:=][*\s]*({values})\b[ \t*.]*$"


def _words(name: str, word: str, scores: Mapping[str, float], seen_in: str, ask: str = "") -> JudgeContract:
    values = "|".join(scores)
    request = ask or f'Think briefly, then end with one line: "{word}: " and one of {", ".join(scores)}.'
    return JudgeContract(
        name=name,
        system=_TASK,
        prompt=_BODY + request,
        inputs=("question", "gold", "answer"),
        reply=_LINE.format(word=word, values=values),
        scores=dict(scores),
        scale=None,
        seen_in=seen_in,
    )


_ALL = (
    _words("equivalence", "Verdict", {"incorrect": 0.0, "correct": 1.0}, "the default"),
    _words("valid_invalid", "Verdict", {"invalid": 0.0, "valid": 1.0}, "LLaVA-CoT, VTS"),
    _words("final_decision", "Decision", {"yes": 1.0, "no": 0.0}, "General-Reasoner"),
    JudgeContract(
        name="yes_no",
        system=_TASK,
        prompt="Reference answer:\n{gold}\n\nCandidate answer:\n{answer}\n\nReply with Yes or No only.",
        inputs=("gold", "answer"),
        reply=r"\A\W*(yes|no)\W*\Z",
        scores={"yes": 1.0, "no": 0.0},
        scale=None,
        seen_in="VLAA-Thinking: no question shown",
    ),
    JudgeContract(
        name="one_zero",
        system=_TASK,
        prompt=_BODY + "Reply with 1 if they say the same and with 0 if they do not, and with nothing else.",
        inputs=("question", "gold", "answer"),
        reply=r"\A\W*([01])\W*\Z",
        scores={"1": 1.0, "0": 0.0},
        scale=None,
        seen_in="OpenMMReasoner",
    ),
    JudgeContract(
        name="zero_is_correct",
        system=_TASK,
        prompt=_BODY
        + "Think inside <think></think>, then write <judge>0</judge> if they say the same, else <judge>1</judge>.",
        inputs=("question", "gold", "answer"),
        reply=r"<judge>\s*([01])\s*</judge>",
        scores={"0": 1.0, "1": 0.0},
        scale=None,
        seen_in="MMR1: zero means correct",
    ),
    JudgeContract(
        name="graded",
        system="You grade answers against a reference and, where one is given, a rubric.",
        prompt=_BODY
        + 'Rubric: {rubric}\n\nThink briefly, then end with one line: "Grade: " and a number from 0 to 10.',
        inputs=("question", "gold", "answer", "rubric"),
        reply=r"^[ \t*#>]*Grade[ \t]*[:=][*\s]*(\d{1,2}(?:\.\d+)?)[ \t]*(?:/[ \t]*10)?[ \t*.]*$",
        scores={},
        scale=10.0,
        seen_in="VisRL 0–1, HumanOmniV2 0–5, WeThink tiers",
    ),
)

CONTRACTS: dict[str, JudgeContract] = {contract.name: contract for contract in _ALL}
