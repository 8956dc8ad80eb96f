"""Near-identical images by perceptual hash: another encoding, another size, the same image.

A 64-bit pHash (the sign pattern of the low DCT coefficients; Zauner, "Implementation and benchmarking of perceptual image
hash functions", 2010, through `imagehash`) finds candidates, and an 8 x 8 thumbnail in YCbCr decides: pHash sees neither
colour nor a small shape in front of a plain ground, and a benchmark of shapes consists of little else.
"""

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import Field

from filters.dedup.earlier_release import FIXED
from filters.dedup.greedy import Pairs, joined, no_pairs, walk
from filters.dedup.hamming import LIMIT, hamming_pairs
from filters.dedup.links import LIMIT as HELD
from filters.dedup.links import forest
from filters.dedup.quality import QualityConfig
from filters.dedup.rule import contestants, dropped_pairs
from schemas.engine import MediaReader
from schemas.ids import hash_text
from schemas.image import rgb
from schemas.section import Section
from schemas.split import Split

SIDE = 8
_LEVELS = SIDE * SIDE * 3
_ENOUGH = 128  # pixels of the shorter side; more cost time and change neither hash nor thumbnail
HASH_VERSION = 2
"""Raised when the same image gets another hash or thumbnail."""

PLAIN = (0, 1 << 63)
"""The pHashes of images of a single colour, black and any other: placeholders, that say nothing of the row."""

HASHES = pl.Schema({"sha256": pl.String, "phash": pl.UInt64, "thumb": pl.Binary})
"""A hashed image; `phash` and `thumb` are null where it cannot be decoded."""


class ImageHashConfig(Section):
    """When two images are the same, and which duplicate stays."""

    max_distance: int = Field(default=6, ge=0, le=LIMIT, description="bits of 64 in which the pHashes differ, at most")
    max_level: int = Field(default=20, ge=0, le=255, description="largest difference of a thumbnail value (0-255)")
    match_answer: bool = Field(default=True, description="rows whose gold answers differ are not duplicates")
    quality: QualityConfig = Field(default_factory=QualityConfig, description="which duplicate stays")


def image_hash(data: bytes) -> tuple[int, bytes] | None:
    """The 64-bit pHash and the 192-byte thumbnail (8 x 8, YCbCr) of an encoded image; None if it cannot be decoded."""
    import imagehash
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as file:
            file.draft("RGB", (_ENOUGH, _ENOUGH))
            image = rgb(file)
        if (factor := min(image.size) // _ENOUGH) > 1:
            image = image.reduce(factor)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    bits = np.packbits(imagehash.phash(image).hash.ravel())
    thumb = image.convert("YCbCr").resize((SIDE, SIDE), Image.Resampling.BOX)
    return int.from_bytes(bits.tobytes(), "big"), thumb.tobytes()


def image_hashes(hashes: Iterable[str], media: MediaReader, threads: int = 1) -> pl.DataFrame:
    """`sha256, phash, thumb` for each distinct medium, in that order; nulls where it cannot be decoded."""
    unique = sorted(set(hashes))
    with ThreadPoolExecutor(threads, thread_name_prefix="hash") as pool:
        found = list(pool.map(lambda sha: image_hash(media.read(sha)) or (None, None), unique))
    columns = {"sha256": unique, "phash": [f[0] for f in found], "thumb": [f[1] for f in found]}
    return pl.DataFrame(columns, schema=HASHES)


def drop_image_hash(
    rows: pl.DataFrame, hashes: pl.DataFrame, config: ImageHashConfig, former: pl.DataFrame | None = None
) -> Split:
    """Keep the best of the rows that ask the same about the same images; drop the others as `dedup:image_hash`.

    Question, options and answer are equal up to spelling, and each image matches, in order: same bytes, or pHash and
    thumbnail (`hashes`, of `image_hashes`) within the limits. An image without a hash equals itself only. Evidence:
    `kept`, `distance` (the largest, in bits), `similarity` (1 - distance / 64).
    """
    same = ["kinds", "others", "question", "options", *(["answer"] if config.match_answer else [])]
    table = contestants(rows, former, same, config.quality)
    table = table.filter((pl.col("images").list.len() > 0) & (pl.len().over("class") > 1)).with_row_index("row")
    images, fixed = _images(table["images"].explode(), hashes), table[FIXED].to_numpy()
    first = np.cumsum(table["images"].list.len().to_numpy()) - table["images"].list.len().to_numpy()
    found = [no_pairs()]
    for rows_of_class in np.split(np.arange(len(table)), _starts(table["class"])):
        if not len(rows_of_class):
            continue
        start, size = int(rows_of_class[0]), len(rows_of_class)
        each = len(table["images"][start])
        part = images.between(int(first[start]), size, each)
        pairs = _keep_best(part, fixed[start : start + size], config)
        found.append(pairs._replace(left=pairs.left + start, right=pairs.right + start))
    pairs = joined(found)
    gone = pl.DataFrame({"id": table["id"].gather(pairs.left), "kept": table["id"].gather(pairs.right)})
    gone = gone.with_columns(distance=pl.Series(pairs.image).cast(pl.Int64))
    return dropped_pairs(rows, gone.with_columns(similarity=1 - pl.col("distance") / 64), "dedup:image_hash")


def same_image_pairs(hashes: pl.DataFrame, others: pl.DataFrame | None, config: ImageHashConfig) -> pl.DataFrame:
    """`sha256, other, distance`: images that are the same up to encoding; inside `hashes`, or between two tables.

    Inside one table each pair comes once, and of millions only as many as connect the same images. An image of a single
    colour is like no other. For grouping rows by near-identical images, and for benchmarks.
    """
    left, right = (
        table.filter(pl.col("phash").is_not_null() & ~pl.col("phash").is_in(PLAIN))
        for table in (hashes, hashes if others is None else others)
    )
    tables = [_Images.of(table["phash"], table["thumb"], 1) for table in (left, right)]
    pairs = _same_images(tables[0], None if others is None else tables[1], config, thin=others is None)
    found = {"sha256": left["sha256"].gather(pairs.left), "other": right["sha256"].gather(pairs.right)}
    return pl.DataFrame(found).with_columns(distance=pl.Series(pairs.image).cast(pl.Int64))


@dataclass(frozen=True)
class _Images:
    """The hashes of the images of some rows: `(rows, images)`, and thumbnails `(rows, images, 192)`."""

    phash: npt.NDArray[np.uint64]
    thumb: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, phash: pl.Series, thumb: pl.Series, each: int) -> "_Images":
        levels = np.frombuffer(b"".join(thumb.to_list()), dtype=np.uint8)
        return cls(phash.to_numpy().reshape(-1, each), levels.reshape(-1, each, _LEVELS))

    def at(self, places: npt.NDArray[np.int64]) -> "_Images":
        """The rows at the given places."""
        return _Images(self.phash[places], self.thumb[places])

    def between(self, start: int, rows: int, each: int) -> "_Images":
        """Rows of `each` images, out of a flat list of images."""
        part = slice(start, start + rows * each)
        return _Images(self.phash[part].reshape(rows, each), self.thumb[part].reshape(rows, each, _LEVELS))


