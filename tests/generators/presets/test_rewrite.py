"""Mending replies that mention the caption: what changes, how much may, and why one is given up."""

from typing import Any

import polars as pl
import pytest
from asked import Reply, converse, run, table
from pydantic import ValidationError

from filters.trace_quality import LEAKS, mentions
from generators.presets.rewrite import STEP, RewriteConfig

WORDS = [f"w{i}" for i in range(30)]
LONG = " ".join(["According to the caption", *WORDS])


def rows(*texts: str | None) -> Any:
    return table(*({"reasoning": text, "text": f"<think>{text}</think>4"} for text in texts))


def silent(request: object, index: int) -> Reply:
    raise AssertionError("no model is asked")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("The description says it is red.", "The image shows it is red.", 2),
        ("According to the caption, it is red.", "In the image, it is red.", 3),
        ("A star, as mentioned in the description.", "A star, as seen in the image.", 2),
        ("Given the image description, it is red.", "Given the image, it is red.", 2),
        ("It is stated in the text.", "It is shown in the image.", 2),
        ("As described above, it is red.", "As seen, it is red.", 2),
        ("The description above has a star.", "The image has a star.", 2),
        ("The description in the text has a star.", "The image has a star.", 4),
        ("The image description states it.", "The image shows it.", 2),
        ("The captions say it is red.", "The image shows it is red.", 2),
        ("It is red.", "It is red.", 0),
        ("", "", 0),
    ],
)
def test_without_a_model_phrases_are_replaced(before: str, after: str, changed: int) -> None:
    """What is left is no leak that `quality` would count."""
    out = run(STEP, rows(before), RewriteConfig(), silent)
    assert out.rows is not None
    assert out.rows.rows() == [("r0", after, f"<think>{after}</think>4", changed)]
    assert pl.select(mentions(pl.lit(after), LEAKS)).item() == 0


def test_a_reply_without_reasoning_has_nothing_to_mend() -> None:
    out = run(STEP, table({"reasoning": None, "text": "4"}), RewriteConfig(), silent)
    assert out.rows is not None
    assert out.rows.rows() == [("r0", None, "4", 0)]


def test_only_the_reasoning_of_a_reply_changes() -> None:
    reply = "<summary> The caption.</summary>\n<think> The caption says red. </think>\n<answer>red</answer>"
    rows = table(
        {"reasoning": " The caption says red. ", "text": reply},
        {"reasoning": " The caption says red. ", "text": "red"},  # an answer alone shows no reasoning
    )
    out = run(STEP, rows, RewriteConfig(model="m"), lambda r, i: "The image shows red.")
    assert out.rows is not None
    assert out.rows["text"].to_list() == [reply.replace("The caption says red.", "The image shows red."), "red"]
    assert out.rows["reasoning"].to_list() == ["The image shows red."] * 2


def test_a_model_is_shown_the_reasoning_and_may_change_fifteen_words_and_not_sixteen() -> None:
    # "According to the caption" -> "In the image" changes three words: two around "the", and one is left out.
    said = [" ".join(["In the image", *["x"] * changed, *WORDS[changed:]]) for changed in (12, 13)]
    config = RewriteConfig(model="m")
    frame = rows(LONG, LONG)
    [[request, _]] = converse(STEP, frame, config, lambda r, i: "x")[1]
    assert str(request.messages[-1].content[0]).endswith(f"\n\n{LONG}")
    out = run(STEP, frame, config, lambda r, i: said[int(r.id[1:])])
    assert out.rows is not None
    assert out.rows.rows() == [("r0", said[0], f"<think>{said[0]}</think>4", 15)]
    assert out.drops.rows() == [("r1", "rewrite:changed_too_much", '{"changed":16}')]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [("", "empty"), ({"text": "half a", "finish_reason": "length"}, "truncated"), (None, "unanswered")],
)
def test_a_reply_that_is_no_rewriting_drops_its_row(reply: Reply, cause: str) -> None:
    out = run(STEP, rows(LONG), RewriteConfig.model_validate({"model": "m", "as": "mend"}), lambda r, i: reply)
    assert out.drops["reason"].to_list() == [f"mend:{cause}"]


def test_phrases_that_leave_nothing_drop_their_row() -> None:
    out = run(STEP, rows("The caption."), RewriteConfig(phrases={".*": ""}), silent)
    assert out.drops["reason"].to_list() == ["rewrite:empty"]


def test_it_reads_what_the_prompt_shows_and_replaces_the_reply() -> None:
    given = STEP.gives(RewriteConfig(), None)  # type: ignore[arg-type]
    assert given.replaces == {"reasoning", "text"}
    assert set(STEP.reads(RewriteConfig(), None).rows) == {"reasoning", "text"}  # type: ignore[arg-type]
    named = RewriteConfig(model="m", prompt="{{ final }} {{ reasoning }}")
    assert set(STEP.reads(named, None).rows) == {"reasoning", "text", "final"}  # type: ignore[arg-type]


def test_a_pattern_is_checked_before_anything_starts() -> None:
    with pytest.raises(ValidationError, match=r"not a regular expression: '\['"):
        RewriteConfig(phrases={"[": "x"})
