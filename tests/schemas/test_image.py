"""What an image shows, by its mode."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from schemas.image import rgb


@pytest.mark.parametrize(
    ("mode", "pixels", "shown"),
    [
        ("RGBA", [(0, 0, 0, 0), (0, 0, 0, 255)], [(255, 255, 255), (0, 0, 0)]),
        ("RGBA", [(255, 255, 255, 0), (255, 255, 255, 255)], [(0, 0, 0), (255, 255, 255)]),
        ("RGBA", [(255, 255, 255, 0), (0, 0, 0, 0)], [(255, 255, 255), (255, 255, 255)]),
        ("RGBA", [(0, 0, 0, 128), (9, 9, 9, 255)], [(127, 127, 127), (9, 9, 9)]),
        ("LA", [(0, 0), (0, 255)], [(255, 255, 255), (0, 0, 0)]),
        ("RGB", [(1, 2, 3), (4, 5, 6)], [(1, 2, 3), (4, 5, 6)]),
        ("I;16", [256, 65_535], [(0, 0, 0), (255, 255, 255)]),
        ("I", [-5, 131_072], [(0, 0, 0), (255, 255, 255)]),
        ("F", [0.0, 1.0], [(0, 0, 0), (255, 255, 255)]),
        ("F", [float("nan"), 100.0], [(0, 0, 0), (100, 100, 100)]),
    ],
)
def test_every_mode_is_eight_bits_on_a_ground(mode: str, pixels: list[Any], shown: list[tuple[int, int, int]]) -> None:
    image = Image.new(mode, (2, 1))
    for x, value in enumerate(pixels):
        image.putpixel((x, 0), value)
    seen = rgb(image)
    assert seen.mode == "RGB"
    assert np.asarray(seen)[0].tolist() == [list(pixel) for pixel in shown]


def test_a_transparent_colour_of_a_palette_is_the_ground() -> None:
    image = Image.new("P", (2, 1), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 0
    assert np.asarray(rgb(image))[0].tolist() == [[255, 255, 255], [0, 0, 0]]
