"""What a thought says of a yes-or-no question's own claim: another thing than it answers, or nothing at all.

"Is there a circle?" — "The shape is a circle. So the answer is no." Right or wrong, one of the two is false. Such a thought
is written by a model that guessed; where the answer happens to be right, its reasoning says what is not so.
"""

import re

from filters.singular import singular

_SOFT_WORDS = """
a an the is are was were be been do does did has have had there here it its this that these those any some of in on at to
for from by with and or so then image picture photo figure diagram scene present contain contained show shown include
see seen visible appear exist shape object thing item one
"""
_SOFT = frozenset(_SOFT_WORDS.split())
"""Words that a restatement may leave out or add."""
_ORDER_WORDS = """
left right above below under over before after than more less fewer behind front inside outside top bottom larger smaller
bigger taller older longer between
"""
_ORDERED = frozenset(_ORDER_WORDS.split())
"""Where one of these is, "A … B" is not "B … A"."""
_NEGATED = re.compile(r"\b(?:no|not|none|neither|nor|never|without|cannot)\b|n['’]t\b")
_HEDGED = re.compile(
    r"\b(?:if|whether|could|might|may|maybe|perhaps|would|should|seems?|suppos\w*|assum\w*|claim\w*|says?|said|asks?|asked"
    r"|question|statement|true|false|but|however|although|though|only|wrong|check|see if)\b|\?$"
)
_SENTENCE = re.compile(r"(?<=[.!?;])\s+|\n+")
_CONCLUDES = re.compile(r"(?i)\banswer is\b|\\boxed\{")
_EXTRA = 3
"""Other words that a restatement may hold."""


def affirms(thought: str | None, question: str | None) -> bool | None:
    """Whether the sentence before the conclusion says the question's claim (True) or denies it (False).

    The claim is the question without its negation: "is there not a circle?" claims a circle. None where the sentence says
    something else, hedges, or where the thought concludes nothing.
    """
    if not thought or not question or not (last := _before_conclusion(thought)) or _HEDGED.search(last):
        return None
    claim, words = _content(question), _content(last)
    ordered = bool(_ORDERED & set(claim))
    kept = [word for word in words if word in claim]
    if not claim or (kept != claim if ordered else set(kept) != set(claim)) or len(words) - len(kept) > _EXTRA:
        return None
    return not _denies(last, set(claim))


def _denies(sentence: str, claim: set[str]) -> bool:
    """Whether a negation is of the claim: before a word of it or at the end ("is not there"), not in "red, not blue"."""
    for negation in _NEGATED.finditer(sentence):
        after = _content(sentence[negation.end() :])
        if not after or claim & set(after):
            return True
    return False


def contradicted(thought: str | None, question: str | None, answer: bool) -> bool | None:
    """Whether a thought says last of a yes-or-no question's claim what it does not answer; None where it says nothing."""
    affirmed = affirms(thought, question)
    if affirmed is None:
        return None
    negated = _NEGATED.search((question or "").lower()) is not None
    return answer != (affirmed != negated)


def ignores(thought: str | None, question: str | None) -> bool | None:
    """Whether a thought names nothing that a yes-or-no question asks about: a circle, where it asks for something blue.

    None where the question names nothing itself, or where nothing leads to the conclusion.
    """
    led = [s for s in _SENTENCE.split(thought or "") if s.strip() and not _CONCLUDES.search(s)]
    claim = set(_content(question or ""))
    return not claim & set(_content(" ".join(led))) if claim and led else None


def _before_conclusion(thought: str) -> str | None:
    sentences = [s.strip().lower() for s in _SENTENCE.split(thought) if s.strip()]
    ends = [place for place, sentence in enumerate(sentences) if _CONCLUDES.search(sentence)]
    return sentences[ends[-1] - 1] if ends and ends[-1] > 0 else None


def _content(text: str) -> list[str]:
    """The words that carry what a sentence claims, in order, in the singular, without negations."""
    words = re.findall(r"[^\W_]+", _NEGATED.sub(" ", text.lower().partition("\n")[0]))
    return [word for word in map(singular, words) if word not in _SOFT]
