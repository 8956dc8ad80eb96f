"""The judge on the road: asked about what no rule could score, and about nothing else."""

import json
from pathlib import Path

import polars as pl

from pipelines.build import run_build
from pipelines.plan import make_plan
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.store.workspace import Workspace

RECIPE = """\
name: judged
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: rows, path: SOURCE}
distill: {model: m, n: 2, sampling: {max_tokens: 4}, answer_pattern: "(?P<answer>.+)"}
judge: {model: m, sampling: {max_tokens: 4}}
rollouts: {model: m, n: 2, sampling: {max_tokens: 4}, tags: plain}
release: {allow_empty: [sft, rl, holdout]}
"""


def test_the_judge_is_asked_about_what_no_rule_could_score(tmp_path: Path) -> None:
    rows = [
        {"question": "Why is the sky blue?", "answer": "Air scatters short waves most.", "kind": "open"},
        {"question": "What color is the sky?", "answer": "blue", "kind": "text"},
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "r.yaml").write_text(RECIPE.replace("SOURCE", str(tmp_path / "rows.jsonl")))
    build = Build(load_recipe(str(tmp_path / "r.yaml")), Workspace(tmp_path / "out"))
    told = {record["stage"]: record for record in run_build(build)}
    plan = road(build)
    open_ids = plan.table("ingest").collect().filter(question="Why is the sky blue?")["id"].to_list()
    unscored = plan.table("verify").collect().filter(pl.col("correct").is_null())
    assert told["judge"]["rows_in"] == unscored.height
    assert set(unscored["sample_id"]) <= set(open_ids)
    scores = plan.table("score").collect().filter(sample_id=open_ids[0])
    assert scores["correct"].is_null().all()
    assert told["judge_rollouts"]["rows_in"] == scores.filter(finish_reason="stop")["extracted"].drop_nulls().len()
    assert all(r["rows_in"] == r["kept"] + sum(r["dropped"].values()) for r in told.values())
    assert all(planned.fresh for planned in make_plan(build))
