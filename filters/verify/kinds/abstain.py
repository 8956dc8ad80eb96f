"""Saying that the question cannot be answered, where that is right."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from filters.verify.kind import Kind, Metric, Outcome, Params, wrong
from filters.verify.normalise import unprefixed, words
from schemas.answer import AbstainAnswer

_WHOLE = frozenset(
    (
        "unknown",
        "unanswerable",
        "not answerable",
        "cannot answer",
        "can't answer",
        "cannot tell",
        "can't tell",
        "cannot be determined",
        "undeterminable",
        "not enough information",
        "insufficient information",
        "i don't know",
        "i do not know",
        "not sure",
        "n/a",
        "not visible",
        "not applicable",
        *("无法确定", "无法判断", "不知道", "不确定", "无法回答", "信息不足", "不明", "わかりません", "分かりません"),
        *("判断できません", "알 수 없습니다", "알 수 없음", "모르겠습니다", "판단할 수 없습니다", "je ne sais pas"),
        *("impossible à déterminer", "indéterminé", "inconnu", "ich weiß es nicht", "nicht bestimmbar", "unbekannt"),
        *("no lo sé", "no se puede determinar", "desconocido", "não sei", "não é possível determinar", "desconhecido"),
        *("non lo so", "не знаю", "невозможно определить", "неизвестно", "لا أعرف", "لا يمكن تحديد ذلك", "غير معروف"),
        *("पता नहीं", "निर्धारित नहीं किया जा सकता", "अज्ञात"),
    )
)
_FROM = r"(?: (?:from|based on|with|given|in|by looking at) (?:the |this )?(?:given |provided )?\w+)?"
_SENTENCES = (
    r"(?:it|this|that|(?:the )?answer|(?:the )?question) (?:cannot|can not|can't|could not) be "
    r"(?:determined|answered|known|inferred)",
    r"(?:i|we) (?:cannot|can not|can't|am unable to|are unable to) (?:answer|tell|determine)"
    r"(?: (?:it|this|that|the))?(?: (?:question|answer))?",
    r"(?:there is )?(?:not enough|insufficient|no) (?:information|evidence)"
    r"(?: to (?:answer|tell|determine)[\w ]{0,30})?",
    r"(?:it|(?:the )?answer|(?:the )?question) is (?:unknown|unanswerable|not answerable|"
    r"impossible to (?:tell|determine|say))",
)
_ANY = re.compile("|".join(f"(?:{sentence}{_FROM})" for sentence in _SENTENCES))
_MAX_CHARS = 200


class AbstainParams(Params):
    """What counts as abstaining."""

    metric: Literal["whole"] = "whole"
    phrases: tuple[str, ...] = Field(default=(), description="further answers that abstain, as whole answers")


def abstains(text: str, phrases: Sequence[str] = ()) -> bool:
    """Whether the *whole* answer declines; a "no" or "unknown" inside other words says nothing."""
    if len(text) > _MAX_CHARS:
        return False
    answered = words(unprefixed(text))
    return (
        answered in _WHOLE
        or not {answered, words(text)}.isdisjoint(map(words, phrases))
        or _ANY.fullmatch(answered) is not None
    )


def read_gold(raw: str, options: Sequence[str], params: AbstainParams) -> AbstainAnswer:
    """Any text: that the row's kind is `abstain` is the gold."""
    return AbstainAnswer(raw=raw)


def judge(span: str, gold: AbstainAnswer, options: Sequence[str], params: AbstainParams) -> Outcome:
    """1 for declining, 0 for any answer."""
    if abstains(span, (*params.phrases, gold.raw)):
        return Outcome(1.0, "declines to answer", span)
    return wrong("answers", span[:200])


ABSTAIN = Kind(
    name="abstain",
    params=AbstainParams,
    read_gold=read_gold,
    judge=judge,
    metrics={
        "whole": Metric("1 if the whole answer declines to answer, else 0", "DeFacto, with whole answers matched")
    },
    gold_forms="any text; it is accepted as one more way to decline",
    response_forms='"unknown", "It cannot be determined from the image.", and their like, as the whole answer',
    show=lambda gold: "abstain",
)
