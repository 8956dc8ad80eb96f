"""What chat servers reply, from the wire to the release: replies of reasoners become traces, whatever form they have."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, saying
from recipe_build import built, write_recipe
from tiny import config, dropped, records, rows

from pipelines.job import Job

FORMS = {
    "think and a box": ("<think>\nTwo and two make four.\n</think>\n\n\\boxed{4}", None),
    "wrong": ("<think>Two and two. Maybe the answer is 4. Hmm, no.</think>\n\nFive.\n\n\\boxed{5}", None),
    "a plan in the thought": ("<think>First I thought the answer is 5. But two and two.</think>\n\n\\boxed{4}", None),
    "a field and a box": ("\\boxed{4}", "I see two and two, so I add them up."),
    "a field and a sentence": ("The answer is 4.", "I see two and two, so I add them up."),
    "all in the field": (None, "I see two and two, so I add them up. The answer is 4."),
    "think and a sentence": ("<think>I see two and two.</think>\n\nThe answer is \\boxed{4}.", None),
    "the prompt opened it": ("I see two and two.\n</think>\n\nSo the answer is 4.", None),
    "bold": ("<think>I see two and two.</think>\n\n**Answer:** 4", None),
    "think and answer": ("<think>I see two and two.</think>\n<answer>4</answer>", None),
    "words between": ("<think>I see two and two.</think>\nTherefore:\n<answer>4</answer>", None),
    "plain": ("I see two and two, so the answer is 4.", None),
    "Kimi": ("◁think▷I see two and two.◁/think▷\n\n**Final Answer**\n4", None),
    "GLM": ("<think>I see two and two.</think><answer><|begin_of_box|>4<|end_of_box|></answer>", None),
    "a last sentence": ("<think>I see two and two.</think>\n\nTwo on each side. So there are 4.", None),
    "a caption": ("The caption says two and two. So the answer is 4.", None),
    "no thought": ("The answer is 4.", None),
    "a thought without end": ("<think>I see two and two. The answer is 4.", None),
}
NOT_KEPT = {"wrong": "drop:wrong", "no thought": "quality:no_thought", "a thought without end": "drop:no_answer"}
MENDED = "The image shows two and two. So the answer is 4."
SCHEMAS = ("think_answer_boxed", "think_tail_boxed", "think_answer", "think_tail")
STEPS: list[Any] = [
    {"distill": {"model": "m", "prompt": "{{ question }}"}},
    "verify",
    {"drop": {"of": "trace", "if": {"no_answer": "final IS NULL", "wrong": "NOT correct"}}},
    {"rewrite": {"model": "m", "where": "regexp_matches(reasoning, '(?i)caption')"}},
    {"quality": {"thought": True}},
    # TRL's reward is no judge of a trace's layout; it is tried on golds elsewhere.
    {"release": {**{tags: {"of": "trace", "where": "correct", "tags": tags} for tags in SCHEMAS}, "trainer": None}},
]


def answer(prompt: str) -> dict[str, Any]:
    if "Rewrite it" in prompt:
        return {"content": MENDED}
    text, field = next(form for name, form in FORMS.items() if f"{name}: how" in prompt)
    return {"content": text} | ({"reasoning_content": field} if field else {})


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("replies")
    questions = [{"question": f"{name}: how many?", "answer": "4"} for name in FORMS]
    with pytest.MonkeyPatch.context() as patch, ChatServer(saying(answer)) as server:
        patch.setenv("OPENAI_API_KEY", "none")
        models = {"m": {"model": "m", "engine": "openai", "base_urls": [server.url]}}
        return built(write_recipe(folder, STEPS, questions, models=models), folder / "out")


def names(job: Job) -> dict[str, str]:
    """The name of the form by the id of its question."""
    return {row["id"]: row["question"].partition(":")[0] for row in rows(job, "ingest").to_dicts()}


def test_a_reply_that_is_no_trace_is_dropped_with_its_reason(job: Job) -> None:
    traces = {row["id"]: row["parent_id"] for row in rows(job, "distill").to_dicts()}
    lost = {}
    for step in ("distill", "drop", "rewrite", "quality"):
        for row in dropped(job, step).to_dicts() if records(job)[step]["dropped"] else ():
            lost[names(job)[traces[row["id"]]]] = row["reason"]
    assert lost == NOT_KEPT, "what a thought takes back contradicts nothing"


@pytest.mark.parametrize("tags", SCHEMAS)
def test_replies_of_reasoners_go_out_in_any_tag_schema(job: Job, tags: str) -> None:
    found = config(job, tags)
    assert {names(job)[id_] for id_ in found["id"]} == set(FORMS) - set(NOT_KEPT)
    assert set(found["tags"]) == {tags}
    for completion in found["completion"]:
        [turn] = completion
        thought, _, said = turn["content"].partition("</think>")
        assert "wo and two" in thought.partition("<think>")[2], "the thought is the thought"
        assert turn["content"].count("<think>") == turn["content"].count("</think>") == 1
        assert "4" in said


def test_only_the_trace_that_leaks_is_rewritten_and_goes_out_so(job: Job) -> None:
    """The reply to a rewriting has a reasoning of its own, or none, which is not the trace's."""
    assert rows(job, "rewrite")["reasoning"].to_list() == [MENDED]
    texts = [json.dumps(turns) for turns in config(job, SCHEMAS[0])["completion"].to_list()]
    assert sum("caption" in text for text in texts) == 0
    assert sum("The image shows two and two." in text for text in texts) == 1


@pytest.mark.parametrize(("cut", "warned"), [(1, 0), (2, 1)])
def test_a_step_warns_of_answers_that_were_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int, warned: int
) -> None:
    """From a fifth of the answers on; also where they were all in the log already."""

    def short(prompt: str) -> dict[str, Any]:
        ends = any(f"What is {n} + " in prompt for n in range(cut))
        return {"content": "Hm. So the answer is 2.", "finish_reason": "length" if ends else "stop"}

    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with ChatServer(saying(short)) as server:
        models = {"m": {"model": "m", "engine": "openai", "base_urls": [server.url]}}
        steps = [{"distill": {"model": "m"}}, {"rollout": {"model": "m", "n": 2}}]
        questions = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(10)]
        recipe = write_recipe(tmp_path, steps, questions, models=models)
        for time in ("first", "second"):
            job = built(recipe, tmp_path / "out")
            found = {record["step"]: record["warnings"] for record in job.records()}
            sentence = (
                "2 of 10 answers of 'm' (20%) were cut off before they ended; raise steps.distill.sampling.max_tokens."
            )
            assert found["distill"] == [sentence] * warned
            assert len(found["rollout"]) == warned
            assert not found["ingest"]
            (tmp_path / "out" / "builds").rename(tmp_path / time)
        assert len(server.calls) == 20, "the second time all of them were in the log"
