"""Replies that k of n was counted on: each with what it counts as, who decided, and the verifier that the reward is."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import tiny

from pipelines.job import Job, compile_recipe, open_job
from schemas.errors import ConfigError, StepError

HEAD = """\
name: logged
sources:
  - {type: jsonl, name: rows, path: ROWS, columns: {tried: [{text: str, model: str}]}}
driver: {workers: 1}
steps:
  - unfold: {as: given, column: tried, makes: rollout}
"""
ASKED = [
    ("Why is the sky blue?", "Air scatters short waves most.", "open", ["Scattering.", "The sea."]),
    ("What color is the sky?", "blue", "text", ["blue", "red"]),
]
SCORED = "  - verify: {as: scored, of: rollout}\n"
OPINION = "  - sql: {as: opinion, of: rollout, gives: {agrees: \"text <> 'The sea.'\"}}\n"
DECIDED = '  - sql: {as: decided, of: rollout, gives: {correct: "coalesce(correct, agrees)"}}\n'
OUT = "  - release: {rl: {of: sample}}\n"


def built(folder: Path, steps: str) -> Job:
    rows = [
        {"question": q, "answer": a, "kind": kind, "tried": [{"text": text, "model": "student"} for text in texts]}
        for q, a, kind, texts in ASKED
    ]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "r.yaml").write_text(HEAD.replace("ROWS", str(folder / "rows.jsonl")) + steps + OUT)
    job = open_job(compile_recipe(str(folder / "r.yaml")), folder / "out")
    job.run()
    return job


def rollouts(job: Job) -> dict[str, dict[str, Any]]:
    return {row["text"]: row for row in tiny.config(job, "rollouts").to_dicts()}


def test_where_a_judge_decided_the_reward_gives_none_and_manifest_and_card_say_so(tmp_path: Path) -> None:
    job = built(tmp_path, SCORED + OPINION + DECIDED + "  - difficulty\n")
    found, manifest = rollouts(job), tiny.manifest(job)
    assert {text: (row["tier"], row["verdict"], row["score"]) for text, row in found.items() if row["tier"] == "judge"} == {
        "Scattering.": ("judge", "right", 1.0), "The sea.": ("judge", "wrong", 0.0)}  # fmt: skip
    regraded = manifest["regraded"]
    assert (regraded["graded"], regraded["judged"], manifest["needs_judge"]) == (4, 2, True)
    assert [(row["k"], row["n"]) for row in tiny.config(job, "rl").to_dicts()] == [(1, 2), (1, 2)]
    card = " ".join((tiny.release(job) / "README.md").read_text().split())
    assert "2 were decided by other evidence than a rule, such as a judge: there the reward gives None." in card
    assert "Some rows can only be graded by a judge" in card


def test_what_nobody_could_tell_stays_unscored(tmp_path: Path) -> None:
    job = built(tmp_path, SCORED + "  - difficulty: {unmeasured: keep}\n")
    assert Counter(row["verdict"] for row in rollouts(job).values()) == {"unscored": 2, "right": 1, "wrong": 1}
    assert tiny.manifest(job)["regraded"]["judged"] == 0


def test_replies_that_no_verifier_scored_are_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"r.yaml:9: release: no `verify` scored what 'difficulty' counts.*of: rollout"
    ):
        built(tmp_path, OPINION + "  - difficulty: {correct: agrees}\n")


@pytest.mark.parametrize(
    ("correct", "counts"),
    [
        ("correct AND length(text) > 4", "as wrong"),
        ("correct OR text = 'red'", "as right"),
        ("nullif(correct, true)", "as unscored"),
    ],
)
def test_replies_that_count_otherwise_than_the_reward_pays_are_not_released(
    tmp_path: Path, correct: str, counts: str
) -> None:
    with pytest.raises(StepError, match=rf"'difficulty' counts rollout \d of 'student'.*{counts}.*'scored' calls it"):
        built(tmp_path, SCORED + f'  - difficulty: {{correct: "{correct}", unmeasured: keep}}\n')
