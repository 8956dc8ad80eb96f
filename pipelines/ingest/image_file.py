"""One image from its bytes: is it whole, how large is it, which way up, and which bytes to store.

The bytes are stored as they came, whatever their mode or palette, because any re-encoding changes what a model sees.
The exceptions are images that programs show differently, so that a student, a server and a trainer would each see another
one. What EXIF says is turned is turned here; what is transparent is put on white, and 16-bit levels become 8-bit ones
(vLLM pastes transparency on white; `Image.convert` shows the colours below it, often black, and 16 bits as white). These
are written anew: JPEG stays JPEG, at quality 95 without chroma subsampling; the rest becomes PNG.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from schemas.image import is_ambiguous, rgb

FORMATS = {
    "PNG": "png", "JPEG": "jpg", "MPO": "jpg", "WEBP": "webp", "GIF": "gif", "BMP": "bmp", "TIFF": "tif", "PPM": "ppm",
    "JPEG2000": "jp2", "AVIF": "avif",
}  # fmt: skip
"""Readable formats and the suffix under which their bytes are stored. Others (EPS, …) would run foreign programs."""

_OPENED = [name for name in FORMATS if name != "MPO"]  # Pillow opens it as JPEG and then gives it this name
_PNG_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an image may measure, in pixels. `max_aspect`: the longer side over the shorter."""

    max_pixels: int
    min_side: int = 1
    max_aspect: float = 200.0


class ImageFaultError(Exception):
    """An image that cannot be used: `cause` becomes the reason of the dropped row, `evidence` its numbers."""

    def __init__(self, cause: str, **evidence: Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class UsableImage:
    """A usable image: the bytes to store, their suffix, and the size of the image the right way up, in pixels.

    `turned` is the EXIF orientation that was applied; `flattened` is set where transparency or deep levels were resolved
    (`schemas.image.rgb`). With neither, the bytes are the source's own.
    """

    data: bytes = field(repr=False)
    suffix: str
    width: int
    height: int
    turned: int | None = None
    flattened: bool = False


Room = Callable[[int], AbstractContextManager[object]]
"""Waits until so many bytes of memory may be taken, and gives them back after the block."""

BYTES_A_PIXEL = 32
"""What decoding takes at most for each pixel, all copies together: 32 for a WebP with transparency, 26 for a PNG of 16 bits,
24 for one with transparency, 4 for a JPEG (`python benchmarks/image_memory.py`)."""

MOST_SCANS = 1000
"""Passes over all pixels in one JPEG: cameras and tools write up to about ten, and a file of 64 MB holds a million."""


def read_image(data: bytes, limits: ImageLimits, room: Room = nullcontext) -> UsableImage:
    """Decode the whole image once, as soon as there is `room` for it. Call it inside `decoding`.

    Raises ImageFaultError: `image_empty`, `image_broken` (not an image, or damaged), `image_truncated`,
    `image_too_large`, `image_too_small`, `image_too_long` (found from the header, before any pixel is decoded).
    """
    if not data:
        raise ImageFaultError("image_empty", bytes=0)
    try:
        with Image.open(BytesIO(data), formats=_OPENED) as image:
            _check_size(image.width, image.height, limits)
            if image.format in ("JPEG", "MPO") and (scans := data.count(b"\xff\xda")) > MOST_SCANS:
                raise ImageFaultError("image_too_large", scans=scans, max_scans=MOST_SCANS)
            with room(BYTES_A_PIXEL * image.width * image.height):
                return _decode(image, data)
    except ImageFaultError:
        raise
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d+", str(error))
        count = int(pixels[0]) if pixels else None
        raise ImageFaultError("image_too_large", pixels=count, max_pixels=limits.max_pixels) from error
    except UnidentifiedImageError as error:
        raise ImageFaultError("image_broken", error=_not_an_image(data), bytes=len(data)) from error
    except Exception as error:  # decoders of damaged bytes raise anything: OSError, SyntaxError, struct.error, …
        message = str(error) or type(error).__name__
        cause = "image_truncated" if "truncated" in message.lower() else "image_broken"
        raise ImageFaultError(cause, error=message, bytes=len(data)) from error


@contextmanager
def decoding(max_pixels: int) -> Iterator[None]:
    """Set Pillow's global switches for a batch of `read_image` calls, in any threads, and put them back afterwards.

    Other libraries turn on LOAD_TRUNCATED_IMAGES, under which half an image passes for a whole one.
    """
    Image.init()  # registers the formats once, before threads ask for them
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = max_pixels, False
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before


_FOREIGN = (
    (re.compile(rb"version https://git-lfs"), "a Git LFS pointer; fetch the file itself with `git lfs pull`"),
    (re.compile(rb"\s*(<!doctype html|<html)", re.IGNORECASE), "an HTML page, perhaps of a download that failed"),
    (re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg\b", re.IGNORECASE | re.DOTALL),
     "an SVG drawing; render it to PNG"),
    (re.compile(rb"....ftyp(heic|heix|hevc|mif1|msf1)", re.DOTALL), "a HEIC photo; convert it to JPEG or PNG"),
    (re.compile(rb"....ftyp|\x1aE\xdf\xa3", re.DOTALL), "a video"),
    (re.compile(rb"%PDF-"), "a PDF document; render its pages"),
    (re.compile(rb"PK\x03\x04|\x1f\x8b"), "a packed file"),
)  # fmt: skip
"""What is in files that are not images, by their first bytes."""


def _not_an_image(data: bytes) -> str:
    return next((words for start, words in _FOREIGN if start.match(data[:4096])), "not an image of a known format")


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    """Raise ImageFaultError for a size that no trainer's processor takes, or that was ruled out."""
    if width * height == 0:
        raise ImageFaultError("image_empty", width=width, height=height)
    if width * height > limits.max_pixels:
        raise ImageFaultError("image_too_large", pixels=width * height, max_pixels=limits.max_pixels)
    if min(width, height) < limits.min_side:
        raise ImageFaultError("image_too_small", width=width, height=height, min_side=limits.min_side)
    if max(width, height) > limits.max_aspect * min(width, height):
        raise ImageFaultError("image_too_long", width=width, height=height, max_aspect=limits.max_aspect)


def _decode(image: ImageFile.ImageFile, data: bytes) -> UsableImage:
    # Asked before and after: a PNG may hold its EXIF behind the pixels, and Pillow turns a TIFF while it loads it.
    before = image.getexif().get(_ORIENTATION, 1)
    image.load()
    after = image.getexif().get(_ORIENTATION, 1)
    turned = next((int(o) for o in (before, after) if o in range(2, 9)), None)
    flattened = is_ambiguous(image)
    if turned is None and not flattened:
        return UsableImage(data, FORMATS[str(image.format)], image.width, image.height)
    upright = ImageOps.exif_transpose(image)
    file, profile = BytesIO(), image.info.get("icc_profile")
    if image.format in ("JPEG", "MPO"):
        upright.save(file, "JPEG", quality=95, subsampling=0, icc_profile=profile)
        return UsableImage(file.getvalue(), "jpg", *upright.size, turned)
    if flattened or upright.mode not in _PNG_MODES:
        profile = profile if upright.mode == "RGBA" else None
        upright = rgb(upright)
    upright.save(file, "PNG", icc_profile=profile, exif=b"")
    return UsableImage(file.getvalue(), "png", *upright.size, turned, flattened)
