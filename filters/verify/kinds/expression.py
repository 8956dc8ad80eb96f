"""Formulas: equal spelling, equal numbers, equal values at random places, and only then the symbolic engine."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify import symbolic
from filters.verify.formula_compare import Ask, compare, compare_statement, is_prose, nobody, spelling
from filters.verify.formula_text import tidy
from filters.verify.formula_tree import parse_closed
from filters.verify.formula_words import compare_words, word_of
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.lead_in import denies, doubts, without_talk
from filters.verify.normalise import unprefixed
from filters.verify.number_sentence import bounds, takes_away
from filters.verify.numeral import read_numeral
from filters.verify.parts import both_signs, members
from filters.verify.plain_math import latexed
from filters.verify.relations import is_name, sides_of
from filters.verify.units import split_unit
from schemas.answer import ExpressionAnswer
from schemas.boxed import boxed
from schemas.connectives import SO
from schemas.reply import stated_answer

MAX_CHARS = 4000
"""A longer answer is no formula."""
_MATH = re.compile(r"(?<!\\)\$\$?([^$]+)(?<!\\)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_STATED = re.compile(r"\b(?:is|are|equals|be)\s+([^$\\]+)$")
_ESCAPED = re.compile(r"\\\\(?=[a-zA-Z{}])")
"""LaTeX that went through a string literal twice; no rows are separated outside of environments."""
_TURN, _HOPE = "<|im_start|>", "i hope it is correct"
_SENTENCE_STARTS = "|".join(word.capitalize() for word in SO["en"].split("|"))
_CONCLUDES = re.compile(rf"(?<!\w)(?:{_SENTENCE_STARTS}|In conclusion|(?i:final answer)\s*:)[,\s]+(?=\S)")
_LAST_CHARS = 300
_FIRST_WORDS = re.compile(r"[^\W\d_][^\\$\d(\[{]{1,100}(?=[\\$\d(\[{]|\w\s*$)")
_RELATION = re.compile(r"[<>=≤≥≠]|\\(?:[lg]e|[lg]t|ne|in|infty|leq|geq|neq)(?![a-z])")
_SENTENCE_END = re.compile(r"[.!?]\s")
_DEEPEST = 3


class ExpressionParams(Params):
    """Formulas have one metric."""

    metric: Literal["equal"] = "equal"
    max_chars: int = Field(default=MAX_CHARS, ge=1, description="a longer answer span is wrong without being read")


def read_gold(raw: str, options: Sequence[str], params: ExpressionParams) -> ExpressionAnswer:
    """LaTeX or plain arithmetic; a formula that nobody can read is refused."""
    latex = formula(raw)
    if not latex or len(latex) > params.max_chars:
        raise GoldUnparseableError("empty, or too long for a formula")
    if word_of(raw) is None and not _readable(tidy(latex), 0):
        raise GoldUnparseableError(f"not a formula that can be read: {raw[:80]!r}")
    return ExpressionAnswer(raw=raw, latex=latex)


def _readable(text: str, depth: int) -> bool:
    """Whether a formula can be compared: by a rule, or part by part, or by the engine."""
    if read_numeral(text) or parse_closed(text) or is_name(text) or text.startswith("\\ldots"):
        return True
    sides, signs = sides_of(text)
    parts = sides if signs else (members(text) or [text])
    if len(parts) == 1:
        parts = both_signs(text)
    if len(parts) > 1 and depth < _DEEPEST and all(part and _readable(part, depth + 1) for part in parts):
        return True
    return symbolic.readable(text)


def formula(text: str) -> str:
    """The formula of a short text as LaTeX: without lead-in, out of its boxes, or the one `$…$` part if that states it."""
    if "\\\\" in text and "\\begin" not in text:
        text = _ESCAPED.sub(r"\\", text)
    if "box" in text and (box := boxed(text)):
        text = box[0]
    if " " in text.strip() and is_prose(text.replace("$", " ")):
        text = _conclusion(text)
    text = unprefixed(text)
    if (part := _only_part(text)) is not None:
        text = _stated_behind(text, part) or _inside(part)
    return latexed(text)


def _conclusion(text: str) -> str:
    """What a text of several words states at its end: after "the answer is", or in a last sentence such as "So it is 5."."""
    stated = _without_after(text)
    found = stated_answer(stated)
    if found and not stated[found.end :].strip(" .$*"):
        return found.answer
    leads = list(_CONCLUDES.finditer(stated, max(0, len(stated) - _LAST_CHARS)))
    last = stated[leads[-1].end() :] if leads else ""
    return text if not last or _SENTENCE_END.search(last) else last


def _without_after(text: str) -> str:
    """A text without the next turn's mark, "I hope it is correct", and the stops, stars and blanks at its end. Linear."""
    turn = text.rfind(_TURN)
    if turn >= 0 and (name := text[turn + len(_TURN) :].strip()).replace("_", "a").isalnum() == bool(name):
        text = text[:turn]
    text = _stopless(text)
    return _stopless(text[: -len(_HOPE)]) if text[-len(_HOPE) :].casefold() == _HOPE else text


def _stopless(text: str) -> str:
    end = len(text)
    while end and (text[end - 1].isspace() or text[end - 1] in ".*"):
        end -= 1
    return text[:end]


