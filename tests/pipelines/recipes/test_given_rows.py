"""Responses that were published with their questions enter a recipe as traces, are verified and paired, and go out."""

import json
from pathlib import Path

import tiny
from demos import counts, loaded

from pipelines.job import compile_recipe, open_job

RECIPE = """\
name: given
sources:
  - {type: jsonl, name: given, path: SOURCE, kind: number, columns: {caption: str, responses: [{text: str, model: str}]}}
driver: {workers: 1}
steps:
  - unfold: {as: given_trace, column: responses, makes: trace}
  - verify
  - pair: {of: trace, chosen: correct, rejected: NOT correct, across_models: true}
  - release:
      sft: {of: trace, columns: [caption]}
      preference: {of: pair}
      rl: {of: sample, columns: [caption]}
"""


def test_published_responses_are_verified_paired_and_released(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"What is {n} + {n}?",
            "answer": str(2 * n),
            "caption": f"two columns of {n}",
            "responses": [
                {"text": f"<think>{n} and {n}</think>The answer is {2 * n}.", "model": "one"},
                {"text": f"<think>{n} and 1</think>The answer is {n + 1}.", "model": "two"},
            ],
        }
        for n in range(2, 6)
    ]
    (tmp_path / "given.jsonl").write_text("\n".join(map(json.dumps, rows)))
    recipe = tmp_path / "given.yaml"
    recipe.write_text(RECIPE.replace("SOURCE", str(tmp_path / "given.jsonl")))
    job = open_job(compile_recipe(str(recipe)), tmp_path / "out")
    job.run()
    assert counts(job)["given_trace"] == (8, 0)
    assert tiny.rows(job, "pair").select("chosen_model", "rejected_model").unique().rows() == [("one", "two")]
    sft = loaded(job, "sft")
    assert len(sft) == 4
    assert sft[0]["teacher"] == "one"
    assert set(sft["caption"]) == {row["caption"] for row in rows}
    preference = loaded(job, "preference")
    assert all("The answer is" in row["chosen"][0]["content"] for row in preference)
    assert len(preference) == len(loaded(job, "rl")) == 4
