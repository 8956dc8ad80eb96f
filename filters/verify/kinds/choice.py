"""Multiple choice: a response counts when it resolves to exactly the gold's options, by letter or by option text."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import GoldUnparseableError, Kind, Metric, Outcome, Params, wrong
from filters.verify.normalise import unprefixed
from filters.verify.offered import ALPHABET, unlabelled
from filters.verify.options import in_lines, whole
from filters.verify.statement import stated
from schemas.answer import ChoiceAnswer

_LISTED = re.compile(r"^(?:[>•*∴⇒→-]|=>|->)\s+")
_PLACE = re.compile(r"(?:(?:option|choice|answer|no\.|number)\s*)?[(\[]?(\d{1,2})[)\]]?", re.IGNORECASE)


class ChoiceParams(Params):
    """How several letters are scored."""

    metric: Literal["exact", "f1", "jaccard"] = "exact"
    ordered: bool = Field(default=False, description="several letters must come in the gold's order")
    index_base: Literal[0, 1] | None = Field(
        default=None, description="the gold is an option's number, counted from here"
    )
    labels: str = Field(default=ALPHABET, min_length=2, description="the letters of the options, in order")


def read_gold(raw: str, options: Sequence[str], params: ChoiceParams) -> ChoiceAnswer:
    """A letter, letters, an option's text, or (with `index_base`) its number."""
    if params.index_base is not None and raw.strip().isdecimal():
        place = int(raw) - params.index_base
        letters: tuple[str, ...] | None = (params.labels[place],) if 0 <= place < (len(options) or 26) else None
    else:
        letters = resolve(raw, options, params.labels, several=True)
    if not letters:
        raise GoldUnparseableError(f"names no option: {raw[:80]!r}")
    if not params.ordered:
        letters = tuple(sorted(letters))
    offered = unlabelled(tuple(options), params.labels[: len(options)])
    texts = tuple(offered[params.labels.index(x)] for x in letters) if options else ()
    return ChoiceAnswer(raw=raw, letters=letters, texts=texts)


def resolve(
    span: str, options: Sequence[str], labels: str = ALPHABET, several: bool = False, base: int | None = None
) -> tuple[str, ...] | None:
    """The letters that a span names; None when it names none, contradicts itself, or several where one is asked for.

    The span is read whole (`filters.verify.statement`): by letters, by the options' own words, or both in agreement.
    """
    allowed = labels[: len(options)] if options else labels
    offered = unlabelled(tuple(options), allowed)
    text = _LISTED.sub("", unprefixed(span.replace("**", "")))
    found = (
        whole(text, offered, allowed)
        or _by_place(text, allowed, base)
        or (in_lines(span, offered, allowed) if several else None)
        or stated(span, offered, allowed)
    )
    found = tuple(dict.fromkeys(found)) if found else None
    return found if several or (found and len(found) == 1) else None


def _by_place(text: str, allowed: str, base: int | None) -> tuple[str, ...] | None:
    """The option of a number on its own, counted from `base`."""
    match = _PLACE.fullmatch(text) if base is not None else None
    place = int(match.group(1)) - (base or 0) if match else -1
    return (allowed[place],) if 0 <= place < len(allowed) else None


def judge(span: str, gold: ChoiceAnswer, options: Sequence[str], params: ChoiceParams) -> Outcome:
    """Compares sets of letters (or lists, where the order counts)."""
    letters = resolve(
        span, options, params.labels, several=len(gold.letters) > 1 or params.metric != "exact", base=params.index_base
    )
    if letters is None:
        return wrong("names no option, or several")
    shown = ",".join(letters)
    if params.ordered:
        same = letters == gold.letters
    else:
        letters = tuple(sorted(set(letters)))
        same = letters == gold.letters
    if same:
        return Outcome(1.0, "the gold's option" if len(letters) == 1 else "the gold's options", shown)
    if params.metric == "exact":
        return wrong(f"{shown} instead of {','.join(gold.letters)}", shown)
    both, either = len({*letters} & {*gold.letters}), len({*letters} | {*gold.letters})
    score = both / either if params.metric == "jaccard" else 2 * both / (len(letters) + len(gold.letters))
    return Outcome(score, f"{both} of {len(gold.letters)} options, {len(letters) - both} others", shown)


CHOICE = Kind(
    name="choice",
    params=ChoiceParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "exact": Metric(
            "1 if the response names exactly the gold's options, else 0", "the safe contract of twelve published rules"
        ),
        "f1": Metric(
            "F1 between the letter sets", "HumanOmniV2, src/open-r1-multimodal vlm_modules/qwenomni_module.py"
        ),
        "jaccard": Metric("|both| / |either| of the letter sets", "Curr-ReFT, stage 2"),
    },
    gold_forms="`B`, `(B)`, `B. text`, the option's text, `A,C`, `AC`, with `index_base` an option's number",
    response_forms=(
        'the same, read to its end: after a lead-in in any of twelve languages ("The answer is B", 答案是B, 정답은 B),'
        ' before its reason ("B, because A is smaller"), after others were ruled out ("not A, so B") or corrected'
        ' ("A. Wait, B").'
        ' What is denied ("B is wrong", "the wrong one is B", even if the question asks for it), left open ("maybe B"),'
        ' or offers several ("B or C", "B. It could be A as well")'
        " names none; a letter inside a word is none"
    ),
    show=lambda gold: ",".join(gold.letters),
    state=lambda gold, params: ", ".join(gold.letters),
    symmetric=True,
)
