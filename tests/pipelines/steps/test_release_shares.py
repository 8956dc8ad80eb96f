"""The manifest and the card compare right completions with chance, and say what became of each gold."""

import json
from typing import Any

import pytest
import yaml

from pipelines.job import Job, compile_recipe, open_job

GOLDS = ["yes", "yes", "yes", "no", "no", "no"]
REPLIES = [["yes", "no"], ["no", "no"], ["yes", "yes"], ["no", "yes"], ["no", "no"], ["no", "I cannot tell."]]
STEPS: list[Any] = [
    {"unfold": {"as": "given", "column": "tried", "makes": "rollout"}},
    {"verify": {"of": "rollout", "tags": "plain"}},
    {"drop": {"of": "rollout", "if": {"wrong": "NOT correct", "unscored": "correct IS NULL"}}},
    {"drop": {"as": "gone", "of": "sample", "if": {"fourth": "question LIKE '%number 3 %'"}}},
    {"decontaminate": {"sources": [{"type": "jsonl", "name": "exam", "path": "EXAM"}], "text": None, "image": None}},
    {
        "release": {
            "sft": {"of": "rollout"},
            "all_right": {"of": "rollout", "where": "index = 0"},
            "rl": {"of": "sample"},
        }
    },
]
WORDS = "with a long tail of words that an evaluation set has asked before in exactly this way"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """Six yes-or-no questions with two given replies each; the last is in an evaluation set, and the fourth is dropped."""
    home = tmp_path_factory.mktemp("shares")
    rows = [
        {"question": f"Is number {n} odd?", "answer": gold, "tried": [{"text": t, "model": "m"} for t in texts]}
        for n, (gold, texts) in enumerate(zip(GOLDS, REPLIES, strict=True))
    ]
    rows[5]["question"] += f" Say so {WORDS}."
    (home / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    exam = {"question": f"Is it even? Say so {WORDS}.", "answer": "yes", "kind": "boolean"}
    (home / "exam.jsonl").write_text(json.dumps(exam))
    columns = {"tried": [{"text": "str", "model": "str"}]}
    source = {"type": "jsonl", "name": "given", "path": str(home / "rows.jsonl"), "kind": "boolean", "columns": columns}
    recipe = yaml.safe_dump({"name": "shares", "sources": [source], "steps": STEPS})
    (home / "r.yaml").write_text(recipe.replace("EXAM", str(home / "exam.jsonl")))
    job = open_job(compile_recipe(str(home / "r.yaml")), home / "out")
    job.run()
    return job


@pytest.fixture
def manifest(made: Job) -> dict[str, Any]:
    assert made.release is not None
    found: dict[str, Any] = json.loads((made.release / "manifest.json").read_text())
    return found


def test_shares_count_every_completion_and_what_became_of_its_sample(manifest: dict[str, Any]) -> None:
    """Of "no", one reply says nothing and leaves the count; two of three samples with a right reply are gone."""
    counts = ("samples", "answered", "right", "share", "chance", "verified", "kept", "released")
    shares = manifest["verified_shares"]
    assert set(shares) == {"sft", "all_right"}, "a config of prompts has none"
    assert {row["gold"]: tuple(row[name] for name in counts) for row in shares["sft"]} == {
        "no": (3, 5, 4, 0.8, 0.5, 3, 1, 1),
        "yes": (3, 6, 3, 0.5, 0.5, 2, 2, 2),
    }
    assert sum(row["released"] for row in shares["sft"]) == manifest["statistics"]["configs"]["sft"]["samples"]


def test_the_card_shows_them(made: Job) -> None:
    assert made.release is not None
    card = (made.release / "README.md").read_text()
    assert "## Right completions against chance (`sft`)" in card
    assert "| given | boolean | no | 5 | 4 (80 %) | 50 % | 3 (50 %) | 3 (60 %) | 1 (33 %) | 1 (33 %) |" in card
