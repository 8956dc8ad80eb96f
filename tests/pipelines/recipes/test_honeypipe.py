"""HoneyPipe's escalation, by hand: what the short thought misses goes to a stronger teacher, and what that misses goes."""

import json
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
from given_replies import reasons, with_given
from own_steps import run, table
from scripted_engine import Scripted, question_of

from schemas.completion import Request

ASKED = {"easy": 4, "hard": 3, "wrong": 2, "silent": 1, "lost": 1, "off": 1}
"""Questions by what becomes of them. Of 12: 4 by the short thought, 3 + 1 by the long one, 2 by neither; 1 is never asked,
and of 1 the first teacher cannot be reached, which says nothing about it."""


def says(request: Request, index: int) -> str | None:
    """Checker, teacher, judge and stronger teacher, told apart by what they are asked."""
    asked = question_of(request)
    kind = next(kind for kind in ASKED if f"a {kind} one" in asked)
    if "about_it" in asked:
        return json.dumps({"answerable": kind != "off", "about_it": True})
    if "New conclusion" in asked:
        labels = ("Published response: ", "New conclusion: ")
        published, new = (asked.partition(label)[2].split("\n")[0] for label in labels)
        return "yes" if published == new else "no"
    if "Explain" in asked:
        if kind == "lost":
            return None
        return "It goes on and on …" if kind == "silent" else f"Short.\nAnswer: {12 if kind == 'easy' else 7}"
    return f"<think>Long.</think>\nAnswer: {7 if kind == 'wrong' else 12}"


def test_what_the_short_thought_misses_is_escalated_and_only_what_the_long_one_misses_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Scripted(says).install(monkeypatch)
    rows = [
        {"question": f"What is {n} in words of a {kind} one?", "answer": "12"}
        for kind, times in ASKED.items()
        for n in range(times)
    ]
    job = with_given(tmp_path, "honeypipe", rows, [], ["dedup"], {}, kind="number")
    texts = {question_of(request) for request, _ in engine.asked}
    assert sum("Explain, and end" in text for text in texts) == 11  # all but the one that is not answerable
    assert (
        sum("Think, then end" in text for text in texts) == 6
    )  # 3 hard, 2 wrong, and one that never came to a conclusion
    traces = job.rows("trace", ("made_by", "sample.question"))
    kept = Counter(
        (by, question.split()[-2]) for by, question in traces.select("made_by", "sample.question").iter_rows()
    )
    assert kept == {("short", "easy"): 4, ("long", "hard"): 3, ("long", "silent"): 1}
    assert Counter(reasons(job)) == {
        "unusable:not_answerable": 1,
        "short:unanswered": 1,
        "same_short:null_field": 1,  # no conclusion that could be compared
        "failed_short:other_conclusion": 5,
        "failed_long:other_conclusion": 2,
        "release:no_row": 3,  # the questions of which no thought is left
    }


@pytest.mark.parametrize(
    ("question", "left"),
    [
        ("How many bars are there? Answer with a single word.", "How many bars are there?"),
        ("How many bars are there?\nAnswer the question directly.", "How many bars are there?"),
        ("Answer with one number: how many bars are there?", "how many bars are there?"),
        ("Answer which one is larger.", "Answer which one is larger."),  # it is the question
        ("What does the single word in the answer box mean?", "What does the single word in the answer box mean?"),
    ],
)
def test_heads_and_tails_that_ask_for_no_thought_are_taken_off(question: str, left: str) -> None:
    rows = table({"id": "a", "question": question}, question=pl.String)
    assert run("honeypipe", "openly", rows).rows["question"].to_list() == [left]
