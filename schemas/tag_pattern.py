"""Tag schemas as regular expressions, for engines that hold decoding to one. What matches, `parse_tags` reads.

Only what every engine's expressions have is used: no look-around. So texts of sections are held a little closer than the
parser asks: `<` is followed by no letter, `/` or `|` in them, so that they hold no mark.
"""

import re
from collections.abc import Mapping

from schemas.errors import nearest
from schemas.tags import Tag, TagSchema

_BODY = r"(?:[^<]|<[^</A-Za-z|])"
_START = r"[^<\s]"
_FLAT = r"(?:[^{}\\<]|\\[A-Za-z])"
_BOX = rf"\\boxed\{{(?:[^{{}}\\<\s]|\\[A-Za-z])(?:{_FLAT}|\{{(?:{_FLAT}|\{{{_FLAT}*\}})*\}})%s\}}"


def tag_pattern(
    schema: TagSchema, longest: int | None = None, held: Mapping[str, str] | None = None, begun: str = ""
) -> str | None:
    """The expression of a schema's replies; None for one that is free text, or that has sections in sections.

    `longest` is about how many characters all sections may have together. `held` are expressions of the whole text of
    sections, by their names. `begun` is how the reply was made to begin, which the expression leaves out: a part of its
    first section, or there is None.
    """
    if any(tag.within is not None and not tag.optional for tag in schema.sections):
        return None
    tags = [tag for tag in schema.sections if tag.within is None]
    first, held = tags[0], held or {}
    if len(tags) == 1 and not first.open and schema.inner == "text" and not held:
        return None
    if begun and not (begun.startswith(first.open) and (not first.close or first.close not in begun)):
        return None
    each = "*" if longest is None else f"{{0,{max(longest // len(tags) - 2, 0)}}}"
    parts = [_section(tag, schema, each, tags[i + 1 :], held.get(tag.name)) for i, tag in enumerate(tags)]
    if begun and first.open:
        opening = _literal(first.open)
        parts[0] = parts[0].removeprefix(opening).removeprefix(_START)
    return "".join(parts)


def check_held(schema: TagSchema, held: Mapping[str, str]) -> None:
    """Raise ValueError, in a sentence, where `held` names no section of the schema, or is no expression."""
    names = [tag.name for tag in schema.sections if tag.within is None]
    for name, pattern in held.items():
        if name not in names:
            near = nearest(name, names)
            raise ValueError(f"'{schema.name}' has no section '{name}', but {', '.join(names)}{near and '.' + near}")
        try:
            empty = re.compile(pattern).fullmatch("") is not None
        except re.error as error:
            raise ValueError(f"'{pattern}' of the section '{name}' is no regular expression: {error}") from None
        if empty:
            raise ValueError(f"'{pattern}' lets the section '{name}' be empty, which no reply's is")


def _literal(mark: str) -> str:
    return re.sub(r"([\\.^$|?*+()\[\]{}])", r"\\\1", mark)


def _section(tag: Tag, schema: TagSchema, each: str, later: list[Tag], held: str | None) -> str:
    body = f"{_START}{_BODY}{each}"
    if held is not None:
        body = f"(?:{held})"
    elif not tag.close:
        body = _open_ended(later[0].open if later else tag.open, each, last=not later)
    if tag.name == schema.answer and schema.inner == "boxed" and held is None:
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
