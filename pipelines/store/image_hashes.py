"""Perceptual hashes of the media store's images, each computed once: like the embeddings log, immutable parts."""

from pathlib import Path

import polars as pl

from filters.dedup.image_hash import HASH_VERSION, HASHES, image_hashes
from pipelines.store.keyed_log import KeyedLog
from pipelines.store.memory import cores
from schemas.engine import MediaReader

PART_IMAGES = 16_384


class HashLog:
    """The hashes of all images below `root`."""

    def __init__(self, root: Path) -> None:
        self._log = KeyedLog(
            root / f"v{HASH_VERSION}", f"hashes/v{HASH_VERSION}", lambda found: found == HASHES, key="sha256"
        )

    def hashes(self, images: pl.Series, media: MediaReader) -> pl.DataFrame:
        """`sha256, phash, thumb` (schema `HASHES`) of each distinct image, in the order of sha256."""
        wanted = pl.Series("sha256", images, dtype=pl.String).drop_nulls().unique().sort()
        for _ in range(2):  # parts may be set aside while others are made
            for part in self._log.missing(wanted).to_frame().iter_slices(PART_IMAGES):
                self._log.append(image_hashes(part["sha256"].to_list(), media, cores()))
        found = pl.concat([pl.DataFrame(schema=HASHES), *self._log.rows(wanted)]).unique("sha256").sort("sha256")
        if found.height < len(wanted):
            raise self._log.files.lacking()
        return found


def image_shas(rows: pl.DataFrame) -> pl.Series:
    """The distinct sha256 of the images that rows show, sorted."""
    media = rows.select(pl.col("media").fill_null([]).explode(empty_as_null=False)).unnest("media")
    return media.filter(pl.col("kind").fill_null("image") == "image")["sha256"].drop_nulls().unique().sort()
