"""Tables that pass through a stage piece by piece."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.trace_verdicts import score_rollouts
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verdicts import Golds, judge, verdict_columns
from filters.verify.verifier import VerifyItem
from pipelines.build import run_build
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.steps import stream
from pipelines.road.steps.stream import Beside
from pipelines.store.workspace import Workspace
from schemas.answer import dump_answer
from schemas.verdict import VERDICT, Verdict

RECIPE = """\
name: shown
sources:
  - {type: jsonl, name: rows, path: SOURCE}
split: {sft: 0.0, rl: 1.0, holdout: 0.0}
"""


def rows_of(golds: list[str], kind: str = "number") -> pl.DataFrame:
    answers = [{"kind": kind, "raw": g, "parsed": dump_answer(parse_gold(kind, g))} for g in golds]
    table = {"answer": answers, "verifier": [{"id": kind, "params": "{}"}] * len(golds), "options": [[]] * len(golds)}
    return pl.DataFrame(table, schema_overrides={"options": pl.List(pl.String)})


def test_a_build_shows_its_progress_where_no_model_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "PIECE", 4)
    rows = [{"question": f"What is {i} + 1?", "answer": str(i + 1), "kind": "number"} for i in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("SOURCE", str(tmp_path / "rows.jsonl")))
    told: list[tuple[str, int, int]] = []
    recipe, workspace = load_recipe(str(tmp_path / "r.yaml")), Workspace(tmp_path / "out")
    run_build(Build(recipe, workspace, lambda stage, r: told.append((stage, r.samples, r.total))))
    assert [one for one in told if one[0] == "selftest"] == [
        ("selftest", 0, 10), ("selftest", 4, 10), ("selftest", 8, 10), ("selftest", 10, 10)
    ]  # fmt: skip


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9)))
def test_looking_up_is_a_left_join_in_order(wanted: list[int], known: set[int]) -> None:
    ids = {"sample_id": pl.String, "n": pl.Int64}
    piece = pl.DataFrame({"sample_id": [str(i) for i in wanted], "n": range(len(wanted))}, ids)
    golds = {"id": pl.String, "gold": pl.Struct({"v": pl.Int64})}
    table = pl.DataFrame({"id": [str(i) for i in known], "gold": [{"v": i} for i in known]}, golds)
    joined = piece.join(table, left_on="sample_id", right_on="id", how="left", maintain_order="left")
    assert Beside(table.lazy()).join(piece, on="sample_id").equals(joined)


class Counting(VerifierPool):
    """A pool that notes what it is asked."""

    asked: list[VerifyItem]

    def verify_many(self, items: Any) -> Any:
        self.asked = list(items)
        return super().verify_many(self.asked)


def test_what_was_judged_is_not_judged_again() -> None:
    rows = rows_of(["4", "4", "5", "4"])
    said = ["<think>a</think><answer>4</answer>", "<think>b</think><answer>4</answer>", "<answer>4</answer>", None]
    with Counting(1) as pool:
        found = verdict_columns(rows, said, pool, "think_answer")
        assert len(pool.asked) == 3
    table = pl.DataFrame(found)
    assert table.schema == VERDICT
    assert table["correct"].to_list() == [True, True, False, False]
    assert table["extracted"].to_list() == ["4", "4", "4", None]


def test_verdicts_are_those_of_the_pool_one_by_one() -> None:
    golds, said = ["4", "1/2", "7 cm"], ["4", "0.5", "7", "70 mm", "eight", "", "<answer>4</answer>", "\\boxed{1/2}"]
    table = pl.concat([rows_of([gold]) for gold in golds for _ in said])
    texts = said * len(golds)
    with VerifierPool(1) as pool:
        found = pl.DataFrame(verdict_columns(table, texts, pool, "plain"))
        readers = Golds()
        asked = [(readers.read(*row[:3]), text, "plain") for row, text in zip(table.iter_rows(), texts, strict=True)]
        alone = [pool.verify(VerifyItem(text, gold.answer, gold.verifier, tags="plain")) for gold, text, _ in asked]
        assert judge(asked, pool) == alone
    assert [Verdict(**row) for row in found.iter_rows(named=True)] == alone


def test_no_rows_give_columns_all_the_same() -> None:
    none = rows_of(["4"]).head(0).with_columns(text=pl.lit(""))
    with VerifierPool(1) as pool:
        assert set(VERDICT) <= set(score_rollouts(none, pool, "plain").kept.columns)


def test_a_piece_of_long_texts_has_few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """4,096 traces of 17 KB are 70 MB, and their words many times that."""
    monkeypatch.setattr(stream, "PIECE_BYTES", 100_000)
    rows = pl.DataFrame({"id": range(300), "text": ["x" * 17_000] * 300})
    found = list(stream.pieces(rows.lazy()))
    assert max(piece.height for piece in found) <= 10, "of 300"
    assert pl.concat(found).equals(rows)
    assert [piece.height for piece in stream.pieces(rows.select("id").lazy())] == [300]
