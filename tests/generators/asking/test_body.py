"""What answers make of rows: columns, rows of a unit, and reasons."""

import json
from typing import Any

import polars as pl
import pytest
from asked import CUT, IMAGE, REFUSED, Reply, run, table

from generators.ask import STEP
from generators.asking.config import AskConfig
from schemas.completion import Sampling
from schemas.ids import content_id

WARM = Sampling(temperature=1.0)
TWO = table({"question": "q0", "media": [IMAGE]}, {"question": "q1", "media": []})


def ask(**section: Any) -> AskConfig:
    return AskConfig.model_validate({"model": "m", "prompt": "{{ question }}", **section})


def by(*replies: Any) -> Any:
    """A model that replies to the rows in order, and again to later samples of one."""
    return lambda request, index: replies[int(request.id[1:])]


def test_a_text_becomes_a_column_of_the_steps_name() -> None:
    out = run(STEP, TWO, ask(**{"as": "seen"}), by("a star ", "<think>?</think>a disc"))
    assert out.rows is not None
    assert out.rows.rows() == [("r0", "a star"), ("r1", "a disc")]
    assert out.drops.is_empty()


def test_fields_become_columns_and_gives_renames_them() -> None:
    config = ask(reply={"fields": {"question": "str", "types": ["str"], "n": "int"}}, gives={"restated": "question"})
    said = '{"question": "Which?", "types": ["a", "b"], "n": 3}'
    out = run(STEP, TWO, config, by(said, "no"))
    assert out.rows is not None
    assert out.rows.to_dicts() == [{"id": "r0", "types": ["a", "b"], "n": 3, "restated": "Which?"}]
    assert out.drops["reason"].to_list() == ["ask:unreadable"]


@pytest.mark.parametrize(
    ("reply", "cause", "evidence"),
    [
        (None, "unanswered", {}),
        (REFUSED, "error", {"error": "filtered"}),
        (CUT, "truncated", {"tokens": 5, "reply": ""}),
        ("maybe", "unreadable", {"tokens": 5, "reply": "maybe"}),
    ],
)
def test_a_row_without_a_readable_reply_is_dropped_or_kept_with_nulls(
    reply: Any, cause: str, evidence: dict[str, Any]
) -> None:
    choice = {"choice": ["yes", "no"]}
    out = run(STEP, TWO, ask(reply=choice, **{"as": "gate"}), by("yes", reply))
    assert out.drops.select("id", "reason").rows() == [("r1", f"gate:{cause}")]
    told = json.loads(out.drops["evidence"][0])
    assert evidence.items() <= told.items()
    assert told["tries"] == 1
    fate = "unanswered" if cause in ("unanswered", "error") else "unreadable"
    out = run(STEP, TWO, ask(reply=choice, **{fate: "keep"}), by("yes", reply))
    assert out.rows is not None
    assert out.rows.rows() == [("r0", "yes"), ("r1", None)]
    assert out.drops.is_empty()


def test_a_null_field_drops_its_row_and_names_the_field() -> None:
    rows = table({"caption": "a star"}, {"caption": None})
    out = run(STEP, rows, ask(prompt="{{ caption }}", sees="nothing", unanswered="keep"), by("yes", "yes"))
    assert out.drops.rows() == [("r1", "ask:null_field", '{"field":"caption"}')]
    made = run(STEP, rows, ask(prompt="{{ caption }}", sees="nothing", n=2, makes="draft"), by("yes", "yes"))
    assert made.drops.select("reason", "parent_id").rows() == [("ask:null_field", "r1")] * 2


def test_each_reply_becomes_a_row_that_says_how_it_was_made() -> None:
    said = ["<think>Two left.</think> The answer is 4.", "5"]
    config = ask(model=("a", "b"), n=2, makes="trace", gives={}, **{"as": "solved"})
    out = run(STEP, TWO, config, lambda request, index: said[index], gold_visible=True)
    assert out.rows is not None
    assert out.rows.height == 8
    row = out.rows.row(0, named=True)
    assert row["id"] == content_id(["solved", "r0", "a", 0])
    assert {k: v for k, v in row.items() if k != "id"} == {
        "parent_id": "r0", "model": "a", "index": 0, "text": said[0], "reasoning": "Two left.", "final": "4",
        "summary": None, "thinking": True, "finish_reason": "stop", "tokens": 5, "gold_visible": True,
    }  # fmt: skip
    assert out.rows["model"].value_counts()["count"].to_list() == [4, 4]


