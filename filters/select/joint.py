"""One vector a row from its question and its images, so that two rows are near only if both are."""

import numpy as np
import polars as pl

from filters.dedup.vectors import Floats, Vectors
from schemas.errors import StepError


def joint(rows: pl.DataFrame, text: Vectors | None, image: Vectors | None, text_share: float = 0.5) -> Vectors:
    """Vectors by row id: question and images side by side, so that cosines add up as `text_share` to the rest.

    `rows` has `id`, with `text` a `text_key`, and with `image` the list `image_keys`. Of several images the mean counts.
    The image half of a row without images is zero, so its vector is shorter; scaled to length one, as
    `Vectors.take` gives it, its cosine with a row that has an image is the questions' times the root of their share.
    `matrix` is `(rows, text.dim + image.dim)` float32. GThinker (arXiv 2506.01078) clusters joint vectors of image and
    question; how it weighs them is not published, hence the parameter. Raises StepError for a missing vector, and where
    there is neither.
    """
    if text is None and image is None:
        raise StepError("selection compares images alone and no candidate has one; name text in select.vectors.by")
    width = text.dim if text is not None else 0
    matrix = np.zeros((rows.height, width + (image.dim if image is not None else 0)), dtype=np.float32)
    numbered = rows.with_row_index("row")
    if text is not None:
        keys = numbered.select("row", key="text_key")
        _fill(matrix[:, :width], keys, text, text_share if image is not None else 1.0)
    if image is not None:
        keys = numbered.select("row", key="image_keys").explode("key", empty_as_null=False)
        _fill(matrix[:, width:], keys, image, 1 - text_share if text is not None else 1.0)
    return Vectors(rows["id"], matrix)


BLOCK = 1 << 16
"""Keys read at a time."""


def _fill(out: Floats, keys: pl.DataFrame, vectors: Vectors, share: float) -> None:
    """Add to `out`, of zeros, the mean of each row's vectors (`row, key`), of squared length `share`; no keys, no change."""
    known = keys.drop_nulls("key")
    places = vectors.find(known["key"])
    if (places < 0).any():
        lost = known["key"].filter(pl.Series(places < 0))
        raise StepError(f"selection has no vector for {len(lost):,} of {known.height:,} keys, first {lost[0]}")
    at = known["row"].to_numpy()
    for start in range(0, len(places), BLOCK):
        part = slice(start, start + BLOCK)
        np.add.at(out, at[part], vectors.take(places[part]))
    length = np.sqrt(np.einsum("ij,ij->i", out, out))
    out *= (np.sqrt(share) / np.where(length > 0, length, 1.0)).astype(np.float32)[:, None]
