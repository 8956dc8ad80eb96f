"""Image placeholders in text.

Trainers put an image where a text says `<image>`, so each row must say it exactly as often as it has
images, and nowhere by accident.

LLaMA-Factory counts `<image>`, `<video>` and `<audio>` over all turns, replies included (LlamaFactory issue 8440); verl
splits prompts at the same three; Qwen's processors read `<|image_pad|>` and its kin. A text that merely mentions one gets
it in square brackets, which reads the same and means nothing.
"""

import re
from collections.abc import Iterable

from pipelines.export.rows import Row, UnfitError
from schemas.marks import MARK as IMAGE

COMMON = ("image", "video", "audio")
_PADS = re.compile(r"<\|((?:image|video|audio|vision)_\w+)\|>")


def escape(text: str, marks: Iterable[str] = COMMON) -> str:
    """`text` with every mark disarmed: `<image>` becomes `[image]`. What holds no mark stays as it is."""
    for mark in marks:
        text = text.replace(f"<{mark}>", f"[{mark}]")
    return _PADS.sub(r"[\1]", text)


def marked_question(row: Row, marks: Iterable[str] = COMMON) -> str:
    """The question with one `<image>` an image, at its place; nothing else in it reads as a mark."""
    marks = tuple(marks)
    return "".join(escape(piece, marks) if isinstance(piece, str) else IMAGE for piece in row.pieces)


def check_marks(images: int, *texts: str) -> None:
    """UnfitError unless the texts together hold `images` marks: the trainers' own assertion, made before them."""
    found = sum(text.count(IMAGE) for text in texts)
    if found != images:
        raise UnfitError("mark_count", marks=found, images=images)
