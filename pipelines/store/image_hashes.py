"""Perceptual hashes of the media store's images, each computed once: like the embeddings log, immutable parts."""

from pathlib import Path

import polars as pl

from filters.dedup.image_hash import HASH_VERSION, HASHES, image_hashes
from pipelines.store.memory import cores
from pipelines.store.part_folder import PartFolder
from pipelines.store.table_files import scan_table
from schemas.engine import MediaReader

PART_IMAGES = 16_384


class HashLog:
    """The hashes of all images below `root`."""

    def __init__(self, root: Path) -> None:
        self._files = PartFolder(
            root / f"v{HASH_VERSION}", f"hashes/v{HASH_VERSION}", lambda found: found == HASHES, sort=("sha256",)
        )

    def hashes(self, images: pl.Series, media: MediaReader) -> pl.DataFrame:
        """`sha256, phash, thumb` (schema `HASHES`) of each distinct image, in the order of sha256."""
        wanted = pl.DataFrame({"sha256": images}, schema={"sha256": pl.String}).drop_nulls().unique().sort("sha256")
        for _ in range(2):  # parts may be set aside while others are made
            known = self._scan().select("sha256").collect()
            missing = wanted.join(known, on="sha256", how="anti", maintain_order="left")
            for part in missing["sha256"].to_frame().iter_slices(PART_IMAGES):
                self._files.write(image_hashes(part["sha256"].to_list(), media, cores()))
        found = self._scan().join(wanted.lazy(), on="sha256", how="semi").unique("sha256").sort("sha256").collect()
        if found.height < wanted.height:
            raise self._files.lacking()
        return found

    def _scan(self) -> pl.LazyFrame:
        parts = self._files.parts()
        return scan_table(parts) if parts else pl.LazyFrame(schema=HASHES)


def image_shas(rows: pl.DataFrame) -> pl.Series:
    """The distinct sha256 of the images that rows show, sorted."""
    media = rows.select(pl.col("media").fill_null([]).explode(empty_as_null=False)).unnest("media")
    return media.filter(pl.col("kind").fill_null("image") == "image")["sha256"].drop_nulls().unique().sort()
