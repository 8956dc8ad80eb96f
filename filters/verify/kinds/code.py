"""Program text. It is compared, never run: running it needs a sandbox, and comparing renders needs a renderer."""

from collections.abc import Sequence
from typing import Literal

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.literal import unfenced
from schemas.answer import CodeAnswer


class CodeParams(Params):
    """How program text is compared."""

    metric: Literal["exact", "edit"] = "exact"


def lines_of(text: str) -> str:
    """The text without code fence, trailing blanks and empty lines."""
    return "\n".join(line.rstrip() for line in unfenced(text).splitlines() if line.strip())


def read_gold(raw: str, options: Sequence[str], params: CodeParams) -> CodeAnswer:
    """Any text with a line in it."""
    text = lines_of(raw)
    if not text:
        raise GoldUnparseableError("holds no code")
    return CodeAnswer(raw=raw, text=text)


def judge(span: str, gold: CodeAnswer, options: Sequence[str], params: CodeParams) -> Outcome:
    """Line by line."""
    text = lines_of(span)
    if not text:
        return wrong("holds no code")
    if text == lines_of(gold.text):
        return Outcome(1.0, "the same code", text[:200])
    if params.metric == "exact":
        return wrong("other code", text[:200])
    from rapidfuzz.distance import Levenshtein

    score = float(Levenshtein.normalized_similarity(text, lines_of(gold.text)))
    return Outcome(score, f"edit similarity {score:.3f}", text[:200])


CODE = Kind(
    name="code",
    params=CodeParams,
    read_gold=read_gold,
    judge=judge,
    longest=1_000_000,
    metrics={
        "exact": Metric("1 if the code is the same, trailing blanks and empty lines aside", "common"),
        "edit": Metric("1 − edit distance over the longer length", "common", 0.95),
    },
    gold_forms="code, in a fence or not",
    response_forms="the same",
    show=lambda gold: gold.text[:200],
    symmetric=True,
)
