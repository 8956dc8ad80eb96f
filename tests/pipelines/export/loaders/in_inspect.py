"""Run in inspect_ai's environment: evaluates a model behind a server on an export, as `inspect eval` does.

    python in_inspect.py EXPORT CONFIG BASE_URL

Prints one JSON object: what each sample was asked, replied and scored, and the score of the run.
"""

import json
import os
import sys
import tempfile
from typing import Any

from inspect_ai import eval as evaluate
from inspect_ai.log import EvalLog


def main(export: str, config: str, url: str) -> None:
    os.chdir(export)
    with tempfile.TemporaryDirectory() as logs:
        log = evaluate(
            "task.py",
            task_args={"config": config},
            model="openai-api/local/m",
            model_base_url=url,
            model_args={"api_key": "none"},
            temperature=0.0,
            log_dir=logs,
            display="none",
        )[0]
        assert log.status == "success", log.error
        sys.stdout.write("\n" + json.dumps(told(log)) + "\n")  # samples are read from the log as they are asked for


def told(log: EvalLog) -> dict[str, Any]:
    assert log.results and log.samples
    means = {score.name: score.metrics["mean"].value for score in log.results.scores}
    rows = []
    for sample in log.samples:
        assert sample.scores
        score = sample.scores["curate_reward"]
        rows.append({"id": sample.id, "target": sample.target, "scores": score.value, "reply": score.answer})
    assert log.eval.metadata
    return {"means": means, "rows": rows, "dataset": log.eval.dataset.name, "verifier": log.eval.metadata["verifier"]}


if __name__ == "__main__":
    main(*sys.argv[1:])
