"""Where a thought states its answer: it is cut off there, for somebody else to conclude from what is left."""

import re

_SENTENCE = re.compile(r"[^.!?\n]*(?:[.!?](?!\s|$)[^.!?\n]*)*(?:[.!?]+(?=\s|$)|\n|$)\s*")
_STATES = re.compile(
    r"\b(?:answer|result|conclusion|solution)\b[^.!?\n]{0,40}?(?:\bis\b|:|=)|\\boxed|\btherefore\b|\bthus\b|\bhence\b"
    r"|</?answer>",
    re.IGNORECASE,
)


def without_answer(reasoning: str, answer: str | None) -> str:
    """The reasoning up to its conclusion: sentences at the end are cut while they state the answer.

    A sentence states it if it speaks of the answer ("the answer is", "therefore", a box) or is the last one and ends
    in the answer's own words. Statements further up (the question once more, a plan) are cut where they speak of the answer
    and hold it.
    """
    sentences = [s for s in _SENTENCE.findall(reasoning) if s.strip()]
    stated = (answer or "").strip().strip(".").casefold()
    while sentences and (_STATES.search(sentences[-1]) or _ends_in(sentences[-1], stated)):
        sentences.pop()
    kept = [s for s in sentences if not (stated and stated in s.casefold() and _STATES.search(s))]
    return "".join(kept).strip()


def _ends_in(sentence: str, stated: str) -> bool:
    words = sentence.casefold().strip().strip(".!")
    return bool(stated) and (words == stated or words.endswith(f" {stated}"))
