"""What a model in a loop writes, and how the time and memory of reading it grow with its length."""

import gc
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence

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

MORE = (
    "\x00", "\\frac", "\\frac{1}{2}", "\\cdot ", "\\cup", "≤", "x<", "≤x", "、", "，", "「", "」", "一", "十",
    "万", "三分之", "cm ", "m/", "m^2", "°", "😀", "👍🏽", "٣", "½", "²", "\\!", "\\,", "{,}", ". . ", "...",
    "\\ldots", "e", "e5", "1e", "i", "not not ", "isn't ", "never ", "either ", "maybe ", "wait, ",
    "no: ", "because ", "option ", "(B) or ", "B or ", "A. ", "dog, ", "f(x)", "\\left(", "\\right)",
    "\\begin{pmatrix}", "\\\\", "1&", "\\sqrt{", "1^", "2^{", "1+", "-1", "--", "+-", "\\mathrm{",
    "\\color{red}{", "{\\bf ", "<b>", "**a", "_a", "~~", "<|im_end|>", "「a", "'a", "\"a", "\\\"", "[\"",
    "{\"a\":1,", "(1,", "((", "[1,2]", "x", "x y", "x+", "3x", "a_1", "a_{", "\\pi", "1\\pi", "\\in",
    "a->b,", "a→", "1:", "1-2,", "10-20, ", "0 1 ", "1\n", "|1", "def f():\n", " and", "or", "the ",
    "of ", "half of ", "two ", "hundred ", "twenty-", "three-", "dozen ", "第", "个", "不是", "或", "と", "は",
    "。A", "\u202e", "\u3000", "\xa0", "\xad", "ﬁ", "ß", "İ", "1, 2 and ", "A and ",
)  # fmt: skip
"""More of them: notations of single kinds, which are tried in these kinds only."""

PLACES: dict[str, Callable[[str], str]] = {
    "alone": lambda body: body,
    "before": lambda body: f"{body}x",
    "between": lambda body: f"1{body}1",
    "fenced": lambda body: f"```{body}x",
    "stated": lambda body: f"The answer is {body} cm.",
    "listed": lambda body: f"[{body}]",
    "in braces": lambda body: f"$\\text{{{body}}}$",
    "blanks after": lambda body: body[:1] + " " * len(body) + "!",
}


def turns(units: Sequence[str], every: int = 1) -> Iterator[tuple[str, str]]:
    """Units with places: each with `every` of them, so that all places come in turn."""
    names = list(PLACES)
    for number, unit in enumerate(units):
        for more in range(every):
            yield unit, names[(number + more * len(names) // every) % len(names)]


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

    None where it takes no time to speak of. Of a first result that is too large two more are taken: load makes noise. Each
    is taken of other texts, because what was read once may be remembered.
    """
    best = None
    for again in range(3):
        short, long = make(length // RATIO - 50 * again), make(length - 50 * again)
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
    """CPU time without Python's collector, which looks through all lists of the process once many are new."""
    gc.disable()
    try:
        start = time.thread_time()
        work(text)
        return time.thread_time() - start
    finally:
        gc.enable()
