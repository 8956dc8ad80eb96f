"""Prove a release from its own folder: every file, every hash, every count, and the verdicts of its rollouts.

Needs no workspace, no log and no model. What a release says of itself in numbers is computed again from its tables, and its
rollouts are put to the reward again, as they were before it was written.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.release import recount
from pipelines.release.image_names import images
from pipelines.release.loading import loads
from pipelines.release.proof import Check, Proof
from pipelines.release.provenance import code_hash
from pipelines.release.recount import FaultError, UnprovenError
from pipelines.release.regrade import RegradeError, Report, regrade
from pipelines.release.rollout_rows import NAME
from pipelines.store.release_damage import EXTRAS, MANIFEST, Damage, Whole, damage
from pipelines.store.release_seal import FORMAT, digest_of, read_manifest
from schemas.errors import ConfigError


def verify_release(
    release: Path,
    digest: str | None = None,
    whole: Whole = "whole",
    report: Report = lambda done, of: None,
) -> Proof:
    """Check everything that a release says of itself. `digest` is what somebody published of it.

    Raises nothing for what is wrong with the release: that is in the proof.
    """
    try:
        found = digest_of(release)
        manifest = read_manifest(
            release, "statistics", "steps", "regraded", "counted_by", "recipe", "needs_judge", "examples"
        )
    except ConfigError as error:
        seal = Check("manifest", False, str(error))
        return Proof(release, None, (seal, *_unseen("everything else", "the manifest says nothing")), ())
    checks = [Check("manifest", True, f"format {FORMAT}, as it was written"), _digest(found, digest)]
    hurt = tuple(damage(release, manifest, whole))
    checks.append(_files(manifest, hurt, whole, release))
    if hurt:
        checks += _unseen("counts, sums and rollouts", "files are damaged")
        return Proof(release, found, tuple(checks), hurt)
    checks.append(_checked("rows", recount.rows, manifest, release))
    checks.append(_checked("loading", loads, manifest, release))
    checks.append(_checked("images", images, manifest, release))
    left_out = [name for name in EXTRAS if name in manifest["statistics"]["configs"] and not (release / name).exists()]
    checks.append(_checked("counts", recount.counts, manifest, release, left_out))
    checks.append(_checked("sums", recount.sums, manifest, release))
    checks.append(_checked("rollouts", _rollouts, manifest, release, left_out, report))
    return Proof(release, found, tuple(checks), ())


def _digest(found: str, published: str | None) -> Check:
    if published is None:
        return Check("digest", True, found)
    wanted = published.strip().lower().removeprefix("sha256:")
    same = wanted == found
    return Check("digest", same, found if same else f"{found}, and {wanted} was published: this is another release")


def _files(manifest: Mapping[str, Any], hurt: tuple[Damage, ...], whole: Whole, release: Path) -> Check:
    files = (*manifest["files"], *manifest["beside"])
    if hurt:
        return Check("files", False, f"{len(hurt):,} of {len(files):,} are not what the release was made of")
    gone = sum(not (release / file["path"]).exists() for file in files)
    there = f"{len(files) - gone:,} files, {sum(file['bytes'] for file in files) / 1e6:,.1f} MB in all"
    return Check("files", True, there + (f"; {gone:,} that a push leaves out" if gone else "") + ", each by its hash")


def _unseen(what: str, why: str) -> tuple[Check, ...]:
    return (Check("the rest", None, f"{what}: not looked at, for {why}"),)


def _checked(name: str, look: Callable[..., str], *args: Any) -> Check:
    """A check whose tables anybody may have written: what they cannot be read as is a finding."""
    try:
        return Check(name, True, look(*args))
    except UnprovenError as unproven:
        return Check(name, None, str(unproven))
    except FaultError as fault:
        return Check(name, False, str(fault))
    except Exception as error:
        return Check(name, False, f"cannot be computed from the files: {type(error).__name__}: {error}")


def _rollouts(manifest: Mapping[str, Any], release: Path, left_out: list[str], report: Report) -> str:
    """The rollouts, put to the reward again."""
    if manifest["regraded"] is None:
        return _no_rollouts(manifest, release)
    _check_rules(manifest)
    try:
        graded = regrade(release, manifest["counted_by"], report=report)
    except RegradeError as error:
        raise FaultError(f"{error.finding}{_other_code(manifest)}") from None
    apart = None if left_out else next(recount.apart(manifest["regraded"], graded), None)
    if apart is not None:
        raise FaultError(apart.replace("of statistics", "of the re-grade") + _other_code(manifest))
    return _graded_words(graded)


def _no_rollouts(manifest: Mapping[str, Any], release: Path) -> str:
    if (release / NAME).exists():
        raise FaultError(f"{NAME} are there, and {MANIFEST} says that nobody was asked")
    if manifest.get("measured") is not None:
        raise FaultError(f"{MANIFEST} says how k of n was measured, and that no {NAME} were graded")
    stating = recount.measured_rows(release)
    if stating:
        raise UnprovenError(f"{stating:,} rows say k of n, and there are no {NAME} to count them again")
    return "none: no row says k of n"


def _check_rules(manifest: Mapping[str, Any]) -> None:
    """What the card says of how rollouts were counted has to be how they are counted here."""
    by, counting, tags = manifest["counted_by"], manifest.get("counting"), (manifest.get("measured") or {}).get("tags")
    rules = {name: by["difficulty"].get(name) for name in counting or ()}
    if (counting, tags) != (rules, by["tags"]):
        raise FaultError(
            f"{MANIFEST} says {counting}, {tags} of how rollouts count, and counts them by {rules}, {by['tags']}"
        )


def _graded_words(found: Mapping[str, int]) -> str:
    """What was graded again, and what nobody can grade from the files and is taken as it is."""
    proven = found["graded"] - found["judged"] - found["undecided"]
    taken = {
        "that a judge decided": found["judged"],
        "that ran out of time or memory": found["undecided"],
        "of samples with no row here": found["without_row"],
        "not drawn": found["rollouts"] - found["graded"] - found["without_row"],
    }
    words = f"{proven:,} of {found['rollouts']:,} graded again: verdicts and k of n the same"
    rest = ", ".join(f"{count:,} {which}" for which, count in taken.items() if count)
    if found["rollouts"] and not proven:
        raise UnprovenError(
            f"none of {found['rollouts']:,} can be graded here: {rest}; k of n are those of their verdicts"
        )
    return words + (f"; taken as they are: {rest}" if rest else "")


def _other_code(manifest: Mapping[str, Any]) -> str:
    if manifest.get("code_hash") == code_hash():
        return ""
    return f". (The release is by curate {manifest.get('code')}, and other code than this was its reward.)"
