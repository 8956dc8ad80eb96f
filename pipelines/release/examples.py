"""A few rows of a release to look at: what the card shows of them, and their images."""

from pathlib import Path
from typing import Any

import polars as pl

from pipelines.store.table_files import scan_table, tables_in

CARD_IMAGES = "card_images"
"""The folder of a release that holds the images of its card."""

EACH = {"sft": 2, "rl": 2}
_LONGEST = 1200
_IMAGES = 4
"""Images of a row that are shown."""


def write_examples(release: Path) -> list[dict[str, Any]]:
    """Put the images of a release's examples into `card_images/`, and return what a card says of the rows."""
    chosen = _chosen(release)
    for _, row in chosen:
        for image in row["images"][:_IMAGES]:
            _place(image, release)
    return [_shown(config, row) for config, row in chosen]


def examples(release: Path) -> list[dict[str, Any]]:
    """What a card says of a few rows of the release's parquet."""
    return [_shown(config, row) for config, row in _chosen(release)]


def _chosen(release: Path) -> list[tuple[str, dict[str, Any]]]:
    """The rows with the smallest ids: ids are hashes, so that is chance, and the same for the same data."""
    return [(config, row) for config, count in EACH.items() for row in _rows(release / config, count)]


def _shown(config: str, row: dict[str, Any]) -> dict[str, Any]:
    reply = row["completion"][0]["content"] if row.get("completion") else None
    return {
        "config": config,
        "id": row["id"],
        "question": _cut(row["prompt"][-1]["content"]),
        "solution": _cut(row["solution"]),
        "model": row["model"],
        "k": row["k"],
        "n": row["n"],
        "reply": _cut(reply) if reply else None,
        "teacher": row.get("teacher"),
        "images": [Path(image["path"]).name for image in row["images"][:_IMAGES]],
    }


def _rows(folder: Path, count: int) -> list[dict[str, Any]]:
    """The rows of a config with the smallest ids; only theirs are read whole. One row a sample."""
    if not any(folder.glob("*.parquet")):
        return []
    rows = scan_table(tables_in(folder))
    ids = rows.select("id").unique().sort("id").head(count).collect()["id"]
    first = rows.filter(pl.col("id").is_in(ids.implode())).collect()
    return first.unique("id", keep="first", maintain_order=True).sort("id").to_dicts()


def _place(image: dict[str, Any], release: Path) -> None:
    """Write one image into the card's folder."""
    target = release / CARD_IMAGES / Path(image["path"]).name
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        target.write_bytes(image["bytes"] if image["bytes"] is not None else (release / image["path"]).read_bytes())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
