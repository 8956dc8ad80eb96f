"""Push a release to the Hugging Face Hub: one commit a release, tagged with its version.

Content first, then one commit that names it, then the tag, so that whatever breaks in between leaves the dataset as it was
or whole, and the same command goes on from there: files that the Hub has are not sent again, a release that is there
already is only tagged. The token comes from the environment (`HF_TOKEN`) and from nowhere else.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pipelines.proof.publish import proof_of
from pipelines.release.card import loadable, render_card
from pipelines.release.configs import BESIDE
from pipelines.store.release_damage import DIGEST, MANIFEST, README
from pipelines.store.release_seal import digest_of, sound
from pipelines.store.table_files import tables_in
from pipelines.store.workspace import DEMO, is_trial, read_json
from schemas.errors import ConfigError, StoreError
from schemas.secrets import hidden, without_user

WORTH_RETRYING = frozenset({408, 412, 425, 429, 500, 502, 503, 504})
TRIES = 6
_SHARD = re.compile(r"[a-z_][a-z0-9_]*/part-\d{5,}\.parquet")
_NAME = re.compile(r"[\w.-]+/[\w.-]+")

Found = TypeVar("Found")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Parcel:
    """What would go: `files` by their path in the dataset (a path on disk, or bytes that are made for the Hub)."""

    repo: str
    version: str
    content: str
    digest: str
    files: dict[str, Path | bytes]
    configs: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(len(f) if isinstance(f, bytes) else f.stat().st_size for f in self.files.values())


def check_name(repo: str) -> None:
    """Raise ConfigError for a name without an organisation, or one that the Hub does not take."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    if not _NAME.fullmatch(repo):
        raise ConfigError(f"'{repo}' is no dataset name of the Hub: write ORGANISATION/NAME, such as my-lab/charts.")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise ConfigError(f"'{repo}' is no dataset name of the Hub: {error}") from None


def check_trial(name: str) -> None:
    """Raise ConfigError for a trial, which is not for others."""
    if is_trial(name):
        what = "demo" if name.endswith(DEMO) else "trial"
        raise ConfigError(
            f"{name} is a {what}, and a {what} is not pushed. Build the recipe without --limit, --seed and --demo, then "
            "push that."
        )


def check_images(images: str | None, what: str) -> None:
    """Raise ConfigError for a release, or a recipe of one, whose images the Hub could not show."""
    if images == "reference":
        raise ConfigError(
            f"{what} keeps its images beside the parquet, where the Hub's loader does not look. "
            "Build it with `images: embed` in its `release` step."
        )


