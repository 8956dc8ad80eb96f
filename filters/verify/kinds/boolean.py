"""Yes or no, true or false, and lists of them."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.clauses import clauses, lined, only_function_words
from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.lead_in import doubts, offers_several, unled
from filters.verify.normalise import words
from filters.verify.phrases import DENIAL, NO_DENIAL
from filters.verify.truth_words import FALSE, PARTICLES, TRUE, TRUTH
from schemas.answer import BooleanAnswer

_MAX_CHARS = 2000
_SEPARATOR = re.compile(r"\s*(?:,|;|\n|\band\b)\s*")
_SUBJECT = re.compile(
    r"\b(?:claim|statement|sentence|assertion|hypothesis|proposition|premise|caption|description|given)\b"
    r"|该|此|上述|给定|答案|说法|陈述|命题",
    re.IGNORECASE,
)


class BooleanParams(Params):
    """How several truth values are scored."""

    metric: Literal["all", "share"] = "all"
    numeric: bool = Field(default=True, description="1 and 0 are read as true and false")


_KEY = re.compile(r"""["']answer["']\s*:""", re.IGNORECASE)


def read_values(text: str, numeric: bool = True) -> tuple[bool, ...] | None:
    """The truth values that make up `text`: one word, a list of words, or the one that its clauses come to.

    "It is true" is yes and "Yes, it isn't" is no: what is stated of the matter counts more than the particle before it.
    A text that says both, or leaves it open, has none.
    """
    plain = unled(lined(text)).strip("[](){}")
    if len(plain) > _MAX_CHARS:
        return None
    parts = [part for part in _SEPARATOR.split(plain) if part]
    values = [_word(part, numeric) for part in parts]
    if values and all(v is not None for v in values):
        return tuple(v for v in values if v is not None)
    value = _stated(text) if len(_KEY.findall(text)) < 2 else None
    return None if value is None else (value,)


def _stated(text: str) -> bool | None:
    """The truth value that the clauses of a text come to; None where they contradict each other or leave it open."""
    stated: bool | None = None
    particle, corrected = False, False
    for clause in clauses(lined(text)) or ():
        corrected = corrected or clause.opener == "wait"
        if clause.opener in ("because", "which") or not clause.text:
            continue
        value, weak = _of_clause(clause.text)
        if value is None:
            if _about_itself(clause.text) and (doubts(clause.text) or offers_several(clause.text)):
                return None
            continue
        if (
            stated is not None
            and value != stated
            and not (corrected or clause.opener == "so" or (particle and not weak))
        ):
            return None
        stated, particle, corrected = value, weak, False
    return stated


def _of_clause(text: str) -> tuple[bool | None, bool]:
    """The truth value of a clause about nothing but the matter itself, and whether it is a mere particle."""
    core = unled(text)
    value = _word(core, numeric=False)
    if value is not None:
        return value, words(core) in PARTICLES
    if "/" in text or "neither" in text.casefold() or doubts(text) or offers_several(text) or not _about_itself(text):
        return None, False
    truths = [match.lastgroup or "" for match in TRUTH.finditer(text)]
    denials = sum(TRUTH.fullmatch(match.group()) is None for match in DENIAL.finditer(NO_DENIAL.sub(" ", text)))
    if len(truths) > 1 or (not truths and not _SHORT.fullmatch(text)):
        return None, False
    return (not truths or truths[0].startswith("true")) != (denials % 2 == 1), False


_SHORT = re.compile(
    r"(?:(?:but|and|also|so|really|certainly|definitely|indeed) )*"
    r"(?:(?:it|this|that|they|he|she|there) )?(?:really |certainly )?"
    r"(?:(?:is|are|was|were|does|do|did|has|have|can|could|will|would)(?:n't| not| never)?"
    r"|cannot|can't|won't|not|never|ain't)"
    r"(?: (?:so|really|at all|the case|either|indeed))*"
    r"|i (?:do |really )?(?:think|believe) so|i (?:don't|do not) (?:think|believe) so|[它这那]?(?:就|并)?(?:不?是)的?",
    re.IGNORECASE,
)
"""A short answer: "it is", "it doesn't", "not at all"."""


def _about_itself(text: str) -> bool:
    return only_function_words(_SUBJECT.sub(" ", TRUTH.sub(" ", text)))


def _word(text: str, numeric: bool) -> bool | None:
    text = words(text).strip("()[]\"'")
    if text.isdigit() and not numeric:
        return None
    return True if text in TRUE else False if text in FALSE else None


def read_gold(raw: str, options: Sequence[str], params: BooleanParams) -> BooleanAnswer:
    """One truth value or several."""
    values = read_values(raw, params.numeric)
    if not values:
        raise GoldUnparseableError(f"not a truth value: {raw[:80]!r}")
    return BooleanAnswer(raw=raw, values=values)


def judge(span: str, gold: BooleanAnswer, options: Sequence[str], params: BooleanParams) -> Outcome:
    """Compares place by place; the number of values must be the gold's."""
    values = read_values(span, params.numeric)
    if len(gold.values) == 1 and values in ((True, True), (False, False)) and _affirmed(span):
        values = values[:1]
    if values is None:
        return wrong("not a clear yes or no")
    shown = _show(values)
    if len(values) != len(gold.values):
        return wrong(f"{len(values)} values instead of {len(gold.values)}", shown)
    right = sum(a == b for a, b in zip(values, gold.values, strict=True))
    score = right / len(values) if params.metric == "share" else float(right == len(values))
    return Outcome(score, f"{right} of {len(values)} agree", shown)


def _affirmed(text: str) -> bool:
    """Whether a text of two values is a particle and what it comes to ("Yes, correct."), rather than a list."""
    first, *rest = _SEPARATOR.split(unled(lined(text)))
    return words(first) in PARTICLES and PARTICLES.isdisjoint(map(words, rest))


def _show(values: Sequence[bool]) -> str:
    return ",".join("yes" if v else "no" for v in values)


BOOLEAN = Kind(
    name="boolean",
    params=BooleanParams,
    read_gold=read_gold,
    judge=judge,
    longest=2_000,
    metrics={
        "all": Metric("1 if every value agrees, else 0", "SynLogic, MiniMax-AI/SynLogic games/tasks/web_of_lies"),
        "share": Metric("the share of values that agree", "partial credit for lists"),
    },
    gold_forms="`yes`/`no`, `true`/`false`, `correct`/`incorrect`, `1`/`0`, and lists of them",
    response_forms=(
        "the same as the whole answer, in twelve languages (是的, oui, nein), or a sentence that comes to one:"
        ' "Yes, it is.", "The statement is true", "It isn\'t". What is stated of the matter counts more than yes or no'
        ' before it ("Yes, it isn\'t" is no); "Yes. No." and "maybe" are neither'
    ),
    show=lambda gold: _show(gold.values),
    symmetric=True,
)
