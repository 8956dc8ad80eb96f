"""A short text as its clauses, in order: what each begins with, and whether it holds nothing but function words."""

import re
from typing import NamedTuple

from filters.verify import phrases
from filters.verify.normalise import flat
from schemas.connectives import BECAUSE, BECAUSE_CJK, END, SO, SO_CJK, START, any_of

MENTION = "\ue000-\uf000"
"""The characters that stand for what a text mentions (`filters.verify.mentions`), as a range of a character class."""
_M = f"[{MENTION}]"


class Clause(NamedTuple):
    """`opener`: what it begins with: because, so, but, which, wait (a correction), or nothing. `asks`: it ends in "?"."""

    text: str
    opener: str = ""
    asks: bool = False


_BECAUSE = (
    rf"{any_of(BECAUSE)}|as it|as this|as the|the reason|reason(?:ing)?:|explanation:|unlike|compared (?:to|with)|than"
    r"|whereas|while|although|though"
)
_BUT = r"(?<!all )(?<!thing )but|however|yet|sondern|aber|sino|pero|mas|mais|ma|а|но|однако|لكن|बल्कि|लेकिन"
_SPLIT = re.compile(
    rf"(?P<stop>(?<![.!?;])[.!?;]+(?=\s|$|{_M}|[\"')])|(?<=[^\x00-\x7f])[.!?;]|\n+|,| - |(?<!{_M}) and (?={_M})"
    rf"|(?<={_M}):"
    rf"|{START}(?:no|nope):)"
    rf"|{START}(?:(?P<because>{_BECAUSE})|(?P<so>(?:{any_of(SO)})(?=[ ,]+[^ .!?]))|(?P<but>{_BUT})"
    rf"|(?P<which>which|that is why|where"
    rf"|who)){END}"
    rf"|(?P<because_cjk>{BECAUSE_CJK}|理由は|理由[是:])|(?P<so_cjk>{SO_CJK}|显然|顯然|故(?=[选選答]| ?{_M}))"
    # What comes before is denied.
    r"|(?<=아니라)|(?<=아니고)|(?<=말고)|(?<=はなく)(?!て)|(?<=じゃなく)(?!て)|(?<=なくて)"
    r"|(?P<but_cjk>但是?|而是|然而|不过|しかし|でも|하지만|그러나)"
    rf"|(?<={_M})(?P<after> (?=(?:not|and not|nicht|pas|no|não|non|не|as|for|by|in|on|with|based|from|from|instead of"
    rf"|rather than|over)\b)"
    rf"|(?=而不是|而非|不是(?= ?{_M})))",
    re.IGNORECASE,
)
_MOST = 400
"""Clauses that are looked at; a longer text is no answer."""


def clauses(text: str) -> list[Clause] | None:
    """The clauses of a text whose lines are flat; None where there are too many."""
    found: list[Clause] = []
    begin, opener = 0, ""
    for match in _SPLIT.finditer(text):
        before = text[begin : match.start()]
        _add(found, before, opener, match.group().startswith("?"))
        begin, kind = match.end(), (match.lastgroup or "").removesuffix("_cjk")
        if kind == "after":
            opener = "" if _NO.match(text, begin) else "because"
        elif kind in ("because", "so", "but", "which"):
            opener = kind
        elif match.group() != "," or (opener != "because" and before.strip()):
            opener = ""
        if len(found) > _MOST:
            return None
    _add(found, text[begin:], opener, False)
    return found


_NO = re.compile(r"(?:not|and not|nicht|pas|no|não|non|не|instead of|rather than|over)\b|而|不", re.IGNORECASE)


def _add(found: list[Clause], text: str, opener: str, asks: bool) -> None:
    text = text.strip(" \n,;.!\"'")
    if match := phrases.CORRECTION.match(text + " "):
        opener, text = "wait", text[match.end() :].strip() or text
    if text:
        found.append(Clause(text, opener, asks))


