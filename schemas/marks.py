"""Marks in texts: `<image>` where a published question shows an image.

A mark that stands for one of the row's images is not text. It is read once, where rows come in, and kept as a position: an
offset in characters into the question without its marks. Images before the whole text have no positions.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise

MARK = "<image>"
SPOKEN = "[image]"
"""What a text says where it mentions a mark, or where an image was that is not shown."""


def take_marks(text: str) -> tuple[str, tuple[int, ...]]:
    """The text without its marks and where they were, in order; no positions where all come before the text.

    Marks before the text go with the blanks behind them (`<image>\\nFind x.`), so such a question is the same as one that
    was published without marks.
    """
    *pieces, last = text.split(MARK)
    if pieces and not "".join(pieces).strip():
        return last.lstrip(), ()
    return "".join([*pieces, last]), tuple(accumulate(map(len, pieces)))


def cut(text: str, positions: Sequence[int]) -> list[str]:
    """The pieces of a text between ascending positions, one more than there are positions."""
    return [text[start:end] for start, end in pairwise((0, *positions, len(text)))]


def put_marks(text: str, positions: Sequence[int], mark: str = MARK) -> str:
    """The text with a mark at each position: the inverse of `take_marks`."""
    return mark.join(cut(text, positions))


def moved(positions: Sequence[int], text: str, other: str) -> tuple[int, ...] | None:
    """Where the positions of `text` are in `other`, which holds the same words up to the last of them; else None."""
    start = other.find(text[: max(positions, default=0)])
    return None if start < 0 else tuple(start + position for position in positions)
