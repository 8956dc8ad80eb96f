"""A few rows of a release to look at: what the card shows of them, and their images."""

from pathlib import Path
from typing import Any

import polars as pl

CARD_IMAGES = "card_images"
"""The folder of a release that holds the images of its card."""

EACH = {"sft": 2, "rl": 2}
_LONGEST = 1200


def write_examples(release: Path) -> list[dict[str, Any]]:
    """Choose rows of the release's parquet, put their images into `card_images/`, and return what a card says of them.

    The rows with the smallest ids: ids are hashes, so that is chance, and the same for the same data.
    """
    found = []
    for config, count in EACH.items():
        for row in _rows(release / config, count):
            reply = row["completion"][0]["content"] if row.get("completion") else None
            found.append(
                {
                    "config": config,
                    "id": row["id"],
                    "question": _cut(row["prompt"][-1]["content"]),
                    "solution": _cut(row["solution"]),
                    "model": row["model"],
                    "k": row["k"],
                    "n": row["n"],
                    "reply": _cut(reply) if reply else None,
                    "images": [_place(image, release) for image in row["images"][:4]],
                }
            )
    return found


def _rows(folder: Path, count: int) -> list[dict[str, Any]]:
    """The rows of a config with the smallest ids; only theirs are read whole. One row a sample."""
    if not any(folder.glob("*.parquet")):
        return []
    rows = pl.scan_parquet(folder / "*.parquet")
    ids = rows.select("id").unique().sort("id").head(count).collect()["id"]
    first = rows.filter(pl.col("id").is_in(ids.implode())).collect()
    return first.unique("id", keep="first", maintain_order=True).sort("id").to_dicts()


def _place(image: dict[str, Any], release: Path) -> str:
    """Write one image into the card's folder and return its name."""
    name = Path(image["path"]).name
    target = release / CARD_IMAGES / name
    target.parent.mkdir(exist_ok=True)
    if not target.exists():
        target.write_bytes(image["bytes"] if image["bytes"] is not None else (release / image["path"]).read_bytes())
    return name


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"
