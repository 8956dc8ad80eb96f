"""Which boxes state the answer."""

import pytest

from schemas.answer_span import answer_span
from schemas.boxed import boxed

JOINED = [
    (r"\boxed{(1, 2)}, \boxed{(2, 1)}", "(1, 2), (2, 1)"),
    (r"\[\boxed{(2, 2)} \quad \text{and} \quad \boxed{(6, 2)}\]", "(2, 2), (6, 2)"),
    (r"$\boxed{A}$ and $\boxed{C}$", "A, C"),
    (r"\boxed{1}, \boxed{2}, and \boxed{3}.", "1, 2, 3"),
    (r"\boxed{2} or \boxed{3}", "2 or 3"),
    (r"\boxed{甲}、\boxed{乙}", "甲, 乙"),
    (r"$y_1 = \boxed{4}$ and \( y_2 = \boxed{5} \)", "4, 5"),
    (r"\boxed{3} \text{ for part (a) and } \boxed{4}", "3, 4"),
    (r"\boxed{4} \\ \text{and} \\ \boxed{5}", "4, 5"),
]
LAST = [
    (r"\boxed{4}", "4"),
    (r"First \boxed{4}. Then \boxed{5}", "5"),
    (r"\boxed{4}" "\n\n" r"\boxed{5}", "5"),  # no joint: the second replaces the first
    (r"\boxed{4}\,\boxed{5}", "5"),
    (r"\boxed{5}, \boxed{5}", "5"),
    (r"\boxed{a + \boxed{b}}", "b"),
    (r"\boxed{3}, no, it must be \boxed{4}", "4"),
    (r"\boxed{3} for the first and \boxed{4}", "4"),
    (r"\boxed{3}, \boxed{4", "3"),
]


@pytest.mark.parametrize(("text", "answer"), JOINED + LAST)
def test_the_answer_of_boxes(text: str, answer: str) -> None:
    found = boxed(text)
    assert found is not None
    assert found[0] == answer
    assert answer_span(text, "plain") == answer
    assert answer_span(f"<think></think><answer>{text}</answer>") == answer


def test_a_statement_of_several_boxes_begins_at_the_first() -> None:
    text = r"So \boxed{1} and \boxed{2}!"
    found = boxed(text)
    assert found is not None
    assert text[found[1] : found[2]] == r"\boxed{1} and \boxed{2}"


def test_no_box() -> None:
    assert boxed("4") is None
    assert boxed(r"\boxed{4") is None


def test_a_long_gap_is_no_joint() -> None:
    assert boxed(r"\boxed{1}" + "、 " * 5000 + r"\boxed{2}") == ("2", 10009, 10018)
    assert boxed(r"\boxed{1}" + "、" * 70 + r"x\boxed{2}") == ("2", 80, 89)


@pytest.mark.parametrize(
    "word", ["или", "либо", "या", "أو", "또는", "または", "或者", "还是", "oppure", "vs", "and/or", "oder"]
)
def test_boxes_that_are_alternatives_are_joined_in_every_language(word: str) -> None:
    found = boxed(rf"$\boxed{{2}}$ {word} $\boxed{{3}}$")
    assert found is not None
    assert found[0] == "2 or 3"


@pytest.mark.parametrize("word", ["и", "और", "および", "그리고", "و", "以及", "und"])
def test_boxes_that_are_taken_together_are_joined_in_every_language(word: str) -> None:
    found = boxed(rf"$\boxed{{2}}$ {word} $\boxed{{3}}$")
    assert found is not None
    assert found[0] == "2, 3"


@pytest.mark.parametrize(
    "denial",
    [
        "It is not",
        "It isn't",
        "It isn’t",
        "It is not equal to",
        "It doesn't equal",
        "Es ist nicht",
        "Es ist kein",
        "Ce n'est pas",
        "No es",
        "Não é",
        "Non è",
        "Это не",
        "x не равно",
        "ليس",
        "答案不是",
        "答案不等于",
        "并非",
    ],
)
def test_a_box_that_is_denied_begins_with_its_denial(denial: str) -> None:
    found = boxed(rf"{denial} $\boxed{{3}}$")
    assert found is not None
    assert found[0] != "3"
    assert found[0].endswith(" 3")


@pytest.mark.parametrize(
    "words", ["No, it is", "No.", "No", "Não,", "不,答案是", "5 아니라", "5ではなく", "why not? It is", "is knot"]
)
def test_a_box_behind_the_answer_no_or_what_denies_another_thing_is_not_denied(words: str) -> None:
    found = boxed(rf"{words} \boxed{{3}}")
    assert found is not None
    assert found[0] == "3"
