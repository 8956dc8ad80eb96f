"""What an encoded image shows, whatever its mode: one meaning for whoever stores, asks about or compares images."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def is_ambiguous(image: "Image") -> bool:
    """Whether programs disagree about what it shows: it is transparent somewhere, or has more than 8 bits a level."""
    if _is_deep(image):
        return True
    if not image.has_transparency_data:
        return False
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    low, _ = alpha.getchannel("A").getextrema()
    return low < 255  # type: ignore[operator]


def rgb(image: "Image") -> "Image":
    """The image in 8-bit RGB, on white where it is transparent (on black where white would hide all of it).

    Pillow's own conversion forgets the alpha channel, under which ink is often one colour all over, and clips 16-bit levels
    to white: all such images would be the same one.
    """
    if not is_ambiguous(image):
        return image.convert("RGB")
    if _is_deep(image):
        return _eight_bits(image)
    on_white = _on(image, "white")
    if not _is_plain(on_white):
        return on_white
    on_black = _on(image, "black")
    return on_white if _is_plain(on_black) else on_black


def _is_deep(image: "Image") -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def _eight_bits(image: "Image") -> "Image":
    from PIL import Image

    levels = np.nan_to_num(np.asarray(image, dtype=np.float64)).clip(0)
    top = float(levels.max(initial=0))
    white = next((bound for bound in (1.0, 255.0, 65_535.0) if top <= bound), top)
    return Image.fromarray((levels * (255 / white)).astype(np.uint8)).convert("RGB")


def _on(image: "Image", ground: str) -> "Image":
    from PIL import Image

    layers = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, ground), layers).convert("RGB")


def _is_plain(image: "Image") -> bool:
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]
