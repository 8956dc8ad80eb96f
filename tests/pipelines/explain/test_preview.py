"""What a preview finds out about each row: what was asked, what was read in each reply, and what became of it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chat_server import Asked, ChatServer, completion, refusal
from recipe_build import sums, write_recipe

from filters.verify import graders
from pipelines.explain.preview import Preview, preview
from pipelines.explain.sample_story import Event
from pipelines.job import Job, compile_recipe, open_job

TRACED: tuple[Any, ...] = (
    {"distill": {"model": "m", "sees": "nothing", "prompt": "{{ question }}", "n": 2}},
    "verify",
    {"drop": {"of": "trace", "if": {"wrong": "NOT correct"}}},
    {"release": {"sft": {"of": "trace"}, "trainer": "verl"}},
)
ROLLED: tuple[Any, ...] = (
    {"rollout": {"model": "m", "sees": "nothing", "n": 3, "tags": "plain"}},
    {"verify": {"of": "rollout", "tags": "plain"}},
    "difficulty",
    {"release": {"rl": {"of": "sample"}}},
)


def numbered(*texts: str) -> Any:
    """Answers sample i of every request with text i."""

    def decide(body: Asked) -> Any:
        status, headers, whole = completion(body)
        for choice in whole["choices"]:
            choice["message"] = {"content": texts[choice["index"] % len(texts)]}
        return status, headers, whole

    return decide


def try_out(folder: Path, decide: Any, *steps: Any, rows: int = 2) -> Preview:
    with ChatServer(decide) as server:
        model = {"model": "m", "engine": "openai", "base_urls": [server.url]}
        path = write_recipe(folder, steps, sums(4, first=1), models={"m": model}, driver={"max_retries": 0})
        return preview(open_job(compile_recipe(str(path), limit=rows), folder / "out"), prepare)


def prepare(job: Job) -> None:
    job.build.workspace.prepare(job.build.recipe.name)


def event(found: Preview, sample: int, step: str) -> Event:
    (only,) = (event for event in found.samples[sample].events if event.step.name == step)
    return only


def test_each_sample_has_what_was_sent_what_came_back_and_its_end(tmp_path: Path) -> None:
    found = try_out(tmp_path, numbered("2", "7", "I cannot say."), *ROLLED)
    assert [(len(found.samples), found.error, found.lost, found.arrivals)] == [(2, None, [], [])]
    for place, sample in enumerate(found.samples):
        gold = sample.story.chapters[0].values["answer"]["raw"]
        asked = event(found, place, "rollout")
        (message,) = asked.outcomes[0].turns[0].messages or ()
        assert message["content"] == [{"text": sample.story.chapters[0].values["question"]}]
        became = {outcome.turns[0].replies[0].text: outcome.became for outcome in asked.outcomes}
        assert became["2"] == f"read as '2', {'right' if gold == '2' else 'wrong'}"
        assert became["7"] == "read as '7', wrong"
        assert became["I cannot say."] == "read as 'I cannot say.', no_answer"
        assert event(found, place, "difficulty").values is not None
        assert [p.config for p in sample.story.released] == ["rl"], "the release is tried too, in a scratch folder"
    assert not list((tmp_path / "out").glob("builds/*")) and not list((tmp_path / "out").glob("releases/*"))


def test_equal_replies_are_one_outcome(tmp_path: Path) -> None:
    (one, other) = event(try_out(tmp_path, numbered("7", "9", "7"), *ROLLED, rows=1), 0, "rollout").outcomes
    assert (one.count, other.count) == (2, 1)


def test_a_reply_of_which_nothing_was_read_says_so(tmp_path: Path) -> None:
    asked = {"model": "m", "sees": "nothing", "prompt": "{{ question }}", "reply": {"fields": {"unit": "str"}}}
    release = {"release": {"all": {"of": "sample", "columns": ["unit"]}}}
    (read,) = event(
        try_out(tmp_path, numbered('{"unit": "m"}'), {"ask": {**asked, "as": "a"}}, release, rows=1), 0, "a"
    ).outcomes
    assert read.became == 'read as "m"'
    kept = {"ask": {**asked, "as": "b", "unreadable": "keep"}}
    (other,) = event(try_out(tmp_path / "other", numbered("I cannot say."), kept, release, rows=1), 0, "b").outcomes
    assert other.became == "nothing read"


def test_a_list_that_was_read_is_shown(tmp_path: Path) -> None:
    asked = {"model": "m", "sees": "nothing", "prompt": "{{ question }}", "reply": {"fields": {"units": ["str"]}}}
    steps = {"ask": {**asked, "as": "a"}}, {"release": {"all": {"of": "sample", "columns": ["units"]}}}
    (read,) = event(try_out(tmp_path, numbered('{"units": ["m", "s"]}'), *steps, rows=1), 0, "a").outcomes
    assert read.became == 'read as ["m", "s"]'


def test_a_trace_that_the_trainers_grader_misreads_is_known_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = graders.GRADERS["verl"]
    deaf = replace(real, looks_at=lambda text: "" if re.search(r"\dth", text) else real.looks_at(text))
    monkeypatch.setitem(graders.GRADERS, "verl", deaf)
    found = try_out(tmp_path, numbered("It is the 1th. Answer: 2", "One and one. Answer: 2"), *TRACED, rows=4)
    became = [
        (outcome.turns[0].replies[0].text[:3], outcome.became)
        for place in range(4)
        for outcome in event(found, place, "distill").outcomes
        if "right" in outcome.became
    ]
    assert sorted(became) == [("It ", "read as '2', right, release:round_trip_trace"), ("One", "read as '2', right")]
    ends = [sample.story.end for sample in found.samples]
    assert sum(end.startswith("Dropped by release: release:no_row") for end in ends) == 3


def test_a_model_that_refuses_ends_the_preview_with_what_was_sent(tmp_path: Path) -> None:
    found = try_out(tmp_path, refusal(400, "no such template"), *ROLLED)
    assert found.error is not None
    assert "no such template" in found.error
    for place, sample in enumerate(found.samples):
        (exchange,) = event(found, place, "rollout").outcomes[0].turns
        assert exchange.messages is not None
        assert sample.story.chapters[0].values["question"] in str(exchange.messages)
        assert all(reply.finish_reason is None for reply in exchange.replies)
        assert "no such template" in str(exchange.replies[0].error)
        assert sample.story.end == "Alive; rollout has not run yet."


def test_a_server_that_is_not_there_ends_it_with_what_would_have_been_sent(tmp_path: Path) -> None:
    model = {"model": "m", "engine": "openai", "base_urls": ["http://127.0.0.1:9/v1"]}
    path = write_recipe(tmp_path, ROLLED, sums(1), models={"m": model}, driver={"max_retries": 0})
    found = preview(open_job(compile_recipe(str(path), limit=1), tmp_path / "out"), prepare)
    assert found.error is not None
    assert "127.0.0.1:9" in found.error
    assert "What is 0 + 0?" in str(event(found, 0, "rollout").outcomes[0].turns[0].messages)
