"""One image from its bytes: every way in which it can be unusable, every mode, every orientation."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from pipelines.ingest.image_file import ImageFaultError, ImageLimits, decoding, read_image

_LIMIT = ImageLimits(1_000_000)


@pytest.fixture(autouse=True)
def _switches() -> Iterator[None]:
    with decoding(_LIMIT.max_pixels):
        yield


def _noise(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.frombytes("RGB", size, Random(0).randbytes(3 * size[0] * size[1])).convert(mode)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _cause(data: bytes) -> str:
    with pytest.raises(ImageFaultError) as caught:
        read_image(data, _LIMIT)
    assert "0x" not in str(caught.value.evidence), (
        "evidence must not hold addresses of objects: it is compared by bytes"
    )
    return caught.value.cause


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("PNG", "png"),
        ("JPEG", "jpg"),
        ("WEBP", "webp"),
        ("GIF", "gif"),
        ("BMP", "bmp"),
        ("TIFF", "tif"),
        ("PPM", "ppm"),
    ],
)
def test_whole_images_keep_their_bytes(kind: str, suffix: str) -> None:
    data = _encoded(_noise(), kind)
    usable = read_image(data, _LIMIT)
    assert usable.data is data
    assert (usable.suffix, usable.width, usable.height, usable.turned) == (suffix, 40, 30, None)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_every_png_mode_is_read(mode: str) -> None:
    image = _noise("I").convert("I;16") if mode == "I;16" else _noise(mode)
    assert read_image(_encoded(image, "PNG"), _LIMIT).width == 40


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_an_opaque_image_keeps_its_bytes(mode: str) -> None:
    data = _encoded(_noise(mode), "PNG")
    assert read_image(data, _LIMIT).data is data


def test_what_programs_would_show_differently_is_stored_as_it_is_seen() -> None:
    ink = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    ink.paste((0, 0, 0, 255), (0, 0, 20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6
    for options, turned in (({}, None), ({"exif": exif}, 6)):
        usable = read_image(_encoded(ink, "PNG", **options), _LIMIT)
        assert (usable.flattened, usable.turned, usable.suffix) == (True, turned, "png")
        with Image.open(BytesIO(usable.data)) as stored:
            assert stored.mode == "RGB"
            assert stored.size == (usable.width, usable.height) == ((30, 40) if turned else (40, 30))
            assert stored.getpixel((0, 0)) == (0, 0, 0)
            assert stored.getpixel((usable.width - 1, usable.height - 1)) == (255, 255, 255)
    deep = Image.new("I;16", (40, 30), 65_535)
    deep.paste(256, (0, 0, 20, 30))
    with Image.open(BytesIO(read_image(_encoded(deep, "PNG"), _LIMIT).data)) as stored:
        assert stored.getpixel((0, 0)) == (0, 0, 0)


def test_cmyk_jpeg_is_read() -> None:
    assert read_image(_encoded(_noise("CMYK"), "JPEG"), _LIMIT).height == 30


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "image_empty"),
        (b"just some text", "image_broken"),
        (b"\x89PNG\r\n\x1a\n", "image_broken"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image_broken"),
        (_png_header(10, 10), "image_truncated"),
        (_png_header(0, 10), "image_broken"),
        (_png_header(50_000, 50_000), "image_too_large"),
        (_png_header(1001, 1000), "image_too_large"),
    ],
)
def test_unusable_bytes(data: bytes, cause: str) -> None:
    assert _cause(data) == cause


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF"])
def test_half_an_image_is_truncated(kind: str) -> None:
    data = _encoded(_noise(), kind)
    assert _cause(data[: len(data) // 2]) == "image_truncated"


def test_a_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(_encoded(_noise(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    assert _cause(bytes(data)) == "image_broken"


def test_the_limit_is_checked_before_any_pixel_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", decode)
    assert _cause(_png_header(1001, 1000)) == "image_too_large"
    assert _cause(_png_header(50_000, 50_000)) == "image_too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (40, 30), "black")
    image.paste("white", (0, 0, 20, 15))  # one bright quarter, top left, tells the orientations apart
    usable = read_image(_encoded(image, kind, exif=exif), _LIMIT)
    assert usable.turned == (None if orientation == 1 else orientation)
    with Image.open(BytesIO(usable.data)) as stored:
        stored.load()
        assert stored.getexif().get(0x0112, 1) == 1
        assert stored.size == (usable.width, usable.height) == ((40, 30) if orientation < 5 else (30, 40))
        right, bottom = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[
            orientation
        ]
        bright = stored.convert("L").getpixel(
            (stored.width // 4 + right * stored.width // 2, stored.height // 4 + bottom * stored.height // 2)
        )
        assert isinstance(bright, int)
        assert bright > 200


def test_an_unknown_orientation_is_left_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    assert read_image(_encoded(_noise(), "JPEG", exif=exif), _LIMIT).turned is None


def test_switches_are_put_back() -> None:
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    before = Image.MAX_IMAGE_PIXELS
    try:
        with decoding(7):
            assert not ImageFile.LOAD_TRUNCATED_IMAGES
            assert Image.MAX_IMAGE_PIXELS == 7
        assert ImageFile.LOAD_TRUNCATED_IMAGES
        assert before == Image.MAX_IMAGE_PIXELS
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False


@settings(max_examples=150, deadline=None)
@given(kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]), data=st.data())
def test_damaged_bytes_are_an_image_or_a_fault_and_never_another_error(kind: str, data: st.DataObject) -> None:
    whole = _encoded(_noise(size=(8, 6)), kind)
    cut = data.draw(st.integers(0, len(whole)))
    place = data.draw(st.integers(0, max(0, cut - 1)))
    damaged = bytearray(whole[:cut])
    if damaged:
        damaged[place] ^= data.draw(st.integers(0, 255))
    try:
        assert read_image(bytes(damaged), _LIMIT).width > 0
    except ImageFaultError as fault:
        assert fault.cause.startswith("image_")
