"""Distill: a text reasoner that never sees the picture answers from its caption, and its reasoning becomes a trace.

A large reasoner may write tags by itself; a small one is shown worked examples and writes free text that ends in a
fixed sentence. Either way the reply is taken apart here and put together again in the recipe's tag schema, so that all
traces of a release look alike. A reply that was cut off, or never came to an answer, can be given a second turn that
forces one (`conclude`, the budget forcing of s1: Muennighoff et al. 2025, arXiv 2501.19393, section 3.1).

Some systems show the reasoner the gold answer (LLaVA-CoT, Reason-RFT, open-r1-multimodal). A prompt that names `{answer}`
does so here; its traces carry `gold_visible`, and the check `reverify` asks whether their reasoning leads to the answer.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import polars as pl
from pydantic import Field

from generators.outcomes import failure
from generators.prompts import fields, knows, question_text
from schemas.completion import Message, Request, Sampling
from schemas.ids import content_id
from schemas.section import Section
from schemas.split import Split, split

TRACE_COLUMNS = ("id", "sample_id", "index", "reasoning", "final", "finish_reason", "tokens", "gold_visible")


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
    prompt: Annotated[str, knows("caption", "question", "answer")] = Field(
        default="Description: {caption}\nQuestion: {question}",
        description="{caption}, {question}; options stand in the question; {answer} shows the gold answer, and every "
        "trace is then marked `gold_visible`",
    )
    shots: tuple[Shot, ...] = ()
    n: int = Field(default=1, ge=1, description="traces a question")
    sampling: Sampling = Sampling(temperature=0.0, max_tokens=512)
    answer_pattern: str = Field(
        default=r"(?i)answer is:?\s*(?P<answer>[^\n]+?)\s*(?:\.(?=\s|$)|$)",
        description="where a free-text reply gives its answer; the last match counts; group `answer`",
    )
    force_answer: str | None = Field(
        default=None, description="a sentence that makes an unfinished reply conclude, such as 'So the answer is'"
    )
    force_tokens: int = Field(default=16, ge=1)

    @property
    def gold_visible(self) -> bool:
        """Whether the reasoner is shown the answer that it should reach, so that a right trace proves little."""
        return "answer" in fields(self.prompt)


COLUMNS = ("id", "question", "options", "caption", "gold")


def requests(rows: pl.DataFrame, config: DistillConfig) -> Iterator[Request]:
    """One request a row, `n` samples each."""
    opening = _opening(config)
    for row in rows.iter_rows(named=True):
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
                prefix=f"{_whole_sentences(row['thought'])} {config.force_answer}",
            )


def conclude_collect(answers: pl.DataFrame, config: DistillConfig) -> Split:
    """The forced answers by trace id: `id, final, tokens`."""
    final = pl.col("text").str.strip_chars().str.strip_chars_end(".").str.strip_chars()
    rows = answers.with_columns(final.alias("final"))
    reason = failure("conclude", truncated_drops=False).fill_null(
        pl.when(pl.col("final") == "").then(pl.lit("conclude:no_answer"))
    )
    parted = split(rows, reason, {"error": pl.col("error")})
    return Split(parted.kept.select("id", "final", pl.col("completion_tokens").alias("tokens")), parted.dropped)


def read_reply(text: str, config: DistillConfig) -> tuple[str, str | None]:
    """Part a reply into reasoning and answer; the answer is None where the reply gives none."""
    tagged = re.search(r"<think>(.*?)</think>\s*<answer>(.*?)</answer>\s*$", text, re.DOTALL)
    if tagged:
        return tagged[1].strip(), tagged[2].strip() or None
    found = None
    for found in re.finditer(config.answer_pattern, text, re.MULTILINE):  # noqa: B007 - the last one counts
        pass
    if found is None:
        return text.strip(), None
    return text[: found.end()].strip(), found["answer"].strip() or None


def _traces(answers: pl.DataFrame, config: DistillConfig) -> Split:
    replies = [read_reply(text or "", config) for text in answers["text"]]
    ids = [trace_id(row[0], row[1]) for row in answers.select("id", "index").iter_rows()]
    rows = answers.with_columns(
        pl.col("id").alias("sample_id"),
        pl.Series("reasoning", [r for r, _ in replies], dtype=pl.String),
        pl.Series("final", [a for _, a in replies], dtype=pl.String),
        pl.col("completion_tokens").alias("tokens"),
    ).with_columns(pl.Series("id", ids, dtype=pl.String), gold_visible=pl.lit(config.gold_visible))
    reason = failure("distill", truncated_drops=False).fill_null(
        pl.when(pl.col("reasoning") == "").then(pl.lit("distill:empty"))
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
        text = config.prompt.format(caption=shot.description, question=shot.question, answer=shot.answer)
        turns += [Message("user", (text,)), Message("assistant", (shot.reply,))]
    return tuple(turns)


def _turn(config: DistillConfig, row: Mapping[str, Any]) -> Message:
    question = question_text(row["question"], row["options"])
    text = config.prompt.format(caption=row["caption"] or "", question=question, answer=row["gold"])
    return Message("user", (text,))


def _whole_sentences(text: str) -> str:
    """Cut a half sentence off the end of a truncated reply, so that the forced answer does not follow broken text."""
    end = max(text.rfind("."), text.rfind("\n"))
    return text[: end + 1].strip() if end > 0 else text.strip()
