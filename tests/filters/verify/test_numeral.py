"""Numbers in digits, words and sentences. The verdicts on them are in `cases/number.jsonl`."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.digits import Marks, value_of
from filters.verify.number_sentence import leaves_standing, states
from filters.verify.number_words import read_words, words_of
from filters.verify.numeral import MAX_CHARS, only_numeral, read_numeral

ONES = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def spelled(number: int, hyphen: str, link: str) -> str:
    """A number in words, as English writes it."""
    for scale, name in ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred")):
        if number >= scale:
            rest = spelled(number % scale, hyphen, link) if number % scale else ""
            joint = link if scale == 100 else " "
            return f"{spelled(number // scale, hyphen, link)} {name}" + (joint + rest if rest else "")
    if number < 20:
        return ONES[number]
    return TENS[number // 10] + (hyphen + ONES[number % 10] if number % 10 else "")


@given(st.integers(0, 10**12 - 1), st.sampled_from("- "), st.sampled_from([" and ", " "]))
def test_every_number_is_read_from_its_words(number: int, hyphen: str, link: str) -> None:
    words = words_of(spelled(number, hyphen, link))
    read = read_words([word for word, _ in words])
    assert read is not None
    assert read == (number, len(words))


LOCALES: list[tuple[str, str, Marks]] = [
    (",", ".", "auto"), (" ", ".", "auto"), (" ", ",", "auto"), ("'", ".", "auto"), (".", ",", "comma"), (",", ".", "point"),
    ("", ".", "auto"), ("", ",", "comma"), ("\u202f", ",", "auto"), ("\\,", ".", "auto"), (",\\!", ".", "auto"),
    ("{,}", ".", "auto"),
]  # fmt: skip


@given(st.integers(0, 10**12), st.integers(0, 99), st.sampled_from(LOCALES), st.sampled_from(["", "-"]))
def test_every_locale_writes_the_same_number(whole: int, cents: int, locale: tuple[str, str, Marks], sign: str) -> None:
    between, before, marks = locale
    text = f"{sign}{whole:,}".replace(",", between) + f"{before}{cents:02}"
    numeral = read_numeral(text, marks)
    assert numeral is not None, text
    assert numeral.value == (whole + Fraction(cents, 100)) * (-1 if sign else 1), text


@pytest.mark.parametrize("text", ["1,23,4", "1.23.4", "1,2,3", "0,111,222", "1,2345,678", "1,234,5"])
def test_marks_that_make_no_number(text: str) -> None:
    assert value_of(text) is None


@given(st.text(max_size=120))
def test_reading_never_raises(text: str) -> None:
    only_numeral(text)
    only_numeral(f"There are {text} 5 {text}")


@given(st.sampled_from(["There are {}.", "The answer is {}", "x = {}", "Answer: {}", "答案是{}", "La respuesta es {}"]),
       st.integers(-(10**6), 10**6))  # fmt: skip
def test_denying_a_sentence_never_keeps_its_number(sentence: str, number: int) -> None:
    said = only_numeral(sentence.format(number))
    assert said is not None
    assert said.value == number
    for denied in (f"not {number}", f"less than {number}", f"maybe {number}", f"{number} or {number + 1}"):
        assert only_numeral(sentence.format(denied)) is None


@pytest.mark.parametrize(
    "lead", ["", "There are ", "The total is about ", "so it comes to ", "He has a total of ", "n = "]
)
def test_a_lead_that_states(lead: str) -> None:
    assert states(lead)


@pytest.mark.parametrize(
    "lead", ["question ", "less than ", "It isn't ", "half of ", "if it is ", "x < ", "Step ", "the "]
)
def test_a_lead_that_states_nothing(lead: str) -> None:
    assert not states(lead)


def test_what_may_follow() -> None:
    assert leaves_standing("in the image and no trucks.")
    assert not leaves_standing("which is wrong")


def test_long_texts_hold_no_numeral() -> None:
    assert only_numeral("5" + " " * MAX_CHARS + "5") is None
