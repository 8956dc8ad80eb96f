"""Small parts of a log become large ones: beside a build that writes them, and in `curate gc`.

A joined part names those that it replaces, so its name vouches for that too. Whoever lists parts passes over replaced ones
as long as the joined part is as it was written; one that is set aside brings them back. So a kill at any time costs
nothing, and nobody who reads is disturbed: only `remove_replaced` removes files, while no build runs.
"""

import logging
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path

from pipelines.remote.places import remove
from pipelines.store.holding import HeldError, holding
from pipelines.store.memory import Memory
from pipelines.store.part_file import size_of
from pipelines.store.part_folder import PartFolder
from pipelines.store.parts import together
from pipelines.store.row_groups import batches, even
from schemas.errors import StoreError

logger = logging.getLogger(__name__)

SMALL = 32 << 20
"""Parts of fewer bytes are joined."""
GROUP = 4096
"""Rows of joined parts that are sorted together. Parts are joined in the order of their time, so that what one build asked
stays in few row groups."""


def join_small(
    files: PartFolder, same: tuple[str, ...], below: int = SMALL, least: int = 2, most: int | None = None
) -> int:
    """Join parts smaller than `below` bytes where at least `least` of a model are; how many there were. Removes none.

    At most `most` joined parts are written. Rows of a group that are equal in `same` are one. Where another process joins,
    nothing is done.
    """
    if len([path for path in files.listed() if size_of(path) < below]) < least:
        return 0
    joined = 0
    try:
        with holding(files.folder / ".joining"):
            for group in islice(_groups(files, below, least), most):
                pieces = even((piece for path in group for piece in batches(path)), GROUP)
                files.join(group, (piece.unique(same, keep="first", maintain_order=True) for piece in pieces))
                joined += len(group)
    except (HeldError, OSError, StoreError) as error:  # no locks, no room, or a part was set aside: no row is lost
        logger.debug("The parts in %s are not joined: %s", files.folder, error)
    return joined


def remove_replaced(files: PartFolder) -> None:
    """Remove what joined parts replace, where these hold. Only while nobody builds."""
    for path in files.replaced():
        remove(path)


def _groups(files: PartFolder, below: int, least: int) -> Iterator[list[Path]]:
    for _, own in groupby(files.small(below), key=lambda path: path.stem.rpartition("-")[0]):
        parts = list(own)
        if len(parts) >= least:
            yield from (group for group in together(parts, Memory().piece) if len(group) > 1)
