"""Question-form conversion: a choice asked openly, and a claim about its answer to be called true or false.

Curr-ReFT (arXiv 2503.07065) and the MDK12 evaluation (LanceZPF/MDK12, MDK12EvalHub) convert choice to blank to yes/no. A
form is only asked where its gold can be derived: a question that points at its options has no open form. The derived gold
is put to its verifier before any model is asked.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material
from generators.prompts import LETTERS, stem
from generators.template import Template, reading_only
from schemas.answer import BooleanAnswer, ChoiceAnswer, NumberAnswer, TextAnswer, dump_answer
from schemas.ids import seeded

Form = Literal["open", "yes_no"]
_POINTS_AT_OPTIONS = re.compile(
    r"\bwhich (?:one )?(?:of|among|option|choice|statement|answer)\b|\bthe following\b|\b(?:options?|choices?) below\b"
    r"|\bchoose\b|\bselect\b",
    re.IGNORECASE,
)
_POINTS_AT_OTHERS = re.compile(
    r"\b(?:all|none|both|neither|either|any) of\b|\b(?:above|below|options?|choices?)\b"
    r"|^\(?[A-H]\)? (?:and|or) \(?[A-H]\)?$",
    re.IGNORECASE,
)


class QuestionForm(Check):
    """The same question in other forms. `yes_no` asks about the gold and about a wrong answer, so that a constant
    answer is right half the time."""

    type: Literal["question_form"] = "question_form"
    forms: tuple[Form, ...] = Field(default=("open", "yes_no"), min_length=1)
    claim: Annotated[str, AfterValidator(lambda claim: reading_only(claim, ("question", "claimed")))] = Field(
        default="{{ question }}\nIs the answer '{{ claimed }}'? Answer yes or no.",
        description="a template that reads `question` and `claimed`",
    )

    def calls(self, n: int) -> int:
        """Once for the open form, twice for yes or no."""
        return (self.n or n) * sum(1 if form == "open" else 2 for form in self.forms)

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """Refusals: `form_points_at_options` (no open form), `form_no_wrong_answer` (nothing to claim wrongly)."""
        if "open" in self.forms and isinstance(sample.answer, ChoiceAnswer):
            yield _open(sample)
        if "yes_no" in self.forms:
            yield from self._claims(sample, setting)

    def _claims(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        right, wrong = _candidates(sample)
        if right is None:
            return
        if not wrong:
            yield Refusal("no", "form_no_wrong_answer")
            return
        drawn = seeded(setting.seed, f"question_form:{sample.id}").choice(wrong)
        judged_by = {"answer": dump_answer(sample.answer), "verifier": sample.verifier, "params": sample.params}
        # An option is wrong by itself; the gold of another sample may be this one's in other words (4.0 and 4).
        put = {} if isinstance(sample.answer, ChoiceAnswer) else {"rejects": [drawn], "of": judged_by}
        claim = Template(self.claim)
        for base, claimed in (("yes", right), ("no", drawn)):
            asked = stem(sample.question, sample.options) or sample.question
            question = claim.render({"question": asked, "claimed": claimed})
            answer = BooleanAnswer(raw=base, values=(base == "yes",))
            detail = {"claimed": claimed, **put}
            yield Change(base, question=question, options=(), answer=answer, verifier="boolean", detail=detail)


def _open(sample: Material) -> Change | Refusal:
    assert isinstance(sample.answer, ChoiceAnswer)
    texts = [sample.options[LETTERS.index(x)] for x in sample.answer.letters if sample.options]
    pointed = [text for text in sample.options if _POINTS_AT_OTHERS.search(text)]
    asked = stem(sample.question, sample.options)
    if len(texts) != 1 or pointed or asked is None or _POINTS_AT_OPTIONS.search(sample.question):
        return Refusal("open", "form_points_at_options", {"options": pointed})
    answer = TextAnswer(raw=texts[0], value=texts[0])
    return Change(
        "open",
        question=asked,
        options=(),
        answer=answer,
        verifier="text",
        detail={"rejects": [text for text in sample.options if text != texts[0]]},
    )


def _candidates(sample: Material) -> tuple[str | None, list[str]]:
    """What is right to claim, and what is wrong to."""
    if isinstance(sample.answer, ChoiceAnswer):
        golds = {LETTERS.index(letter) for letter in sample.answer.letters}
        if len(golds) != 1 or any(_POINTS_AT_OTHERS.search(text) for text in sample.options) or not sample.options:
            return None, []
        return sample.options[min(golds)], [text for i, text in enumerate(sample.options) if i not in golds]
    if isinstance(sample.answer, NumberAnswer | TextAnswer):
        same = {sample.answer.raw.casefold(), *(a.casefold() for a in getattr(sample.answer, "aliases", ()))}
        return sample.answer.raw, [other for other in sample.others if other.casefold() not in same]
    return None, []
