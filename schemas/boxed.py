r"""The answer that boxes state: the last one, or several that only commas, "and" or "or" join.

Two solutions are often written `\boxed{2} \text{ and } \boxed{3}`; Math-Verify joins such boxes as well
(huggingface/Math-Verify, src/math_verify/parser.py, from 0.8 on).
"""

import re

from schemas.connectives import AND, AND_CJK, END, NO, NOT, OR, OR_CJK, whole_words
from schemas.tags import all_boxes

Box = tuple[str, int, int]

MAX_GAP = 80
"""Characters between two boxes that can still be a joint."""
_BETWEEN = re.compile(
    rf"(?:[\s$*~,;、，；]|\\\\|\\[()\[\],;:!]|\\q?quad(?![a-zA-Z])|{whole_words(AND, OR)}|{AND_CJK}|{OR_CJK}"
    r"|\\(?:text|mathrm|textrm|mbox)\s*\{\s*,?\s*(?:and|or)\s*\}|\b[a-zA-Z](?:_\{?\w\}?)?\s*="
    r"|(?:\\text\s*\{\s*)?\bfor (?:part )?\(?[a-z\d]\)?(?:\s*,?\s*(?:and|or))?(?:\s*\})?)+"
)
_SPACE = re.compile(r"\\[,;:!()\[\]]")
_JOINT = re.compile(rf"[,;、，；]|{whole_words(AND, OR)}|{AND_CJK}|{OR_CJK}")
_OR = re.compile(rf"{whole_words(OR)}|{OR_CJK}")


_NEAR = 30
_IS = r"be|equals?(?: to)?|es|son|igual a|é|são|è|sono|égale? à|gleich|равн[аоы]|является|是|等于|等於"
_DENIED = re.compile(
    rf"((?:{whole_words(NOT)}|{whole_words(NO)}(?= (?:{_IS}){END})|不|并非|isn’t|can’t)(?: ?(?:{_IS}))?)[\s$*_`(]*\Z",
    re.IGNORECASE,
)


def boxed(text: str) -> Box | None:
    """What the last boxes of a text state, where the statement begins and ends; None where no box has balanced braces.

    A box inside another is the answer alone; the same answer in several boxes is one answer. One pass.
    A box right behind "not" or its like is denied: the answer begins with that word.
    """
    boxes = all_boxes(text)
    if not boxes:
        return None
    begin, inside, end = max(boxes)
    parts = [text[inside:end].strip()]
    start, joint = begin, ", "
    for earlier in sorted(boxes, reverse=True)[1:]:
        gap = text[earlier[2] + 1 : start] if earlier[2] < start else ""
        if not _joins(gap):
            break
        joint = " or " if _OR.search(gap) else joint
        parts.append(text[earlier[1] : earlier[2]].strip())
        start = earlier[0]
    answer = parts[0] if len(set(parts)) == 1 else joint.join(reversed(parts))
    denied = _DENIED.search(text, max(0, start - _NEAR), start)
    return (f"{denied.group(1)} {answer}" if denied else answer), start, end + 1


def _joins(gap: str) -> bool:
    if not gap or len(gap) > MAX_GAP or not _BETWEEN.fullmatch(gap):
        return False
    return bool(_JOINT.search(_SPACE.sub(" ", gap)))
