"""Tag schemas as regular expressions, for engines that hold decoding to one. What matches, `parse_tags` reads.

Only what every engine's expressions have is used: no look-around. So texts of sections are held a little closer than the
parser asks: `<` is followed by no letter, `/` or `|` in them, so that they hold no mark.
"""

import re

from schemas.tags import Tag, TagSchema

_BODY = r"(?:[^<]|<[^</A-Za-z|])"
_START = r"[^<\s]"
_FLAT = r"(?:[^{}\\<]|\\[A-Za-z])"
_BOX = rf"\\boxed\{{(?:[^{{}}\\<\s]|\\[A-Za-z])(?:{_FLAT}|\{{(?:{_FLAT}|\{{{_FLAT}*\}})*\}})%s\}}"


def tag_pattern(schema: TagSchema, longest: int | None = None) -> str | None:
    """The expression of a schema's replies; None for one that is free text, or that has sections in sections.

    `longest` is about how many characters all sections may have together.
    """
    if any(tag.within is not None and not tag.optional for tag in schema.sections):
        return None
    tags = [tag for tag in schema.sections if tag.within is None]
    if len(tags) == 1 and not tags[0].open and schema.inner == "text":
        return None
    each = "*" if longest is None else f"{{0,{max(longest // len(tags) - 2, 0)}}}"
    parts = [_section(tag, schema, each, tags[i + 1 :]) for i, tag in enumerate(tags)]
    return "".join(parts)


def _literal(mark: str) -> str:
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", mark)


def _section(tag: Tag, schema: TagSchema, each: str, later: list[Tag]) -> str:
    body = f"{_START}{_BODY}{each}"
    if not tag.close:
        body = _open_ended(later[0].open if later else tag.open, each, last=not later)
    if tag.name == schema.answer and schema.inner == "boxed":
        box = _BOX % each
        body = box if tag.open else rf"(?:{body}\n)?{box}"
    gap = r"\n?" if later and tag.close else r"\n" if later else ""
    space = " " if tag.open and not tag.close else ""
    whole = f"{_literal(tag.open)}{space}{body}{_literal(tag.close)}{gap}"
    return f"(?:{whole})?" if tag.optional else whole


def _open_ended(mark: str, each: str, *, last: bool) -> str:
    """A text that runs up to a mark without being closed: it does not hold the mark's last two characters."""
    if not mark or mark.startswith("<"):
        return f"{_START}{_BODY}{each}"
    one, two = _literal(mark[-2]), _literal(mark[-1])
    space = r"\n" if last else ""
    return rf"[^\s{two}](?:[^{two}{space}]|[^{one}{two}{space}]{two}){each}"