def _images(shas: pl.Series, hashes: pl.DataFrame) -> _Images:
    """The images of a flat list of sha256. One without a hash gets its own, far from all others."""
    wanted = shas.alias("sha256").to_frame()
    found = wanted.join(hashes.unique("sha256"), on="sha256", how="left", maintain_order="left")
    missing = found.filter(pl.col("phash").is_null())["sha256"].unique()
    own = {sha: int(hash_text(sha)[:16], 16) for sha in missing}
    own_hash = pl.col("sha256").replace_strict(own, default=None, return_dtype=pl.UInt64)
    thumb = pl.col("thumb").fill_null(bytes(_LEVELS))
    found = found.with_columns(phash=pl.coalesce("phash", own_hash), thumb=thumb)
    return _Images.of(found["phash"], found["thumb"], 1)


def _starts(classes: pl.Series) -> npt.NDArray[np.int64]:
    return np.flatnonzero(np.diff(classes.to_numpy())) + 1


def _keep_best(part: _Images, fixed: npt.NDArray[np.bool_], config: ImageHashConfig) -> Pairs:
    """Greedy keep-best over the rows of one class, best first.

    Rows with the very same hashes have the same partners, so only the best of them is compared: ten thousand copies of a
    placeholder cost ten thousand look-ups, not fifty million pairs.
    """
    size = len(part.phash)
    seen = np.concatenate([part.phash.view(np.uint8).reshape(size, -1), part.thumb.reshape(size, -1)], axis=1)
    _, first, which = np.unique(seen, axis=0, return_index=True, return_inverse=True)
    best = first[which.ravel()]
    chosen = np.flatnonzero(fixed | (best == np.arange(size)))
    pairs = walk(_same_images(part.at(chosen), None, config), fixed[chosen])
    pairs = pairs._replace(left=chosen[pairs.left], right=chosen[pairs.right])
    copies = np.setdiff1d(np.arange(size), chosen)
    partner, distance = np.arange(size), np.zeros(size)
    partner[pairs.left], distance[pairs.left] = pairs.right, pairs.image
    right, image = partner[best[copies]], distance[best[copies]]
    return joined([pairs, Pairs(copies, right, np.ones(len(copies)), image)])


def _same_images(left: _Images, right: _Images | None, config: ImageHashConfig, *, thin: bool = False) -> Pairs:
    """Pairs of rows all of whose images match in order; `image` holds the largest distance; `thin` of millions."""
    found = [no_pairs()]
    held = 0
    other = left if right is None else right
    for i, j in hamming_pairs(left.phash[:, 0], None if right is None else right.phash[:, 0], config.max_distance):
        distance = np.bitwise_count(left.phash[i] ^ other.phash[j]).max(axis=1)
        level = np.abs(left.thumb[i].astype(np.int16) - other.thumb[j]).max(axis=(1, 2))
        good = (distance <= config.max_distance) & (level <= config.max_level)
        found.append(Pairs(i[good], j[good], np.ones(int(good.sum())), distance[good].astype(np.float64)))
        held += len(found[-1].left)
        if thin and held > HELD:
            found = [forest(joined(found), len(left.phash))]
            held = len(found[0].left)
    return joined(found)
