"""What a text of several numbers states as its result: "The square root of 25 is 5", "12 months in a year, so 24".

Closed, as `number_sentence` is. The last sentence counts: by itself where no sentence before it holds a number, else only
where it concludes ("So", "Therefore", "Final answer:", 因此, donc, لذا …). Of that sentence, the last number counts, where

- it comes behind a word of conclusion, alone or in a sentence that states it;
- or the words before it end in a verb that states, and the other numbers are in the subject of that verb, or in a clause
  in front that begins with a preposition ("In 2020, the price was 5").

Operations may be named in the subject ("3 times 4 is 12"), never between the verb and the number. A condition or a doubt in
the same sentence leaves the whole open.
"""

import re

from filters.verify.lead_in import denies, doubts, offers_several, takes_back
from filters.verify.number_sentence import MOST_WORDS, disowns, ends_in_verb, tokens_of, verbs_of
from filters.verify.sentence_words import CONDITIONS, EARLIER, OPERATIONS
from schemas.connectives import END, SO, SO_CJK, START, any_of

LONGEST = 4000
"""Characters at the end of a text in which its result is looked for."""
_END = re.compile(r"[.!](?=\s|$)|[。！]|\n")
_SO_BUT_IN_ENGLISH = any_of({language: words for language, words in SO.items() if language != "en"})
_SO = re.compile(
    r"(?:^|(?<=[,;:.] )|(?<=[，、])|(?<= - )|(?<=\band ))(?:so|thus|hence|ergo)\b[\s,:]*(?=\S)"
    r"|\b(?:therefore|consequently|in conclusion|in total|altogether)\b[\s,:]*(?=\S)"
    r"|\b(?:(?:the )?(?:final )?(?:answer|result) (?:is|equals)|(?:final )?answer ?:)[\s:*]*(?=\S)"
    rf"|{START}(?:{_SO_BUT_IN_ENGLISH}|also|en conclusion){END}[\s,،:]*(?=\S)"
    rf"|(?:{SO_CJK}|故|结论|答案)[\s,:：，、*]*(?=\S)",
    re.IGNORECASE,
)
_OPENING = CONDITIONS | {"guess", "se", "whenever", "would"}
"""Words that leave a clause open, those among them that may be harmless around a single number."""
_ASIDE = re.compile(r"[(（][^()（）]{0,100}[)）]")
_IF = re.compile(r"如果|假如|假设|假設|要是|もし|만약|यदि|अगर|إذا")
_FRONT = frozenset(
    """in of for with after when since because from out given at on by as to among during within over under before until
    while within em en de dans pour avec après con para após nach von für bei mit""".split()  # noqa: SIM905
)
_INNER = frozenset("when where who although though but because since whereas while some others other".split())  # noqa: SIM905
"""Inside a subject, these begin something else."""
_COMMA = re.compile(r"[,;](?!\d)|[，；]")
_DIGIT = re.compile(r"\d")
_OF_THE_SUBJECT = OPERATIONS | EARLIER | frozenset(("than", "between", "instead", "any", "whatever"))
"""Words that make of the subject's numbers what the verb states: "3 times 4 is 12", "5 more than 4 is 9"."""


def last_statement(text: str) -> tuple[str, bool]:
    """The last sentence of a text, and whether it may count beside the sentences before it: it concludes."""
    text = text[-LONGEST:].strip()
    ends = [match.end() for match in _END.finditer(text) if text[match.end() :].strip(" *_.!。")]
    sentence = (text[ends[-1] :] if ends else text).strip()
    alone = not ends or not _DIGIT.search(text[: ends[-1]])
    return sentence, alone or _SO.search(sentence) is not None


def concluded(sentence: str) -> str | None:
    """What follows the last word of conclusion of a sentence; None where there is none, or what is before it is open."""
    found = list(_SO.finditer(sentence))
    if not found:
        return None
    before = sentence[: found[-1].start()]
    return None if left_open(before) else sentence[found[-1].end() :].strip()


def left_open(text: str) -> bool:
    """Whether a clause makes what follows it a guess or a case; what it assumes in brackets aside."""
    text = _ASIDE.sub(" ", text)
    return doubts(text) or "?" in text or _IF.search(text) is not None or not _OPENING.isdisjoint(tokens_of(text))


def states_result(lead: str) -> bool:
    """Whether words with numbers in them, in front of another number, make that one their result."""
    *front, clause = _COMMA.split(lead)
    if any((tokens := tokens_of(part)) and tokens[0] not in _FRONT for part in front):
        return False
    tokens = tokens_of(clause)
    end = ends_in_verb(tokens)
    if not end or len(tokens) > MOST_WORDS or verbs_of(tokens[:end]):
        return False
    if clause and not _INNER.isdisjoint(tokens[1:end]):
        return False
    if disowns(" ".join(tokens[end:])) or disowns(clause, _OF_THE_SUBJECT) or left_open(lead):
        return False
    return not (denies(lead) or offers_several(lead) or takes_back(lead))
