"""Distill: a teacher answers, and its reasoning becomes a trace. It sees the images, or is told of them by captions alone.

A large reasoner may write tags by itself; a small one is shown worked examples and writes free text that ends in a
fixed sentence. Either way the reply is taken apart here and put together again in the recipe's tag schema, so that all
traces of a release look alike. A reply that was cut off, or never came to an answer, can be given a second turn that
forces one (`conclude`, the budget forcing of s1: Muennighoff et al. 2025, arXiv 2501.19393, section 3.1).

Some systems show the reasoner the gold answer (LLaVA-CoT, Reason-RFT, open-r1-multimodal). A prompt that names `{answer}`
does so here; its traces carry `gold_visible`, and the check `reverify` asks whether their reasoning leads to the answer.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import Field, field_validator

from generators.outcomes import failure, said
from generators.prompts import content, conversation, fields, images, knows, unseen
from schemas.completion import Message, Request, Sampling
from schemas.ids import content_id
from schemas.reading import answer_pattern, read_reply, whole_sentences
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
        return answer_pattern(pattern)

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


def _traces(answers: pl.DataFrame, config: DistillConfig) -> Split:
    columns = answers.select("text", "reasoning", "finish_reason", "prose").iter_rows()
    replies = [
        read_reply(text, field, config.answer_pattern, cut=end == "length", prose=prose)
        for text, field, end, prose in columns
    ]
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
    whole = whole_sentences(thought)
    return f"<think>\n{whole}\n</think>\n\n" if thinking else f"{whole} "
