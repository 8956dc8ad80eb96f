import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from generators.checks.masks import box_mask, grey, patch_mask, random_boxes

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def white(width: int, height: int) -> Image.Image:
    return Image.new("RGB", (width, height), WHITE)


def pixels(image: Image.Image) -> list[tuple[int, ...]]:
    return [tuple(int(c) for c in pixel) for pixel in np.asarray(image).reshape(-1, 3)]


def test_grey_keeps_the_size_and_nothing_else() -> None:
    assert pixels(grey(white(3, 2))) == [(128, 128, 128)] * 6


def test_patch_mask_blackens_all_or_nothing_of_each_patch() -> None:
    masked = patch_mask(white(30, 20), 14, 0.6, "a")  # patches of 14, 14 and 2 columns, 14 and 6 rows
    for left, right in ((0, 14), (14, 28), (28, 30)):
        for top, bottom in ((0, 14), (14, 20)):
            assert len(set(pixels(masked.crop((left, top, right, bottom))))) == 1
    assert set(pixels(masked)) == {BLACK, WHITE}


def test_patch_mask_at_the_ends_of_its_range() -> None:
    assert set(pixels(patch_mask(white(9, 9), 4, 1.0, 0))) == {BLACK}
    assert set(pixels(patch_mask(white(9, 9), 4, 0.0, 0))) == {WHITE}
    with pytest.raises(ValueError, match="patch >= 1"):
        patch_mask(white(9, 9), 0, 0.5, 0)
    with pytest.raises(ValueError, match="p <= 1"):
        patch_mask(white(9, 9), 4, 1.5, 0)


def test_patch_mask_takes_the_asked_share() -> None:
    masked = pixels(patch_mask(white(100, 100), 1, 0.6, "share"))
    assert 5800 < masked.count(BLACK) < 6200


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 20), st.text(max_size=5))
def test_patch_mask_depends_on_its_arguments_only(width: int, height: int, patch: int, seed: str) -> None:
    image = white(width, height)
    first, second = patch_mask(image, patch, 0.6, seed), patch_mask(image, patch, 0.6, seed)
    assert first.tobytes() == second.tobytes()
    assert first.size == image.size
    assert set(pixels(image)) == {WHITE}


def test_another_seed_is_another_mask() -> None:
    assert patch_mask(white(64, 64), 8, 0.6, 1).tobytes() != patch_mask(white(64, 64), 8, 0.6, 2).tobytes()


def test_box_mask_blackens_every_pixel_a_box_touches() -> None:
    masked = box_mask(white(6, 4), [(1.5, 1.0, 3.2, 3.0)])
    black = {(x, y) for x in range(6) for y in range(4) if masked.getpixel((x, y)) == BLACK}
    assert black == {(x, y) for x in (1, 2, 3) for y in (1, 2)}


def test_random_boxes_are_as_large_and_elsewhere() -> None:
    evidence = [(0.0, 0.0, 20.0, 10.0), (40.0, 40.0, 50.0, 60.0)]
    found = random_boxes((64, 64), evidence, "x")
    assert found is not None
    assert [(c - a, d - b) for a, b, c, d in found] == [(20.0, 10.0), (10.0, 20.0)]
    for n, (a, b, c, d) in enumerate(found):
        assert a >= 0 and b >= 0 and c <= 64 and d <= 64
        others = evidence + found[:n]
        assert all(c <= e or g <= a or d <= f or h <= b for e, f, g, h in others)


def test_no_room_means_no_random_boxes() -> None:
    assert random_boxes((64, 64), [(0.0, 0.0, 60.0, 60.0)], 0) is None
