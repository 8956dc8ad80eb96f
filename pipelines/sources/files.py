"""Tables in files: parquet, JSON and CSV, by path, folder, glob or fsspec address. DuckDB scans them in place, but for those
that are packed in a zip file or written in another encoding (`pipelines.sources.texts`)."""

import glob
import os
import re
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, JsonValue

from filters.sql.engine import literal
from pipelines.sources.section import SMALL, SourceSection
from pipelines.sources.stored import facts, filesystem, found, is_gzip, is_remote, stored_bytes
from pipelines.sources.texts import as_utf8, by_plain_name, known_encoding, layout, read_head, unzipped
from pipelines.sources.unpacking import Allowance, weigh
from pipelines.store.allowed_paths import found_inside
from schemas.errors import ConfigError

_SPOILT = re.compile(r"(DATE|TIMESTAMP|TIMESTAMP_NS|TIMESTAMP WITH TIME ZONE|TIME|UUID)((?:\[\])*)")
"""Types that DuckDB guesses from JSON texts and writes back in another spelling."""

_LINE = 2**27
"""Bytes of the longest CSV line; TSV files of VLMEvalKit hold images."""


class FileSource(SourceSection):
    """Rows of one or many files with the same columns (a file that lacks a column has nulls there)."""

    SUFFIXES: ClassVar[tuple[str, ...]]
    ELSE: ClassVar[tuple[str, ...]] = ()
    """Suffixes that are looked for in a folder without files of the first ones."""

    path: str | tuple[str, ...] = Field(description="file, folder, glob or fsspec address (s3://…), or a list of these")

    def _folders(self) -> tuple[Path, ...]:
        """The folder of the first file, or of the pattern."""
        path = Path(self._patterns()[0]).expanduser()
        return (path if path.is_dir() else _base(path),)

    def stamp(self) -> JsonValue:
        stamps: list[JsonValue] = []
        for file in self.files():
            if is_remote(file):
                info = facts(file)
                stamps.append([file, *(str(info.get(key)) for key in ("size", "mtime", "LastModified", "ETag"))])
            else:
                stat = Path(file).stat()
                stamps.append([file, stat.st_size, stat.st_mtime_ns])
        return stamps

    def is_small(self) -> bool:
        files = self.files()
        return not any(map(is_remote, files)) and sum(Path(file).stat().st_size for file in files) <= SMALL

    def files(self) -> list[str]:
        return [file for pattern in self._patterns() for file in self._files(pattern)]

    def attach(self, connection: Any, scratch: Path) -> None:
        suffixes = (*self.SUFFIXES, *self.ELSE)
        given = self.files()
        files: list[str] = []
        for file in given:
            allowance = Allowance(f"Source '{self.name}': '{file}'", stored_bytes(file))
            zipped = file.lower().endswith(".zip")
            members = unzipped(self.name, file, suffixes, scratch, allowance) if zipped else [file]
            files += [by_plain_name(self._readable(member, scratch, allowance), scratch) for member in members]
        for protocol in {file.split("://")[0] for file in files if is_remote(file)}:
            connection.register_filesystem(filesystem(f"{protocol}://"))
        listed = "[" + ", ".join(literal(file) for file in files) + "]"
        connection.execute(f"CREATE VIEW raw AS SELECT * FROM {self._scan(connection, listed, files)}")

    def _readable(self, file: str, scratch: Path, allowance: Allowance) -> str:
        """The file, or a copy of it that DuckDB can read; what it unpacks to is taken from the allowance."""
        return file

    @abstractmethod
    def _scan(self, connection: Any, listed: str, files: list[str]) -> str:
        """The table function of this format over a SQL list of files."""

    def _patterns(self) -> tuple[str, ...]:
        patterns = (self.path,) if isinstance(self.path, str) else self.path
        if not patterns:
            raise ConfigError(f"Source '{self.name}': 'path' is an empty list.")
        return patterns

    def _files(self, pattern: str) -> list[str]:
        """The files of a pattern in the order of their names. ConfigError when there is none, or one cannot be read."""
        if is_remote(pattern):
            names = found(pattern) if glob.has_magic(pattern) else [pattern]
            files = [name if is_remote(name) else f"{pattern.split('://', maxsplit=1)[0]}://{name}" for name in names]
        else:
            files = self._local_files(str(Path(pattern).expanduser()))
        if not files and Path(pattern).expanduser().is_dir():
            held = sorted({p.suffix for p in Path(pattern).expanduser().rglob("*") if p.is_file()})
            raise ConfigError(
                f"Source '{self.name}': the folder '{pattern}' holds no {', '.join((*self.SUFFIXES, *self.ELSE))} file; "
                f"it holds {', '.join(filter(None, held)) or 'nothing'}."
            )
        if not files:
            raise ConfigError(f"Source '{self.name}': no file matches '{pattern}' (looked in {Path.cwd()}).")
        return files

    def _local_files(self, pattern: str) -> list[str]:
        path = Path(pattern)
        if path.is_dir():
            if not os.access(path, os.R_OK | os.X_OK):
                raise ConfigError(f"Source '{self.name}': the folder '{pattern}' cannot be read (permission denied).")
            found = sorted(str(p) for p in path.rglob("*") if p.is_file())
            first = [p for p in found if p.endswith(self.SUFFIXES)]
            files = first or [p for p in found if self.ELSE and p.endswith(self.ELSE)]
            return self._own(files, path)
        found = [pattern] if path.exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207  (may be absolute)
        files = sorted(f for f in found if Path(f).is_file())
        for file in files:
            if not os.access(file, os.R_OK):
                raise ConfigError(f"Source '{self.name}': '{file}' cannot be read (permission denied).")
        return files if path.exists() else self._own(files, _base(path))

    def _own(self, files: list[str], folder: Path) -> list[str]:
        """Files that were found below a folder. ConfigError for a link that leads out of it."""
        for file in files:
            found_inside(Path(file), folder, f"Source '{self.name}'")
        return files


