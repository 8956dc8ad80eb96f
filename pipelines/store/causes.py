"""What keeps a file from being written or read, as a clause that names the cure.

The system tells Python by a number (`errno`). The engines of tables write and read by themselves, and pass the number on in
their words at best: `(os error 28)` of polars, `: No space left on device` of DuckDB.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import CurateError, StoreError

_NO_LOCKS = (
    "its file system grants no locks (flock), so two builds could spoil each other; put the workspace on another"
)

_SHORT = {
    errno.ENOSPC: "the disk is full; free some room and run the same command again, nothing finished is lost",
    errno.EDQUOT: "the disk quota is used up; free some room and run the same command again, nothing finished is lost",
    errno.EFBIG: "a file may not grow as large as this; raise the limit with `ulimit -f unlimited`",
    errno.EROFS: "the file system is read-only",
    errno.EMFILE: "this process has too many files open; raise the limit with `ulimit -n 4096`",
    errno.ENFILE: "this machine has too many files open; close some programs and run the same command again",
    errno.EIO: "its disk reports an error (EIO); see to the disk, then run the same command again",
    errno.ESTALE: "its file server has forgotten the file (ESTALE); mount it anew and run the same command again",
}
"""What the machine is short of, whoever asked for it."""

_CAUSES = {
    **_SHORT,
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a file is where a folder is needed",
    errno.EEXIST: "a file is where a folder is needed",
    errno.EISDIR: "a folder is where a file is needed; name the file",
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.ENAMETOOLONG: "the name is longer than its file system takes; choose a shorter one",
}
_ENGINES = frozenset({"duckdb", "_duckdb", "polars", "pyarrow"})
_OTHERS = (FileNotFoundError, BlockingIOError, InterruptedError)
"""Of these the caller knows what they mean."""

_NUMBER = re.compile(r"\(os error (\d+)\)")
_WORDS = {
    **{os.strerror(code): code for code in _CAUSES},
    "max_temp_directory_size": errno.ENOSPC,  # DuckDB has used up the disk of its temporary files
}


def cause_of(error: BaseException) -> str | None:
    """What kept a file from being written or read; None for what is no error of the system."""
    code = _code(error)
    if code is None or isinstance(error, _OTHERS):
        return None
    return _CAUSES.get(code) or f"{os.strerror(code)} ({errno.errorcode.get(code, code)})"


def shortage(error: BaseException) -> str | None:
    """What the machine is short of, by an error of any place; None where it says nothing of that."""
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error):  # Python's words for any of them
        return "no folder for temporary files can be written, or too many files are open; see TMPDIR and `ulimit -n`"
    return _SHORT.get(_code(error) or 0)


@contextmanager
def shortages(place: Path) -> Iterator[None]:
    """Turn what the machine is short of into one sentence, whoever met it: a table may be read or written anywhere."""
    try:
        yield
    except Exception as error:
        cause = shortage(error)
        if cause is None:
            raise
        raise StoreError(f"Cannot go on in {getattr(error, 'filename', None) or place}: {cause}.") from error


def _code(error: BaseException) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, CurateError):
        return None
    if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in _ENGINES:
        return None
    words = str(error)
    number = _NUMBER.search(words)
    if number is not None:
        return int(number[1])
    return next((code for text, code in _WORDS.items() if text in words), None)
