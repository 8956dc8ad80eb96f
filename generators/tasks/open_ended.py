"""The task `open`: a description is asked for, which no rule can check."""

from collections.abc import Iterator

from generators.scenes import caption
from generators.tasks.rows import Asked, Drawing, Row, altered, scene_row, scenes


def open_(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """The answer is the true caption, the wrong one the false caption."""
    for number, scene in enumerate(scenes(n, f"{seed}-open", drawing)):
        true, false = caption(scene), caption(altered(scene))
        asked = Asked("describe", "Describe the image.", true, false, "open", "That is all.", "That is all.")
        yield scene_row("open", number, scene, asked, drawing)
