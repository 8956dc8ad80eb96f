"""What a model in a loop writes, and how the time and memory of reading it grow with its length."""

import time
import tracemalloc
from collections.abc import Callable

ALPHABET = (
    " ", "\n", "\t", "\r\n", ".", ". ", "。", ",", ";", ":", "|", "_", "^", "/", "~", "!", "?", "…", "+", "-", "=", "*",
    "**", "`", "```", "```\n", "x```", "$", "$$", "(", ")", "[", "]", "{", "}", "[[", "\"", "'", "<", "<|", "#", "%", "&",
    "\\", "\\{", "\\text{", "\\frac{", "\\sqrt", "\\left", "\\boxed{", "\\boxed{}", "\\boxed{1}", "\\pm", "\\%", "√",
    "sqrt(", "<answer>", "</answer>", "<answer></answer>", "<think>", "</think>", "<|end|>", "<box>", "<glue>",
    "</glue>",
    "<point x=\"1\" y=\"1\"", "0", "1", "9.", "1/", "1,", "1 ", "12,345 ", "0:1-", "1 to 2 ", "3:", "[1,", "[1,2],",
    "(1,2),", "{\"a\":", "\"a\",", "a", "A", "a ", "A ", "A, ", "(A) ", "a=", "f(", "f(1),", "->", "x^", "x_", "(1+",
    "or ", "and ",
    "is ",     "not ", "yes ", "no, ", "the answer is ", "Answer: ", "Final answer: ", "five hundred ", "minus ",
    "\u0301", "\u0301\u0327", "\u093c\u094d", "é", "中", "答案是", "\u200b", "\ufdfa", "\ud800",
)  # fmt: skip
"""Texts that are repeated: signs, marks and words that some reader takes for the beginning of something."""

PLACES: dict[str, Callable[[str], str]] = {
    "alone": lambda body: body,
    "before": lambda body: f"{body}x",
    "between": lambda body: f"1{body}1",
    "fenced": lambda body: f"```{body}x",
}

RATIO = 8
EXPONENT = 1.2
MARGIN = 2.5
"""What noise may add to a ratio. A quadratic step has a ratio of 64 where 12 is allowed: with the margin, 30."""
UNSEEN_S = 0.02
"""Less CPU time than this, at the greater length, is not looked at: it is noise."""


def repeated(unit: str, length: int) -> str:
    """So many characters of a unit, over and over."""
    return unit * max(1, length // len(unit))


def growth(work: Callable[[str], object], make: Callable[[int], str], length: int) -> float | None:
    """How fast the CPU time of `work` grows up to `length`, as a share of what is allowed: over 1 is too fast.

    None where it takes no time to speak of. Of a first result that is too large two more are taken: load makes noise.
    """
    short, long = make(length // RATIO), make(length)
    best = None
    for _ in range(3):
        after = _seconds(work, long)
        if after < UNSEEN_S:
            return None
        share = after / max(_seconds(work, short), UNSEEN_S / RATIO) / (RATIO**EXPONENT * MARGIN)
        best = share if best is None else min(best, share)
        if best <= 1:
            break
    return best


def peak(work: Callable[[], object]) -> int:
    """Bytes that Python held at most while `work` ran, beyond what it held before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def _seconds(work: Callable[[str], object], text: str) -> float:
    start = time.thread_time()
    work(text)
    return time.thread_time() - start
