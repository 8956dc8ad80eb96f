"""The parts of a log in one folder. Whoever lists them gets those that are as they were written, as far as he reads them.

One that is not is set aside: it gets a name that says why, stays where it is, and is reported in a sentence. What it held is
missing from then on, so it is asked or computed again; nothing else stops.
"""

import logging
import os
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from pathlib import Path

import polars as pl

from pipelines.remote.places import copy_of
from pipelines.store.part_file import DamagedError, Proof, model_name, part_name, seal, size_of
from pipelines.store.part_keys import Places, Wanted, pack
from pipelines.store.row_groups import Groups, TableWriter
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import settle, store_errors
from schemas.errors import StoreError

logger = logging.getLogger(__name__)

Shape = Callable[[pl.Schema], bool]
"""Whether a table has the columns of a log."""

GROUPS = Groups(1024, 4 << 20)
"""Row groups of parts: who needs one row reads and proves the group that has it. Smaller ones would be cheaper to read and
dearer to find: of each, every part says at its end where its columns lie, and their hashes."""

_Seen = tuple[str, int, int, int]
_PROOFS: dict[_Seen, Proof] = {}
"""What this process has proven, of files as they were then: each byte is hashed once a process."""
_LEFT_OUT: set[_Seen] = set()
"""Damaged files that could not be given another name."""


