"""The plan of a proof: all that decides its figures, written before its first run and never after.

It is a file whose hash names the folder of the proof, so that a proof of other sizes, seeds or arms is another one, and
nobody can choose among runs by what came out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.training.student import Student
from pipelines.export.shipped_code import reward_package
from pipelines.proof.arms import ARMS, runnable
from pipelines.proof.files import PLAN
from pipelines.proof.material import Material, gone
from pipelines.proof.traces import has_thoughts
from pipelines.store.links import check_place
from pipelines.store.release_seal import digest_of
from pipelines.store.sealed_json import read_sealed, write_sealed
from schemas.errors import ConfigError, StoreError
from schemas.ids import content_id, hash_files

FORMAT = 2
"""Raised when a proof is made or written differently."""


@dataclass(frozen=True)
class Plan:
    """What is run: `arms` in words, `left` those that cannot be, with why, and the other facts as they are written."""

    facts: Mapping[str, Any]

    @property
    def hash(self) -> str:
        return content_id(self.facts)

    @property
    def label(self) -> str:
        return str(self.facts["release"])

    @property
    def arms(self) -> Mapping[str, str]:
        found: Mapping[str, str] = self.facts["arms"]
        return found

    @property
    def tokens(self) -> int:
        return int(self.facts["tokens"])

    @property
    def seeds(self) -> range:
        return range(self.facts["config"]["seeds"])

    def runs(self) -> list[tuple[str, int]]:
        """Every run by arm and seed: those that train nothing once, those that begin from another's end after it."""
        once = [(name, 0) for name in self.arms if not ARMS[name].trains]
        trained = [(name, seed) for seed in self.seeds for name in self.arms if ARMS[name].trains]
        return [*once, *sorted(trained, key=lambda run: ARMS[run[0]].goes_on)]

    def folder(self, workspace: Path) -> Path:
        """`<workspace>/proofs/<recipe>/<content>/<plan>`: beside the releases, under the content of this one."""
        recipe = self.label.split("/", maxsplit=1)[0]
        found: Path = workspace / "proofs" / recipe / self.facts["content"][:16] / self.hash[:16]
        check_place(workspace, found)
        return found

    def write(self, folder: Path) -> None:
        """Write the plan, or find it as it is. Raises StoreError where another lies there."""
        there = read_sealed(folder / PLAN)
        if there is None and (folder / PLAN).exists():
            raise StoreError(f"{folder / PLAN} is damaged. Remove {folder} and run the proof again.")
        if there is None:
            write_sealed(dict(self.facts), folder / PLAN)
        elif content_id(there) != self.hash:
            raise StoreError(f"{folder / PLAN} is another plan. Remove {folder} and run the proof again.")


def plan_of(material: Material, student: Student) -> Plan:
    """The plan of a proof. Raises ConfigError where the release has too little to prove anything with."""
    manifest, config = material.manifest, material.config
    label = f"{manifest['name']}/{manifest['version']}"
    lacking = gone(manifest, material.pool)
    if "sft" not in lacking and not has_thoughts(material.sft):
        why = "most traces have no thought beside their answer"
        lacking |= dict.fromkeys(("answers", "shuffled"), why)
    arms, left = runnable(config.arms, lacking)
    _check(label, manifest, material, left)
    fresh = material.fresh
    longest = student.length(material.sft.replies) if "sft" not in lacking else 0
    sets = {"holdout": material.holdout.ids, "fresh": fresh.rows.ids if fresh.rows else ()}
    sets |= {name: getattr(material, name).ids for name in ("sft", "rl") if name not in lacking}
    facts = {
        "format": FORMAT,
        "release": label,
        "trial": config.trial,
        "content": manifest["content"],
        "digest": digest_of(material.release),
        "config": config.model_dump(mode="json"),
        "student": student.identity(),
        "reward": reward_package(),
        "code": _code(),
        "arms": {name: arm.words for name, arm in arms.items()},
        "left": left,
        "tokens": config.tokens or max(16, -(-longest * 5 // 4)),
        "rows": {name: {"rows": len(ids), "ids": content_id(list(ids))} for name, ids in sets.items()},
        "fresh": fresh.why,
        "random": material.pool.hash,
    }
    return Plan(facts)


def _check(label: str, manifest: Mapping[str, Any], material: Material, left: Mapping[str, str]) -> None:
    rows = {name: facts["rows"] for name, facts in manifest["statistics"]["configs"].items()}
    wanted = {"holdout"} | {name for name in ("sft", "rl") if _wants(material, name)}
    missing = sorted(name for name in wanted if not rows.get(name))
    if missing:
        there = ", ".join(f"{name} ({count:,})" for name, count in rows.items() if count) or "none"
        raise ConfigError(
            f"{label} has no rows in {' and '.join(f'`{name}`' for name in missing)}, and a proof trains on `sft` and `rl` "
            f"and grades on `holdout`. Configs with rows: {there}. Add what is missing to the recipe's `release` "
            f"step{_fewer(material.config.arms, missing)}."
        )
    if len(left) == sum(ARMS[name].trains for name in material.config.arms):
        raise ConfigError(f"No arm of this proof can be run: {'; '.join(f'{n}: {why}' for n, why in left.items())}.")


def _code() -> str:
    """A hash of the code that trains and grades; the reward has one of its own."""
    root = Path(__file__).parents[2]
    folders = ("generators/reference", "generators/training", "pipelines/proof")
    return hash_files([path for folder in folders for path in sorted((root / folder).glob("*.py"))])


def _wants(material: Material, name: str) -> bool:
    """Whether an arm that was asked for trains on a config."""
    return any(name in _needs(arm) for arm in material.config.arms)


def _needs(name: str) -> set[str]:
    """The configs without which an arm trains on nothing."""
    arm = ARMS[name]
    return ({"sft"} if arm.traces else set()) | ({"rl"} if arm.prompts else set())


def _fewer(arms: Sequence[str], missing: Collection[str]) -> str:
    """The options that leave out the arms that need what is missing; nothing where none that trains is left."""
    left = [name for name in arms if not _needs(name) & set(missing)]
    if "holdout" in missing or not any(ARMS[name].trains for name in left):
        return ""
    return f", or run the arms that need less: {' '.join(f'--arms {name}' for name in left)}"
