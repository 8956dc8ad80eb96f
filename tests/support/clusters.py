"""A build whose buckets a cluster computes, with a step that ends the worker that it runs on, once."""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from flows.build import build
from flows.cluster_place import Cluster
from flows.job import job_of

HURT = """
import os, signal, time
from pathlib import Path
import polars as pl
from schemas.step import Gives, Out, Reads, StepConfig, StepType, read

def body(tables, config, context):
    here = Path(HERE)
    if os.getpid() != FLOW:
        (here / f"ran-{os.getpid()}").touch()
        try:
            (here / "kill").unlink()
        except FileNotFoundError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
        if (here / "wait").exists():  # until a node is gone
            (here / f"at-{_node()}").touch()
            time.sleep(0.3)
    return Out(tables.rows.select("id", letters=pl.col("text").str.len_chars().cast(pl.Int64)))

def _node():
    import ray
    return ray.get_runtime_context().get_node_id()

STEP = StepType(name="hurt", summary="ends its process", version=1, config=StepConfig, of="rollout",
    reads=lambda config, known: Reads({"text": read("text", pl.String())}),
    gives=lambda config, known: Gives({"letters": pl.Int64()}), body=body)
"""
"""Where `kill` lies beside the recipe, its first task there ends its process; where `wait` does, each takes its time."""

BUCKETS = 4


def write_recipe(folder: Path) -> dict[str, Any]:
    """A recipe of sums with rollouts, as flows pass it."""
    folder.mkdir(parents=True)
    replies = [{"text": f"<answer>{n}</answer>", "model": "m"} for n in range(4)]
    rows = [
        {"question": f"What is {n} less than {n + n % 5}?", "answer": str(n % 5), "tried": replies[: 1 + n % 4]}
        for n in range(90)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "hurt.py").write_text(HURT.replace("HERE", repr(str(folder))).replace("FLOW", str(os.getpid())))
    source = {
        "type": "jsonl",
        "name": "sums",
        "path": str(folder / "sums.jsonl"),
        "kind": "number",
        "columns": {"tried": [{"text": "str", "model": "str"}]},
    }
    steps = [
        {"unfold": {"as": "given", "column": "tried", "makes": "rollout"}},
        {"hurt": {"of": "rollout"}},
        {
            "release": {
                "trainer": "trl",
                "rl": {"of": "sample", "limit": 40},
                "replies": {"of": "rollout", "columns": ["letters"]},
            }
        },
    ]
    recipe = {"name": "many", "uses": ["hurt.py"], "sources": [source], "driver": {"workers": 1}, "steps": steps}
    (folder / "many.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False))
    return {"name": str(folder / "many.yaml"), "trust": True}


def released(
    recipe: dict[str, Any], workspace: Path | str, cluster: Cluster | None, *, replay: bool = False
) -> dict[str, bytes]:
    """Build with a cluster, or without; the tables of the release."""
    records = build(recipe, str(workspace), cluster, replay=replay, retry_errors=False, buckets=BUCKETS)
    assert not [warning for record in records for warning in record["warnings"] if "no other opens" in warning]
    folder = job_of(recipe, str(workspace)).release
    assert folder is not None
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
