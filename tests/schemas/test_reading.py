"""Replies as models write them: the thought is the thought, and the answer is not taken from inside it."""

import pytest

from schemas.reading import read_reply, whole_sentences


@pytest.mark.parametrize(
    ("text", "reasoning", "final"),
    [
        ("It is red. So the answer is red.", "It is red. So the answer is red.", "red"),
        ("The answer is: 4\n", "The answer is: 4", "4"),
        ("the answer is red. No wait.\nThe answer is blue", "the answer is red. No wait.\nThe answer is blue", "blue"),
        ("<think>it is red</think><answer>red</answer>", "it is red", "red"),
        ("I cannot tell", "I cannot tell", None),
        ("So the answer is ", "So the answer is", None),
        ("<think>only thought</think>", "only thought", None),
        ("Two and two.\n\n**Answer:** 4", "Two and two.", "4"),
        ("Two and two.\n\n\\boxed{4}", "Two and two.", "4"),
        ("Two and two, so it is \\boxed{4}.", "Two and two, so it is \\boxed{4}.", "4"),
        ("Two and two.\n<answer>4</answer>", "Two and two.", "4"),
    ],
)
def test_a_reply_is_taken_apart(text: str, reasoning: str, final: str | None) -> None:
    assert read_reply(text, None)[:2] == (reasoning, final)


BEGIN, END = ("<|begin_of_thought|>", "<|begin_of_solution|>"), ("<|end_of_thought|>", "<|end_of_solution|>")
SEEN = "I see two and two dots, so I add them up and get four."


@pytest.mark.parametrize(
    ("text", "field", "reasoning", "final"),
    [
        ("<think>\nTwo and two make four.\n</think>\n\n\\boxed{4}", None, "Two and two make four.", "4"),
        ("<think>The answer is 4? Hmm, no.</think>\n\nFive.\n\n\\boxed{5}", None, "The answer is 4? Hmm, no.", "5"),
        ("<think>The answer is 5. But no: four.</think>\n\n\\boxed{4}", None, "The answer is 5. But no: four.", "4"),
        ("\\boxed{4}", SEEN, SEEN, "4"),
        ("The answer is 4.", SEEN, SEEN, "4"),
        (None, f"{SEEN} The answer is 4.", f"{SEEN} The answer is 4.", "4"),
        ("<think>Two and two.</think>\n\nThe answer is \\boxed{4}.", None, "Two and two.", "4"),
        ("Two and two.\n</think>\n\nSo the answer is 4.", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\n**Answer:** 4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n<answer>4</answer>", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\nTherefore:\n<answer>4</answer>", None, "Two and two.", "4"),
        ("I see two and two, so the answer is 4.", None, "I see two and two, so the answer is 4.", "4"),
        # brothers
        ("◁think▷Two and two.◁/think▷4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\n**Final Answer**\n\n4", None, "Two and two.", "4"),
        ("<think>Two and two.</think>\n\nTwo left. So there are 4.", None, "Two and two.", "So there are 4."),
        ("<think>Two and two.</think><answer><|begin_of_box|>4<|end_of_box|></answer>", None, "Two and two.", "4"),
        (f"{BEGIN[0]}\n\nTwo.\n\n{END[0]}\n\n{BEGIN[1]}\n\\boxed{{4}}\n{END[1]}", None, "Two.", "4"),
        ("<think>\n\n</think>\n\nTwo and two. The answer is 4.", None, "Two and two. The answer is 4.", "4"),
        (None, f"The answer is 4? {SEEN} Let me look again", f"The answer is 4? {SEEN} Let me look again", None),
        ("<think>Two. The answer is 4. Wait", None, "Two. The answer is 4. Wait", None),
        ("<think>Two.</think>", SEEN, f"{SEEN}\n\nTwo.", None),
    ],
)  # fmt: skip
def test_replies_of_reasoners(text: str | None, field: str | None, reasoning: str, final: str | None) -> None:
    """R1, QwQ, Qwen3, Kimi, GLM, OpenThoughts: the thought is the thought, and the answer is not taken from inside it."""
    assert read_reply(text, field)[:2] == (reasoning, final)


def test_what_is_said_beside_thought_and_answer_is_kept() -> None:
    text = "<think>Hm.</think>\nTwo left, two right. So the answer is 4.\nThat is even."
    assert read_reply(text, None).summary == "Two left, two right.\nThat is even."
    assert read_reply("<think>Hm.</think>\nTherefore:\n<answer>4</answer>", None).summary == "Therefore:"
    assert read_reply("<think>Hm.</think>\\boxed{4}", None).summary is None


@pytest.mark.parametrize(
    ("text", "field", "final"),
    [
        ("Okay, the answer is 5? Let me", None, None),
        ("<think>So the answer is 4.", None, None),
        ("", "So the answer is 4.", None),
        ("<think>Two.</think> The answer is 1", None, None),
        ("<think>Two.</think> <answer>1", None, None),
        ("<think>Two.</think> It is \\boxed{14}, bec", None, "14"),
        ("<think>Two.</think> <answer>14</answer> bec", None, "14"),
    ],
)
def test_a_reply_that_was_cut_off_has_no_answer_but_a_whole_one(
    text: str, field: str | None, final: str | None
) -> None:
    assert read_reply(text, field, cut=True).final == final


def test_a_pattern_of_your_own_comes_before_boxes() -> None:
    pattern = r"=> (?P<answer>\S+)"
    assert read_reply("<think>Hm.</think> \\boxed{5} => 4", None, pattern).final == "4"
    assert read_reply("<think>Hm.</think> \\boxed{5}", None, pattern).final == "5"


@pytest.mark.parametrize(
    ("text", "whole"),
    [("It is red. And", "It is red."), ("It is\nred and", "It is"), ("It is red", "It is red"), ("", "")],
)
def test_a_half_sentence_is_cut_off(text: str, whole: str) -> None:
    assert whole_sentences(text) == whole
