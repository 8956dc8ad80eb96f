"""Mending traces that mention the caption: what changes, how much may, and why a trace is given up."""

import polars as pl
import pytest
from pydantic import ValidationError

from filters.trace_quality import LEAKS, mentions
from generators.rewrite import RewriteConfig, collect, replace_phrases, requests


def rows(*texts: str) -> pl.DataFrame:
    return pl.DataFrame(
        [{"id": f"t{i}", "sample_id": "s", "thought": text} for i, text in enumerate(texts)],
        schema={"id": pl.String, "sample_id": pl.String, "thought": pl.String},
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The description says it is red.", "The image shows it is red."),
        ("According to the caption, it is red.", "In the image, it is red."),
        ("A star, as mentioned in the description.", "A star, as seen in the image."),
        ("Given the image description, it is red.", "Given the image, it is red."),
        ("It is red.", "It is red."),
        ("It is stated in the text.", "It is shown in the image."),
        ("As described above, it is red.", "As seen, it is red."),
        ("The description above has a star.", "The image has a star."),
        ("The description in the text has a star.", "The image has a star."),
        ("The image description states it.", "The image shows it."),
        ("The captions say it is red.", "The image shows it is red."),
    ],
)
def test_phrases(before: str, after: str) -> None:
    parted = replace_phrases(rows(before), RewriteConfig())
    assert parted.kept["reasoning"].to_list() == [after]
    assert pl.select(mentions(pl.lit(after), LEAKS)).item() == 0


def answers(*texts: str | None, finish: str = "stop") -> pl.DataFrame:
    long = "According to the caption " + " ".join(f"w{i}" for i in range(30))
    told = rows(*[long for _ in texts])
    return told.with_columns(
        text=pl.Series(texts, dtype=pl.String),
        finish_reason=pl.Series([finish if t is not None else None for t in texts], dtype=pl.String),
        error=pl.lit(None, pl.String),
    )


def test_a_model_may_change_fifteen_words_and_not_sixteen() -> None:
    words = [f"w{i}" for i in range(30)]
    fifteen = " ".join(["In", "the", "image", *("x" for _ in range(12)), *words[12:]])
    sixteen = " ".join(["In", "the", "image", *("x" for _ in range(13)), *words[13:]])
    # "According to the caption" -> "In the image" is 3 words of 4: two replaced or dropped around "the", one replaced.
    parted = collect(answers(fifteen, sixteen), RewriteConfig())
    assert parted.kept["changed"].to_list() == [15]
    assert parted.dropped["reason"].to_list() == ["rewrite:changed"]
    assert '"changed":16' in parted.dropped["evidence"][0]


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [("", "stop", "rewrite:empty"), ("half a", "length", "rewrite:truncated"), (None, "stop", "rewrite:unanswered")],
)
def test_a_reply_that_is_no_trace_drops_it(text: str | None, finish: str, reason: str) -> None:
    assert collect(answers(text, finish=finish), RewriteConfig()).dropped["reason"].to_list() == [reason]


def test_a_model_is_shown_the_reasoning_and_nothing_else_of_the_row() -> None:
    [request] = requests(rows("The caption says so."), RewriteConfig(model="m"))
    assert request.messages[-1].content[0].endswith("\n\nThe caption says so.")


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"phrases": {"[": "x"}}, r"not a regular expression: '\['"),
        ({"prompt": "Mend {trace}."}, "{trace} is no field of this prompt; it knows {reasoning}"),
    ],
)
def test_what_would_break_on_the_first_trace_is_told_before(section: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        RewriteConfig.model_validate(section)
    assert RewriteConfig(prompt="{reasoning} {{}}", phrases={"a+": "b"}).prompt
