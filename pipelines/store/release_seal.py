"""What is written down of the bytes of a release, and the comparison of both, before anything of it is read.

    manifest.json      `files`: each table's path, rows, bytes and SHA-256; `beside`: the same of every other file
    manifest.sha256    the SHA-256 of manifest.json, as `sha256sum` writes and checks it: the digest of the release

So the digest stands for every byte of a release: whoever publishes it lets anybody prove a copy. `content` is the SHA-256 of
`files` alone, and decides the version: the same tables are the same version, whoever rendered the card.

The README of a release has no digest in it, for its own hash is in the manifest; nor is a copy on the Hub the same folder:
its README is rendered for its address, and the configs to compare with may be left out (`Whole`).
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.remote.places import copy_of
from pipelines.store.release_damage import DIGEST, MANIFEST, Whole, damage
from pipelines.store.release_facts import unlike
from pipelines.store.release_files import differs, file_entry, is_file_entry, name_in, size_of
from pipelines.store.release_names import CONFIG, well_named
from pipelines.store.workspace import BUILD_NAME, read_json, reading, replacing, write_json
from schemas.digests import bytes_hash, file_hash
from schemas.errors import ConfigError

FORMAT = 3
"""Raised when the keys of a manifest or the folders of a release change: one of another format is refused."""

_LABEL = re.compile(rf"{BUILD_NAME}/v[0-9]+")
"""Folders are named after it, so it is checked in a release that comes from somebody else."""
_HEX = re.compile(r"[0-9a-f]{64}")
_LONGEST_LINE = 100
"""Characters that are read of the digest's file: more than it has."""


def seal(manifest: Mapping[str, Any], release: Path) -> str:
    """Write the manifest of a release whose other files are all there, and its digest, which is returned."""
    tables = {file["path"] for file in manifest["files"]}
    others = [path for path in sorted(release.rglob("*")) if path.is_file() and name_in(path, release) not in tables]
    beside = [file_entry(path, release) for path in others if name_in(path, release) not in (MANIFEST, DIGEST)]
    write_json({**manifest, "beside": beside}, release / MANIFEST)
    digest = file_hash(release / MANIFEST)
    with replacing(release / DIGEST) as path:
        path.write_text(f"{digest}  {MANIFEST}\n", encoding="ascii")
    return digest


def digest_of(release: Path) -> str:
    """The digest of a release, computed from its manifest. Raises ConfigError where it has none."""
    return bytes_hash(_text(release))


def read_manifest(release: Path, *needs: str) -> dict[str, Any]:
    """The manifest of the release at `release`, of whose other files nothing is known yet.

    Raises ConfigError unless it is of this `FORMAT`, as it was written, and has the keys `name`, `version` and `needs`.
    """
    text = _text(release)
    path, cure = release / MANIFEST, _cure(release)
    try:
        read = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        read = None
    found: dict[str, Any] = read if isinstance(read, dict) else {}
    written = _written(release)
    other = found.get("format")
    if written is None and isinstance(other, int) and other != FORMAT:
        raise ConfigError(
            f"{path} is of format {other}, and this curate reads format {FORMAT}. Build its recipe again, which writes "
            f"a new version, or read it with the curate that made it ({found.get('code', 'older')})."
        )
    digest = bytes_hash(text)
    if written != digest:
        why = f"{DIGEST} beside it " + ("is gone" if written is None else f"says {written[:12]}…, not {digest[:12]}…")
        raise ConfigError(f"{path} is damaged or was changed: {why}. {cure}")
    whole = other == FORMAT and {"name", "version", "content", "files", "beside", *needs} <= found.keys()
    if not whole or not _LABEL.fullmatch(f"{found['name']}/{found['version']}") or not _is_named(found):
        raise ConfigError(f"{path} is damaged or of another version of curate. {cure}")
    odd = unlike(found)
    if odd is not None:
        raise ConfigError(f"{path} is damaged or of another version of curate ({odd}). {cure}")
    return found


def sound(release: Path, *needs: str, whole: Whole = "pushed") -> dict[str, Any]:
    """The manifest of a release whose files are proven to be those that it was made of: what everything that reads a release
    calls first.

    Raises ConfigError, which names the file, for damage, and as `read_manifest` does.
    """
    manifest = read_manifest(release, *needs)
    found = next(damage(release, manifest, whole), None)
    if found is not None:
        raise ConfigError(f"{release / found.file} {found.what}. {_cure(release)}")
    return manifest


def check_tables(release: Path, paths: Iterable[Path]) -> None:
    """Hold some tables of a release of any format to its manifest, for a build that reads only these.

    Raises ConfigError, which names the file, for one that is damaged, or that the manifest does not know.
    """
    manifest = read_json(release / MANIFEST)
    written = _written(release)
    listed = manifest.get("files") if isinstance(manifest, dict) else None
    known = {f["path"]: f for f in listed if is_file_entry(f, "files")} if listed else {}
    if written not in (None, digest_of(release)):
        raise ConfigError(
            f"{release / MANIFEST} is damaged or was changed: {DIGEST} beside it differs. {_cure(release)}"
        )
    for path in paths:
        file = known.get(name_in(path, release))
        what = "is no part of the release" if file is None else differs(path, file)
        if what is not None:
            raise ConfigError(f"{path} {what}. {_cure(release)}")


def is_whole(release: Path) -> bool:
    """Whether a release has its manifest as it was written, and every file in its size. Reads no other file."""
    try:
        manifest = read_manifest(release)
    except ConfigError:
        return False
    if (copy := copy_of(release)) is not None:
        return copy.releases.is_published(release)
    return all(size_of(release / file["path"]) == file["bytes"] for file in (*manifest["files"], *manifest["beside"]))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


def _text(release: Path) -> bytes:
    path = release / MANIFEST
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for, a device read for ever
            raise ConfigError(f"{path} is no file. {_cure(release)}")
        with reading(path):
            return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. {_cure(release)}") from None


def _written(release: Path) -> str | None:
    """The digest that lies beside a manifest; None where nothing does, a text that is no hash where that is damaged."""
    if not (release / DIGEST).is_file():
        return None
    try:
        with reading(release / DIGEST), (release / DIGEST).open(encoding="utf-8", errors="replace") as file:
            line = file.read(_LONGEST_LINE)
    except OSError:
        return None
    digest, blanks, rest = line.partition("  ")
    return digest if _HEX.fullmatch(digest) and blanks and rest == f"{MANIFEST}\n" else f"{line[:64]!r}"


def _is_named(manifest: Mapping[str, Any]) -> bool:
    """Whether `files` and `beside` say what each file is, by a name that a file of a release has, and configs, which are
    folders of it, have names of folders."""
    statistics = manifest.get("statistics")
    configs = (manifest.get("configs"), statistics.get("configs") if isinstance(statistics, dict) else None)
    names = [name for named in configs if isinstance(named, dict) for name in named]
    tables, beside = manifest["files"], manifest["beside"]
    return (
        all(CONFIG.fullmatch(name) for name in names)
        and isinstance(tables, list)
        and isinstance(beside, list)
        and all(is_file_entry(file, "files") for file in tables)
        and all(is_file_entry(file, "beside") for file in beside)
        and well_named([file["path"] for file in tables], [file["path"] for file in beside])
    )


def _cure(release: Path) -> str:
    return f"Copy {release} again whole, or remove it and build its recipe again."
