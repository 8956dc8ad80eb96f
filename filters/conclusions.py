"""What a reasoning says that the answer is, each time it says so, and whether it takes that back."""

import re
from itertools import zip_longest

CUES = (
    r"\bwait\b",
    r"\bhmm+\b",
    r"\balternatively\b",
    r"\b(?:double|re)-?check\b",
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
"""One of these is in whatever `_SAYS` finds, in small letters."""
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
    small = whole.lower()
    if not any(hint in small for hint in _HINTS) and (whole.isascii() or not _FOLDED.search(whole)):
        return []
    matches = list(_SAYS.finditer(whole))
    found = []
    for match, after in zip_longest(matches, matches[1:]):
        text = next((g for g in match.groups() if g), "").strip(" .:,;*$")
        supposed = whole[match.end() :].startswith("?") or _SUPPOSED.search(whole, 0, match.start())
        if not text or supposed or _NO_ANSWER.match(text):
            continue
        if after is not None:
            remark = len(text.split()) > _SHORT
            if remark or _TAKEN_BACK.search(whole, match.end(), after.start()):
                continue
        found.append(text)
    return found
