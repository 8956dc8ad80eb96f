"""Text files as they come: packed, in another encoding, with other line ends, as lines or as one list.

DuckDB reads UTF-8 with line feeds. What is written otherwise is written anew, once, in a private folder that is gone when
the source has been read; what cannot be read is one sentence that says what it is and what to do.
"""

import codecs
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pipelines.sources.stored import is_gzip, opened
from pipelines.sources.unpacking import PACKINGS, STREAMED, Allowance, counted
from pipelines.store.table_files import is_pattern, plain_name
from schemas.errors import ConfigError

HEAD = 2**20
"""Bytes from which an encoding and a layout are known."""

_DAMAGED = 0.01
"""Share of lines that may be no UTF-8 before a file is taken for one in another encoding."""

_PIECE = 2**20
MEMBERS = 10_000
"""Tables that are read of one zip file."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Layout = Literal["newline_delimited", "array", "unstructured"]
"""As DuckDB calls them: one object a line, one list of objects, objects over several lines."""


def known_encoding(name: str) -> str:
    """The name, where Python knows a text encoding of that name. Raises ValueError."""
    try:
        codec = codecs.lookup(name)
    except LookupError:
        raise ValueError(
            f"no encoding '{name}'; for example utf-8, latin-1, cp1252, utf-16, gb18030, shift_jis"
        ) from None
    if not getattr(codec, "_is_text_encoding", True):
        raise ValueError(f"'{name}' is no encoding of texts")
    return name


def unzipped(source: str, file: str, suffixes: Sequence[str], scratch: Path, allowance: Allowance) -> list[str]:
    """The members of a zip file whose names end in `suffixes`, unpacked into `scratch`, in the order of their names."""
    found = []
    try:
        with opened(file) as stream, zipfile.ZipFile(stream) as archive:
            held = archive.infolist()
            members = [m for m in held if m.filename.endswith(tuple(suffixes)) and "__MACOSX/" not in m.filename]
            if not members:
                names = ", ".join(member.filename for member in held[:5]) or "nothing"
                raise ConfigError(
                    f"Source '{source}': '{file}' holds no {' or '.join(suffixes)} file; it holds {names}."
                )
            if len(members) > MEMBERS:
                raise ConfigError(
                    f"Source '{source}': '{file}' holds {len(members):,} tables, and {MEMBERS:,} are read of one zip "
                    "file; unpack it yourself, and name the folder."
                )
            for member in sorted(members, key=lambda member: member.filename):
                if member.compress_type not in STREAMED:
                    raise NotImplementedError(
                        f"'{member.filename}' is packed in an unusual way; zip it anew, or unpack it"
                    )
                target = _free(scratch, member.filename)
                with counted(archive.open(member), allowance) as unpacked, target.open("wb") as copy:
                    shutil.copyfileobj(unpacked, copy, _PIECE)
                found.append(str(target))
    except (zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: a password is wanted
        raise ConfigError(f"Source '{source}': '{file}' cannot be unpacked: {error}.") from error
    return found


def as_utf8(
    source: str, file: str, encoding: str | None, scratch: Path, allowance: Allowance, *, lines: bool, packed: bool
) -> str:
    """The file, where DuckDB can read it; else a copy in UTF-8. With `lines`, line ends of a lone CR become LF. `packed`
    says whether it may stay packed by gzip.

    Raises ConfigError for a file that is not in `encoding`, or, where none is given, not in UTF-8 or marked UTF-16.
    """
    if file.lower().endswith(PACKINGS):
        raise ConfigError(f"Source '{source}': '{file}' is packed in a way that is not read; unpack it, or use .gz.")
    head = read_head(file)
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    wanted = encoding or marked
    if wanted is None:
        _check_utf8(source, file, head, lines)
    old_mac = lines and b"\r" in head and b"\n" not in head
    is_utf8 = wanted is None or (codecs.lookup(wanted).name == "utf-8" and marked is None)
    if is_utf8 and not old_mac and (packed or not is_gzip(file)):
        return file
    target = _free(scratch, file[:-3] if is_gzip(file) else file)
    with counted(opened(file), allowance) as stream, target.open("wb") as copy:
        if is_utf8 and not old_mac:
            shutil.copyfileobj(stream, copy, _PIECE)
            return str(target)
        text = marked if marked and (encoding is None or codecs.lookup(encoding).name == "utf-8") else wanted or "utf-8"
        try:
            with (
                io.TextIOWrapper(stream, encoding=text, newline=None if lines else "") as reader,
                io.TextIOWrapper(copy, encoding="utf-8", newline="") as written,
            ):
                shutil.copyfileobj(reader, written, _PIECE)
        except UnicodeError as error:
            raise ConfigError(
                f"Source '{source}': '{file}' is not {text} ({getattr(error, 'reason', error)}); name its own 'encoding'."
            ) from error
    return str(target)


def by_plain_name(file: str, scratch: Path) -> str:
    """The file, or a link to it in `scratch` where DuckDB would take its path for a pattern."""
    if "://" in file or not is_pattern(file):
        return file
    link = _free(scratch, file)
    link.symlink_to(Path(file).absolute())
    return str(link)


def layout(source: str, files: Iterable[str]) -> Layout:
    """How JSON files lay out their objects. Raises ConfigError where files differ."""
    found: dict[Layout, str] = {}
    for file in files:
        found.setdefault(_layout(read_head(file)), file)
    if len(found) > 1:
        (one, first), (other, second), *_ = found.items()
        layouts = {
            "newline_delimited": "one object a line",
            "array": "one list",
            "unstructured": "one object over lines",
        }
        raise ConfigError(
            f"Source '{source}': '{first}' holds {layouts[one]} and '{second}' {layouts[other]}; name them as two sources."
        )
    return next(iter(found), "newline_delimited")


def read_head(file: str) -> bytes:
    """The first `HEAD` bytes, unpacked."""
    with opened(file) as stream:
        return stream.read(HEAD)


def _layout(head: bytes) -> Layout:
    text = head.decode("utf-8", "ignore").lstrip("\ufeff \t\r\n")
    if text.startswith("["):
        return "array"
    lines = [line for line in text.split("\n")[:100] if line.strip()]
    if len(text.encode()) >= HEAD - 8 and len(lines) > 1:
        lines = lines[:-1]  # it may be cut
    return (
        "unstructured"
        if text.startswith("{") and len(lines) > 1 and not any(map(_is_object, lines))
        else "newline_delimited"
    )


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _check_utf8(source: str, file: str, head: bytes, lines: bool) -> None:
    """Raise ConfigError for another encoding. Few damaged lines of many are rows to drop."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=len(head) < HEAD)
    except UnicodeDecodeError as error:
        parts = head.split(b"\n")
        if lines and sum(not _is_utf8(part) for part in parts) <= len(parts) * _DAMAGED:
            return
        raise ConfigError(
            f"Source '{source}': '{file}' is not UTF-8 (byte 0x{head[error.start]:02x} at {error.start}); name its "
            "'encoding', such as latin-1 or cp1252."
        ) from None
    if b"\0" in head:
        raise ConfigError(
            f"Source '{source}': '{file}' holds null characters, as UTF-16 does; name its 'encoding', such as utf-16-le."
        )


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _free(scratch: Path, name: str) -> Path:
    """A new path for a file of that name, in a folder of its own, because files of two folders may have one name."""
    return Path(tempfile.mkdtemp(dir=scratch)) / plain_name(Path(name).name)
