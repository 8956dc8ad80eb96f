"""One vector a row from its question and its picture, so that two rows are near only if both are."""

import numpy as np
import polars as pl

from filters.dedup.vectors import Vectors
from schemas.errors import StageError


def joint(rows: pl.DataFrame, text: Vectors, image: Vectors | None, text_share: float = 0.5) -> Vectors:
    """Vectors by row id: question and picture side by side, so that cosines add up as `text_share` to the rest.

    `rows` has `id`, `text_key` and, with `image`, `image_key` (null: a row without pictures, whose picture half is zero;
    it is near to no row with a picture by more than the question's share). `matrix` is `(rows, text.dim + image.dim)`
    float32. GThinker (arXiv 2506.01078) clusters joint vectors of image and question; how it weighs them is not
    published, hence the parameter. Raises StageError for a missing vector.
    """
    parts = [_part(rows, "text_key", text, text_share if image is not None else 1.0)]
    if image is not None:
        parts.append(_part(rows, "image_key", image, 1 - text_share))
    return Vectors(rows["id"], np.concatenate(parts, axis=1))


def _part(
    rows: pl.DataFrame, column: str, vectors: Vectors, share: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    keys = rows[column]
    places = vectors.find(keys)
    lost = keys.filter(pl.Series(places < 0) & keys.is_not_null())
    if len(lost):
        raise StageError(
            f"selection has no vector for {len(lost):,} of {len(keys):,} keys in {column}, first {lost[0]}"
        )
    out = np.zeros((len(keys), vectors.dim), dtype=np.float32)
    out[places >= 0] = vectors.take(places[places >= 0]) * np.float32(np.sqrt(share))
    return out
