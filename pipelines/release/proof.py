"""What was found of a release, in words and as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.store.release_damage import Damage

SHOWN = 20
"""Damaged files that are named in words; JSON names all."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, in words, and whether it is as it was written; None: not looked at."""

    name: str
    holds: bool | None
    words: str


@dataclass(frozen=True)
class Proof:
    """What was found of a release. `digest` is None where it has no manifest."""

    release: Path
    digest: str | None
    checks: tuple[Check, ...]
    damage: tuple[Damage, ...]

    @property
    def holds(self) -> bool:
        return all(check.holds is not False for check in self.checks)

    def text(self) -> str:
        """A line a check, a line a damaged file, and what that comes to."""
        marks = {True: "ok", False: "NO", None: "--"}
        lines = [f"{check.name:<8}  {marks[check.holds]}  {check.words}" for check in self.checks]
        lines += [f"          {one.file} {one.what}." for one in self.damage[:SHOWN]]
        lines += [f"          … and {len(self.damage) - SHOWN:,} more files."] if len(self.damage) > SHOWN else []
        open_ = any(check.holds is None for check in self.checks)
        verdict = "is what it was made" + (", as far as its files can tell" if open_ else "")
        verdict = verdict if self.holds else "is NOT what it was made"
        return "\n".join([*lines, f"{self.release} {verdict}."])

    def to_json(self) -> dict[str, Any]:
        facts = {"release": str(self.release), "holds": self.holds, "digest": self.digest}
        checks = [{"name": check.name, "holds": check.holds, "words": check.words} for check in self.checks]
        return {**facts, "checks": checks, "damage": [one._asdict() for one in self.damage]}
