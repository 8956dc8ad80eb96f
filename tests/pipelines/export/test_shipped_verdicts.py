"""The reward that an export carries gives the verdicts of the verifier that curated it."""

import ast
import importlib
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from filters.verify.gold import parse_gold
from filters.verify.reward import reward
from filters.verify.verifiers import VERSION
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.reward_code import ship_reward
from pipelines.export.rows import open_release
from pipelines.export.shipped_code import reward_package
from pipelines.export.write import export

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


@pytest.mark.parametrize("trainer", EXPORTERS)
def test_an_export_says_which_verifier_it_carries(shapes: Path, trainer: str, tmp_path: Path) -> None:
    made = export(open_release(str(shapes), Path()), exporter_of(trainer), tmp_path / "out")
    files = [path for path in (tmp_path / "out").glob("*.py") if "_verifier()" in path.read_text("utf-8")]
    if not (tmp_path / "out" / reward_package()).is_dir():
        assert made["verifier"] is None and not files
        return
    engines = {name: importlib.metadata.version(name) for name in ("math-verify", "latex2sympy2_extended")}
    kinds = ["boolean", "choice", "expression", "number", "text"]
    if trainer == "areal":
        kinds.remove("expression")  # of a row without images, which is dropped
    assert made["verifier"] == {"version": VERSION, "code": reward_package(), "rows": kinds, "engines": engines}
    for file in files:
        body = [node for node in ast.parse(file.read_text("utf-8")).body if isinstance(node, ast.Assign)]
        constants = {ast.unparse(node.targets[0]): node.value for node in body}
        assert ast.literal_eval(constants["VERIFIER"]) == made["verifier"]
        assert ast.literal_eval(constants["FORMAT_WEIGHT"]) == 0.0
    readme = " ".join((tmp_path / "out" / "README.md").read_text("utf-8").split())
    assert (
        f"version {VERSION} of curate's verifier, in `{reward_package()}` (math-verify {engines['math-verify']},"
        in readme
    )
