"""Distill: a teacher answers, and its reasoning becomes a trace. It sees the images, or is told of them by captions alone.

A large reasoner may write tags by itself; a small one is shown worked examples and writes free text that ends in a
fixed sentence. Either way the reply is taken apart here and put together again in the recipe's tag schema, so that all
traces of a release look alike. A reply that was cut off, or never came to an answer, can be given a second turn that
forces one (`conclude`, the budget forcing of s1: Muennighoff et al. 2025, arXiv 2501.19393, section 3.1).

Some systems show the reasoner the gold answer (LLaVA-CoT, Reason-RFT, open-r1-multimodal). A prompt that names `{answer}`
does so here; its traces carry `gold_visible`, and the check `reverify` asks whether their reasoning leads to the answer.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple

import polars as pl
from pydantic import Field, field_validator

from generators.outcomes import failure, said
from generators.prompts import content, conversation, fields, images, knows, unseen
from schemas.completion import Message, Request, Sampling
from schemas.ids import content_id
from schemas.reply import (
    LAST_WORDS,
    Found,
    answer_section,
    around_statement,
    before_statement,
    boxed_answer,
    final_sentence,
    part_reply,
    stated_answer,
)
from schemas.section import Section
from schemas.split import Split, split

TRACE_COLUMNS = ("id", "sample_id", "index", "reasoning", "final", "finish_reason", "tokens", "gold_visible",
                 "summary", "thinking")  # fmt: skip
_READING = {"reasoning": pl.String, "final": pl.String, "summary": pl.String, "thinking": pl.Boolean}


class Shot(Section):
    """A worked example."""

    description: str = ""
    question: str
    answer: str = Field(default="", description="needed where the prompt shows the gold answer")
    reply: str = Field(description="reasoning that ends in the answer sentence")


class DistillConfig(Section):
    """How traces are made."""

    model: str = Field(description="a name from `models`")
    system: str | None = None
    sees: Literal["media", "nothing"] | None = Field(
        default=None,
        description="whether the teacher is shown a row's images; unset: media, or nothing where captions tell of them",
    )
    prompt: Annotated[str, knows("caption", "question", "answer")] | None = Field(
        default=None,
        description="{caption}, {question}; options stand in the question; {answer} shows the gold answer, and every "
        "trace is then marked `gold_visible`; unset: the question, after the description where there is one",
    )
    shots: tuple[Shot, ...] = ()
    n: int = Field(default=1, ge=1, description="traces a question")
    sampling: Sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=8192)
    answer_pattern: str | None = Field(
        default=None,
        description="a regular expression of your own for where a reply gives its answer; the last match counts; group "
        "`answer`",
    )
    force_answer: str | None = Field(
        default=None, description="a sentence that makes an unfinished reply conclude, such as 'So the answer is'"
    )
    force_tokens: int = Field(default=16, ge=1)

    @field_validator("answer_pattern")
    @classmethod
    def _has_an_answer(cls, pattern: str | None) -> str | None:
        try:
            groups = re.compile(pattern or "(?P<answer>)").groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {pattern!r} ({error})") from None
        if "answer" not in groups:
            raise ValueError(f"{pattern!r} has no group named answer; write it as (?P<answer>...)")
        return pattern

    @property
    def gold_visible(self) -> bool:
        """Whether the reasoner is shown the answer that it should reach, so that a right trace proves little."""
        return "answer" in fields(self.prompt or "")

    def seeing(self, captions: bool) -> "DistillConfig":
        """The same with `sees` decided: captions speak for the images, unless the recipe says otherwise."""
        return self.model_copy(update={"sees": self.sees or ("nothing" if captions else "media")})


COLUMNS = ("id", "media", "question", "options", "caption", "gold")


def requests(rows: pl.DataFrame, config: DistillConfig) -> Iterator[Request]:
    """One request a row, `n` samples each; none for images that the teacher neither sees nor is told of."""
    opening = _opening(config)
    for row in rows.iter_rows(named=True):
        if config.sees == "media" or row["caption"] is not None or not images(row):
            yield Request(row["id"], (*opening, _turn(config, row)), config.sampling, n=config.n)


def collect(answers: pl.DataFrame, config: DistillConfig) -> Split:
    """Traces, `TRACE_COLUMNS`; `final` is null where none was given."""
    return _traces(answers, config)


def conclude_requests(rows: pl.DataFrame, config: DistillConfig) -> Iterator[Request]:
    """A second turn for each trace (`thought, final`) without an answer: its thought, the forcing sentence, a few tokens."""
    opening = _opening(config)
    sampling = Sampling(temperature=0.0, max_tokens=config.force_tokens, stop=("\n",))
    for row in rows.iter_rows(named=True):
        if row["final"] is None:
            yield Request(
                row["id"],
                (*opening, _turn(config, row)),
                sampling,
                prefix=f"{_unfinished(row['thought'], row['thinking'])}{config.force_answer}",
            )


def conclude_collect(answers: pl.DataFrame, config: DistillConfig) -> Split:
    """The forced answers by trace id: `id, final, tokens`."""
    final = said(answers).str.strip_chars().str.strip_chars_end(".").str.strip_chars()
    rows = answers.with_columns(final.alias("final"))
    reason = failure("conclude", truncated_drops=False).fill_null(
        pl.when(pl.col("final") == "").then(pl.lit("conclude:no_answer"))
    )
    parted = split(rows, reason, {"error": pl.col("error")})
    return Split(parted.kept.select("id", "final", pl.col("completion_tokens").alias("tokens")), parted.dropped)


class Reading(NamedTuple):
    """A reply taken apart. `summary` is what it says beside thought and answer, `thinking` whether it marks its thoughts."""

    reasoning: str
    final: str | None
    summary: str | None
    thinking: bool


def read_reply(
    text: str | None, field: str | None, config: DistillConfig, *, cut: bool = False, prose: bool = False
) -> Reading:
    r"""Part a reply, and what its server put into a field of reasoning, into thought and answer.

    The answer is the last `<answer>`, what the recipe's own pattern finds, the last `\\boxed{}`, what words introduce
    ("the answer is", "**Answer:**"), and after a marked thought the last sentence; all of what is said, where answers are
    `prose`. It is None in a reply that was `cut` off before it came to an answer that has an end of its own.
    """
    reply = part_reply(text, field)
    thinking = bool(reply.thought or (field or "").strip())
    if not reply.ended or (cut and not reply.thought):
        return Reading(reply.thought or reply.said.strip(), None, None, thinking)
    found = _closed_answer(reply.said) if cut else _answer(reply.said, config)
    if found is not None and not reply.thought:
        # A server that took all of a reply for thinking: what is not its end may be a plan.
        if thinking and reply.said[found.end :].strip(" \n.*$"):
            return Reading(reply.said.strip(), None, None, thinking)
        return Reading(before_statement(reply.said, found), found.answer or None, None, thinking)
    if found is None and reply.thought and not cut:
        final = reply.said.strip() if prose else final_sentence(reply.said)
        found = Found(final, max(reply.said.rfind(final), 0), len(reply.said))
    if found is None:
        return Reading(reply.thought or reply.said.strip(), None, None, thinking)
    return Reading(reply.thought, found.answer or None, around_statement(reply.said, found) or None, thinking)


def _answer(text: str, config: DistillConfig) -> Found | None:
    found = answer_section(text)
    if found is None and config.answer_pattern is not None:
        end = None
        for end in re.finditer(config.answer_pattern, text[-LAST_WORDS:], re.MULTILINE):  # noqa: B007 - the last one counts
            pass
        if end is not None:
            begin = max(0, len(text) - LAST_WORDS)
            found = Found((end["answer"] or "").strip(), begin + end.start(), begin + end.end())
    return found or boxed_answer(text) or stated_answer(text)


def _closed_answer(text: str) -> Found | None:
    """An answer whose end is marked, so that it was whole before its reply was cut off."""
    section = answer_section(text)
    return section if section is not None and text.endswith("</answer>", 0, section.end) else boxed_answer(text)


def _traces(answers: pl.DataFrame, config: DistillConfig) -> Split:
    columns = answers.select("text", "reasoning", "finish_reason", "prose").iter_rows()
    replies = [read_reply(text, field, config, cut=end == "length", prose=prose) for text, field, end, prose in columns]
    ids = [trace_id(row[0], row[1]) for row in answers.select("id", "index").iter_rows()]
    rows = answers.with_columns(
        pl.col("id").alias("sample_id"),
        *pl.DataFrame(replies, schema=_READING, orient="row"),
        pl.col("completion_tokens").alias("tokens"),
    ).with_columns(pl.Series("id", ids, dtype=pl.String), gold_visible=pl.lit(config.gold_visible))
    reason = failure("distill", truncated_drops=False).fill_null(
        pl.when((pl.col("reasoning") == "") & pl.col("final").is_null()).then(pl.lit("distill:empty"))
    )
    parted = split(rows, reason, {"sample_id": pl.col("sample_id"), "error": pl.col("error")})
    return Split(parted.kept.select(TRACE_COLUMNS), parted.dropped)


def trace_id(sample_id: str, index: int) -> str:
    """The id of trace `index` of a sample."""
    return content_id(["trace", sample_id, index])


def _opening(config: DistillConfig) -> tuple[Message, ...]:
    """System turn and worked examples: the same for every row, so engines keep them in their prefix cache."""
    turns = [Message("system", (config.system,))] if config.system else []
    for shot in config.shots:
        text = _text(config, shot.description, shot.question, shot.answer)
        turns += [Message("user", (text,)), Message("assistant", (shot.reply,))]
    return tuple(turns)


def _turn(config: DistillConfig, row: Mapping[str, Any]) -> Message:
    told = {"caption": row["caption"] or "", "answer": row["gold"]}
    if config.sees == "media":
        return conversation(None, *content(row, _template(config, row["caption"]), **told))[0]
    blind = {"question": unseen(row), "options": row["options"], "media": None}
    return conversation(None, *content(blind, _template(config, row["caption"]), **told))[0]


def _template(config: DistillConfig, caption: str | None) -> str:
    return config.prompt or ("Description: {caption}\nQuestion: {question}" if caption else "{question}")


def _text(config: DistillConfig, caption: str | None, question: str, answer: str) -> str:
    return _template(config, caption).format(caption=caption or "", question=question, answer=answer)


def _unfinished(thought: str, thinking: bool) -> str:
    """The start of a reply that has thought so far; what marks its thoughts is told that they end here."""
    whole = _whole_sentences(thought)
    return f"<think>\n{whole}\n</think>\n\n" if thinking else f"{whole} "


def _whole_sentences(text: str) -> str:
    """Cut a half sentence off the end of a truncated reply, so that the forced answer does not follow broken text."""
    end = max(text.rfind("."), text.rfind("\n"))
    return text[: end + 1].strip() if end > 0 else text.strip()
