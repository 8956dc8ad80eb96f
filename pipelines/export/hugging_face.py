"""Plain Hugging Face: flat columns that any script reads with `datasets.load_dataset`, no trainer in mind."""

from typing import Any

import pyarrow as pa

from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exporter, Sheet, embedded, ground_truth, reply
from pipelines.release.parquet_shards import IMAGES

_TEXT = (
    "system",
    "question",
    "answer",
    "solution",
    "ground_truth",
    "verifier",
    "tags",
    "dataset",
    "group",
    "model",
)
_FIELDS: dict[str, pa.DataType] = {
    **dict.fromkeys(_TEXT, pa.string()),
    "options": pa.list_(pa.string()),
    "images": IMAGES,
    "image_positions": pa.list_(pa.int32()),
}


_PAIR: dict[str, pa.DataType] = {"chosen": pa.string(), "rejected": pa.string(), "margin": pa.float64()}


def plain(row: Row, draft: Draft) -> dict[str, Any]:
    """The question as it is shown to a model, its images, and its gold: published, as TRL wants it, and packed."""
    kept = {name: row.columns.get(name) for name in _FIELDS}
    return kept | {
        "system": row.system,
        "question": row.question,
        "images": embedded(row),
        "image_positions": list(row.positions),
        "answer": gold_of(row),
        "ground_truth": ground_truth(row),
        "options": row.columns["options"] or [],
    }


def with_response(row: Row, draft: Draft) -> dict[str, Any]:
    """The same with the reply to train on."""
    return plain(row, draft) | {"response": reply(row)}


def with_pair(row: Row, draft: Draft) -> dict[str, Any]:
    """The same with a better and a worse reply."""
    pair = {"chosen": reply(row, "chosen"), "rejected": reply(row, "rejected"), "margin": row.columns.get("margin")}
    return plain(row, draft) | pair


HUGGING_FACE = Exporter(
    name="hugging_face",
    project="https://github.com/huggingface/datasets",
    sheets=(
        Sheet("sft", "sft", with_response, {**_FIELDS, "response": pa.string()}),
        Sheet("rl", "rl", plain, _FIELDS),
        Sheet("holdout", "holdout", plain, _FIELDS),
        Sheet("preference", "preference", with_pair, {**_FIELDS, **_PAIR}),
    ),
    keeps_order="`load_dataset` keeps it.",
    usage="""
`datasets.load_dataset(FOLDER, NAME, split="train")` reads a dataset of the table below. The folder can be moved.
""",
)
