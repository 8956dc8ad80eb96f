"""The columns that ingest reads, and the SQL that brings any SELECT to them, whatever types its source has.

| column | meaning |
|---|---|
| `question`, `answer` | required; texts, the answer as published (lists and structs become JSON text) |
| `conversation` | instead of both: a chat (LLaVA, ShareGPT, messages); its first question and the reply to it |
| `image`, `images` | one or several: path, `data:` address, base64, bytes, or a struct of `bytes` and `path`; null: none |
| `options` | list of texts, or a text that holds them (`pipelines.sources.values.read_options`) |
| `kind` | answer kind of the row, instead of the source's |
| `verifier_params`, `meta` | JSON text, or a struct |
| `group`, `domain`, `lang`, `row` | texts; `row` is the source's own name of the row, else its number |

A path starts from the source's folder and stays in it once links are resolved (`image_root` opens other folders); else
the row is dropped as `ingest:image_outside`. Images are not downloaded: a row whose image is an http(s), s3, … address is
dropped as `ingest:remote_image`.
"""

import difflib
import re
from collections.abc import Mapping, Sequence

import polars as pl

from filters.sql.engine import quoted
from pipelines.sources.given import PREFIX, Type, given
from pipelines.sources.values import NONE, read_chat, read_images, read_options
from schemas.errors import ConfigError

REQUIRED = ("question", "answer")
_TEXTS = ("question", "answer", "kind", "group", "domain", "lang", "row")
_JSONS = ("verifier_params", "meta")
KNOWN = (*_TEXTS, *_JSONS, "image", "images", "options", "conversation")

_IMAGES = pl.List(pl.Struct({"bytes": pl.Binary, "path": pl.String}))

ROW = pl.Schema(
    {
        **dict.fromkeys(("question", "answer", "kind", "group", "domain", "lang", "row", *_JSONS), pl.String()),
        "answer_json": pl.String(),
        "options": pl.List(pl.String),
        "options_text": pl.String(),
        "options_ok": pl.Boolean(),
        "images": _IMAGES,
        "unread": pl.String(),
        "odd": pl.String(),
        "too_large": pl.Int64(),
    }
)
"""What `pipelines.sources.read` yields. `answer_json` is the answer as JSON where it was published as no text.
`options_ok` is false where `options_text` holds no list of texts, `unread` a conversation that is none, `odd` names one of
the source's `columns` that has not its type in this row. `too_large` is the size in bytes of a row that holds more than one
may, and whose other columns are null. Those columns follow, their names after `given.PREFIX`."""

_LATER = ("options_ok", "unread", "too_large")
"""Columns of `ROW` that are found when rows are read."""

_FOUND = ("images_text", "conversation")
"""Texts that `settled` reads into columns of `ROW`."""

_UNTYPED = {'"NULL"': "VARCHAR", "INTEGER": "VARCHAR", '"NULL"[]': "VARCHAR[]", "INTEGER[]": "VARCHAR[]"}
"""What DuckDB calls a column (or lists) without a single value; version 1 makes no difference between that and integers.
They are read as texts, so that an integer where an image or options should be drops its row and not the build."""

_STRUCT = "{{'bytes': {}, 'path': {}}}"


def projection(
    source: str, columns: Mapping[str, str], *, selected: bool, kept: Mapping[str, Type] | None = None
) -> str:
    """The SELECT list that turns columns (name → DuckDB type) into `ROW`. ConfigError says what is wrong and near.

    `selected`: the user wrote the SELECT, so a column with nearly the name of one we read is a mistake. `kept` are the
    columns that samples keep, with their types (`pipelines.sources.given`).
    """
    found = {name.lower(): (name, kind) for name, kind in columns.items()}
    _check_names(source, [name for name in columns if name.lower() not in (kept or {})], selected)
    parts = {name: _text(source, *found[name]) for name in _TEXTS if name in found}
    parts |= {name: _json(*found[name]) for name in _JSONS if name in found}
    parts.setdefault("row", "CAST(row_number() OVER () - 1 AS VARCHAR)")
    if "answer" in found and found["answer"][1] != "VARCHAR":
        parts["answer_json"] = _json(*found["answer"])
    if "conversation" in found:
        parts["conversation"] = _text(source, *found["conversation"])
    if "options" in found:
        parts |= _options(source, *found["options"])
    for name in ("image", "images"):
        if name in found:
            parts |= _images(source, *found[name])
    types = {"options": "VARCHAR[]", "images": "STRUCT(bytes BLOB, path VARCHAR)[]"}
    for name in (*ROW, *_FOUND):
        parts.setdefault(name, f"CAST(NULL AS {types.get(name, 'VARCHAR')})")
    parts |= (own := given(source, kept or {}, found))
    names = [name for name in dict.fromkeys((*ROW, *_FOUND, *own)) if name not in _LATER]
    return ", ".join(f'{parts[name]} AS "{name}"' for name in names)


