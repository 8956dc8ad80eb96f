"""What an encoded picture shows, whatever its mode: one meaning for whoever stores, asks about or compares pictures."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image


def is_ambiguous(picture: "Image") -> bool:
    """Whether programs disagree about what it shows: it is transparent somewhere, or has more than 8 bits a level."""
    if _is_deep(picture):
        return True
    if not picture.has_transparency_data:
        return False
    alpha = picture if "A" in picture.getbands() else picture.convert("RGBA")
    low, _ = alpha.getchannel("A").getextrema()
    return low < 255  # type: ignore[operator]


def rgb(picture: "Image") -> "Image":
    """The picture in 8-bit RGB, on white where it is transparent (on black where white would hide all of it).

    Pillow's own conversion forgets the alpha channel, under which ink is often one colour all over, and clips 16-bit levels
    to white: all such pictures would be the same one.
    """
    if not is_ambiguous(picture):
        return picture.convert("RGB")
    if _is_deep(picture):
        return _eight_bits(picture)
    on_white = _on(picture, "white")
    if not _is_plain(on_white):
        return on_white
    on_black = _on(picture, "black")
    return on_white if _is_plain(on_black) else on_black


def _is_deep(picture: "Image") -> bool:
    return picture.mode in ("I", "F") or picture.mode.startswith("I;")


def _eight_bits(picture: "Image") -> "Image":
    from PIL import Image

    levels = np.nan_to_num(np.asarray(picture, dtype=np.float64)).clip(0)
    top = float(levels.max(initial=0))
    white = next((bound for bound in (1.0, 255.0, 65_535.0) if top <= bound), top)
    return Image.fromarray((levels * (255 / white)).astype(np.uint8)).convert("RGB")


def _on(picture: "Image", ground: str) -> "Image":
    from PIL import Image

    layers = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layers.size, ground), layers).convert("RGB")


def _is_plain(picture: "Image") -> bool:
    return all(low == high for low, high in picture.getextrema())  # type: ignore[misc]
