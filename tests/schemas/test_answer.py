import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.verify.catalogue import KINDS
from schemas.answer import (
    AbstainAnswer,
    ActionAnswer,
    Answer,
    BooleanAnswer,
    Box,
    BoxesAnswer,
    Call,
    ChoiceAnswer,
    CodeAnswer,
    CompositeAnswer,
    Coord,
    ExpressionAnswer,
    Frame,
    FunctionsAnswer,
    GridAnswer,
    JsonAnswer,
    MaskAnswer,
    NumberAnswer,
    OpenAnswer,
    OrderAnswer,
    Point,
    PointsAnswer,
    SetAnswer,
    SpansAnswer,
    TextAnswer,
    TrackAnswer,
    dump_answer,
    load_answer,
)
from schemas.ids import canonical_json

ONE_OF_EACH: list[Answer] = [
    ChoiceAnswer(raw="B", letters=("B",), texts=("dog",)),
    NumberAnswer(raw="1/3", value=Fraction(1, 3), unit="cm"),
    ExpressionAnswer(raw="$x$", latex="x"),
    BooleanAnswer(raw="yes", values=(True,)),
    TextAnswer(raw="Paris", value="Paris", aliases=("paris",)),
    SetAnswer(raw="none", labels=()),
    BoxesAnswer(raw="[]", boxes=(Box(xyxy=(0, 0, 1, 1), label="a", score=0.5),), coord=Coord(space="norm1")),
    PointsAnswer(raw="(1,2)", points=(Point(xy=(1, 2)),)),
    MaskAnswer(raw="{}", size=(2, 2), counts=(1, 3)),
    SpansAnswer(raw="[1,2]", spans=((1, 2),), duration=9),
    TrackAnswer(raw="[]", frames=(Frame(t=0, xyxy=(0, 0, 1, 1)),)),
    OrderAnswer(raw="2 1", items=("2", "1")),
    GridAnswer(raw="1 2", rows=(("1", "2"),)),
    ActionAnswer(raw="back", action="back"),
    FunctionsAnswer(raw="f(1)", calls=(Call(fn="f", args=(1, "x", None)),)),
    JsonAnswer(raw="{}", value={"a": [1, None, "x"]}),
    CodeAnswer(raw="x=1", text="x=1"),
    OpenAnswer(raw="why", reference="why"),
    CompositeAnswer(raw="{}", parts={"answer": ChoiceAnswer(raw="A", letters=("A",))}),
    AbstainAnswer(raw="unknown"),
]


@pytest.mark.parametrize("answer", ONE_OF_EACH, ids=lambda a: a.kind)
def test_an_answer_survives_its_json(answer: Answer) -> None:
    text = dump_answer(answer)
    assert load_answer(text) == answer
    assert dump_answer(load_answer(text)) == text
    assert canonical_json(json.loads(text)) == text


def test_there_is_one_answer_kind_for_each_verifier_but_equation() -> None:
    assert {a.kind for a in ONE_OF_EACH} == set(KINDS) - {"equation"}


@given(st.fractions(), st.text())
def test_numbers_are_exact(value: Fraction, raw: str) -> None:
    answer = NumberAnswer(raw=raw, value=value)
    loaded = load_answer(dump_answer(answer))
    assert isinstance(loaded, NumberAnswer)
    assert loaded.value == value
    assert loaded.raw == raw


def test_an_empty_box_list_is_an_answer_and_a_missing_one_is_none() -> None:
    assert load_answer('{"kind":"boxes","raw":"[]","boxes":[]}') == BoxesAnswer(raw="[]", boxes=())
    with pytest.raises(ValidationError, match="boxes"):
        load_answer('{"kind":"boxes","raw":"[]"}')


@pytest.mark.parametrize(
    "text", ["", "{}", '{"kind":"colour","raw":"red"}', '{"kind":"text","raw":"a","value":"a","x":1}']
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        load_answer(text)
