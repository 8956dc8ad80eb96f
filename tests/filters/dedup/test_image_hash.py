"""Perceptual hashes: the same image in other bytes, and only that."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageColor, ImageDraw

import filters.dedup.image_hash as image_hash_module
from filters.dedup.image_hash import ImageHashConfig, drop_image_hash, image_hash, image_hashes, same_image_pairs

MakeRows = Callable[..., pl.DataFrame]


def _image(seed: int, size: int = 128, shift: int = 0) -> Image.Image:
    chance = Random(seed)
    image = Image.new("RGB", (size, size), tuple(chance.randrange(150, 256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, w, h = (chance.randrange(10, 60) for _ in range(4))
        color = tuple(chance.randrange(256) for _ in range(3))
        draw.ellipse((x + shift, y, x + shift + w, y + h), fill=color)
    return image


def _bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


class _Media:
    def __init__(self, stored: dict[str, bytes]) -> None:
        self._stored = stored

    def path(self, sha256: str) -> Path:
        raise FileNotFoundError(sha256)

    def read(self, sha256: str) -> bytes:
        return self._stored[sha256]


def _stored() -> dict[str, bytes]:
    one = _image(1)
    stored = {"one": _bytes(one), "jpeg": _bytes(one, "JPEG", quality=75), "small": _bytes(one.resize((115, 115)))}
    stored |= {"grey": _bytes(one.convert("L")), "moved": _bytes(_image(1, shift=30)), "other": _bytes(_image(2))}
    return stored | {"broken": b"not an image", "broken too": b"nor this"}


HASHES = image_hashes(_stored(), _Media(_stored()))


def test_hashes_are_one_row_an_image_and_null_where_broken() -> None:
    assert HASHES["sha256"].to_list() == sorted(_stored())
    assert HASHES.filter(pl.col("phash").is_null())["sha256"].to_list() == ["broken", "broken too"]
    assert image_hash(_stored()["one"]) == image_hash(_stored()["one"])


def test_encoding_and_size_make_no_other_image_but_colour_and_place_do() -> None:
    pairs = same_image_pairs(HASHES, None, ImageHashConfig())
    assert {frozenset(pair) for pair in pairs.select("sha256", "other").rows()} == {
        frozenset(pair) for pair in [("one", "jpeg"), ("one", "small"), ("jpeg", "small")]
    }
    between = same_image_pairs(HASHES.filter(sha256="jpeg"), HASHES, ImageHashConfig())
    assert set(between["other"]) == {"one", "jpeg", "small"}


def _ink(mode: str, place: tuple[int, int, int, int], ink: str) -> Image.Image:
    """A box of one colour on a ground that is transparent and of the same colour."""
    image = Image.new("RGBA", (96, 64), (*ImageColor.getrgb(ink), 0))
    ImageDraw.Draw(image).rectangle(place, fill=(*ImageColor.getrgb(ink), 255))
    return image.convert(mode)


def _deep(seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(300, 60_000, (8, 8))
    return Image.fromarray(np.kron(levels, np.ones((16, 16))).astype(np.uint16))


@pytest.mark.parametrize("ink", ["black", "white"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_drawn_in_the_alpha_channel_is_seen(mode: str, ink: str) -> None:
    one, other = (image_hash(_bytes(_ink(mode, place, ink))) for place in [(5, 5, 30, 30), (60, 30, 90, 60)])
    assert one is not None and other is not None
    assert (one[0] ^ other[0]).bit_count() > 6


def test_a_flattened_copy_of_a_transparent_image_is_the_same_image() -> None:
    see_through = _ink("RGBA", (5, 5, 30, 30), "black")
    flat = Image.alpha_composite(Image.new("RGBA", see_through.size, "white"), see_through).convert("RGB")
    assert image_hash(_bytes(see_through)) == image_hash(_bytes(flat))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_not_clipped_to_white(kind: str) -> None:
    one, other = (image_hash(_bytes(_deep(seed), kind)) for seed in (1, 2))
    assert one is not None and other is not None
    assert (one[0] ^ other[0]).bit_count() > 6
    eight = Image.fromarray((np.asarray(_deep(1)) >> 8).astype(np.uint8))
    copy = image_hash(_bytes(eight))
    assert copy is not None and (one[0] ^ copy[0]).bit_count() <= 6


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F"])
def test_a_single_pixel_of_any_mode_has_a_hash(mode: str) -> None:
    assert image_hash(_bytes(Image.new(mode, (1, 1)), "TIFF")) is not None


def test_placeholders_of_one_colour_tie_nothing() -> None:
    stored = {
        f"{color} {size}": _bytes(Image.new("RGB", (size, size), color))
        for color in ("white", "black")
        for size in (8, 9)
    }
    assert same_image_pairs(image_hashes(stored, _Media(stored)), None, ImageHashConfig()).is_empty()


def test_same_question_about_the_same_image_is_a_duplicate(make_rows: MakeRows) -> None:
    shas = ["one", "jpeg", "small", "grey", "moved", "other"]
    rows = make_rows(*[{"question": "What is it?", "images": [sha]} for sha in shas])
    result = drop_image_hash(rows, HASHES, ImageHashConfig())
    assert result.kept["id"].to_list() == ["r0000", "r0003", "r0004", "r0005"]
    for row in result.dropped.to_dicts():
        evidence = json.loads(row["evidence"])
        assert row["reason"] == "dedup:image_hash" and evidence["kept"] == "r0000"
        assert evidence["distance"] <= 6 and evidence["similarity"] == 1 - evidence["distance"] / 64


@pytest.mark.parametrize(
    ("one", "other", "dropped"),
    [
        ({"images": ["one"]}, {"images": ["jpeg"], "question": "another question"}, 0),
        ({"images": ["one"]}, {"images": ["jpeg"], "answer": "no"}, 0),
        ({"images": ["one", "other"]}, {"images": ["jpeg", "other"]}, 1),
        ({"images": ["one", "other"]}, {"images": ["other", "jpeg"]}, 0),
        ({"images": ["one", "other"]}, {"images": ["jpeg"]}, 0),
        ({"images": ["broken"]}, {"images": ["broken"]}, 1),
        ({"images": ["broken"]}, {"images": ["broken too"]}, 0),
        ({"images": []}, {"images": []}, 0),
    ],
)
def test_rows_are_compared_whole(make_rows: MakeRows, one: dict[str, Any], other: dict[str, Any], dropped: int) -> None:
    rows = make_rows({"question": "q"} | one, {"question": "q"} | other)
    assert len(drop_image_hash(rows, HASHES, ImageHashConfig()).dropped) == dropped


def test_former_rows_win_and_the_answer_may_be_left_out(make_rows: MakeRows) -> None:
    rows = make_rows({"question": "q", "images": ["one"]}, {"question": "q", "images": ["jpeg"], "answer": "no"})
    loose = ImageHashConfig(match_answer=False)
    assert drop_image_hash(rows, HASHES, loose).kept["id"].to_list() == ["r0000"]
    assert drop_image_hash(rows[:1], HASHES, loose, former=rows[1:]).kept.is_empty()
    assert drop_image_hash(rows[:0], HASHES, loose).kept.is_empty()


def test_many_copies_of_a_placeholder_cost_no_pairs(make_rows: MakeRows, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = [f"copy{i}" for i in range(3_000)]
    table = pl.DataFrame(
        {"sha256": ["near", *copies], "phash": [0b11, *[0] * len(copies)], "thumb": [bytes(192)] * 3_001},
        schema=HASHES.schema,
    )
    compared: list[int] = []
    whole = image_hash_module.hamming_pairs
    monkeypatch.setattr(
        image_hash_module, "hamming_pairs", lambda left, *rest: compared.append(len(left)) or whole(left, *rest)
    )
    rows = make_rows(*[{"question": "What?", "images": [sha]} for sha in ["near", *copies]])
    result = drop_image_hash(rows, table, ImageHashConfig())
    assert result.kept["id"].to_list() == ["r0000"]
    assert compared == [2]
    assert {json.loads(evidence)["distance"] for evidence in result.dropped["evidence"]} == {2}
    fixed = drop_image_hash(rows, table, ImageHashConfig(), former=rows[7:9])
    assert fixed.kept["id"].to_list() == ["r0007", "r0008"]


def test_millions_of_pairs_are_thinned_to_what_connects_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_hash_module, "HELD", 2)
    pairs = same_image_pairs(HASHES, None, ImageHashConfig())
    assert pairs.height == 2
    assert set(pairs["sha256"]) | set(pairs["other"]) == {"one", "jpeg", "small"}
