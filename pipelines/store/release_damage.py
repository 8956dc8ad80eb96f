"""Every file of a release that is not what its manifest says, or that the manifest does not know."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipelines.remote.places import whole as whole_here
from pipelines.store.release_files import content_of, differs, name_in
from pipelines.store.release_names import leads_out

MANIFEST, DIGEST, README = "manifest.json", "manifest.sha256", "README.md"
EXTRAS = ("control", "unfiltered")
"""Configs that are there to compare with; a push leaves them out."""

Whole = Literal["whole", "pushed"]
"""What a release has to be: all of it, or all that a push sends and a trainer reads."""

_KEEPERS = (".cache", ".git", ".gitattributes")
"""What a copy of the Hub has beside the release; no release has a config of such a name."""


class Damage(NamedTuple):
    """A file of a release that is not what the manifest says, and how."""

    file: str
    what: str


def damage(release: Path, manifest: Mapping[str, Any], whole: Whole = "whole") -> Iterator[Damage]:
    """Every file that is gone, of another size, of other bytes, elsewhere, or not of the release.

    What the manifest says of content must also agree with what it says of files. Of a `pushed` release the configs that a
    push leaves out may be gone, its README is another, and the Hub and its clients keep files of their own there.
    """
    whole_here(release)
    if content_of(manifest["files"]) != manifest["content"]:
        yield Damage(MANIFEST, "says a `content` that is not that of its files")
    known = {file["path"]: file for file in (*manifest["files"], *manifest["beside"])}
    away = [name for name in (*known, MANIFEST, DIGEST) if leads_out(release / name, release)]
    yield from (Damage(name, "is a link that leads out of the release") for name in away)
    wanted = [file for file in known.values() if whole == "whole" or not _left_out(file, release)]
    pool = ThreadPoolExecutor()
    try:
        found = pool.map(lambda file: differs(release / file["path"], file), wanted)
        yield from (Damage(file["path"], what) for file, what in zip(wanted, found, strict=True) if what)
    finally:
        pool.shutdown(cancel_futures=True)
    for path in sorted(release.rglob("*")):
        name = name_in(path, release)
        if whole == "pushed" and name.split("/")[0] in _KEEPERS:
            continue
        if path.is_dir() and path.is_symlink():
            yield Damage(name, "is a link to a folder, and no release has one")
        elif not path.is_dir() and name not in {*known, MANIFEST, DIGEST}:
            yield Damage(name, "is no part of the release")


def _left_out(file: Mapping[str, Any], release: Path) -> bool:
    """Whether a copy of the Hub need not have a file: its own README, and configs to compare with or without rows."""
    config, _, rest = file["path"].partition("/")
    unneeded = rest and not (release / config).exists() and (config in EXTRAS or file.get("rows") == 0)
    return bool(file["path"] == README or unneeded)
