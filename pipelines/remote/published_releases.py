"""What of releases is published: the files of each, and a head, which gives a version to one release for good.

    heads/releases/<recipe>/<version>.json     its digest, and whether it is whole: written before its files and after them
    releases/<recipe>/<version>/…              its files, as they lie on a disk: `load_dataset` reads them by this address

Who writes the head first has the version; only a release that its builder never finished gives way to another.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.remote.objects import Found
from pipelines.remote.transfer import Transfer
from pipelines.remote.trouble import ChangedError, GoneError
from schemas.digests import file_hash
from schemas.errors import StoreError

_MANIFEST = ("manifest.sha256", "manifest.json")
"""What is fetched of a release before anybody reads it; the manifest last, by which a release is known."""

logger = logging.getLogger(__name__)


class PublishedReleases:
    """The releases of a workspace that are published."""

    def __init__(self, copy: Transfer) -> None:
        self._copy = copy
        self._known: set[str] = set()
        self._whole: set[Path] = set()

    def refresh(self, heads: Mapping[str, Found]) -> None:
        """Have the manifest of each. A release of the same version that was made here and never published gives way."""
        found = {n.removeprefix("releases/").removesuffix(".json"): f for n, f in heads.items() if _is_release(n)}
        self._known &= found.keys()
        self._copy.each(lambda name: self._adopt(name, found[name].etag), sorted(found.keys() - self._known))

    def is_published(self, release: Path) -> bool:
        return f"{release.parent.name}/{release.name}" in self._known

    def publish(self, release: Path) -> None:
        """Send a release and give it its version, unless it has it. Raises StoreError where another release has."""
        name = f"{release.parent.name}/{release.name}"
        if name in self._known:
            return
        digest = _digest(release)
        etag = self._reserve(name, digest)
        if etag is not None:
            files = [path for path in sorted(release.rglob("*")) if path.is_file() and path.name not in _MANIFEST]
            by_name = {self._copy.name(path): path for path in files}
            self._copy.each(lambda one: self._copy.objects.send(one, by_name[one]), by_name)
            for one in _MANIFEST:
                self._copy.objects.send(self._copy.name(release / one), release / one)
            try:
                self._copy.objects.swap(_head(name), _says(digest, whole=True), etag)
            except ChangedError:
                raise self._taken(name) from None
        self._known.add(name)
        self._whole.add(release)

    def _reserve(self, name: str, digest: str) -> str | None:
        """Get a version for a release; the head's etag, or None where it is published already."""
        try:
            data, found = self._copy.objects.get(_head(name))
        except GoneError:
            etag = None
        else:
            known, etag = self._read(name, data), found.etag
            if known["whole"]:
                if known["digest"] == digest:
                    return None
                raise self._taken(name)
        try:
            return self._copy.objects.swap(_head(name), _says(digest, whole=False), etag)
        except ChangedError:
            raise self._taken(name) from None

    def _read(self, name: str, data: bytes) -> dict[str, Any]:
        try:
            known = json.loads(data)
            return {"digest": str(known["digest"]), "whole": bool(known["whole"])}
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{_head(name)} in {self._copy.address} is damaged: it does not say which release {name} is. "
                "Delete that object and run the same command again, which makes the release anew."
            ) from None

    def _taken(self, name: str) -> StoreError:
        return StoreError(
            f"{self._copy.address} has another release {name} by now. Run the same command again, which makes the next "
            "version."
        )

    def complete(self, path: Path) -> None:
        """Bring all files of the release here that a path lies in, or is."""
        parts = path.relative_to(self._copy.root).parts
        if len(parts) < 3 or parts[0] != "releases":
            return
        release = self._copy.root.joinpath(*parts[:3])
        if release in self._whole or not self.is_published(release):
            return
        manifest = json.loads((release / "manifest.json").read_bytes())
        named = [release / file["path"] for file in (*manifest.get("files", ()), *manifest.get("beside", ()))]
        self._copy.each(lambda name: self._copy.fetch(self._copy.root / name), map(self._copy.name, named))
        self._whole.add(release)

    def _adopt(self, name: str, etag: str) -> None:
        release, seen = self._copy.root / "releases" / name, self._copy.state / "releases" / name
        here = (release / _MANIFEST[1]).is_file()
        if not (here and seen.is_file() and seen.read_text() == etag):
            known = self._read(name, self._copy.objects.get(_head(name))[0])
            if not known["whole"]:
                return
            if here and _digest(release) != known["digest"]:
                aside = release.with_name(f".damaged-{release.name}-{uuid.uuid4().hex[:8]}")
                logger.warning("%s is not the one in %s: it is kept as %s.", release, self._copy.address, aside.name)
                release.rename(aside)
            for one in _MANIFEST:
                self._copy.fetch(release / one)
            seen.parent.mkdir(parents=True, exist_ok=True)
            seen.write_text(etag)
        self._known.add(name)


def _is_release(name: str) -> bool:
    return name.startswith("releases/")


def _head(name: str) -> str:
    return f"heads/releases/{name}.json"


def _says(digest: str, *, whole: bool) -> bytes:
    return json.dumps({"digest": digest, "whole": whole}).encode()


def _digest(release: Path) -> str:
    return file_hash(release / "manifest.json")
