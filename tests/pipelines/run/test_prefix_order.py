from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from pipelines.run import prefix_order
from pipelines.run.driver import Call
from pipelines.run.prefix_order import alike_together
from schemas.completion import ImagePart, Message, Request


def call(number: int, text: str, image: str | None = None, system: str = "Look.") -> Call:
    content = (text,) if image is None else (text, ImagePart(image))
    return Call(Request(str(number), (Message("system", (system,)), Message("user", content))), str(number), (0,))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from((None, "x", "y"))), max_size=60),
    st.integers(1, 9),
    st.integers(1, 20),
)
def test_each_call_goes_out_once(asked: list[tuple[str, str | None]], first: int, most: int) -> None:
    calls = [call(i, text, image) for i, (text, image) in enumerate(asked)]
    found = list(alike_together(calls, first, most))
    assert sorted(c.prompt for c in found) == sorted(c.prompt for c in calls)
    assert found == list(alike_together(calls, first, most)), "the same order each time"


def test_what_starts_alike_goes_out_together() -> None:
    judged = [call(i, f"Question {i % 4}: is this right? Reply {i}") for i in range(40)]
    found = [int(c.prompt) % 4 for c in alike_together(judged)]
    assert found == sorted(found)
    shown = [call(i, f"question {i}", "xyz"[i % 3]) for i in range(30)]
    found = [int(c.prompt) % 3 for c in alike_together(shown)]
    assert found == sorted(found), "the image decides, though the question stands before it"
    systems = [call(i, "?", system=f"You are {i % 2}.") for i in range(10)]
    assert [int(c.prompt) % 2 for c in alike_together(systems)] == [0] * 5 + [1] * 5


def test_calls_are_taken_in_as_others_go_out() -> None:
    """The stream may be of ten million, and rendering a prompt takes time in which none is sent."""
    taken = 0

    def stream() -> Iterator[Call]:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield call(i, str(i % 7))

    before = most = 0
    for sent, _ in enumerate(alike_together(stream(), first=10, most=100)):
        assert taken - before <= (10 if not sent else prefix_order.TAKEN)
        before, most = taken, max(most, taken - sent)
    assert (taken, most) == (1000, 100)


def test_long_prompts_are_looked_at_few_at_a_time(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(prefix_order, "MOST_CHARACTERS", 100)
    calls = [call(i, "x" * 60) for i in range(10)]
    ahead = iter(alike_together(taken := iter(calls), first=10))
    next(ahead)
    assert len(list(taken)) == 8