def find_token() -> str:
    """The token of the environment. Raises ConfigError, which never shows it, where there is none that could be one."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise ConfigError("Pushing needs a token with write access in the environment: export HF_TOKEN=hf_….")
    if not re.fullmatch(r"[!-~]+", token):
        raise ConfigError("HF_TOKEN holds blanks or letters that no token has. Copy it again from the Hub's settings.")
    return token


def pack(release: Path, repo: str, *, extras: bool = False) -> Parcel:
    """Decide what goes. Raises ConfigError for a name that cannot be one, or a release that cannot go or was changed."""
    check_name(repo)
    manifest = sound(release, "recipe", "statistics", "examples", "images")
    digest = digest_of(release)
    check_trial(manifest["name"])
    check_images(manifest["images"], str(release))
    found = manifest["statistics"]["configs"]
    rows = {name: number for name, number in loadable(manifest).items() if extras or name not in BESIDE}
    names = list(rows)
    if not names:
        raise ConfigError(f"{release} holds no row, so there is nothing to push.")
    shown = {
        **manifest,
        "statistics": {**manifest["statistics"], "configs": {n: found[n] for n in names if n in found}},
    }
    paths = [
        *(p for n in names for p in tables_in(release / n)),
        *sorted(release.glob("card_images/*")),
    ]
    paths += [release / "dropped.parquet"]
    files: dict[str, Path | bytes] = {str(path.relative_to(release)): path for path in paths}
    files[README] = render_card(shown, place=repo, digest=digest, proof=proof_of(release.resolve())).encode()
    files |= {name: release / name for name in (MANIFEST, DIGEST, "croissant.json")}
    return Parcel(repo, manifest["version"], manifest["content"], digest, files, rows)


def push(parcel: Parcel, *, private: bool = True, say: Say = lambda words: None, endpoint: str | None = None) -> str:
    """Send a parcel and return the URL of its commit.

    Raises ConfigError without a token, StoreError where the Hub refuses, with a sentence that holds no secret.
    """
    from huggingface_hub import HfApi, constants

    token = find_token()
    if constants.HF_HUB_OFFLINE:
        raise ConfigError("HF_HUB_OFFLINE is set, so the Hub cannot be reached. Unset it to push.")
    hub = _Hub(HfApi(endpoint=endpoint, token=token, library_name="curate"), parcel, say)
    hub.prepare(private)
    head = hub.head()
    if hub.holds(parcel.version):
        say(f"{parcel.repo} has {parcel.version} already.")
        return hub.url(parcel.version)
    hub.tag(head if hub.is_here(head) else hub.send())
    return hub.url(parcel.version)


class _Hub:
    """The dataset on the Hub that a parcel goes to."""

    def __init__(self, api: Any, parcel: Parcel, say: Say) -> None:
        self._api = api
        self._parcel = parcel
        self._say = say
        self._where = {"repo_id": parcel.repo, "repo_type": "dataset"}

    def prepare(self, private: bool) -> None:
        """Make the dataset where it is not there. One that is there keeps its visibility."""
        self._ask(lambda: self._api.create_repo(**self._where, private=private, exist_ok=True))

    def head(self) -> str:
        """The commit that the main branch is at."""
        return str(self._ask(lambda: self._api.dataset_info(self._parcel.repo)).sha)

    def holds(self, version: str) -> bool:
        """Whether the version is there. Raises ConfigError where it is, with other content."""
        refs = self._ask(lambda: self._api.list_repo_refs(**self._where))
        if version not in {tag.name for tag in refs.tags}:
            return False
        if not self.is_here(version):
            raise ConfigError(
                f"{self._parcel.repo} has a tag {version} already, with other content. Push to another dataset, or delete "
                "the tag there if it is wrong."
            )
        return True

    def is_here(self, revision: str) -> bool:
        """Whether the dataset at `revision` is this release."""
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        def read() -> Any:
            try:
                path = self._api.hf_hub_download(**self._where, filename=MANIFEST, revision=revision)
            except LocalEntryNotFoundError:  # the Hub did not answer, which is not to say that the file is not there
                raise
            except EntryNotFoundError:
                return None
            return read_json(Path(path))

        manifest = self._ask(read)
        return isinstance(manifest, dict) and manifest.get("content") == self._parcel.content

    def send(self) -> str:
        """Send what the Hub lacks, then commit it in the place of the former release. Returns the commit."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        adds = [CommitOperationAdd(name, found) for name, found in sorted(self._parcel.files.items())]
        self._say(f"Sending {len(adds)} files, {self._parcel.bytes / 1e6:.1f} MB")
        self._ask(lambda: self._api.preupload_lfs_files(**self._where, additions=adds, free_memory=False))

        def commit() -> str:
            parent = self.head()
            if self.is_here(parent):  # a commit whose answer was lost: asking again would make a second one
                return parent
            gone = [CommitOperationDelete(name) for name in self._ours(parent) if name not in self._parcel.files]
            made = self._api.create_commit(
                **self._where,
                operations=[*adds, *gone],
                commit_message=f"Release {self._parcel.version}",
                commit_description=f"Digest {self._parcel.digest}",
                parent_commit=parent,
            )
            return str(made.oid)

        return self._ask(commit)

    def _ours(self, revision: str) -> Iterator[str]:
        """The files of the former release: the shards of its configs, whatever their names, and the images of its card."""
        for name in self._api.list_repo_files(**self._where, revision=revision):
            if name.startswith("card_images/") or _SHARD.fullmatch(name):
                yield name

    def tag(self, commit: str) -> None:
        """Name the commit after the version."""
        version = self._parcel.version
        self._ask(lambda: self._api.create_tag(**self._where, tag=version, revision=commit, exist_ok=True))

    def url(self, revision: str) -> str:
        return f"{without_user(self._api.endpoint)}/datasets/{self._parcel.repo}/tree/{revision}"

    def _ask(self, call: Callable[[], Found]) -> Found:
        """Call the Hub, again where it is busy, broken or was faster, and turn its refusals into sentences."""
        for attempt in range(1, TRIES + 1):
            try:
                return call()
            except Exception as error:
                if "Invalid metadata in README.md" in str(error):
                    raise ConfigError(
                        f"The Hub does not take the card of {self._parcel.repo}. {_words(error)} Mend the recipe's "
                        "`release.card` or what it reads."
                    ) from None
                if not _of_the_wire(error):
                    raise
                status, wait = _status(error)
                if attempt == TRIES or status not in {*WORTH_RETRYING, None}:
                    raise self._refused(error, status) from None
                self._say(f"The Hub answered {status or 'nothing'}; trying again ({attempt} of {TRIES - 1})")
                time.sleep(wait if wait is not None else min(60.0, PAUSE_S * 2 ** (attempt - 1)))
        raise AssertionError("unreachable")

    def _refused(self, error: Exception, status: int | None) -> StoreError:
        repo = self._parcel.repo
        again = "Nothing is lost; the same command goes on from there."
        if status == 401:
            return StoreError(f"The Hub does not know the token in HF_TOKEN. Make one with write access. {again}")
        if status in {403, 404}:
            return StoreError(f"The token in HF_TOKEN may not write to {repo}: it needs write access there. {again}")
        if status is None:
            where = f"{without_user(self._api.endpoint)} ({type(error).__name__})"
            return StoreError(f"The Hub does not answer at {where} in {TRIES} tries. Check the network. {again}")
        if status not in WORTH_RETRYING:
            return StoreError(f"The Hub refused {repo} ({status}): {_words(error)} {again}")
        return StoreError(f"The Hub did not take {repo} ({status}) in {TRIES} tries. {again}")