def settled(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of `projection` as rows of `ROW`: texts that hold options, images or a chat are read, cell by cell."""
    columns: dict[str, pl.Series | pl.Expr] = {"options_ok": pl.lit(True), "unread": pl.lit(None, pl.String)}
    if rows["options_text"].null_count() < rows.height:
        own, texts = rows["options"].to_list(), rows["options_text"].to_list()
        read = [read_options(text) for text in texts]
        given = [before if text is None else found for before, text, found in zip(own, texts, read, strict=True)]
        columns["options"] = pl.Series(given, dtype=ROW["options"])
        columns["options_ok"] = pl.Series([found is not None for found in read], dtype=pl.Boolean)
    images = _named_images(rows["images_text"])
    if rows["conversation"].null_count() < rows.height:
        texts = rows["conversation"].to_list()
        chats = [None if text is None else read_chat(text) for text in texts]
        for name in REQUIRED:
            spoken = pl.Series([None if chat is None else getattr(chat, name) for chat in chats], dtype=pl.String)
            columns[name] = rows[name].zip_with(rows[name].is_not_null(), spoken)
        unread = [text if chat is None else None for text, chat in zip(texts, chats, strict=True)]
        columns["unread"] = pl.Series(unread, dtype=pl.String)
        shown = pl.Series([(chat.images if chat else None) or None for chat in chats], dtype=_IMAGES)
        images = shown if images is None else images.zip_with(images.is_not_null(), shown)
    if images is not None:
        columns["images"] = rows["images"].zip_with(rows["images"].is_not_null(), images)
    own = [name for name in rows.columns if name.startswith(PREFIX)]
    return rows.with_columns(**columns).select(*(pl.col(name).cast(kind) for name, kind in ROW.items()), *own)


def _named_images(texts: pl.Series) -> pl.Series | None:
    """The images that texts name, null where there are none. Plain paths, which most are, stay out of Python."""
    if texts.null_count() == len(texts):
        return None
    if texts.str.strip_chars_start().str.contains(r"^[\[{]").any():
        return pl.Series([read_images(text) for text in texts.to_list()], dtype=_IMAGES)
    path = pl.when(~pl.col("path").str.strip_chars().is_in(NONE)).then("path")
    image = pl.concat_list(pl.struct(pl.lit(None, pl.Binary).alias("bytes"), "path"))
    return pl.DataFrame({"path": texts}).select(pl.when(path.is_not_null()).then(image))["bytes"].cast(_IMAGES)


def nearest(name: str, names: Sequence[str]) -> str:
    """The names most like `name`, or all of them (at most ten), as words for a message."""
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], 3)
    if close:
        return "the nearest columns are " + ", ".join(f"'{n}'" for n in names if n.lower() in close)
    return "the columns are " + (", ".join(f"'{n}'" for n in list(names)[:10]) or "none")


def _check_names(source: str, names: Sequence[str], selected: bool) -> None:
    lower = {name.lower() for name in names}
    for wanted in REQUIRED:
        if wanted not in lower and "conversation" not in lower:
            cure = f"name it in 'select', for example: SELECT … AS {wanted} FROM raw"
            raise ConfigError(f"Source '{source}': no column '{wanted}'; {nearest(wanted, names)}. To cure it, {cure}.")
    if {"image", "images"} <= lower:
        raise ConfigError(f"Source '{source}': give 'image' or 'images', not both.")
    for name in sorted(lower - set(KNOWN)) if selected else ():
        for meant in difflib.get_close_matches(name, KNOWN, 1, 0.85):
            if meant not in lower:
                raise ConfigError(f"Source '{source}': 'select' gives a column '{name}'; did you mean '{meant}'?")


def _text(source: str, name: str, kind: str) -> str:
    column = quoted(name)
    if kind == "JSON":
        return f"{column} ->> '$'"
    if kind == "BLOB":
        raise ConfigError(f"Source '{source}': column '{name}' holds bytes where a text is wanted.")
    if _is_nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _json(name: str, kind: str) -> str:
    column = quoted(name)
    return f"CAST({column} AS VARCHAR)" if kind in ("JSON", "VARCHAR") else f"CAST(to_json({column}) AS VARCHAR)"


def _options(source: str, name: str, kind: str) -> dict[str, str]:
    column, kind = _typed(name, kind)
    inner = kind.removesuffix("[]")
    if kind == "VARCHAR":
        return {"options_text": column}
    if kind == "JSON":
        return {"options_text": f"{column} ->> '$'"}
    if inner == "JSON" or kind.startswith(("STRUCT", "MAP")) or _is_nested(inner):
        return {"options_text": f"CAST(to_json({column}) AS VARCHAR)"}
    if inner != kind:
        return {"options": f"CAST({column} AS VARCHAR[])"}
    raise ConfigError(f"Source '{source}': column '{name}' is {kind} where a list of texts is wanted.")


def _images(source: str, name: str, kind: str) -> dict[str, str]:
    column, kind = _typed(name, kind)
    inner = kind.removesuffix("[]")
    if kind == "VARCHAR":
        return {"images_text": column}
    if kind == "JSON":
        return {"images_text": f"{column} ->> '$'"}
    if inner == "JSON":
        return {"images_text": f"CAST(to_json({column}) AS VARCHAR)"}
    one = _image("x" if inner != kind else column, inner)
    if one is None:
        raise ConfigError(
            f"Source '{source}': column '{name}' is {kind}; wanted: a path, bytes, or a struct of bytes and path."
        )
    if inner != kind:
        return {"images": f"list_transform({column}, lambda x: {one})"}
    return {"images": f"CASE WHEN {_is_missing(column, kind)} THEN NULL ELSE [{one}] END"}


def _image(value: str, kind: str) -> str | None:
    """The struct of one image of a DuckDB type; None where the type cannot hold one."""
    if kind == "VARCHAR":
        return _STRUCT.format("CAST(NULL AS BLOB)", value)
    if kind == "BLOB":
        return _STRUCT.format(value, "CAST(NULL AS VARCHAR)")
    has_bytes, has_path = _fields(kind)
    if not (has_bytes or has_path):
        return None
    data = f"{value}.bytes" if has_bytes else "CAST(NULL AS BLOB)"
    return _STRUCT.format(data, f"{value}.path" if has_path else "CAST(NULL AS VARCHAR)")


def _is_missing(column: str, kind: str) -> str:
    if kind == "BLOB":
        return f"{column} IS NULL"
    has_bytes, has_path = _fields(kind)
    empty = [f"{column}.bytes IS NULL"] * has_bytes + [f"{column}.path IS NULL"] * has_path
    return f"{column} IS NULL OR ({' AND '.join(empty)})"


def _fields(kind: str) -> tuple[bool, bool]:
    """Whether a DuckDB type is a struct with bytes, and with a path."""
    is_struct = kind.startswith("STRUCT(")
    has_bytes = is_struct and re.search(r'\bbytes"? BLOB\b', kind) is not None
    return has_bytes, is_struct and re.search(r'\bpath"? VARCHAR\b', kind) is not None


def _is_nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def _typed(name: str, kind: str) -> tuple[str, str]:
    """The column as SQL and its type, columns without a type of their own as texts."""
    column = quoted(name)
    return (f"CAST({column} AS {_UNTYPED[kind]})", _UNTYPED[kind]) if kind in _UNTYPED else (column, kind)
