"""What killed processes left in a workspace: hidden files and folders, dead claims, tables that no record names."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pipelines.store.build_record import NAME, STEP_NAME, read_record
from pipelines.store.claims import dead_claims
from pipelines.store.owner import start_of
from pipelines.store.scratch import SCRATCH, abandoned, is_locked
from pipelines.store.workspace import Workspace

_LOCK = ".lock"

_PLACES = (
    "media/.*", "media/??/??/.*", "log/**/.*", "evaluation_sets/.*", "builds/*/.*", "builds/*/*/.*", "releases/*/.*",
    "reports/.*", "exports/*/*/.*",
)  # fmt: skip
"""Where we write under hidden names. What a user keeps elsewhere (`.git` in an export) is not ours."""

_OURS = re.compile(r"\.((probe|lock|new|damaged|reading)-.+|shards|spill|[0-9a-f]{64}\..+|.+\.tmp|.+\.(new|old)-\d+)")


def leftovers(workspace: Workspace) -> Iterator[Path]:
    """What nobody will read again. No build runs meanwhile; `curate plan`, `report` and `export` may, and keep theirs."""
    root = workspace.root
    places = ("builds/*/*", "builds/*", "log/**", "evaluation_sets")
    homes = [home for place in places for home in root.glob(f"{place}/{SCRATCH}")]
    hidden = chain.from_iterable(sorted(root.glob(place)) for place in _PLACES)
    yield from (path for path in hidden if _OURS.fullmatch(path.name) and not _is_used(path, root))
    yield from (path for home in homes for path in abandoned(home))
    yield from dead_claims(workspace.completions)
    for build in sorted(p for p in root.glob("builds/*") if p.is_dir()):
        yield from _unrecorded(build)


def _is_used(path: Path, root: Path) -> bool:
    """Whether a living process writes it, or the next one puts it back."""
    if path.relative_to(root).parts[0] not in ("reports", "exports"):
        return False
    found = re.fullmatch(r"\.(?P<name>.+)\.old-\d+", path.name)
    if found is not None and not path.with_name(found["name"]).exists():
        return True  # an export that was about to be replaced
    if path.is_dir():
        return is_locked(path)
    pid = re.search(r"\.(\d+)\.tmp$", path.name)
    return pid is not None and start_of(int(pid[1])) is not None


def recorded(build: Path) -> set[Path]:
    """The tables that the record of a build names; none where it is of another layout, or not whole: they count no more."""
    found = read_record(build)
    if found is None:
        return set()
    named = set[Path]()
    for step, written in found["steps"].items():
        named.add(build / step / STEP_NAME)
        for one in (written, *written["buckets"].values()):
            named.update(build / step / name for name in one.get("files", {}))
    return named


def _unrecorded(build: Path) -> Iterator[Path]:
    """Files and folders of a build that its record does not name: a killed step writes them again, or nobody does."""
    named = recorded(build)
    folders = {path.parent for path in named}
    for entry in sorted(build.iterdir()):
        if entry.name in (NAME, _LOCK) or entry.name.startswith("."):
            continue
        if not entry.is_dir() or entry not in folders:
            yield entry
            continue
        yield from (p for p in sorted(entry.iterdir()) if p not in named and not p.name.startswith("."))