_FUNCTION_WORDS = (
    "i|we|you|he|she|it|its|this|that|these|those|they|them|one|ones|which|there|here|the"
    "|a|an|my|our|is|was|are|were|be|been|being|am|do|does|did|done|has|have|had|can"
    "|could|would|should|will|shall|may|might|must|to|of|for|as|at|in|on|so|and|also|too"
    "|both|all|each|either|well|else|such|very|quite|pretty|just|only|indeed|really|still|now"
    "|then|again|rather|clearly|definitely|certainly|surely|obviously|probably|likely|most|more"
    "|best|better|actually|simply|totally|completely|final|finally|correct|right|true|valid|good"
    "|possible|plausible|equally|answers?|options?|choices?|statements?|selection|letter|response"
    "|solution|result|conclusion|think|believe|guess|suppose|say|said|know|sure|confident|certain"
    "|choose|chose|chosen|select|selected|pick|picked|go|going|with|seems?|seem|looks?|look"
    "|appears?|appear|fits?|matches|works?|remains?|leaves?|leaving|left|if|not|question|problem"
    "|above|given|following|considered|between|among|another|other|others|same|thing|way|yes"
    "|however|but|la|el|le|les|los|die|das|der|es|ist|est|é|è|son|sont|respuesta|opción"
    "|alternativa|resposta|opção|réponse|antwort|risposta|richtig|richtige|correcta?|correcto"
    "|correta|correto|corretta|bonne|juste|que|creo|pense|denke|это|ответ|вариант|правильный"
    "|верный|هي|هو|الإجابة|الجواب|صحيحة|الصحيحة|उत्तर|सही|है|विकल्प"
)
_FUNCTION_CJK = (
    "选项|選項|才|只|有|答案|正确|正確|应该|應該|选择|选|這|这|那|它|个|個|是|的|也|都|均|就"
    "|对|我|认为|所以|因此|显然|可以|被|了|すべて|です|である|は|が|も|答え|正解|選択肢|これ|それ|정답"
    "|답|은|는|이|가|도|입니다|이다|선택지|합니다|다|지|해야|할|수|있"
)
_FUNCTION = re.compile(rf"{START}(?:{_FUNCTION_WORDS})(?:'(?:s|m|d|ll|re|ve))?{END}|{_FUNCTION_CJK}", re.IGNORECASE)
"""Words about the answer as an answer, or about nothing; what is left of a clause without them is its matter."""


_WAIT = re.compile(r"(?:^|[.!?;,\n]|\s-) ?(?=\S)")


def after_wait(text: str) -> str:
    """What follows the last clause that takes back what came before ("A. Wait, B"); the text where there is none."""
    end = 0
    for match in _WAIT.finditer(text):
        if taken := phrases.CORRECTION.match(text, match.end()):
            end = taken.end()
    return text[end:].strip() or text


_REASON = re.compile(
    rf"[,.;]? (?:{any_of(BECAUSE)}|as it|as this){END}|[,。]?(?:{BECAUSE_CJK})",
    re.IGNORECASE,
)


def before_reason(text: str) -> str:
    """A text up to the reason that it gives ("A, because it is red"); the text where it gives none."""
    match = _REASON.search(text)
    return text[: match.start()].strip() if match and match.start() else text


def only_function_words(text: str) -> bool:
    """Whether a clause says nothing but function words, mentions, denials and doubts: it is about the mentions alone."""
    text = phrases.DENIAL.sub(" ", phrases.DOUBT.sub(" ", phrases.ALTERNATIVE.sub(" ", text)))
    return not _LEFT.search(_FUNCTION.sub(" ", text))


_LEFT = re.compile(rf"[^\W_{MENTION}]")


_INLINE = re.compile(r"\\(?:text(?:bf|it|rm|normal)?|math(?:bf|rm|it)|boldsymbol|underline|emph)\s?\{([^{}]*)\}")


_BLANK = re.compile(r"(?<!\\)\\(?: |q?quad(?![A-Za-z])|;)")


def lined(text: str) -> str:
    """A text with each of its lines flat, without marks of emphasis inside of it."""
    if "**" in text or "\\" in text:
        text = _BLANK.sub(" ", _INLINE.sub(r"\1", text.replace("**", "")))
    lines = text.splitlines()
    return "\n".join(flat(line) for line in lines if line.strip()) if len(lines) > 1 else flat(text)
