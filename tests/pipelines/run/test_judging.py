"""Judges of whole builds: asked about what no rule could score, in published forms, and counted as a recipe says."""

import json
from pathlib import Path
from typing import Any

import pytest
from chat_server import Answer, Asked, ChatServer, completion
from recipe_build import built, write_recipe
from tiny import asked, config, dropped, manifest, records, rows

from pipelines.job import Job
from schemas.errors import StepError

SOURCE = [
    {"question": "Why is the sky blue?", "answer": "Air scatters short waves most.", "rubric": "Waves are needed."},
    {"question": "Why is the grass green?", "answer": "Its leaves reflect green."},
    {"question": "Why is the sea salt?", "answer": "Rivers carry salt into it."},
    {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
    {"question": "What color is the grass?", "answer": "green", "kind": "text"},
]
MARKED = "Same as {{ answer }}? {{ final }} Think, then write <judge>0</judge> if it is, else <judge>1</judge>."
ONLY_OPEN = "scored.correct IS NULL AND extracted IS NOT NULL AND finish_reason = 'stop'"
STEPS: list[Any] = [
    {"distill": {"model": "m", "prompt": "Think: {{ question }}", "n": 2}},
    "verify",
    # MMR1: zero means correct.
    {
        "judge": {
            "model": "m",
            "where": "correct IS NULL AND final IS NOT NULL",
            "prompt": MARKED,
            "reply": {"choice": ["0", "1"]},
            "answer_pattern": r"<judge>\s*(?P<answer>[01])\s*</judge>",
            "unreadable": "keep",
        }
    },
    {"sql": {"as": "decided", "of": "trace", "gives": {"correct": "coalesce(correct, judge = '0')"}}},
    {"drop": {"of": "trace", "if": {"wrong": "NOT correct", "unscored": "correct IS NULL"}}},
    {
        "judge": {
            "as": "grade",
            "model": "m",
            "prompt": "Grade {{ final }} against {{ answer }}. {{ rubric or 'No rubric.' }}",
            "reply": {"score": [0, 10]},
        }
    },
    {
        "judge": {
            "as": "vote",
            "model": "m",
            "makes": "opinion",
            "n": 3,
            "sampling": {"temperature": 1.0, "max_tokens": 9, "seed": 0},
        }
    },
    {
        "tally": {
            "as": "votes",
            "of": "opinion",
            "gives": {"agreed": "avg(CASE vote WHEN 'yes' THEN 1.0 WHEN 'no' THEN 0.0 END)"},
        }
    },
    {"drop": {"as": "held", "of": "trace", "if": {"poor": "grade < 5", "doubted": "agreed < 0.6"}}},
    {"rollout": {"model": "m", "prompt": "Say: {{ question }}", "n": 2, "tags": "think_answer"}},
    {"verify": {"as": "scored", "of": "rollout", "tags": "think_answer"}},
    {
        "judge": {
            "as": "judge_rollouts",
            "of": "rollout",
            "model": "m",
            "where": ONLY_OPEN,
            "prompt": "Is {{ extracted }} the same as {{ answer }}? Verdict: correct or Verdict: incorrect.",
            "reply": {"choice": ["correct", "incorrect"]},
        }
    },
    {
        "sql": {
            "as": "counted",
            "of": "rollout",
            "gives": {"correct": "coalesce(scored.correct, judge_rollouts = 'correct')"},
        }
    },
    {"difficulty": {"correct": "correct"}},
    {"release": {"sft": {"of": "trace", "columns": ["grade", "agreed"]}, "rl": {"of": "sample"}, "trainer": None}},
]


def answer(body: Asked) -> Answer:
    """What the server says, by the question and the gold that a prompt shows."""
    prompt = json.dumps(body["messages"])
    if "Think:" in prompt:
        words = "<think>I look at it.</think>\nblue" if "color" in prompt else "<think>Well.</think>\nIt just is so."
        return completion(body, content=words)
    if "<judge>" in prompt:
        opinion = "0" if "scatters" in prompt else "1" if "reflect" in prompt else "2"
        return completion(body, content=f"<think>1, or <judge>1</judge>?</think>So <judge>{opinion}</judge>")
    if "Grade" in prompt:
        return completion(body, content="It fits in part.\nGrade: 7/10")
    if "Say:" in prompt:
        words = "blue" if "color" in prompt else "It just is so."
        return completion(body, content=f"<think>I look at it.</think><answer>{words}</answer>")
    if "Verdict:" in prompt:
        return completion(body, content=f"They differ?\nVerdict: {'correct' if 'scatters' in prompt else 'incorrect'}")
    status, headers, whole = completion(body)
    votes = ("Yes", "no", "yes") if "scatters" in prompt else ("No", "yes", "what?")
    for choice, vote in zip(whole["choices"], votes, strict=False):
        choice["message"] = {"role": "assistant", "content": vote}
    return status, headers, whole


class Built:
    def __init__(self, folder: Path, server: ChatServer) -> None:
        self.server = server
        models = {"m": {"model": "m", "engine": "openai", "base_urls": [server.url]}}
        source = {"type": "jsonl", "name": "rows", "path": str(folder / "rows.jsonl"), "kind": "open"}
        self.recipe = write_recipe(
            folder, STEPS, SOURCE, models=models, sources=[source | {"columns": {"rubric": "str"}}]
        )
        self.out = folder / "out"
        self.job = self.again()

    def again(self, *overrides: str, **how: Any) -> Job:
        return built(self.recipe, self.out, *overrides, **how)

    def prompts(self, words: str) -> list[str]:
        return [text for call in self.server.calls if words in (text := json.dumps(call["messages"]))]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch, ChatServer(answer) as server:
        patch.setenv("OPENAI_API_KEY", "none")
        yield Built(tmp_path_factory.mktemp("judged"), server)


def test_the_judge_is_asked_about_what_no_rule_could_score_and_nothing_else(judged: Built) -> None:
    asked_of = judged.prompts("<judge>")
    assert len(asked_of) == 3 and not any("blue?" in prompt for prompt in asked_of)
    assert len(judged.prompts("Verdict:")) == 3
    traces = rows(judged.job, "verify")
    assert (traces["correct"].null_count(), traces.height) == (6, 10)


def test_zero_may_mean_correct_and_a_reply_out_of_form_decides_nothing(judged: Built) -> None:
    said = rows(judged.job, "judge")
    assert sorted(said["judge"].to_list(), key=str) == ["0", "0", "1", "1", None, None]
    assert records(judged.job)["drop"]["dropped"] == {"drop:wrong": 4, "drop:unscored": 2}


def test_grades_and_shares_of_opinions_are_numbers_to_drop_by(judged: Built) -> None:
    assert set(rows(judged.job, "grade")["grade"]) == {7.0}
    assert sorted(set(rows(judged.job, "votes")["agreed"])) == [0.5, pytest.approx(2 / 3)]
    assert set(dropped(judged.job, "held")["reason"]) == {"held:doubted"}


def test_difficulty_counts_what_the_judge_decided(judged: Built) -> None:
    found = rows(judged.job, "difficulty").select("k", "n").rows()
    assert sorted(found) == [(0, 2), (0, 2), (0, 2), (2, 2), (2, 2)]


def test_the_release_says_what_a_judge_decided_and_that_its_reward_needs_one(judged: Built) -> None:
    """The reward gives None for those; of the others it says what was counted, under the tags that they were scored in."""
    found = config(judged.job, "rollouts")
    assert sorted(found.group_by("tier", "verdict").len().rows()) == [
        ("judge", "right", 2), ("judge", "wrong", 4), ("rule", "wrong", 2), ("string", "right", 2),
    ]  # fmt: skip
    assert set(found.filter(tier="judge")["reason"]) == {"no rule could tell; decided by counted"}
    assert manifest(judged.job)["needs_judge"] is True
    assert set(config(judged.job, "rl")["tags"]) == {"think_answer"}


def test_a_judge_that_overrules_a_rule_releases_nothing(judged: Built) -> None:
    """The reward that goes out is the rule, so what it pays would not be what was counted."""
    counted = "steps.counted.gives={correct: judge_rollouts = 'correct' OR scored.correct OR finish_reason = 'stop'}"
    with pytest.raises(StepError, match="calls it wrong"):
        judged.again(counted)


def test_a_second_build_asks_no_judge_again(judged: Built) -> None:
    before = len(judged.server.calls)
    (judged.out / "builds").rename(judged.out / "gone")
    again = judged.again(replay=True)
    assert len(judged.server.calls) == before
    assert set(asked(again).values()) == {0}
    assert again.release == judged.job.release