def _only_part(text: str) -> re.Match[str] | None:
    """The one part of a text between dollar signs or their like; None where there is none, or several."""
    parts = list(_MATH.finditer(text)) if "$" in text or "\\" in text else []
    return parts[0] if len(parts) == 1 else None


def _inside(part: re.Match[str]) -> str:
    return next(group for group in part.groups() if group is not None).strip()


def _stated_behind(text: str, part: re.Match[str]) -> str | None:
    """The number that a text states of what its formula only names: "The largest $n$ is 34."; None where it states none."""
    stated = _STATED.search(text[part.end() :]) if not any(char.isdigit() for char in _inside(part)) else None
    return stated.group(1).strip() if stated and read_numeral(stated.group(1)) else None


def _denied_in_front(span: str, gold: str) -> bool:
    """Whether a text begins with words that take back what follows ("It isn't 5"), so that the engine need not read it.

    A gold with a relation may be met by such words ("x is at most 5").
    """
    lead = _FIRST_WORDS.match(span)
    if lead is None or _RELATION.search(gold) is not None:
        return False
    words = lead.group()
    return denies(words) or doubts(words) or bounds(words)


def _taken_away(text: str) -> bool:
    """Whether the words around its one formula take it back. The engine would read the formula and no word of them."""
    part = _only_part(text)
    if part is None or _stated_behind(text, part) is not None:
        return False
    return takes_away(text[: part.start()], text[part.end() :])


def settle(span: str, gold: ExpressionAnswer, options: Sequence[str], params: ExpressionParams) -> Outcome | None:
    """What can be decided without the symbolic engine; None when it has to be asked."""
    return _decide(span, gold, params, nobody)


def judge(span: str, gold: ExpressionAnswer, options: Sequence[str], params: ExpressionParams) -> Outcome:
    """`settle`, else `math-verify` on those parts of the span that no rule can tell."""
    settled = settle(span, gold, options, params)
    if settled is not None:
        return settled
    outcome = _decide(span, gold, params, _engine)
    if outcome is None:
        return Outcome(None, "the symbolic engine cannot read the gold", formula(span), "math")
    return Outcome(outcome.score, outcome.explanation, outcome.parsed, "math")


_NAME = re.compile(r"(?<![\\A-Za-z])[A-Za-z]")
"""A letter of a formula that is no command's: a gold without any is a value, behind which an answer may write a unit."""


def _engine(text: str, gold: str) -> tuple[bool, str] | None:
    return symbolic.equal(gold, text)


def _decide(span: str, gold: ExpressionAnswer, params: ExpressionParams, ask: Ask) -> Outcome | None:
    if len(span) > params.max_chars:
        return wrong(f"{len(span)} characters are no formula")
    span = without_talk(span)
    text = formula(span)
    if not text:
        return wrong("the answer is empty")
    if _taken_away(span):
        return wrong("it denies, doubts or bounds its formula")
    if not _NAME.search(gold.latex) and (parts := split_unit(text)) is not None:
        text = parts[0]
    if spelling(tidy(text)) == spelling(tidy(gold.latex)):
        return Outcome(1.0, "the same formula", text, "string")
    verdict = compare_words(text, gold.latex, gold.raw)
    if verdict is None and _denied_in_front(span, gold.latex):
        return wrong("the words before its formula deny, doubt or bound it")
    verdict = verdict or compare_statement(_without_after(span), gold.latex) or compare(text, gold.latex, ask)
    return None if verdict is None else Outcome(float(verdict[0]), verdict[1], text)


EXPRESSION = Kind(
    name="expression",
    params=ExpressionParams,
    read_gold=read_gold,
    judge=judge,
    settle=settle,
    metrics={
        "equal": Metric(
            "1 if the spellings agree; else if both are closed forms, 1 exactly when their values agree (rationals "
            "exactly, a number written with decimals to 6 places, others to 11 digits; with variables, at 4 seeded "
            "places); words, names of points, equations, lists, intervals, congruences and sequences by rules of their own; "
            "else what math-verify says; where it says yes, values at seeded places must agree and no mark be left over",
            "huggingface/Math-Verify 0.9.0, src/math_verify/grader.py",
        )
    },
    gold_forms=(
        "LaTeX with or without dollar signs, plain arithmetic, numbers as for the kind number, words (in `\\text{}` of any "
        "length), `0.\\overline{3}`, `52_8`, `a \\pm b`, `x \\equiv 5 \\pmod 7`, `1, 2, \\ldots, n`, intervals; `1,22` "
        "is a list of two (the kind number reads a decimal comma). A left side "
        "that only names the value (`x = 3`) may be left out; any other (`x + y = 3`) asks for an equation"
    ),
    response_forms=(
        "the same, also after `x =` or its own working (`m + n = 256 + 37 = 293`); several values with commas, `and` or in "
        "boxes of their own; an interval as `(1, 2]`, `]1, 2]` or `1 < x \\le 2`; of a sentence, its one `$…$` part or the "
        "number that it states"
    ),
    show=lambda gold: gold.latex,
    prepare=lambda gold, options, params: symbolic.readable(gold.latex),
    string_tier=True,
)
