"""The files in the folder of a proof."""

PLAN = "plan.json"
POOL = "random_traces.json"
RUNS = "runs.jsonl"
TABLE = "table.md"
PLOTS = ("accuracy.svg", "differences.svg")
MANIFEST = "proof.json"

KEPT = (PLAN, POOL, RUNS, TABLE, *PLOTS)
"""What the manifest has a hash of."""

SHOWN = (TABLE, *PLOTS, PLAN, MANIFEST)
"""What lies beside a card."""

WEIGHTS = "weights"
"""A folder that is there while arms are run: the cold starts that others go on from."""
