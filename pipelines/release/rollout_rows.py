"""The config `rollouts` of a release: what every candidate was answered, selected or not, and what each answer counts as.

`verdict` is what a rollout came to (`filters.difficulty.VERDICTS`), `correct` what it counts as: k of a row of the release
are its model's `correct` rollouts of that `sample_id`, n all of them of which `correct` is not null.
"""

import pyarrow as pa

from pipelines.release.parquet_shards import hub_schema

NAME = "rollouts"
PURPOSE = "every reply that k of n was counted on"

SCHEMA = hub_schema(
    {
        "sample_id": pa.string(),
        "model": pa.string(),
        "index": pa.int32(),
        "text": pa.string(),
        "finish_reason": pa.string(),
        "verdict": pa.string(),
        "correct": pa.bool_(),
        "score": pa.float64(),
        "tier": pa.string(),
        "reason": pa.string(),
    }
)
