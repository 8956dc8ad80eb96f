"""Which options a text states as its answer, read to its end: letters, wordings, denials, corrections, alternatives.

The text is cut into clauses. A clause states what it mentions where nothing else is left of it but a lead-in ("the answer
is", 选, 정답은), closing words ("is correct") and function words. It denies, where such a clause says no. The last statement
counts if nothing after it denies it, leaves it open, or names another option other than as a reason; and if no other
statement is before it, unless that was denied, corrected ("wait"), or concluded from ("so", "final answer").
"""

import re
from dataclasses import dataclass, field

from filters.verify import phrases
from filters.verify.clauses import MENTION, Clause, clauses, lined, only_function_words
from filters.verify.lead_in import denies, doubts, offers_several, unled
from filters.verify.mentions import Mention, mentions
from filters.verify.normalise import words
from filters.verify.options import packed
from filters.verify.truth_words import FALSE
from schemas.connectives import END, SO, SO_CJK, START, any_of

_CHAR = re.compile(f"[{MENTION}]")
_ARTICLE = re.compile(r"(?:on|in|at|to|from) (?:the )?|(?:an?|the|der|die|das|la|le|el|un|une|una)[ ]", re.IGNORECASE)
_OF_THE_MATTER = re.compile(
    r"(?:(?:it|this|that|they|we) "
    r"|(?:the|its|his|her|this|that|these) (?!\w*(?:least|second|worst|opposite|other|last)\b)"
    r"(?:\w+ ){1,4}?(?:is|are|was|were) )"
    rf"(?:(?:on|in|at|to|from) )?(?:(?:an?|the) )?[{MENTION}]",
    re.IGNORECASE,
)
"""A sentence about the matter that ends in an option's words: "The city is London"."""
_LATE = re.compile(
    rf"^[^{MENTION}]*\b(?:i (?:think|believe|would say|conclude|am sure)(?: that)?|(?:so|therefore|thus|hence),?) "
    rf"(?:the|my) (?:(?:correct|right|best|final) )?(?:answer|option|choice) (?:is|must be|should be|would be) "
    rf"(?=[{MENTION}]\W*$)",
    re.IGNORECASE,
)
"""A lead-in behind other words: "Thinking about it I think the correct answer is"."""
_FINAL = re.compile(
    rf"{START}(?:{any_of(SO)}|also|final|finally|conclusion|conclude|overall|итог|अंतिम){END}|النهائية"
    rf"|{SO_CJK}|故|最终|最後|최종",
    re.IGNORECASE,
)
_APPROVES = re.compile(
    r"\b(?:correct|right|true|best|answer|option|choice|choose|pick|select|go with|must be|has to be|remains?|left"
    r"|leaves)\b|正确|正確|答案|选|对|是|정답|正解|答え"
    r"|\b(?:correct[aoe]?|corret[ao]|richtig|juste|правильн\w+|верн\w+)\b|صحيح|सही",
    re.IGNORECASE,
)
_ALSO = re.compile(
    r"\b(?:also|too|as well|both|all|each|equally|another|others?)\b|也|都|均|どちらも|모두", re.IGNORECASE
)
_OTHER = re.compile(f"[^{MENTION} ()]")
_MOST_CHARS = 20_000
_Letters = tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """What a text has stated so far. `listed`: bare options one after another, which are no answer yet.

    `negative`: the letters of options such as "No", which "it isn't" agrees with.
    """

    answer: _Letters | None = None
    listed: list[_Letters] = field(default_factory=list)
    last: _Letters = ()
    negative: frozenset[str] = frozenset()
    corrected: bool = False
    conflict: bool = False

    def state(self, letters: _Letters, led: bool, final: bool) -> None:
        """A clause states these."""
        enumerated = len({*self.listed}) > 1
        if (self.answer is None and not self.conflict) or self.corrected or (led and (final or enumerated)):
            self.conflict = False
        elif set(self.answer or ()) != set(letters):
            self.conflict = True
        self.answer, self.corrected = letters, False
        if not led:
            self.listed.append(letters)

    def deny(self, letters: _Letters) -> None:
        """A clause denies these."""
        if self.answer is not None and set(letters) & set(self.answer):
            self.answer, self.corrected = None, True

    def spoil(self) -> None:
        """Something leaves the answer open."""
        self.conflict = self.conflict or self.answer is not None


def stated(span: str, options: tuple[str, ...], allowed: str) -> _Letters | None:
    """The letters of the options that `span` states; None where it states none, contradicts itself, or stays open."""
    if len(span) > _MOST_CHARS:
        return None
    found = mentions(phrases.NO_DENIAL.sub("", lined(span)), options, allowed)
    parts = clauses(found.text) if found is not None else None
    if found is None or parts is None:
        return None
    no = frozenset(letter for letter, option in zip(allowed, options, strict=False) if words(option) in FALSE)
    reading = _Reading(negative=no)
    for clause in parts:
        _read(clause, found.of, reading, allowed)
    return None if reading.conflict else reading.answer


def _read(clause: Clause, of: dict[str, Mention], reading: _Reading, allowed: str) -> None:
    reading.corrected = reading.corrected or clause.opener == "wait"
    text, named = clause.text, [of[char] for char in _CHAR.findall(clause.text)]
    core = unled(text)
    if core == text and (late := _LATE.search(text)) and not (denies(text) or doubts(text)):
        core = text[late.end() :]
    if match := _ARTICLE.match(core):
        core = core[match.end() :]
    if not named:
        if clause.opener != "because":
            _read_words(text, core, reading, allowed)
        return
    letters = tuple(dict.fromkeys(x for mention in named for x in mention.letters))
    pure, led = only_function_words(text), len(core) < len(text) or clause.opener == "so"
    if denies(text):
        if pure:
            reading.deny(letters)
    elif clause.asks:
        pass
    elif doubts(text) or any(mention.either for mention in named) or (pure and offers_several(text)):
        reading.spoil()
    elif (led or clause.opener not in ("because", "which")) and _states(core, named, pure, text):
        reading.state(letters, led, clause.opener == "so" or _FINAL.search(text) is not None)
    elif clause.opener not in ("because", "which") and _disturbs(named, pure, reading):
        reading.spoil()
    reading.last = letters


def _disturbs(named: list[Mention], pure: bool, reading: _Reading) -> bool:
    """Whether other options than the answer are named, by letter, or in a clause about nothing else."""
    others = [mention for mention in named if not {*mention.letters} <= {*(reading.answer or ())}]
    return (pure and bool(others)) or any(mention.lettered for mention in others)


def _read_words(text: str, core: str, reading: _Reading, allowed: str) -> None:
    """A clause that mentions nothing: packed letters ("选AC"), or a word on what was mentioned last ("it is incorrect")."""
    if core != text and (letters := packed(core, allowed)):
        reading.state(letters, True, True)
    elif text and only_function_words(text) and not _ALSO.search(text):
        if denies(text):
            if not {*reading.last} <= reading.negative:
                reading.deny(reading.last)
        elif doubts(text):
            reading.spoil()


def _states(core: str, named: list[Mention], pure: bool, text: str) -> bool:
    if len(core) == 1:
        return True
    if len({mention.letters for mention in named}) > 1:
        return False
    if not _OTHER.search(core):  # a letter and its own wording
        return True
    if not named[0].lettered and _OF_THE_MATTER.fullmatch(text):
        return True
    return pure and _APPROVES.search(text) is not None and not _ALSO.search(text)
