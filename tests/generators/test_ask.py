"""Laws of the step `ask`, whatever models reply. `asked.run` holds ids, columns, balance and replays of every example."""

from typing import Any

from asked import run, table
from hypothesis import given
from hypothesis import strategies as st

from generators.ask import STEP
from generators.asking.config import AskConfig
from schemas.completion import Sampling

TEXTS = st.sampled_from(
    [
        "",
        "red",
        "maybe",
        "The answer is 4.",
        "<think>Hm",
        "<think>Hm.</think>4",
        "<answer>4</answer>",
        '{"a": "b"}',
        "7",
    ]
) | st.text(max_size=20)
REPLIES = st.none() | st.fixed_dictionaries(
    {"text": TEXTS, "finish_reason": st.sampled_from(["stop", "length", "error"]), "reasoning": st.none() | TEXTS}
)
FORMS = st.sampled_from(
    ["text", {"choice": ["red", "blue"]}, {"score": [0, 9]}, {"fields": {"a": "str"}}, {"tags": "think_answer"}]
)
ROWS = st.lists(st.fixed_dictionaries({"question": st.none() | st.sampled_from(["q", "p"])}), min_size=1, max_size=4)
FATES = st.sampled_from(["drop", "keep"])


@st.composite
def configs(draw: st.DrawFn) -> AskConfig:
    reply, makes = draw(FORMS), draw(st.sampled_from([None, "reply"]))
    free = makes and (reply == "text" or "tags" in reply)
    return AskConfig.model_validate(
        {
            "model": draw(st.sampled_from([["a"], ["a", "b"]])) if makes else "a",
            "prompt": draw(st.sampled_from(["{{ question }}", "{{ question or 'q' }}"])),
            "sees": "nothing",
            "n": draw(st.integers(1, 3)) if makes else 1,
            "tries": draw(st.integers(1, 3)),
            "sampling": Sampling(temperature=1.0),
            "conclude": draw(st.sampled_from([None, "So"])) if free else None,
            "reply": reply,
            "makes": makes,
            "unanswered": draw(FATES),
            "unreadable": draw(FATES),
        }
    )


@given(configs(), ROWS, st.lists(REPLIES, min_size=1, max_size=7))
def test_every_reply_that_a_row_is_owed_is_there_or_dropped(
    config: AskConfig, rows: list[dict[str, Any]], replies: list[Any]
) -> None:
    frame = table(*({"question": row["question"]} for row in rows))
    out = run(STEP, frame, config, lambda request, index: replies[(int(request.id[1:]) + index) % len(replies)])
    assert out.rows is not None
    owed = len(rows) * config.n * len(config.models)
    assert out.rows.height + out.drops.height == owed
    causes = set(out.drops["reason"].str.strip_prefix("ask:"))
    assert causes <= {"null_field", "unanswered", "error", "truncated", "empty", "unreadable"}
    if config.unanswered == config.unreadable == "keep":
        assert causes <= {"null_field"}


@given(configs(), st.lists(st.tuples(st.booleans(), REPLIES), min_size=1, max_size=7))
def test_what_was_not_reached_is_asked_by_the_next_build_and_nothing_else_changes(
    config: AskConfig, replies: list[tuple[bool, Any]]
) -> None:
    """A build during which the model was away now and then, and the next one, come to what one build would have."""
    frame = table({"question": "q"}, {"question": "p"})
    away = iter([True, False] * 500)
    log: dict[tuple[Any, ...], Any] = {}

    def model(request: Any, index: int) -> Any:
        lost, reply = replies[index % len(replies)]
        key = (request.id, request.prefix, request.sampling, index)
        if key not in log and not (lost and next(away)):
            log[key] = reply
        return log.get(key)

    run(STEP, frame, config, model)
    for _ in range(10):
        last = run(STEP, frame, config, model)
    once = run(STEP, frame, config, lambda request, index: replies[index % len(replies)][1])
    assert last.rows is not None and once.rows is not None
    assert last.rows.equals(once.rows)
    assert last.drops.equals(once.drops)
