"""Traces are changed in one thing only: the answers stay, and so do the rows."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from generators.training.student import Question
from pipelines.proof.rows import Rows
from pipelines.proof.traces import has_thoughts, shuffled, without_thoughts
from schemas.tags import TAG_SCHEMAS, parse_tags

TAGS = "think_answer_boxed"


def rows(replies: list[str], tags: str = TAGS) -> Rows:
    ids = tuple(str(i) for i in range(len(replies)))
    questions = tuple(Question((("user", f"question {i}"),)) for i in ids)
    return Rows(ids, questions, {"tags": (tags,) * len(ids)}, tuple(replies))


def reply(thought: str, answer: str) -> str:
    return f"<think>{thought}</think>\n<answer>\\boxed{{{answer}}}</answer>"


THREE = rows([reply("It is red.", "red"), reply("Two shapes.", "2"), reply("No star.", "no")])


def test_answers_alone_keep_the_tags_so_that_the_same_reward_reads_them() -> None:
    found = without_thoughts(THREE)
    assert found.replies[0] == "<think></think>\n<answer>\\boxed{red}</answer>"
    assert parse_tags(found.replies[1], TAG_SCHEMAS[TAGS]).answer_span == "2"
    assert (found.ids, found.questions) == (THREE.ids, THREE.questions)


@given(st.integers(0, 1000), st.integers(2, 12))
def test_shuffled_rows_keep_their_answers_and_none_keeps_its_thought(seed: int, number: int) -> None:
    before = rows([reply(f"thought {i}", f"answer {i}") for i in range(number)])
    after = shuffled(before, seed)
    parsed = [parse_tags(text, TAG_SCHEMAS[TAGS]) for text in after.replies]
    assert [one.answer_span for one in parsed] == [f"answer {i}" for i in range(number)]
    lent = [one.sections["think"] for one in parsed]
    assert all(thought != f"thought {i}" for i, thought in enumerate(lent))
    assert Counter(lent) == Counter(f"thought {i}" for i in range(number))
    assert shuffled(before, seed) == after


def test_what_cannot_be_read_in_its_tags_stays_as_it_is() -> None:
    odd = rows(["no tags at all", *THREE.replies])
    assert without_thoughts(odd).replies[0] == shuffled(odd, 0).replies[0] == "no tags at all"


def test_whether_traces_have_thoughts_is_seen() -> None:
    assert has_thoughts(THREE)
    assert not has_thoughts(without_thoughts(THREE))
    assert not has_thoughts(rows(["red", "blue"], "plain"))
