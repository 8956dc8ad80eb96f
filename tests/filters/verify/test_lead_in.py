"""Lead-ins, closing words, and what denies, doubts, offers or takes back; in a dozen languages, in linear time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.verify.lead_in import corrected, denies, doubts, offers_several, takes_back, unled
from filters.verify.normalise import flat

LEADS = (
    "The answer is {}", "So, the final answer is: **{}**.", "**Answer: {}**", "**Final Answer:** {}",
    "### Answer: {}",
    "✅ Final Answer: **{}**", "[Answer: {}]", "[Answer] {}", "Ans: {}", "I choose {}", "I think it is {}",
    "I think the answer is probably {}", "The answer is therefore {}", "The answer is {}, definitely", "it's {}",
    "The answer is {}, I'm sure.", "{} is the correct answer.", "{} is correct", "The correct option is {}.",
    "My answer: {}",
    "Thus, the correct answer is $\\boxed{{{}}}$", "Therefore the answer must be {}", "which leaves {}",
    "答案是{}", "答案：{}", "正确答案是：{}。", "故答案为{}", "选{}", "故选{}", "选择{}", "选项{}", "我选{}",
    "{}是正确答案", "{}是正确的",
    "【答案】{}", "所以答案是{}。", "因此，正确选项为{}", "我认为答案是{}", "本题选{}", "答：{}",
    "정답은 {}입니다", "정답: {}", "따라서 정답은 {}", "답은 {}이다", "答えは{}", "答えは{}です。",
    "正解は{}である", "したがって、答えは{}",
    "Réponse : {}", "La bonne réponse est {}", "Donc, la réponse est {}.", "La respuesta es {}",
    "Por lo tanto, la respuesta correcta es {}",
    "Respuesta: {}", "A resposta é {}", "Resposta correta: {}", "Die Antwort ist {}",
    "Die richtige Antwort lautet {}", "Antwort: {}",
    "La risposta è {}", "Ответ: {}", "Правильный ответ - {}", "Я выбираю {}", "الإجابة هي {}",
    "الإجابة الصحيحة هي: {}", "الجواب: {}",
    "उत्तर: {}", "सही उत्तर {} है", "सही उत्तर है {}",
)  # fmt: skip


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("answer", ["B", "5", "-3.5", "\\frac{1}{2}"])
def test_the_answer_is_what_stands_behind_its_lead_in(lead: str, answer: str) -> None:
    if "boxed" in lead:
        answer = "5"
    assert unled(flat(lead.format(answer))) == answer


@pytest.mark.parametrize(
    "text", ["Because", "It isn't 5", "Is it 5", "Answer", "答", "选", "是的", "The result", "不是5", "isotope"]
)
def test_what_is_no_lead_in_stays(text: str) -> None:
    assert unled(flat(text)) == text


DENIALS = (
    "not B", "It isn't B", "B can't be", "never B", "neither A nor B", "B is incorrect", "B is wrong",
    "everything except B",
    "rules out B", "B was ruled out", "B instead of A", "不是B", "B是错误的", "排除B", "除了B", "Bではない",
    "Bは間違い", "B가 아니다",
    "B는 틀렸다", "pas B", "B est faux", "no es B", "não é B", "nicht B", "B ist falsch", "не B", "B неверно",
    "ليس B", "B नहीं है",
)  # fmt: skip


@pytest.mark.parametrize("text", DENIALS)
def test_denials(text: str) -> None:
    assert denies(text)


@pytest.mark.parametrize(
    "text", ["B", "The answer is B", "no doubt it is B", "note B", "nose", "答案是B", "B입니다", "none1", "не1"]
)
def test_what_denies_nothing(text: str) -> None:
    assert not denies(text)


@pytest.mark.parametrize(
    "text", ["maybe B", "It could be B", "perhaps 5", "I'm not sure, B", "可能是B", "vielleicht B", "B かもしれない"]
)
def test_doubts(text: str) -> None:
    assert doubts(text)
    assert not doubts("I think it is B")


@pytest.mark.parametrize(
    "text",
    ["A or B", "either 5", "A或B", "A还是B", "A 또는 B", "AまたはB", "A ou B", "A oder B", "A или B", "أو B", "A या B"],
)
def test_alternatives(text: str) -> None:
    assert offers_several(text)
    assert not offers_several("The order of A is B")


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("5. Wait, 6", "6"), ("The answer is B. Actually, C", "C"), ("No: C", "C"), ("B. Scratch that, C", "C"),
        ("B。不对，C", "C"), ("B, non, C", "C"), ("B. Moment: C", "C"), ("5", "5"), ("5. Wait", "5. Wait"),
    ],
)  # fmt: skip
def test_corrections(text: str, rest: str) -> None:
    assert corrected(flat(text)) == rest
    assert takes_back(text) == (text != "5")


@given(st.text(max_size=200))
def test_what_is_left_is_no_longer(text: str) -> None:
    assert len(unled(flat(text))) <= len(flat(text))
