"""The reward that an export carries gives the verdicts of the verifier that curated it."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from filters.verify.gold import parse_gold
from filters.verify.reward import reward
from pipelines.export.reward_code import reward_package, ship_reward

TABLE = Path(__file__).parents[2] / "filters" / "verify" / "cases" / "from_docs" / "second.jsonl"
UNLIKE = ("mask", "composite", "open")
"""Kinds with packages of their own, with a schema of their own, and without a rule."""


def test_the_shipped_reward_agrees_on_a_table_of_right_and_wrong_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_reward(tmp_path, "reward.py", "", "release", frozenset(("number",)))
    monkeypatch.syspath_prepend(str(tmp_path))
    package = reward_package()
    try:
        shipped = importlib.import_module(f"{package}.filters.verify.reward")
        rows = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if row["kind"] not in UNLIKE]
        columns = columns_of(rows)
        ours = reward([row["response"] for row in rows], **columns)
        theirs = shipped.reward([row["response"] for row in rows], **columns)
        assert shipped.__file__ != sys.modules["filters.verify.reward"].__file__
        assert theirs == ours
        assert 0.4 < sum(score == 1.0 for score in ours) / len(ours) < 0.6
    finally:
        for name in [name for name in sys.modules if name.startswith(package)]:
            del sys.modules[name]


def columns_of(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    golds = [
        parse_gold(row["kind"], row["gold"], options=tuple(row.get("options", ())), params=row["params"])
        for row in rows
    ]
    return {
        "answer": [gold.model_dump_json() for gold in golds],
        "verifier": [row["kind"] for row in rows],
        "verifier_params": [json.dumps(row["params"]) for row in rows],
        "options": [row.get("options", []) for row in rows],
        "tags": [row.get("tags", "think_answer") for row in rows],
    }
