"""Laws of reading a choice: negating loses the point, another option loses it, markup and language change nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.kinds.choice import resolve

OPTIONS = ("cat", "dog", "red fish", "none of these")
STATEMENTS = (
    "{}", "({})", "The answer is {}", "So the final answer is {}.", "I choose {}", "{} is correct", "Answer: {}",
    "option {}",
    "答案是{}", "选{}", "{}是正确的", "정답은 {}입니다", "答えは{}です", "La réponse est {}", "Die Antwort ist {}",
    "La respuesta es {}",
    "A resposta é {}", "Ответ: {}", "الإجابة هي {}", "उत्तर: {}",
)  # fmt: skip
NEGATIONS = (
    "not {}", "It is not {}", "{} is wrong", "{} is incorrect", "The answer is not {}",
    "I do not think the answer is {}", "{} can't be right",
    "everything except {}", "rule out {}", "答案不是{}", "{}是错误的", "排除{}", "{}가 아니다", "{}ではない",
    "pas {}", "nicht {}", "no es {}",
    "não é {}", "не {}", "ليس {}", "{} नहीं",
)  # fmt: skip
TAKEN_BACK = (
    "{0}. That is wrong.",
    "{0}. No, {0} is wrong.",
    "{0}, but it is incorrect",
    "{0}? No.",
    "{0}. Wait, it's not {0}.",
    "{0}。不对，不是{0}",
)
BESIDE = (
    "{} or {}",
    "{} and {}",
    "{}, {}",
    "{}/{}",
    "{}. Or {}.",
    "{}. It could be {} as well.",
    "{}或{}",
    "{} oder {}",
    "{} ou {}",
    "{} или {}",
)
MARKS = (
    "{}", "**{}**", "*{}*", "`{}`", "${}$", "\\text{{{}}}", "\\boldsymbol{{{}}}", "{{\\bf {}}}", "<b>{}</b>",
    " {} ", "\n{}\n", "{}.", "{}。",
    '"{}"', "{}<|im_end|>",
)  # fmt: skip
letters = st.sampled_from("ABCD")
said = st.one_of(letters, letters.map(lambda x: OPTIONS["ABCD".index(x)]))


def letter_of(text: str) -> str:
    return text if text in "ABCD" else "ABCD"[OPTIONS.index(text)]


@given(st.sampled_from(STATEMENTS), letters)
def test_the_language_of_a_lead_in_does_not_matter(statement: str, letter: str) -> None:
    assert resolve(statement.format(letter), OPTIONS) == (letter,)


@given(st.sampled_from(NEGATIONS), letters)
def test_a_denied_letter_is_no_answer(negation: str, letter: str) -> None:
    assert resolve(negation.format(letter), OPTIONS) is None


@given(st.sampled_from(STATEMENTS[:8]), st.sampled_from(TAKEN_BACK), letters)
def test_what_is_taken_back_is_no_answer(statement: str, back: str, letter: str) -> None:
    assert resolve(back.format(letter), OPTIONS) is None
    assert resolve(f"{statement.format(letter)}. {back.format(letter)}", OPTIONS) is None


@given(st.sampled_from(STATEMENTS), st.sampled_from(BESIDE), letters, letters)
def test_another_option_beside_it_loses_the_point(statement: str, beside: str, one: str, other: str) -> None:
    if one != other:
        assert resolve(beside.format(statement.format(one), other), OPTIONS) is None
        assert resolve(statement.format(beside.format(one, other)), OPTIONS) is None


@given(st.sampled_from(STATEMENTS[:7]), said, said)
def test_a_correction_counts(statement: str, one: str, other: str) -> None:
    assert resolve(f"{statement.format(one)}. Wait, the answer is {other}.", OPTIONS) == (letter_of(other),)


@given(st.sampled_from(MARKS), st.sampled_from(MARKS), said)
def test_markup_and_blanks_do_not_matter(outer: str, inner: str, text: str) -> None:
    if outer == inner or "." in inner or "。" in inner or "<|" in inner:
        return
    assert resolve(outer.format(inner.format(text)), OPTIONS) == (letter_of(text),)


@given(said, said)
def test_denying_others_keeps_the_point(text: str, other: str) -> None:
    if letter_of(text) != letter_of(other):
        for form in (
            "{}, not {}",
            "not {1} but {0}",
            "{1} is wrong. The answer is {0}.",
            "{}, because {} is wrong",
            "{}. {} is incorrect.",
        ):
            assert resolve(form.format(text, other), OPTIONS) == (letter_of(text),), form


@given(st.text(max_size=80), st.sampled_from(["", "The answer is B", "答案是B"]))
def test_any_text_is_read_or_not(text: str, before: str) -> None:
    found = resolve(before + text, OPTIONS)
    assert found is None or (len(found) == 1 and found[0] in "ABCD")


@pytest.mark.parametrize(
    "unit",
    ["B ", "not ", "(B)", "dog ", "答案是", "the answer is ", "A, ", "wait ", "or ", "**", "\\text{", "[", "- ", "是"],
)
def test_long_repetitions_end_soon(unit: str) -> None:
    resolve(unit * (100_000 // len(unit)), OPTIONS)