class ParquetSource(FileSource):
    """Parquet files. Images may be paths, bytes, or the Hub's struct of both."""

    SUFFIXES = (".parquet",)
    type: Literal["parquet"] = "parquet"

    def _scan(self, connection: Any, listed: str, files: list[str]) -> str:
        return f"read_parquet({listed}, union_by_name = true)"


class TextSource(FileSource):
    """What files of text share."""

    LINES: ClassVar[bool] = False
    """Whether a line end is never part of a value, so that those of old Macs can be recognised."""

    PACKED: ClassVar[bool] = False
    """Whether DuckDB reads files that gzip packed in a stream. Of CSV it holds them in memory, to look at them twice."""

    encoding: Annotated[str, AfterValidator(known_encoding)] | None = Field(
        default=None,
        description="such as latin-1, cp1252 or utf-16-le; UTF-8, or UTF-16 with its mark, where not given",
    )

    def _readable(self, file: str, scratch: Path, allowance: Allowance) -> str:
        options = {"lines": self.LINES, "packed": self.PACKED}
        found = as_utf8(self.name, file, self.encoding, scratch, allowance, **options)
        if is_gzip(found):
            weigh(found, allowance)
        return found


class JsonlSource(TextSource):
    """JSON: one object a line, one list of objects (LLaVA, ShareGPT), or objects over several lines. In a folder, `.json`
    files are read where it holds no JSON lines. A line that is not JSON becomes a row of nulls, which ingest then drops with
    its reason; in a list it is an error."""

    SUFFIXES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
    ELSE = (".json", ".json.gz")
    LINES = PACKED = True
    type: Literal["jsonl", "json"] = "jsonl"

    def _scan(self, connection: Any, listed: str, files: list[str]) -> str:
        # All lines are looked at before a type is chosen: an answer that is a number ten thousand times and then a word
        # must not break the build at that word.
        form = layout(self.name, files)
        options = f"{listed}, format = '{form}'" + (", ignore_errors = true" if form == "newline_delimited" else "")
        found = connection.execute(
            f"DESCRIBE SELECT * FROM read_json({options}, union_by_name = true, sample_size = -1)"
        ).fetchall()
        if [name for name, *_ in found] == ["json"] and b'"json"' not in read_head(
            files[0]
        ):  # DuckDB's name for bare values
            where = {"newline_delimited": ", one a line", "array": " in its list", "unstructured": ""}[form]
            raise ConfigError(f"Source '{self.name}': {files[0]} holds no JSON objects{where}.")
        columns = ", ".join(f"{literal(name)}: {literal(_SPOILT.sub(_as_text, kind))}" for name, kind, *_ in found)
        return f"read_json({options}, columns = {{{columns}}})"


class CsvSource(TextSource):
    """CSV or TSV with a header. Every column is text, as published; cast in the SELECT where another type is wanted."""

    SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
    type: Literal["csv", "tsv"] = "csv"

    def _scan(self, connection: Any, listed: str, files: list[str]) -> str:
        # Left to choose, DuckDB takes buffers of sixteen such lines, which are 2 GiB.
        lines = f"max_line_size = {_LINE}, buffer_size = {_LINE}"
        options = f"header = true, all_varchar = true, union_by_name = true, sample_size = -1, {lines}"
        tabs = ", delim = '\t'" if all(file.removesuffix(".gz").endswith(".tsv") for file in files) else ""
        return f"read_csv({listed}, {options}{tabs})"


def _base(path: Path) -> Path:
    """The folder in which a file lies, or below which a pattern looks."""
    return next(p for p in path.parents if not glob.has_magic(str(p)))


def _as_text(match: re.Match[str]) -> str:
    return "VARCHAR" + match.group(2) if match.group(0) == match.string else match.group(0)
