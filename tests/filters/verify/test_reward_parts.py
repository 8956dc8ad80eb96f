"""A reward in parts, in each trainer's calling convention: what is right, what is laid out well, and nothing that raises."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from filters.verify import reward as module
from filters.verify.allowance import Allowance
from filters.verify.gold import parse_gold
from filters.verify.reward import (
    accuracy_part,
    compute_score,
    easyr1_batch,
    format_part,
    graded,
    ground_truth,
    openrlhf,
    reward,
)
from schemas.answer import dump_answer

SEVEN = dump_answer(parse_gold("number", "7"))
TRUTH = ground_truth(SEVEN, "number", tags="think_answer")
LAID_OUT = "<think>t</think>\n<answer>{}</answer>"
SAID = [LAID_OUT.format(7), "<answer>7</answer>", LAID_OUT.format(8), "8"]
RIGHT, FORM = [1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]
SUMS = [1.0, 0.75, 0.25, 0.0]
"""With a quarter of the score for the layout."""

Convention = Callable[[list[Any], list[Any], float], dict[str, list[float]]]


def _keyed(rows: list[dict[str, float]], score: str = "score") -> dict[str, list[float]]:
    names = {"score": score, "accuracy": "accuracy", "format": "format"}
    return {name: [row[key] for row in rows] for name, key in names.items()}


def _trl(said: list[Any], truths: list[Any], weight: float) -> dict[str, list[Any]]:
    columns: dict[str, Any] = {"answer": [SEVEN] * len(said), "tags": ["think_answer"] * len(said)}
    score = reward(said, **columns, format_weight=weight, prompts=[], completion_ids=[], trainer_state=None)
    return {"score": score, "accuracy": accuracy_part(said, **columns), "format": format_part(said, **columns)}


def _verl(said: list[Any], truths: list[Any], weight: float) -> dict[str, list[float]]:
    more = {"reward_router_address": None, "reward_model_tokenizer": None}
    return _keyed([compute_score("d", *pair, {}, weight, **more) for pair in zip(said, truths, strict=True)])


def _easyr1(said: list[Any], truths: list[Any], weight: float) -> dict[str, list[float]]:
    pairs = zip(said, truths, strict=True)
    rows = [{"response": text, "response_length": 1, "ground_truth": truth} for text, truth in pairs]
    return _keyed(easyr1_batch(rows, weight), "overall")


def _openrlhf(said: list[Any], truths: list[Any], weight: float) -> dict[str, list[float]]:
    found = openrlhf(said, truths, weight)
    logs = found["extra_logs"]
    return {"score": found["rewards"], "accuracy": logs["accuracy"], "format": logs["format"]}


CONVENTIONS: dict[str, Convention] = {
    "graded": lambda said, truths, weight: _keyed(graded(said, truths, weight)),
    "verl": _verl,
    "easyr1": _easyr1,
    "openrlhf": _openrlhf,
    "trl": _trl,
}


@pytest.mark.parametrize("name", CONVENTIONS)
def test_the_parts_and_their_sum(name: str) -> None:
    alone = CONVENTIONS[name](SAID, [TRUTH] * 4, 0.0)
    assert alone == {"score": RIGHT, "accuracy": RIGHT, "format": FORM}, "without a weight the sum is the verdict"
    assert CONVENTIONS[name](SAID, [TRUTH] * 4, 0.25) == {"score": SUMS, "accuracy": RIGHT, "format": FORM}


def test_trl_logs_the_parts_of_what_could_be_scored() -> None:
    logged: dict[str, float] = {}
    columns: dict[str, Any] = {"answer": [SEVEN, SEVEN, None], "tags": ["think_answer"] * 3}
    found = reward([SAID[0], SAID[1], SAID[0]], **columns, log_metric=logged.__setitem__, log_extra=None)
    assert found == [1.0, 1.0, None]
    assert logged == {"curate/accuracy": 1.0, "curate/format": 0.5}
    assert reward([SAID[0]], log_metric=logged.__setitem__) == [None], "a batch without a gold logs nothing"


def test_openrlhf_filters_prompts_by_accuracy_alone() -> None:
    found = openrlhf(SAID, [TRUTH] * 4, 0.25)
    assert found["scores"] == RIGHT and found["rewards"] == SUMS
    assert found["extra_logs"]["unscored"] == [0.0] * 4


TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(st.characters(), max_size=8).map(LAID_OUT.format),
    st.sampled_from(
        ["\ud800", LAID_OUT.format("\udfff7"), "\x00", "7" * 5000, LAID_OUT.format("{" * 3000), "\\boxed{" * 50]
    ),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS, st.binary(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["role", "content", "text", "type", "answer", "kind", "A"]), inner, max_size=3),
    ),
    max_leaves=6,
)  # fmt: skip
COLUMN = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.lists(ANYTHING, max_size=4))
SLOW = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(st.lists(ANYTHING, min_size=1, max_size=4), st.lists(st.one_of(ANYTHING, st.just(TRUTH)), max_size=4))
def test_no_response_and_no_truth_raises(said: list[Any], truths: list[Any]) -> None:
    for found in (
        graded(said, truths),
        [compute_score("d", text, truth) for text, truth in zip(said, truths, strict=False)],
        easyr1_batch([{"response": text, "ground_truth": TRUTH} for text in said]),
        easyr1_batch(said),
    ):
        assert all(0.0 <= value <= 1.0 for row in found for value in row.values())
    logged = openrlhf(said, truths)
    for scores in (logged["rewards"], *logged["extra_logs"].values()):
        assert len(scores) == len(said) and all(0.0 <= score <= 1.0 for score in scores)


@SLOW
@given(
    st.lists(ANYTHING, min_size=1, max_size=4),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("answer", "verifier", "verifier_params", "options", "tags"), COLUMN)
    ),
    st.booleans(),
)
def test_no_column_raises_missing_short_or_of_anything(said: list[Any], columns: dict[str, Any], golden: bool) -> None:
    if golden:
        columns = {**columns, "answer": [SEVEN] * len(said)}
    for scores in (reward(said, **columns), accuracy_part(said, **columns)):
        assert len(scores) == len(said)
        assert all(score is None or 0.0 <= score <= 1.0 for score in scores)
    assert all(score in (0.0, 1.0) for score in format_part(said, **columns))


def test_a_hundred_megabytes_are_no_answer() -> None:
    huge = "<answer>" + "7" * 100_000_000
    assert graded([huge, SAID[0]], [TRUTH] * 2)[1]["score"] == 1.0
    assert graded([huge], [TRUTH])[0]["score"] == 0.0


class StoppedError(Exception):
    """Instead of a wait."""


@pytest.mark.parametrize("name", [name for name in CONVENTIONS if name != "verl"])
def test_a_batch_shares_one_limit_of_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, Any]] = []

    class Pool:
        def verify_many(self, items: list[Any], within_s: float | None = None) -> Any:
            asked.append((len(items), within_s))
            raise StoppedError

    monkeypatch.setattr(module, "_pool", Pool)
    with pytest.raises(StoppedError):
        CONVENTIONS[name](SAID, [TRUTH] * 4, 0.0)
    assert asked == [(4, module.BATCH_S)]


@pytest.mark.parametrize("name", CONVENTIONS)
def test_calls_for_one_answer_share_an_allowance(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that hang waste less and less time, whatever the convention, also from threads."""
    turns: list[float] = []

    class Pool:
        def verify(self, item: Any, budget_s: float) -> Any:
            turns.append(budget_s)
            return module.unscored("it hung", "timeout")

    clock = iter(range(10_000))
    monkeypatch.setattr(module, "_pool", Pool)
    monkeypatch.setattr(module, "_ALLOWANCE", Allowance(module.ALONE_S, lambda: 0.0))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))  # each call seems to last a second
    calls = [threading.Thread(target=CONVENTIONS[name], args=(SAID[:1], [TRUTH], 0.0)) for _ in range(25)]
    for call in calls:
        call.start()
        call.join()
    assert turns[0] == module.BUDGET_S
    assert turns[-1] < 0.2


def test_columns_may_be_arrays() -> None:
    """verl's reward managers keep columns as arrays of objects."""
    np = pytest.importorskip("numpy")
    truths = np.array([TRUTH] * 4, dtype=object)
    assert [row["score"] for row in graded(np.array(SAID, dtype=object), truths)] == RIGHT
    assert reward(SAID, answer=np.array([SEVEN] * 4, dtype=object), tags=np.array(["think_answer"] * 4)) == RIGHT
