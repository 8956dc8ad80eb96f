"""The section of a step that asks models."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from generators.asking.columns import given
from generators.asking.shots import Shot, turns
from generators.template import PromptField, Template
from schemas.completion import Sampling
from schemas.reading import answer_pattern
from schemas.reply_shape import Reply
from schemas.section import refuse_idle
from schemas.step import StepConfig
from schemas.tag_pattern import check_held
from schemas.tags import TAG_SCHEMAS

Fate = Literal["drop", "keep"]


class AskConfig(StepConfig):
    """What is asked of models about each row, and what their replies give."""

    model: str | tuple[str, ...] = Field(min_length=1, description="a name from `models`, or several")
    system: PromptField | None = Field(default=None, description="a template of the system turn")
    prompt: PromptField = Field(description="a template, such as '{{ question }}', or {file: name.j2}")
    shots: tuple[Shot, ...] = Field(default=(), description="worked examples: the prompt's fields, and the `reply`")
    sees: str | tuple[str, ...] = Field(
        default="media", description="which images the model is shown: media, nothing, or names of media columns"
    )
    n: int = Field(default=1, ge=1, description="replies a row and model; more than one needs `makes`")
    tries: int = Field(
        default=1, ge=1, description="how often at most a reply is asked for until one can be read; that one counts"
    )
    sampling: Sampling = Field(
        default=Sampling(temperature=0.0, max_tokens=512), description="how tokens are drawn, named as vLLM names it"
    )
    prefix: PromptField | None = Field(default=None, description="a template of the words that a reply begins with")
    conclude: str | None = Field(
        default=None,
        min_length=1,
        description="a sentence that makes a reply without an answer conclude, such as 'So the answer is'",
    )
    conclude_tokens: int = Field(default=16, ge=1, description="tokens of that conclusion at most")
    answer_pattern: str | None = Field(
        default=None,
        description="a regular expression (Rust's syntax) for where a reply gives its answer, its choice, its score or its "
        "fields, as the group `answer`; the last match counts",
    )
    reply: Reply = Field(default="text", description="the form of a reply, which decides the columns that it gives")
    constrain: bool | dict[str, str] = Field(
        default=True,
        description="whether decoding is held to that form; models that think before they reply never are. {section: "
        "expression} holds sections of its tag schema to expressions, or a text, as {answer: expression}",
    )
    gives: dict[str, str] | None = Field(
        default=None,
        description="{column: source}: columns and what they hold of the reply: text, reasoning, final, summary, choice, "
        "score, or one of its fields",
    )
    makes: str | None = Field(default=None, min_length=1, description="a unit: each reply becomes a row of it")
    unanswered: Fate = Field(default="drop", description="what becomes of a row that no model answered")
    unreadable: Fate = Field(
        default="drop", description="what becomes of a row whose reply has not the form of `reply`"
    )

    @property
    def models(self) -> tuple[str, ...]:
        """The recipe's names of all models."""
        return (self.model,) if isinstance(self.model, str) else self.model

    @property
    def shown(self) -> tuple[str, ...]:
        """The media columns whose images the model is shown."""
        names = (self.sees,) if isinstance(self.sees, str) else self.sees
        return () if names == ("nothing",) else names

    @property
    def answer_tags(self) -> str:
        """The tag schema by which a reply gives its answer."""
        return "plain" if self.reply == "text" else self.reply.tags or "plain"

    @property
    def sections(self) -> str | None:
        """The tag schema whose sections the reply has; a free text is the one of `plain`."""
        return "plain" if self.reply == "text" else self.reply.tags

    @field_validator("answer_pattern")
    @classmethod
    def _finds_answers(cls, pattern: str | None) -> str | None:
        return answer_pattern(pattern)

    @field_validator("model")
    @classmethod
    def _asked_once(cls, model: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if len(set(model)) < len(model) and not isinstance(model, str):
            raise ValueError("names a model twice; `n` asks it for more replies")
        return model

    @field_validator("sees")
    @classmethod
    def _all_or_nothing(cls, sees: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not isinstance(sees, str) and (not sees or "nothing" in sees):
            raise ValueError("is a list of media columns; a model that is shown none has `sees: nothing`")
        return sees

    @model_validator(mode="after")
    def _fits_together(self) -> "AskConfig":
        if self.makes is None:
            self._one_reply_a_row()
        if self.conclude is not None and self.reply != "text" and self.reply.tags is None:
            raise ValueError(
                "`conclude` is for replies in words or in sections; others give their answer or are unreadable"
            )
        if self.answer_pattern is not None and self.reply != "text" and self.reply.tags is not None:
            raise ValueError(f"the sections of {self.reply.tags} say where the answer is; leave `answer_pattern` out")
        why, cure = "no reply is made to conclude", "set `conclude`"
        refuse_idle(self, "conclude_tokens", read=self.conclude is not None, why=why, cure=cure)
        given(self.reply, self.gives, self.makes, self.as_ or "ask")
        if not isinstance(self.constrain, bool):
            if self.sections is None:
                raise ValueError("`constrain` names sections, and this form has none; write true or false")
            if not self.constrain:
                raise ValueError("`constrain` names no section; write true or false")
            check_held(TAG_SCHEMAS[self.sections], self.constrain)
        if self.tries > 1 and self.sampling.temperature == 0:
            raise ValueError(
                f"tries: {self.tries} asks for other samples of the same prompt, and at temperature 0 all are the same; "
                "raise sampling.temperature"
            )
        if isinstance(self.prompt, str):
            list(turns(self.shots, Template(self.prompt)))
        return self

    def _one_reply_a_row(self) -> None:
        if self.n > 1:
            raise ValueError(f"n: {self.n} gives a row {self.n} replies; say with `makes` what unit they become")
        if len(self.models) > 1:
            raise ValueError("several models give a row several replies; say with `makes` what unit they become")
        if self.conclude is not None:
            raise ValueError("`conclude` completes replies that become rows; it needs `makes`")
