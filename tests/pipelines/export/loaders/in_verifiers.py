"""Run in the environment of `verifiers`, with the package of an export in its path: evaluates a model behind a server.

    python in_verifiers.py EXPORT CONFIG BASE_URL

Loads the environment and runs `vf-eval @ holdout.toml` of the export. Prints one JSON object.
"""

import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import verifiers.v1 as vf
from verifiers.v1.cli.eval.main import main as vf_eval


def main(export: Path, config: str, url: str) -> None:
    start = export / "holdout.toml"
    settings = tomllib.loads(start.read_text("utf-8"))
    taskset = {**settings["env"]["taskset"], "config": config}
    environment = vf.load_environment(vf.resolve_env_config({"taskset": taskset}))
    tasks = {task.data.id: task.data for task in environment.taskset}
    with tempfile.TemporaryDirectory() as out:
        more = ["--env.taskset.config", config, "--client.base-url", url, "--model", "m", "--sampling.temperature", "0"]
        stdout, sys.stdout = sys.stdout, sys.stderr
        vf_eval(["@", str(start), *more, "--no-rich", "--output-dir", out])
        sys.stdout = stdout
        lines = next(Path(out).rglob("traces.jsonl")).read_text("utf-8").splitlines()
    rows = [told(trace) for line in lines for trace in json.loads(line)["traces"]]
    asked = {id_: [len(data.prompt[0].content), data.system_prompt] for id_, data in tasks.items()}
    sys.stdout.write("\n" + json.dumps({"rows": rows, "asked": asked, "types": names(environment)}) + "\n")


def told(trace: dict[str, Any]) -> dict[str, Any]:
    assert not trace["errors"], trace["errors"]
    scores = {name: reward["score"] for name, reward in trace["rewards"].items()}
    weights = {name: reward["weight"] for name, reward in trace["rewards"].items()}
    said = [node["message"] for node in trace["nodes"] if node["message"]["role"] == "assistant"]
    return {
        "id": trace["task"]["data"]["id"],
        "target": trace["task"]["data"]["solution"],
        "scores": scores,
        "weights": weights,
        "unscored": trace["metrics"]["unscored"],
        "reply": said[-1]["content"],
    }


def names(environment: vf.Env) -> list[str]:
    agent = environment.config.agent
    return [type(environment).__name__, type(environment.taskset).__name__, type(agent.runtime).__name__]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
