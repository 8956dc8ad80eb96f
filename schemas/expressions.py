"""Regular expressions of recipes, put to texts that models wrote.

Python's own engine takes time that doubles with every letter on `(a+)+$`, and a model in a loop writes such letters. Polars
searches with Rust's engine (docs.rs/regex), which never goes back: no look-around and no back-references, and no text that
it hangs on.
"""

import re
from collections.abc import Iterable, Iterator

Span = tuple[int, int, str]
"""Where a match begins and ends, and the text that was asked for."""

_START, _GROUP, _END = "\ue000", "\ue001", "\ue002"
_MARKS = re.compile(f"[{_START}{_GROUP}{_END}]")


def expression(pattern: str, *groups: str) -> str:
    """The pattern, if it is a regular expression with these groups. Raises ValueError, in a sentence, where it is none."""
    import polars as pl

    try:
        pl.select(pl.lit("").str.contains(pattern))
    except pl.exceptions.ComputeError as error:
        about = str(error).strip().rpartition("error: ")[2]
        raise ValueError(f"not a regular expression: {pattern!r} ({about})") from None
    for group in groups:
        if not re.search(rf"\(\?P?<{group}>", pattern):
            raise ValueError(f"{pattern!r} has no group named {group}; write it as (?P<{group}>...)")
    return pattern


def matches(pattern: str, texts: Iterable[str | None], group: str | None = None) -> list[list[Span]]:
    """The matches in each text, in their order, with the text of a group (None: of the whole match).

    Matches do not overlap; `^` and `$` match at lines. A null is read as an empty text.
    """
    import polars as pl

    plain = pl.Series([_plain(text) for text in texts], dtype=pl.String)
    inner = f"${{{group}}}" if group else "${0}"
    marked = plain.str.replace_all(f"(?m){pattern}", f"{_START}${{0}}{_GROUP}{inner}{_END}")
    return [list(_spans(text)) for text in marked]


def _plain(text: str | None) -> str:
    """A text that a column can hold, of the same length and without the marks of matches."""
    return _MARKS.sub("?", text or "").encode("utf-8", "replace").decode()


def _spans(marked: str) -> Iterator[Span]:
    begin = place = 0
    for number, piece in enumerate(_MARKS.split(marked)):
        match number % 3:
            case 0:
                place += len(piece)
            case 1:
                begin, place = place, place + len(piece)
            case _:
                yield begin, place, piece
