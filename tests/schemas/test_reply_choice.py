"""Which choice a reply states, as models write them, and when it states none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reply_choice import read_choice

YES_NO, VERDICT = ("yes", "no"), ("correct", "incorrect")
SAME, GATE, LETTERS = ("EQUIVALENT", "DIFFERENT", "NOT EQUIVALENT"), ("keep", "reject"), ("A", "B", "C")

CASES: list[tuple[tuple[str, ...], str, str | None]] = [
    (YES_NO, "Yes", "yes"),
    (YES_NO, " yes.\n", "yes"),
    (YES_NO, "**No**", "no"),
    (YES_NO, "Yes, because both name the same city.", "yes"),
    (YES_NO, "No — the units differ.", "no"),
    (YES_NO, "Both name it.\n\nYes", "yes"),
    (YES_NO, "No\n\nThe reference names Paris.", "no"),
    (YES_NO, "\\boxed{yes}", "yes"),
    (YES_NO, "It may be no.\n<answer>Yes</answer>", "yes"),
    (YES_NO, '{"verdict": "no"}', "no"),
    (YES_NO, '```json\n{"answer": "yes"}\n```', "yes"),
    (YES_NO, "The candidate is right, so the answer is yes.", "yes"),
    (YES_NO, "Final answer: no\n", "no"),
    (YES_NO, "Answer: yes\nFinal answer: no", "no"),
    (YES_NO, "The final verdict is: **yes**", "yes"),
    (YES_NO, "Yes, there is no difference.", "yes"),
    (YES_NO, "Verdict: yes. There is no doubt.", "yes"),
    (YES_NO, "Yes. Actually no because the units differ.", None),
    (YES_NO, "Yes? The units differ.", None),
    (YES_NO, "", None),
    (YES_NO, "Yes and no", None),
    (YES_NO, "Yes, but on the other hand no.", None),
    (YES_NO, "yes/no", None),
    (YES_NO, "Yes or no?", None),
    (YES_NO, "Verdict: yes or no", None),
    (YES_NO, "Answer: yes\nAnswer: no", None),
    (YES_NO, "Yes\nOn reflection:\nNo", None),
    (YES_NO, "There is no difference between them.", None),
    (YES_NO, "The reference answer is yes and the candidate says otherwise.", None),
    (YES_NO, "yesterday", None),
    (YES_NO, "No idea whether they agree", None),
    (VERDICT, "Verdict: correct", "correct"),
    (VERDICT, "Verdict: Incorrect.", "incorrect"),
    (VERDICT, "The answer is correct.", "correct"),
    (VERDICT, "The answer is not correct.", None),
    (VERDICT, "not correct", None),
    (VERDICT, "It would be correct if it had a unit.", None),
    (VERDICT, "Verdict: correct answer", None),
    (SAME, "not equivalent", "NOT EQUIVALENT"),
    (SAME, "Equivalent.", "EQUIVALENT"),
    (SAME, "Judgement: NOT_EQUIVALENT", "NOT EQUIVALENT"),
    (SAME, "Not equivalent: they are not equivalent in units.", "NOT EQUIVALENT"),
    (SAME, "Equivalent: they are not different", None),
    (GATE, "I see no reason to reject it.", None),
    (GATE, "Decision: keep (nothing to reject)", None),
    (GATE, "It could be rejected, but\ndecision: keep", "keep"),
    (LETTERS, "A", "A"),
    (LETTERS, "(b)", "B"),
    (LETTERS, "B) a blue car", "B"),
    (LETTERS, "The answer is C.", "C"),
    (LETTERS, "A cat is on the mat.", None),
    (LETTERS, "A. Not B.", None),
    (("C", "C++", "C#"), "The language is\nC++", "C++"),
    (("chart", "mixed scene"), "Class: Mixed-Scene", "mixed scene"),
    (("对", "错"), "答案：对", None),  # labels are English; a line of its own is read in any language
    (("对", "错"), "两者一致。\n对", "对"),
]


@pytest.mark.parametrize(("choices", "text", "choice"), CASES)
def test_the_one_choice_that_is_stated(choices: tuple[str, ...], text: str, choice: str | None) -> None:
    assert read_choice(text, choices) == choice


@given(st.text(), st.sampled_from([YES_NO, VERDICT, SAME, GATE, LETTERS]))
def test_any_text_is_read_or_not(text: str, choices: tuple[str, ...]) -> None:
    assert read_choice(text, choices) in (None, *choices)


@given(st.sampled_from(["{} and {}", "{}, {}", "Verdict: {} or {}", "{}\n{}", "{}. {}.", "Answer: {}\nAnswer: {}"]),
       st.sampled_from([YES_NO, VERDICT, SAME[:2], GATE, LETTERS[:2]]), st.booleans())  # fmt: skip
def test_two_choices_are_none(pattern: str, choices: tuple[str, ...], swapped: bool) -> None:
    assert read_choice(pattern.format(*(choices[::-1] if swapped else choices)), choices) is None


LOOPS = ["yes ", "Verdict: ", "Verdict: yes. ", "Verdict: yes or ", "*", " ", "\n", "! ", "the ", "-", "<answer>", "{"]


@pytest.mark.parametrize("text", LOOPS)
def test_a_model_in_a_loop_ends(text: str) -> None:
    """What grew with the square of a reply would take minutes here."""
    assert read_choice(text * 20_000, YES_NO) in (None, "yes")
