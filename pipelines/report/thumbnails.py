"""Small images for a page: each once, however many samples show it."""

import base64
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import polars as pl
from PIL import Image

from pipelines.ingest.image_file import decoding
from pipelines.release.configs import configs_in
from pipelines.report.origin import Origin
from pipelines.store.media import MediaStore
from pipelines.store.table_files import tables_in
from schemas.errors import StoreError

LARGE, SMALL = 320, 160
"""Pixels of the longer side, for few and for many images."""
FEW = 1_000
_MAX_PIXELS = 1 << 28
_THREADS = 4
_HASH = re.compile(r"[0-9a-f]{64}")


def side(images: int) -> int:
    """The longer side of the images of a page that has so many."""
    return LARGE if images <= FEW else SMALL


def thumbnail(data: bytes, longest: int) -> str:
    """WebP as base64, at most `longest` pixels wide and high; empty where the bytes cannot be read as an image."""
    try:
        with Image.open(BytesIO(data)) as image:
            image.draft("RGB", (longest, longest))
            see_through = "A" in image.mode or "transparency" in image.info
            shown = image.convert("RGBA" if see_through else "RGB")
            shown.thumbnail((longest, longest), Image.Resampling.LANCZOS)
            file = BytesIO()
            shown.save(file, "WEBP", quality=70, method=2)
    except Exception:  # decoders of damaged bytes raise anything
        return ""
    return base64.b64encode(file.getvalue()).decode()


def thumbnails(origin: Origin, shown: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`sha256, base64` of each of the images `shown` that can be found; in several threads, a few in memory."""
    shown = [name for name in shown if _HASH.fullmatch(name)]  # a release from elsewhere may call its images anything
    longest = side(len(shown))
    with decoding(_MAX_PIXELS), ThreadPoolExecutor(_THREADS, thread_name_prefix="thumbnail") as pool:
        for start in range(0, len(shown), 64):
            names = shown[start : start + 64]
            data = [read(origin.media, origin.release, name) for name in names]
            found = pool.map(lambda one: thumbnail(one, longest) if one else "", data)
            yield from ((name, image) for name, image in zip(names, found, strict=True) if image)


def read(store: MediaStore, release: Path, sha256: str) -> bytes | None:
    """The bytes of an image: from the media store, or from a release that keeps its images beside its tables."""
    try:
        return store.read(sha256)
    except StoreError:
        beside = next((release / "images").glob(f"{sha256}.*"), None)
        return beside.read_bytes() if beside else None


def inside(origin: Origin, shown: Sequence[str]) -> Iterator[tuple[str, str]]:
    """`sha256, base64` of the images `shown` that the release holds inside its parquet."""
    import pyarrow.parquet as pq

    wanted, longest = set(shown), side(len(shown))
    for config in configs_in(origin.release):
        for path in tables_in(origin.release / config):
            for batch in pq.ParquetFile(path).iter_batches(batch_size=64, columns=["images"]):
                flat = pl.from_arrow(batch.column(0).flatten())
                assert isinstance(flat, pl.Series)
                for image in flat:
                    name = Path(image["path"] or "").stem
                    if name in wanted and image["bytes"]:
                        wanted.discard(name)
                        yield name, thumbnail(image["bytes"], longest)
            if not wanted:
                return