PAUSE_S = 1.0
"""Seconds before the first retry; each further one waits twice as long, unless the Hub says how long."""


def _of_the_wire(error: Exception) -> bool:
    """Whether the Hub, or the way there, is at fault. `huggingface_hub` lets the errors of its HTTP client through, and has
    changed that client more than once, so they are recognised by their package."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    # A proxy's page instead of JSON is the way there, too.
    kinds = (HfHubHTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError, RuntimeError, json.JSONDecodeError)
    client = {kind.__module__.partition(".")[0] for kind in type(error).__mro__} & {"httpx", "httpx2", "requests"}
    return bool(client) or isinstance(error, kinds)


def _words(error: Exception) -> str:
    """The Hub's reason for a refusal, on one line, without the token."""
    message = " ".join((getattr(error, "server_message", None) or str(error)).split())[:400]
    return hidden(message.replace(os.environ.get("HF_TOKEN", "").strip() or "\n", "***")).rstrip(".") + "."


def _status(error: BaseException | None) -> tuple[int | None, float | None]:
    """The HTTP status behind an error, and how long the server asks to wait; None where it never answered."""
    while error is not None:
        response = getattr(error, "response", None)
        if response is not None:
            wait = response.headers.get("Retry-After", "")
            return int(response.status_code), float(wait) if wait.isdigit() else None
        error = error.__cause__
    return None, None
