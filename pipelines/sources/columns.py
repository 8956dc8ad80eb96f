"""The columns that ingest reads, and the SQL that brings any SELECT to them, whatever types its source has.

| column | meaning |
|---|---|
| `question`, `answer` | required; texts, the answer as published (lists and structs become JSON text) |
| `image`, `images` | one or several: a path, a `data:` address, bytes, or a struct of `bytes` and `path`; null: no image |
| `options` | list of texts, or JSON text of one |
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

from schemas.errors import ConfigError

REQUIRED = ("question", "answer")
_TEXTS = ("question", "answer", "kind", "group", "domain", "lang", "row")
_JSONS = ("verifier_params", "meta")
KNOWN = (*_TEXTS, *_JSONS, "image", "images", "options")

ROW = pl.Schema(
    {
        **dict.fromkeys(("question", "answer", "kind", "group", "domain", "lang", "row", *_JSONS), pl.String()),
        "options": pl.List(pl.String),
        "options_ok": pl.Boolean(),
        "images": pl.List(pl.Struct({"bytes": pl.Binary, "path": pl.String})),
    }
)
"""What `pipelines.sources.read` yields. `options_ok` is false where options were given and are not a list of texts."""

_UNTYPED = {'"NULL"': "VARCHAR", "INTEGER": "VARCHAR", '"NULL"[]': "VARCHAR[]", "INTEGER[]": "VARCHAR[]"}
"""What DuckDB calls a column (or lists) without a single value; version 1 makes no difference between that and integers.
They are read as texts, so that an integer where an image or options should be drops its row and not the build."""

_STRUCT = "{{'bytes': {}, 'path': {}}}"


def projection(source: str, columns: Mapping[str, str], *, selected: bool) -> str:
    """The SELECT list that turns columns (name → DuckDB type) into `ROW`. ConfigError says what is wrong and near.

    `selected`: the user wrote the SELECT, so a column with nearly the name of one we read is a mistake.
    """
    found = {name.lower(): (name, kind) for name, kind in columns.items()}
    _check_names(source, list(columns), selected)
    parts = {name: _text(source, *found[name]) for name in _TEXTS if name in found}
    parts |= {name: _json(*found[name]) for name in _JSONS if name in found}
    parts.setdefault("row", "CAST(row_number() OVER () - 1 AS VARCHAR)")
    options = _options(source, *found["options"]) if "options" in found else "CAST(NULL AS VARCHAR[])"
    given = f"{_given(*found['options'])} IS NULL" if "options" in found else "true"
    images = next((_images(source, *found[name]) for name in ("image", "images") if name in found), None)
    typed = "CAST(NULL AS STRUCT(bytes BLOB, path VARCHAR)[])" if images is None else images
    parts |= {"options": options, "options_ok": f"({given}) OR ({options}) IS NOT NULL", "images": typed}
    return ", ".join(f'{parts.get(name, "CAST(NULL AS VARCHAR)")} AS "{name}"' for name in ROW)


def nearest(name: str, names: Sequence[str]) -> str:
    """The names most like `name`, or all of them (at most ten), as words for a message."""
    close = difflib.get_close_matches(name.lower(), [n.lower() for n in names], 3)
    if close:
        return "the nearest columns are " + ", ".join(f"'{n}'" for n in names if n.lower() in close)
    return "the columns are " + (", ".join(f"'{n}'" for n in list(names)[:10]) or "none")


def _check_names(source: str, names: Sequence[str], selected: bool) -> None:
    lower = {name.lower() for name in names}
    for wanted in REQUIRED:
        if wanted not in lower:
            cure = f"name it in 'select', for example: SELECT … AS {wanted} FROM raw"
            raise ConfigError(f"Source '{source}': no column '{wanted}'; {nearest(wanted, names)}. To cure it, {cure}.")
    if {"image", "images"} <= lower:
        raise ConfigError(f"Source '{source}': give 'image' or 'images', not both.")
    for name in sorted(lower - set(KNOWN)) if selected else ():
        for meant in difflib.get_close_matches(name, KNOWN, 1, 0.85):
            if meant not in lower:
                raise ConfigError(f"Source '{source}': 'select' gives a column '{name}'; did you mean '{meant}'?")


def _text(source: str, name: str, kind: str) -> str:
    column = _quoted(name)
    if kind == "JSON":
        return f"{column} ->> '$'"
    if kind == "BLOB":
        raise ConfigError(f"Source '{source}': column '{name}' holds bytes where a text is wanted.")
    if _is_nested(kind):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def _json(name: str, kind: str) -> str:
    column = _quoted(name)
    return f"CAST({column} AS VARCHAR)" if kind in ("JSON", "VARCHAR") else f"CAST(to_json({column}) AS VARCHAR)"


def _given(name: str, kind: str) -> str:
    """Null where no options are given: SQL null, JSON null, or an empty CSV cell."""
    column, kind = _typed(name, kind)
    return f"({column} ->> '$')" if kind == "JSON" else f"NULLIF({column}, '')" if kind == "VARCHAR" else column


def _options(source: str, name: str, kind: str) -> str:
    column, kind = _typed(name, kind)
    if kind in ("JSON", "VARCHAR"):
        return f"TRY_CAST(TRY_CAST({column} AS JSON) AS VARCHAR[])"
    if kind == "JSON[]":  # texts and numbers side by side
        return f"CAST(to_json({column}) AS VARCHAR[])"
    if kind.endswith("[]"):
        return f"CAST({column} AS VARCHAR[])"
    raise ConfigError(f"Source '{source}': column '{name}' is {kind} where a list of texts is wanted.")


def _images(source: str, name: str, kind: str) -> str:
    column, kind = _typed(name, kind)
    if kind == "JSON":
        column, kind = f"({column} ->> '$')", "VARCHAR"
    if name.lower() == "images" and kind == "VARCHAR":  # a CSV cell or a JSON column: a JSON list of paths, or one path
        listed = f"coalesce(TRY_CAST(TRY_CAST({column} AS JSON) AS VARCHAR[]), [{column}])"
        transformed = f"list_transform({listed}, lambda x: {_image('x', 'VARCHAR')})"
        return f"CASE WHEN {column} IS NULL OR {column} = '' THEN NULL ELSE {transformed} END"
    inner = kind.removesuffix("[]")
    one = _image("x" if inner != kind else column, inner)
    if one is None:
        raise ConfigError(
            f"Source '{source}': column '{name}' is {kind}; wanted: a path, bytes, or a struct of bytes and path."
        )
    if inner != kind:
        return f"list_transform({column}, lambda x: {one})"
    return f"CASE WHEN {_is_missing(column, kind)} THEN NULL ELSE [{one}] END"


def _image(value: str, kind: str) -> str | None:
    """The struct of one image of a DuckDB type; None where the type cannot hold one."""
    if kind == "JSON":
        return _image(f"({value} ->> '$')", "VARCHAR")
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
    if kind == "VARCHAR":
        return f"{column} IS NULL OR {column} = ''"
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
    column = _quoted(name)
    return (f"CAST({column} AS {_UNTYPED[kind]})", _UNTYPED[kind]) if kind in _UNTYPED else (column, kind)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
