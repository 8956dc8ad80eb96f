"""What a text mentions of the options it was given: letters that stand for an option, and options in their own words."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from filters.verify.clauses import MENTION
from filters.verify.normalise import words
from schemas.connectives import AND, AND_CJK, BECAUSE, END, NO, NOT, OR, OR_CJK, any_of, whole_words
from schemas.remembered import remembered

_FIRST = ord(MENTION[0])
_MOST = 4000
_NOUN = (
    r"(?:(?:the |la |l'|a |die |der |только |only )?(?:(?:correct|right|best|final) )?(?:option|choice|answer|letter"
    r"|alternative|opción|opçao|opção"
    r"|alternativa|lettre|lettera|letra|proposition|réponse|respuesta|resposta|antwort|opzione|вариант|буква"
    r"|الخيار|विकल्प) |(?:只有"
    r"|仅有?)?(?:选项|選項|選択肢|선택지|보기) ?|只有|仅 )"
)
_THING = (
    r"vitamin|plan|point|line|angle|hepatitis|type|class|grade|group|team|side|figure|fig\.?"
    "|table|section|part|triangle|gate|phase|person|player|train|object|circle|city|town|country"
    "|region|area|curve|graph|node|vertex|matrix|vector|variable|sample|tube|container|company"
    r"|big|mr\.?|mrs\.?|dr\.?"
)
"""What a capital behind it names, so that it is no option: "vitamin C", "Mr. B"."""
_FOLLOWS = (
    any_of(AND, OR, NOT, NO, BECAUSE)
    + "|is|are|was|were|would|could|can|seems?|looks?|appears?|fits?|matches|has|does|may|might"
    "|must|should|will|nor|as|but|instead|rather|over|than|from|to|with|in|on|at|by|for|too"
    "|also|so|which|where|who|if|either|both|again|definitely|clearly|obviously|certainly|surely"
    "|probably|likely|maybe|perhaps|possibly|actually|indeed|only|alone|here|without|i|we|option"
    "|choice|answer|correct|incorrect|wrong|right|true|false|makes|gives|contradicts|describes"
    "|states|says|shows|works|remains|stands|es|é|est|ist|è|ni|lautet|car"
)
"""Words that may follow a letter that is an option ("B is right"); before others it is an article or part of a name."""


class Mention(NamedTuple):
    """The letters of the options that are mentioned together, whether as alternatives ("or"), and whether by letter."""

    letters: tuple[str, ...]
    either: bool = False
    lettered: bool = False


class Mentions(NamedTuple):
    """`text`: every mention as one character. `of`: what each of these mentions."""

    text: str
    of: dict[str, Mention]


def mentions(text: str, options: tuple[str, ...], allowed: str) -> Mentions | None:
    """The mentions in a text of flat lines; None where there are too many.

    A letter is one on its own (in brackets at any size, else as the options write it) and is no article ("A dog"),
    no pronoun ("I") and no name ("vitamin C"). An option is its whole wording of two letters or more.
    """
    of: dict[str, Mention] = {}

    def mark(*mention: Any) -> str:
        char = chr(_FIRST + len(of))
        of[char] = Mention(*mention)
        return char

    text = _CHARS.sub("", text)
    worded = _wordings(options)
    if worded is not None:
        pattern, places = worded

        def option(match: re.Match[str]) -> str:
            place = places.get(_key(match.group("wording")))
            return match.group() if place is None or len(of) >= _MOST else mark((allowed[place],))

        text = pattern.sub(option, text)
    text = _letters(allowed).sub(lambda m: _marked(m, allowed, mark) if len(of) < _MOST else m.group(), text)
    if len(of) >= _MOST:
        return None

    def joined(match: re.Match[str]) -> str:
        parts = [of[char] for char in match.group() if char in of]
        letters = tuple(dict.fromkeys(x for part in parts for x in part.letters))
        either = any(part.either for part in parts) or _OR.search(match.group()) is not None
        return mark(letters, either and len(letters) > 1, any(part.lettered for part in parts))

    return Mentions(_JOINED.sub(joined, text), of)


def _marked(match: re.Match[str], allowed: str, mark: Callable[..., str]) -> str:
    bare = match.group("bare")
    letter = match.group("bracketed") or match.group("named") or bare
    if letter is None or (bare == "I" and match.string[match.end() :][:1] not in ("", ".", ":", "\n")):
        return match.group()
    found = next((x for x in (letter, letter.upper(), letter.lower()) if x in allowed), None)
    if found is None:
        return match.group()
    apart = match.group().endswith((")", "]")) and _WORDS.match(match.string, match.end())
    return mark((found,), False, True) + ("\n" if apart else "")


_WORDS = re.compile(rf" (?!(?:{_FOLLOWS}){END})\w")
"""After a letter in brackets: the wording of its option, or what else is stated of it."""
_M = f"[{MENTION}]"
_CHARS = re.compile(_M)
_OR = re.compile(rf"{whole_words(OR)}|/|{OR_CJK}", re.IGNORECASE)
_JOINED = re.compile(
    rf"{_M}(?:(?: ?[,/&+] ?(?:(?:{any_of(AND, OR)}) )?| (?:{any_of(AND, OR)}|nor|as well as) | ?(?:{AND_CJK}|{OR_CJK}|か) ?"
    rf"| ?و ?| |\) \()(?={_M}){_M})+",
    re.IGNORECASE,
)


@remembered(1 << 14)
def _letters(allowed: str) -> re.Pattern[str]:
    """A letter of an option, where it stands for that option."""
    both = re.escape("".join(dict.fromkeys(allowed + allowed.upper() + allowed.lower())))
    end = rf"(?![A-Za-z0-9_'^+*#<>-]| ?[=^*+<>] ?[\w(\\])(?! (?!(?:{_FOLLOWS}){END})[a-zà-ÿ])"
    mark, suffix = r"[*_`\"$]{0,2}", r"(?: ?(?:选项|選項|项))?"
    return re.compile(
        rf"(?P<thing>\b(?i:{_THING}) [A-Z]\b)"
        rf"|(?i:{_NOUN})?(?<![A-Za-z0-9_]){mark}[(\[](?P<bracketed>[{both}])[)\]]{mark}{suffix}"
        rf"|(?i:{_NOUN}){mark}(?P<named>[{both}]){mark}{end}\)?{suffix}"
        rf"|(?<![A-Za-z0-9_'\\^+*<>-]){mark}(?P<bare>[{re.escape(allowed)}])(?:\)|{mark}{end}){suffix}"
    )


@remembered(1 << 17, size=lambda options: sum(map(len, options), len(options)))
def _wordings(options: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, int]] | None:
    """The wordings of two letters or more, longest first, and the place of each; two options of one wording have none."""
    places: dict[str, int] = {}
    for place, option in enumerate(options):
        key = _key(option)
        if len(_LETTER.findall(key)) >= 2 and len(key) <= _LONGEST:
            places[key] = -1 if key in places else place
    worded = sorted((key for key, place in places.items() if place >= 0), key=len, reverse=True)
    if not worded:
        return None
    body = "|".join(re.escape(key).replace("\\ ", r"\s+") for key in worded)
    return re.compile(rf"(?<![\w-])(?:(?:a|an|the) )?(?P<wording>{body})(?!\w|-\w)", re.IGNORECASE), places


_LETTER = re.compile(r"[^\W\d_]")
_LONGEST = 200


def _key(text: str) -> str:
    return re.sub(r"\s+", " ", words(text)).strip()
