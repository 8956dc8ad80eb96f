"""What of releases is published: the files of each, and a head, which gives a version to one release for good.

    releases/<recipe>/<version>-<digest>/…     its files, as they lie on a disk: `load_dataset` reads them by this address
    heads/releases/<recipe>/<version>.json     its digest; written when all its files are there

Who writes the head first has the version. The digest of a release stands for each of its bytes, and is part of their keys,
so nobody who sends another release, however late, changes a byte of the one that is published.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from pipelines.remote.objects import Found
from pipelines.remote.transfer import Transfer
from pipelines.remote.trouble import ChangedError, GoneError
from schemas.digests import file_hash
from schemas.errors import StoreError

_MANIFEST = ("manifest.sha256", "manifest.json")
"""What is fetched of a release before anybody reads it; the manifest last, by which a release is known."""

_HEAD = re.compile(r"releases/([a-z0-9][a-z0-9._-]*/v[0-9]+)\.json")
"""What a head of a release is called below `heads`; others are nobody's."""

_DIGITS = 12
"""Of the digest in the keys of a release: enough to tell those that were ever meant to be one version."""

logger = logging.getLogger(__name__)


class PublishedReleases:
    """The releases of a workspace that are published. `check` raises StoreError where a build is held by another process."""

    def __init__(self, copy: Transfer, check: Callable[[str], None]) -> None:
        self._copy, self._check = copy, check
        self._known: dict[str, str] = {}
        self._damaged: dict[str, str] = {}
        self._whole: set[Path] = set()

    def refresh(self, heads: Mapping[str, Found]) -> None:
        """Have the manifest of each. A release of the same version that was made here and never published gives way."""
        found = {known[1]: f for n, f in heads.items() if (known := _HEAD.fullmatch(n)) is not None}
        self._known = {name: digest for name, digest in self._known.items() if name in found}
        self._copy.each(lambda name: self._adopt(name, found[name].etag), sorted(found.keys() - self._known.keys()))

    def is_published(self, release: Path) -> bool:
        return _label(release) in self._known

    def name(self, path: Path) -> str | None:
        """What a release, or a file of one, is called in the store; None for what is not published."""
        parts = path.relative_to(self._copy.root).parts
        digest = self._known.get("/".join(parts[1:3])) if parts[:1] == ("releases",) else None
        return None if digest is None else "/".join((*parts[:2], _folder(parts[2], digest), *parts[3:]))

    def publish(self, release: Path) -> None:
        """Send a release and give it its version, unless it has it. Raises StoreError where another release has, and where
        another process has taken over the build."""
        name, digest = _label(release), _digest(release)
        if self._known.get(name) == digest:
            return
        home = f"releases/{release.parent.name}/{_folder(release.name, digest)}"
        files = [path.relative_to(release).as_posix() for path in sorted(release.rglob("*")) if path.is_file()]

        def send(file: str) -> None:
            self._copy.objects.send(f"{home}/{file}", release / file)

        self._copy.each(send, (file for file in files if file not in _MANIFEST))
        for file in _MANIFEST:  # last, as other tools know a release by it
            send(file)
        self._check(release.parent.name)
        self._give(name, digest)
        self._known[name] = digest
        self._damaged.pop(name, None)
        self._whole.add(release)

    def _give(self, name: str, digest: str) -> None:
        """Give a version to a release, unless another has it that is not known to be damaged."""
        try:
            data, found = self._copy.objects.get(_head(name))
        except GoneError:
            etag = None
        else:
            known, etag = self._read(name, data), found.etag
            if known == digest:
                return
            if known != self._damaged.get(name):
                raise self._taken(name)
        try:
            self._copy.objects.swap(_head(name), json.dumps({"digest": digest}).encode(), etag)
        except ChangedError:
            raise self._taken(name) from None

    def _read(self, name: str, data: bytes) -> str:
        try:
            return str(json.loads(data)["digest"])
        except (ValueError, KeyError, TypeError):
            raise StoreError(
                f"{_head(name)} in {self._copy.address} is damaged: it does not say which release {name} is. "
                "Delete that object and run the same command again, which makes the release anew."
            ) from None

    def _taken(self, name: str) -> StoreError:
        if name in self._damaged:
            return StoreError(
                f"The manifest of release {name} in {self._copy.address} is gone or damaged, so nobody can read it. Put it "
                f"back, or delete {_head(name)} and run the same command again, which makes a release of that version."
            )
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
        self._copy.each(self._fetch, named)
        self._whole.add(release)

    def fetch_anew(self, release: Path) -> bool:
        """Bring a release here again of which a file here is damaged, and keep that beside it; whether it is published."""
        name = _label(release)
        if name not in self._known:
            return False
        self._set_aside(release)
        self._whole.discard(release)
        if not self._has_manifest(release, self._known[name]):
            return False
        self.complete(release)
        return True

    def distrust(self, release: Path) -> None:
        """Know that a release is damaged where it is published: the same, made anew, takes its place."""
        name = _label(release)
        self._damaged[name] = self._known.pop(name)

    def unnamed(self) -> Iterator[tuple[str, int]]:
        """The objects of releases that never got their version, and their bytes."""
        digests = {**self._damaged, **self._known}
        for name, found in self._copy.objects.list("releases", deep=True).items():
            recipe, folder = (*name.split("/"), "")[:2]
            version = folder.partition("-")[0]
            digest = digests.get(f"{recipe}/{version}")
            if digest is None or folder != _folder(version, digest):
                yield f"releases/{name}", found.size

    def _adopt(self, name: str, etag: str) -> None:
        release, seen = self._copy.root / "releases" / name, self._copy.state / "releases" / name
        here = (release / _MANIFEST[1]).is_file()
        if here and seen.is_file() and seen.read_text().split()[:1] == [etag]:
            self._known[name] = seen.read_text().split()[-1]
            return
        digest = self._read(name, self._copy.objects.get(_head(name))[0])
        if here and _digest(release) != digest:
            logger.warning("%s is not the one in %s: it is kept beside it.", release, self._copy.address)
            self._set_aside(release)
        self._known[name] = digest
        if not self._has_manifest(release, digest):
            logger.warning("The manifest of release %s in %s is gone or damaged.", name, self._copy.address)
            return
        seen.parent.mkdir(parents=True, exist_ok=True)
        seen.write_text(f"{etag} {digest}")

    def _fetch(self, path: Path) -> None:
        """Bring a file of a published release here, unless it is or is gone."""
        self._copy.name(path)  # which lies in the workspace, whatever a manifest says
        name = self.name(path)
        if name is not None and not path.is_file():
            try:
                self._copy.objects.fetch(name, path)
            except GoneError:
                return

    def _has_manifest(self, release: Path, digest: str) -> bool:
        """Have the manifest of a published release here, or know that the release is damaged."""
        for one in _MANIFEST:
            self._fetch(release / one)
        if (release / _MANIFEST[1]).is_file() and _digest(release) == digest:
            return True
        self._set_aside(release)
        self.distrust(release)
        return False

    @staticmethod
    def _set_aside(release: Path) -> None:
        """Keep what is here of a release under a hidden name, for `curate gc` to remove."""
        if release.exists():
            release.rename(release.with_name(f".damaged-{release.name}-{uuid.uuid4().hex[:8]}"))


def _label(release: Path) -> str:
    return f"{release.parent.name}/{release.name}"


def _folder(version: str, digest: str) -> str:
    return f"{version}-{digest[:_DIGITS]}"


def _head(name: str) -> str:
    return f"heads/releases/{name}.json"


def _digest(release: Path) -> str:
    return file_hash(release / "manifest.json")
