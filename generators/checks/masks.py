"""What is taken out of a image: everything, patches of it, or boxes. Pure functions from image to RGB image."""

import random
from collections.abc import Sequence

from PIL import Image, ImageDraw

from schemas.ids import seeded

Xyxy = tuple[float, float, float, float]
BLACK, GREY = (0, 0, 0), (128, 128, 128)
TRIES = 400
"""Places tried for a random box before there is held to be no room for it."""


def grey(image: Image.Image) -> Image.Image:
    """A neutral grey image of equal size: nothing to see, but the prompt keeps its shape."""
    return Image.new("RGB", image.size, GREY)


def patch_mask(image: Image.Image, patch: int, p: float, seed: int | str) -> Image.Image:
    """Blacken each `patch` × `patch` pixel square with probability `p`, row by row; the last row and column may be smaller.

    PAPO (arXiv 2507.06448; MikeWangWZHL/PAPO, verl/trainer/papo_utils.py, `random_patch_blackening`) with 14 pixels and
    0.6; there chance is the process's own, here it comes from `seed` alone (a sample's id and the image's place).
    Raises ValueError for a patch below one pixel or a probability outside [0, 1].
    """
    if patch < 1 or not 0 <= p <= 1:
        raise ValueError(f"a patch mask needs patch >= 1 and 0 <= p <= 1, got patch={patch} and p={p}")
    rng = seeded(seed, "patch_mask")
    masked = image.convert("RGB")
    draw = ImageDraw.Draw(masked)
    for top in range(0, masked.height, patch):
        for left in range(0, masked.width, patch):
            if rng.random() < p:
                draw.rectangle((left, top, left + patch - 1, top + patch - 1), fill=BLACK)
    return masked


def box_mask(image: Image.Image, boxes: Sequence[Xyxy]) -> Image.Image:
    """Blacken boxes (pixels, corners `x1, y1, x2, y2`): every pixel that a box touches."""
    masked = image.convert("RGB")
    draw = ImageDraw.Draw(masked)
    for box in boxes:
        x1, y1, x2, y2 = _pixels(box)
        if x2 > x1 and y2 > y1:
            draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=BLACK)
    return masked


def random_boxes(size: tuple[int, int], boxes: Sequence[Xyxy], seed: int | str) -> list[Xyxy] | None:
    """As many boxes of the same widths and heights elsewhere in the image: outside `boxes` and not over each other.

    The irrelevant mask of DeFacto (tinnel123666888/defacto). None where the evidence leaves no room for them.
    """
    rng = seeded(seed, "random_boxes")
    taken = [_pixels(box) for box in boxes]
    found: list[Xyxy] = []
    for x1, y1, x2, y2 in list(taken):
        spot = _spot(rng, size, (x2 - x1, y2 - y1), taken)
        if spot is None:
            return None
        taken.append(spot)
        found.append((float(spot[0]), float(spot[1]), float(spot[2]), float(spot[3])))
    return found


def _spot(
    rng: random.Random, size: tuple[int, int], wanted: tuple[int, int], taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int] | None:
    width, height = wanted
    if width > size[0] or height > size[1]:
        return None
    for _ in range(TRIES):
        x, y = rng.randint(0, size[0] - width), rng.randint(0, size[1] - height)
        if all(x + width <= a or c <= x or y + height <= b or d <= y for a, b, c, d in taken):
            return x, y, x + width, y + height
    return None


def _pixels(box: Xyxy) -> tuple[int, int, int, int]:
    """Whole pixels, outwards; the right and lower edges are exclusive."""
    x1, y1, x2, y2 = box
    return int(x1 // 1), int(y1 // 1), -int(-x2 // 1), -int(-y2 // 1)