def test_rollouts_keep_the_ids_that_they_have_had() -> None:
    config = ask(n=2, makes="rollout", gives={}, **{"as": "rollout"})
    out = run(STEP, TWO, config, lambda request, index: "The answer is 4.")
    assert out.rows is not None
    assert set(out.rows["id"]) == {content_id(["rollout", f"r{i}", "m", j]) for i in (0, 1) for j in (0, 1)}


def test_a_reply_that_is_lost_is_dropped_with_the_id_that_it_would_have_had() -> None:
    config = ask(n=2, makes="rollout", **{"as": "rollout"})
    out = run(STEP, TWO, config, lambda request, index: None if index else "The answer is 4.")
    assert out.drops.select("id", "reason", "parent_id").rows() == [
        (content_id(["rollout", f"r{i}", "m", 1]), "rollout:unanswered", f"r{i}") for i in (0, 1)
    ]
    kept = run(STEP, TWO, ask(n=2, makes="rollout", unanswered="keep"), lambda request, index: None)
    assert kept.rows is not None
    assert kept.rows.select("text", "finish_reason", "ask").unique().rows() == [(None, None, None)]


def test_the_first_try_that_can_be_read_counts() -> None:
    said: list[Reply] = ["green", CUT, "red", "blue"]
    config = ask(reply={"choice": ["red", "blue"]}, tries=4, sampling=WARM)
    out = run(STEP, TWO, config, lambda request, index: said[index])
    assert out.rows is not None
    assert out.rows["ask"].to_list() == ["red", "red"]
    out = run(
        STEP, TWO, ask(reply={"choice": ["red", "blue"]}, tries=2, sampling=WARM), lambda request, index: said[index]
    )
    assert out.drops["reason"].to_list() == ["ask:truncated"] * 2
    assert json.loads(out.drops["evidence"][0])["tries"] == 2


def test_a_row_says_which_sample_counted() -> None:
    config = ask(tries=2, sampling=WARM, makes="trace", n=2)
    out = run(STEP, TWO, config, lambda request, index: "Hm." if index == 0 else "The answer is 4.")
    assert out.rows is not None
    assert out.rows.group_by("parent_id", maintain_order=True).agg("index")["index"].to_list() == [[2, 1], [2, 1]]


def test_a_forced_conclusion_is_the_answer_of_its_reply() -> None:
    def model(request: Any, index: int) -> Any:
        if request.prefix:
            return f" {request.messages[-1].content[-1]}."
        return {"text": "I see. And", "finish_reason": "length"}

    out = run(STEP, TWO, ask(makes="trace", conclude="So it is", gives={}), model)
    assert out.rows is not None
    assert out.rows.select("final", "finish_reason", "tokens").rows() == [("q0", "length", 5), ("q1", "length", 5)]
    assert out.rows["text"].to_list() == ["I see. So it is q0.", "I see. So it is q1."]


def test_what_is_read_of_a_reply_may_be_replaced_by_its_fields() -> None:
    config = ask(
        reply={"fields": {"why": "str", "what": "str"}}, makes="trace", gives={"reasoning": "why", "final": "what"}
    )
    out = run(STEP, TWO, config, by('{"why": "two", "what": "4"}', '{"why": "one", "what": "1"}'))
    assert out.rows is not None
    assert out.rows.sort("parent_id").select("reasoning", "final").rows() == [("two", "4"), ("one", "1")]


def test_the_kind_of_a_gold_says_whether_prose_is_an_answer() -> None:
    rows = table({"question": "q", "kind": "open"}, {"question": "q", "kind": "text"})
    out = run(STEP, rows, ask(makes="trace", sees="nothing"), by(*["<think>Hm.</think>One. Two."] * 2))
    assert out.rows is not None
    assert out.rows.sort("parent_id")["final"].to_list() == ["One. Two.", "Two."]


def test_no_rows_make_none() -> None:
    for config in (ask(), ask(makes="trace", n=3, conclude="So")):
        out = run(STEP, TWO.clear(), config, by())
        assert out.rows is not None
        assert isinstance(out.rows, pl.DataFrame) and out.rows.is_empty() and out.drops.is_empty()
