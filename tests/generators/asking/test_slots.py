"""Which answer counts."""

from asked import converse, table

from generators.ask import STEP
from generators.asking.config import AskConfig
from generators.asking.outcomes import Answer, read
from generators.asking.slots import by_row, slots
from schemas.completion import Sampling

CONFIG = AskConfig(
    model=("a", "b"), prompt="x", sees="nothing", makes="trace", n=2, tries=2, conclude="So it is",
    sampling=Sampling(temperature=1.0),
)  # fmt: skip


def test_later_answers_belong_to_the_reply_that_they_go_on_from() -> None:
    def model(request: object, index: int) -> str:
        return "4." if getattr(request, "prefix", "") else "The answer is 1." if index == 1 else f"Hm {index}."

    answers, _ = converse(STEP, table({}, {}), CONFIG, model)
    found = by_row(answers)
    assert {id_: list(models) for id_, models in found.items()} == {"r0": ["a", "b"], "r1": ["a", "b"]}
    first, second = slots(found["r1"]["b"], CONFIG, lambda answer: read(answer, CONFIG, "", prose=False))
    assert [answer.sample for answer in first.tries] == [0, 2]
    assert first.conclusion is not None
    assert first.outcome.reading is not None and first.outcome.reading.final == "4"
    assert [answer.sample for answer in second.tries] == [1]
    assert second.conclusion is None
    assert second.outcome.reading is not None and second.outcome.reading.final == "1"


def test_a_reply_that_was_never_wanted_is_one_that_the_model_was_not_reached_for() -> None:
    answer = Answer(0, 0, 0, 1, "The answer is 4.", None, "stop", 5, None)
    found = slots([answer], CONFIG, lambda answer: read(answer, CONFIG, "", prose=False))
    assert [slot.outcome.cause for slot in found] == ["unanswered", None]