class PartFolder:
    """The parts in `folder` of the log `of` (with its model, where all are of one).

    `by` are the columns that say of which model a row is; `sort` are those by which parts are sorted.
    """

    def __init__(
        self, folder: Path, of: str, shape: Shape, *, by: tuple[str, ...] = (), sort: tuple[str, ...] = ("key",)
    ) -> None:
        self.lost = 0
        """How many parts were set aside through this object."""
        self._shapes: set[str] = set()
        self.folder, self._of, self._shape, self._by, self._sort = folder, of, shape, by, sort

    def write(self, table: pl.DataFrame) -> list[Path]:
        """Write rows as parts, one a model, and return their paths. The same rows give the same parts.

        When this returns they are on the disk.
        """
        if not self._shape(table.schema):  # whoever reads it would set it aside
            raise RuntimeError(f"a table of {dict(table.schema)} is no part of {self._of}")
        if not table.height:
            return []
        if not self._by:
            return [self._write([table], table.schema, "")]
        groups = table.partition_by(self._by, maintain_order=True)
        return [self._write([own], own.schema, model_name(*own.select(self._by).row(0))) for own in groups]

    def join(self, paths: Sequence[Path], pieces: Iterable[pl.DataFrame]) -> Path:
        """Write the rows of parts of one model, a row group a piece, as a part that replaces them, and remove none."""
        schema = self.proof(paths[0]).schema
        return self._write(pieces, schema, _model(paths[0]), [path.name for path in paths])

    def parts(self, columns: Collection[str] | None = None) -> list[Path]:
        """The parts, in the order of their names, of which these columns (None: all) are as they were written."""
        if columns is not None and not columns:
            return self.listed()
        while True:
            lost = self.lost
            found = [path for path in self.listed() if self.holds(path, None, columns)]
            if self.lost == lost:  # else it may be that one which was replaced counts again
                return found

    def listed(self) -> list[Path]:
        """The parts whose digests are as they were written, without those that another replaces."""
        there = [path for path in self._all() if self.holds(path, None, ())]
        replaced = {name for path in there for name in self._replaces(path)}
        return [path for path in there if path.name not in replaced] if replaced else there

    def replaced(self) -> list[Path]:
        """The parts that another replaces, of which every byte is as it was written."""
        joined = [path for path in self._all() if self.holds(path, None, ()) and self._replaces(path)]
        names = {name for path in joined if self.holds(path) for name in self._replaces(path)}
        return [path for path in self._all() if path.name in names]

    def small(self, below: int) -> list[Path]:
        """The parts of fewer bytes than `below` that are as they were written; larger ones are not read."""
        return [path for path in self.listed() if size_of(path) < below and self.holds(path)]

    def parts_with(self, keys: Iterable[str]) -> list[Path]:
        """The parts that hold one of these keys, of which the keys and the rows with them are as they were written."""
        wanted, key = Wanted(pl.Series(list(keys), dtype=pl.String)), self._sort[0]
        found = []
        for path in self.parts(()):
            places = self.rows_with(path, wanted)
            if places is not None and len(places.rows) and self.holds(path, None, (key,)):
                found.append(path)
        return found

    def rows_with(self, path: Path, wanted: Wanted, columns: Collection[str] | None = None) -> Places | None:
        """The rows of a part that have a wanted key; of their row groups `columns` (None: all) are proven.

        None where these are not as they were written: the part is set aside.
        """
        with store_errors(path):
            try:
                proof = self.proof(path)
                held = proof.keys()
                places = wanted.found(held) if held is not None else self._rows_read(path, proof, wanted)
                if len(places.rows):
                    proof.check(proof.groups_of(places.rows), columns)
            except FileNotFoundError:
                return None
            except DamagedError as damage:
                self.set_aside(path, damage)
                return None
        return places

    def _rows_read(self, path: Path, proof: Proof, wanted: Wanted) -> Places:
        """The same from the column of the keys."""
        key = self._sort[0]
        proof.check(None, (key,))
        return wanted.found_among(scan_table(path).select(key).collect()[key])

    def holds(self, path: Path, groups: Iterable[int] | None = None, columns: Collection[str] | None = None) -> bool:
        """Whether row groups of a part are as they were written; one that is not is set aside."""
        with store_errors(path):
            try:
                if _LEFT_OUT and _seen(path) in _LEFT_OUT:
                    return False
                self.proof(path).check(groups, columns)
            except FileNotFoundError:  # set aside by another process, or joined
                return False
            except DamagedError as damage:
                self.set_aside(path, damage)
                return False
        return True

    def proof(self, path: Path) -> Proof:
        """What is known of a part. Raises DamagedError, and FileNotFoundError where it is gone."""
        seen = _seen(path)
        if seen not in _PROOFS:
            proof = Proof(path, self._place(_model(path)))
            if proof.shape not in self._shapes and not self._shape(proof.schema):
                raise DamagedError("shape", "it has other columns than its log")
            self._shapes.add(proof.shape)
            _PROOFS[seen] = proof
        return _PROOFS[seen]

    def changed(self, paths: Iterable[Path]) -> bool:
        """Prove parts anew, all of them; whether one is gone, or had to be set aside."""
        again = list(map(str, paths))
        for seen in [seen for seen in _PROOFS if seen[0] in again]:
            del _PROOFS[seen]
        return bool([path for path in again if not self.holds(Path(path))])

    def lacking(self) -> StoreError:
        """That what was there is there no more: what reads it would go on without."""
        return StoreError(
            f"Parts of {self.folder} were damaged or set aside while they were read. Run the same command again."
        )

    def _all(self) -> list[Path]:
        here, copy = self.folder.glob("part-*.parquet"), copy_of(self.folder)
        return sorted(here, key=lambda path: path.name) if copy is None else copy.both(self.folder, here, _is_part)

    def _replaces(self, path: Path) -> list[str]:
        try:
            return self.proof(path).replaces
        except (DamagedError, FileNotFoundError):  # since it was listed
            return []

    def _place(self, model: str) -> str:
        return f"{self._of}/{model}" if model else self._of

    def _write(
        self, pieces: Iterable[pl.DataFrame], schema: pl.Schema, model: str, replaces: Sequence[str] = ()
    ) -> Path:
        temporary = self.folder / f".part-{uuid.uuid4().hex}.{os.getpid()}.tmp"
        with store_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                keys = []
                with TableWriter(temporary, schema, GROUPS) as writer:
                    for piece in pieces:
                        ordered = piece.sort(self._sort, maintain_order=True)
                        writer.add(ordered)
                        writer.end_group()
                        keys.append(ordered[self._sort[0]])
                digest = seal(temporary, self._place(model), pack(pl.concat(keys)), replaces)
                path = self.folder / part_name(model, digest)
                copy = copy_of(path)
                if copy is not None:
                    copy.owe(path)
                settle(temporary, path, lasting=True)
                if copy is not None:
                    copy.pay()
            finally:
                temporary.unlink(missing_ok=True)
        return path

    def set_aside(self, path: Path, damage: DamagedError) -> None:
        """Give a part a name that says what is wrong with it, and tell; it is no part from then on."""
        self.lost += 1
        copy = copy_of(path)
        if copy is not None and copy.fetch_again(path):
            return
        names = (f"aside-{path.stem}-{damage.word}{number or ''}.parquet" for number in count())
        aside = next(found for name in names if not (found := path.with_name(name)).exists())
        try:
            path.rename(aside)
            if copy is not None:
                copy.set_aside(path, aside)
        except FileNotFoundError:
            return
        except OSError as error:  # of a workspace that can only be read
            _LEFT_OUT.add(_seen(path))
            logger.error("%s is damaged: %s. It is left out (%s).", path, damage.why, error.strerror)
            return
        logger.error(
            "%s is damaged: %s. It is kept as %s, and what it held is missing until it is made anew.",
            path,
            damage.why,
            aside.name,
        )


def _model(path: Path) -> str:
    return path.stem.rpartition("-")[0].removeprefix("part").removeprefix("-")


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def _seen(path: Path) -> _Seen:
    try:
        found = path.stat()
    except FileNotFoundError:
        return str(path), 0, size_of(path), 0  # of a workspace in an object store it may lie there
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns
