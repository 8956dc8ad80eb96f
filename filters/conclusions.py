"""What a reasoning says that the answer is, each time it says so, and whether it takes that back."""

import re
from collections.abc import Iterator
from itertools import zip_longest

CUES = (
    r"\bwait\b",
    r"\bhmm+\b",
    r"\balternatively\b",
    r"\bdouble-?check\b",
    r"\bre-?check\b",
    r"\blet me (?:re)?think\b",
    r"\baha\b",
)
"""Reflection cues. VLAA-Thinking publishes no list; these are the ones that its paper and its neighbours name."""

_LETTER = r"\(?(?-i:[A-H])\)?(?![A-Za-z'’])"
_SAYS = re.compile(
    r"(?i)\banswer is:?\s*(?P<answer>[^\n.?!]+(?:\.\d+)?)|\\boxed\{(?P<boxed>[^{}]*)\}"
    rf"|\b(?:option|choice) (?P<option>{_LETTER}) is (?:the )?(?:right|correct|answer|best)"
    rf"|\bcorrect (?:option|choice|one|letter) is:? (?P<correct>{_LETTER})"
    rf"|\bI (?:choose|pick|select|go with)(?: option)? (?P<chosen>{_LETTER})"
)
_HINTS = ("answer is", "\\boxed{", "option ", "choice ", "correct ", "i choose", "i pick", "i select", "i go with")
"""One of these begins whatever `_SAYS` finds, in small letters."""
MAY_CONCLUDE = "(?i)" + "|".join([*map(re.escape, _HINTS), "[\u0130\u0131]"])
"""Whether a text may give an answer, as a regular expression of Rust, for which the last two are no i."""
_FOLDED = re.compile("[\u0130\u0131\u017f\u212a]")
"""Letters beyond ASCII that are an i, s or k where case does not count."""
_TAKEN_BACK = re.compile(rf"(?i){'|'.join(CUES)}|\bno\b[,:.!]|\b(?:actually|instead|but|however|not|wrong)\b")
_NO_ANSWER = re.compile(
    r"(?i)(?:clear|clearly|obvious|evident|simple|straightforward|easy|known|given|found|determined|shown|based|not|either"
    r"|probably|likely|maybe|perhaps|as follows|below|above|here|in the|that|what|therefore|thus|which)\b"
)
_SUPPOSED = re.compile(
    r"(?i)\b(?:if|suppos\w*|assum\w*|whether|unless|could|might|may|maybe|perhaps|would|guess\w*|thought|check|verify|claim\w*"
    r"|says?|why|when|until)\b[^.!?\n]*$"
)
"""What precedes an answer that is only supposed, in the same sentence."""
_SHORT = 3
"""Words of an answer given in passing; what is longer is a remark about it."""


def conclusions(reasoning: str | None) -> list[str]:
    """The answers that a reasoning gives and does not take back, in order: "answer is …", `\\boxed{…}`, "option B is right".

    One that is taken back before the next ("wait", "no:", "actually", "but") is left out; the last one counts, whatever
    follows. Before the last, only a short one counts, because "the answer is 3 times the width" gives none.
    """
    whole = reasoning or ""
    matches = _statements(whole) if whole else []
    found = []
    for match, after in zip_longest(matches, matches[1:]):
        text = next((g for g in match.groups() if g), "").strip(" .:,;*$")
        sentence = max(whole.rfind(end, 0, match.start()) for end in ".!?\n") + 1
        supposed = whole.startswith("?", match.end()) or _SUPPOSED.search(whole, sentence, match.start())
        if not text or supposed or _NO_ANSWER.match(text):
            continue
        if after is not None:
            remark = len(text.split()) > _SHORT
            if remark or _TAKEN_BACK.search(whole, match.end(), after.start()):
                continue
        found.append(text)
    return found


def _statements(text: str) -> list[re.Match[str]]:
    """What `_SAYS` finds. It takes a try at every letter, so it is only tried where one of the hints is."""
    if not text.isascii() and _FOLDED.search(text):
        return list(_SAYS.finditer(text))
    small = text.lower()
    matches, end = list[re.Match[str]](), 0
    for place in sorted(place for hint in _HINTS for place in _places(small, hint)):
        match = _SAYS.match(text, place) if place >= end else None
        if match is not None:
            matches.append(match)
            end = match.end()
    return matches


def _places(text: str, wanted: str) -> Iterator[int]:
    at = text.find(wanted)
    while at >= 0:
        yield at
        at = text.find(wanted, at + 1)
