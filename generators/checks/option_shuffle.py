"""Option shuffle with the same reasoning: the answer must follow the option's content, not its letter.

ACRE (arXiv 2510.10104): permute the options so that the gold's letter moves, force the old thought as the start of the
reply, and ask for the answer only. A thought that names letters decides the new answer by the old order, so it is
refused.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.guess import forced_thought
from generators.checks.material import Material
from generators.prompts import LETTERS, stem
from schemas.answer import ChoiceAnswer
from schemas.ids import seeded
from schemas.reply import split_reply
from schemas.tags import TAG_SCHEMAS, parse_tags

_NAMED = re.compile(
    r"(?:\b(?i:option|choice|answer|letter)s?(?:\s?(?i:is|:)){0,2}\s?[\(\[*]{0,3}|[\(\[])([A-Z])\b|\b([A-Z])\)|\*([A-Z])\*"
    r"|\b(?i:option|letter)s? [\(\[]?([a-z])\b|[\(\[]([a-z])[\)\]]"
    r"|(?<![\w'])([B-HJ-Z])(?![\w'])"
    r"|(?<![\w'.])([AI])(?=[.,;:!?]|\s*$)|(?<![\w'.])(A)(?= (?:is|was|or|and|fits|seems|looks|matches|must|cannot)\b)"
)
"""In brackets, in bold, after its name, or alone. A and I are words: they count where a clause ends, and A before a verb."""


class OptionShuffle(Check):
    """A choice sample's own rollouts, each continued under permuted options."""

    type: Literal["option_shuffle"] = "option_shuffle"
    n: int | None = Field(default=1, ge=1, description="answers a rollout")
    replies: int = Field(default=4, ge=1, description="how many of the sample's rollouts are continued")
    needs: ClassVar[frozenset[str]] = frozenset({"rollouts"})

    def calls(self, n: int) -> int:
        """One answer (or `n`) for each rollout that is continued."""
        return (self.n or 1) * self.replies

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """One variant for each of the first replies.

        Refusals: `letters_named`, `no_thought` (the reply has none), `options_in_question` (it names them in its own way).
        """
        if not isinstance(sample.answer, ChoiceAnswer) or len(sample.options) < 2:
            return
        question = stem(sample.question, sample.options)
        if question is None:
            yield Refusal("", "options_in_question")
            return
        order = permutation(len(sample.options), sample.answer.letters, f"{setting.seed}:{sample.id}")
        tags = self.tags or setting.rollouts.answer_tags
        options = tuple(sample.options[i] for i in order)
        gold = moved(sample.answer, order, options)
        for reply in sample.replies[: self.replies]:
            thought = _thought(reply.text, tags)
            if thought is None:
                yield Refusal(reply.id, "no_thought")
            elif named := letters_named(thought, len(options)):
                yield Refusal(reply.id, "letters_named", {"named": named})
            else:
                prefix = forced_thought(thought, tags)
                detail = {"order": order, "first": reply.answer}
                yield Change(reply.id, question, options, answer=gold, prefix=prefix, detail=detail)


def permutation(count: int, letters: Sequence[str], seed: str) -> list[int]:
    """Where each new option was before: drawn until the gold's letters have moved."""
    golds = {LETTERS.index(letter) for letter in letters}
    rng = seeded(seed, "option_shuffle")
    order = list(range(count))
    for _ in range(1000):
        rng.shuffle(order)
        if {new for new, old in enumerate(order) if old in golds} != golds or len(golds) >= count:
            return order
    return order


def moved(answer: ChoiceAnswer, order: Sequence[int], options: Sequence[str]) -> ChoiceAnswer:
    """The gold under the new order."""
    golds = {LETTERS.index(letter) for letter in answer.letters}
    places = [new for new, old in enumerate(order) if old in golds]
    letters = tuple(LETTERS[place] for place in places)
    return ChoiceAnswer(raw=", ".join(letters), letters=letters, texts=tuple(options[place] for place in places))


def letters_named(thought: str, count: int) -> list[str]:
    """The option letters that a thought names: in brackets, after "option" or "answer", or alone where it is no word."""
    found = {"".join(groups).upper() for groups in _NAMED.findall(thought)}
    return sorted(found & set(LETTERS[:count]))


def _thought(reply: str, tags: str) -> str | None:
    """The reasoning of a reply; empty where the tag schema has none, None where the reply should have one."""
    schema = TAG_SCHEMAS[tags]
    if len(schema.sections) == 1:
        return ""
    found = parse_tags(reply, schema).sections
    thought = next((found[s.name] for s in schema.sections if s.name != schema.answer and s.name in found), None)
    return thought or split_reply(reply).thought or None
