"""The reader of replies: what is thinking, what follows it, and where an answer is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reply import (
    THINKING,
    boxed_answer,
    content_of,
    final_sentence,
    marked_answer,
    only_states,
    split_reply,
    stated_answer,
)


@pytest.mark.parametrize(("open_", "close"), THINKING)
@pytest.mark.parametrize("opened", [True, False])
def test_thinking_is_split_from_the_content(open_: str, close: str, opened: bool) -> None:
    text = f"{open_ if opened else ''}Maybe \\boxed{{5}}? No.{close}\n\n\\boxed{{4}}"
    assert split_reply(text) == ("Maybe \\boxed{5}? No.", "\n\n\\boxed{4}", True)
    assert content_of(text).strip() == "\\boxed{4}"


@pytest.mark.parametrize(("open_", "close"), THINKING)
def test_thinking_that_never_ends_says_nothing(open_: str, close: str) -> None:
    for text in (
        f"{open_}It is \\boxed{{4}}. Wait,",
        f"Well. {open_}It is 4",
        f"{open_}a{close} {open_}The answer is 4.",
    ):
        assert split_reply(text).ended is False
        assert (split_reply(text).content, content_of(text)) == ("", "")
    assert split_reply(f"{open_}It is 4. <answer>4</answer>\n") == ("It is 4.", "<answer>4</answer>\n", True)


@pytest.mark.parametrize(
    ("text", "field", "thought", "content"),
    [
        ("\\boxed{4}", "Two and two.", "Two and two.", "\\boxed{4}"),
        ("<think>Two and two.</think>4", "Two and two.", "Two and two.", "4"),
        ("<think>So four.</think>4", "Two and two.", "Two and two.\n\nSo four.", "4"),
        ("", "Two and two.</think>\n4", "Two and two.", "\n4"),
        (None, "Two and two. The answer is 4.", "", "Two and two. The answer is 4."),
        ("<think>\n\n</think>\n\nIt is 4.", None, "", "\n\nIt is 4."),
        ("4", "  ", "", "4"),
        (None, None, "", ""),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
            None,
            "Hm.",
            "4",
        ),
        ("analysisTwo and two.assistantfinalThe answer is 4.", None, "Two and two.", "The answer is 4."),
        ("analysis of the image: it is red", None, "", "analysis of the image: it is red"),
    ],
)
def test_a_field_of_the_server_and_channels(text: str | None, field: str | None, thought: str, content: str) -> None:
    assert split_reply(text, field) == (thought, content, True)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("The answer is 18.", "18"),
        ("So, the final answer is **blue**.", "blue"),
        ("**Answer:** 4", "4"),
        ("**Final Answer**\n\n4", "4"),
        ("### Answer\nB) blue", "B) blue"),
        ("The answer is 3.5.", "3.5"),
        ("The answer is 5? No.\nThe answer is 4.", "4"),
        ("The correct option is (B).", "(B)"),
        ("The answer to the question is 4.", "4"),
        ("答案是4。", "4"),
        ("It is red.", None),
        ("The answer is", None),
        ("", None),
    ],
)
def test_an_answer_that_words_introduce(content: str, answer: str | None) -> None:
    found = stated_answer(content)
    assert (found.answer if found else None) == answer


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("<answer>4</answer>", "4"),
        ("<answer>so \\boxed{4}</answer>", "4"),
        ("<answer><|begin_of_box|>4<|end_of_box|></answer>", "4"),
        ("It is <|begin_of_box|>4<|end_of_box|>.", "4"),
        ("\\boxed{5} no, \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("<answer></answer> \\boxed{4}", ""),
        ("\\boxed{4", None),
    ],
)
def test_an_answer_that_is_marked(content: str, answer: str | None) -> None:
    found = marked_answer(content)
    assert (found.answer if found else None) == answer


def test_a_statement_knows_where_it_stands() -> None:
    content = "Two and two. So \\boxed{4}. Done."
    found = boxed_answer(content)
    assert found is not None
    assert content[found.start : found.end] == "\\boxed{4}"


@pytest.mark.parametrize(
    ("text", "only"),
    [
        ("The answer is 18.", True),
        ("So the answer is red.", True),
        ("**Answer:** 4", True),
        ("Therefore, \\boxed{4}.", True),
        ("So the answer is So the answer is 4.", True),
        ("Two and two are four. So the answer is 4.", False),
        ("I see two and two, so the answer is 4.", False),
        ("The answer is 5? No, I miscounted.\nThe answer is 4.", False),
        ("yes", False),
        ("", False),
    ],
)
def test_a_statement_alone_is_no_thought(text: str, only: bool) -> None:
    assert only_states(text) is only


def test_the_last_sentence() -> None:
    assert final_sentence("There are two.\nTwo more there. So there are 4.") == "So there are 4."
    assert final_sentence("**4**") == "4"
    assert final_sentence("It is 3.5 m.") == "It is 3.5 m."
    assert final_sentence(" \n") == ""


@pytest.mark.parametrize(
    "text",
    [
        "<think>" * 150_000,
        "</think>" * 130_000,
        "<" * 1_000_000,
        "```\n" + "\n" * 2_000 + "```",
        "The answer is:" + "\n" * 500_000,
        "The answer is a" + " " * 500_000 + "b",
        "answer to " * 100_000,
        "\\boxed{" * 150_000,
        "<answer>" * 120_000,
        "<|begin_of_box|>" * 60_000,
        ". " * 500_000,
        "*" * 1_000_000,
        "so " * 300_000 + "the answer is 4",
    ],
)
def test_hostile_replies_end(text: str) -> None:
    """Work grows with the length only; a step squared would take hours here."""
    for reply in (split_reply(text), split_reply("", text), split_reply("4", text)):
        marked_answer(reply.content)
        stated_answer(reply.content)
        final_sentence(reply.content)
        only_states(reply.thought)


_PIECES = st.sampled_from(
    [mark for pair in THINKING for mark in pair]
    + ["<answer>", "</answer>", "\\boxed{4}", "The answer is 4.", "\n", " a "]
)


@given(st.lists(_PIECES, max_size=12).map("".join))
def test_nothing_is_read_inside_thinking(text: str) -> None:
    reply = split_reply(text)
    assert reply.content == content_of(text)
    assert text.endswith(reply.content) or "<|" in text
    if not reply.ended:
        assert reply.content == ""
    assert not any(mark in reply.thought for pair in THINKING for mark in pair)
