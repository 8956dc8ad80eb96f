"""Laws of reading words and truth values: negating never keeps the point, lead-ins and markup do not matter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.clauses import after_wait, before_reason, clauses, lined, only_function_words
from filters.verify.gold import parse_gold
from filters.verify.kinds.boolean import read_values
from filters.verify.verifier import verify

YES = ("It is true", "That is correct.", "The statement is right", "It is", "This is true", "The claim is correct")
LEADS = (
    "{}",
    "The answer is {}",
    "Answer: {}",
    "**{}**",
    "答案是{}",
    "정답은 {}입니다",
    "La réponse est {}",
    "Ответ: {}",
    "<b>{}</b>",
    "{}.",
)
BESIDE = (
    "not {}",
    "It isn't {}",
    "{} or Lyon",
    "{}, Lyon",
    "Lyon and {}",
    "{}. Wait, Lyon",
    "maybe {} or Lyon",
    "everything but {}",
    "不是{}",
)
words = st.sampled_from(["Paris", "red car", "北京", "O'Brien"])


@pytest.mark.parametrize("sentence", YES)
def test_negating_a_sentence_turns_its_value(sentence: str) -> None:
    assert read_values(sentence) == (True,)
    assert read_values(sentence.replace(" is", " is not", 1)) == (False,)
    assert read_values(f"{sentence}. No, it isn't.") != (True,)
    assert read_values(f"No, {sentence.lower()}") == (True,)


@given(st.sampled_from(LEADS), st.sampled_from(["yes", "no", "true", "false"]))
def test_the_lead_in_of_a_truth_value_does_not_matter(lead: str, word: str) -> None:
    assert read_values(lead.format(word)) == read_values(word)


@given(st.sampled_from(LEADS), words)
def test_the_lead_in_of_words_does_not_matter(lead: str, text: str) -> None:
    assert verify(f"<answer>{lead.format(text)}</answer>", parse_gold("text", text)).score == 1.0


@given(st.sampled_from(LEADS), st.sampled_from(BESIDE), words)
def test_words_denied_or_beside_others_lose_the_point(lead: str, beside: str, text: str) -> None:
    for response in (beside.format(text), lead.format(beside.format(text))):
        assert verify(f"<answer>{response}</answer>", parse_gold("text", text)).score == 0.0, response


RESULTS = (
    "{a} times {b} is {}",
    "There are {a} in each of {b}, so {}",
    "The sum of {a} and {b} equals {}",
    "{a} + {b} = {}",
)
WEAKENED = (
    "not {}", "never {}", "at most {}", "at least {}", "less than {}", "more than {}", "maybe {}", "nearly {}", "minus {}",
    "{} or 7001", "{} at most", "{}, no, 7001", "{}?", "half of {}", "the square root of {}", "everything but {}",
)  # fmt: skip


@given(st.sampled_from(RESULTS), st.integers(2, 99), st.integers(2, 99), st.integers(100, 7000))
def test_a_result_is_read_and_nothing_that_weakens_it_keeps_its_point(form: str, a: int, b: int, n: int) -> None:
    gold = parse_gold("number", str(n))

    def score(said: str) -> float | None:
        return verify(f"<answer>{form.format(said, a=a, b=b)}</answer>", gold).score

    assert score(str(n)) == 1.0
    assert score(str(n + 1)) == 0.0
    assert [weak for weak in WEAKENED if score(weak.format(n)) != 0.0] == []


@pytest.mark.parametrize("unit", ["\n", "?", "so, ", "no: ", "because ", ", ", "wait, ", "、", "的"])
def test_long_repetitions_are_read_in_one_pass(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    for read in (after_wait, before_reason, lined, only_function_words):
        read(text)
    found = clauses(text)
    assert found is None or len(found) <= 401
