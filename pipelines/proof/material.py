"""What the arms of a proof learn from and are graded on: the rows of the release, and as many as the budgets reach."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.proof.arms import Arm
from pipelines.proof.config import ProofConfig
from pipelines.proof.fresh import Fresh, fresh_rows
from pipelines.proof.random_traces import Pool
from pipelines.proof.rows import Rows, drawn, ids_of, read_rows
from pipelines.proof.traces import shuffled, without_thoughts


@dataclass(frozen=True)
class Material:
    """The rows of one release under one config. Each is read when it is wanted first."""

    release: Path
    manifest: Mapping[str, Any]
    config: ProofConfig
    pool: Pool = field(default_factory=Pool)

    @cached_property
    def sft(self) -> Rows:
        return read_rows(self.release, "sft", self.config.sft.steps * self.config.sft.batch)

    @cached_property
    def rl(self) -> Rows:
        return read_rows(self.release, "rl", self.config.rl.steps * self.config.rl.prompts)

    @cached_property
    def holdout(self) -> Rows:
        return read_rows(self.release, "holdout", self.config.graded.holdout)

    @cached_property
    def fresh(self) -> Fresh:
        return fresh_rows(self.manifest, self.config.graded.fresh)

    @cached_property
    def band(self) -> Rows:
        """Rows of `rl` whose pass rate is measured again."""
        return self.rl.taken(drawn(self.rl.ids, self.config.graded.band, "band"))

    def traces(self, arm: Arm, seed: int) -> Rows:
        """What the SFT of an arm learns from, for an arm that has one."""
        if arm.traces == "answers":
            return without_thoughts(self.sft)
        if arm.traces == "shuffled":
            return shuffled(self.sft, seed)
        return self._random(seed) if arm.traces == "random" else self.sft

    def prompts(self, arm: Arm, seed: int) -> Rows:
        """What the RL of an arm learns from, for an arm that has one."""
        return self._control(seed) if arm.prompts == "control" else self.rl

    def _random(self, seed: int) -> Rows:
        """As many traces as `sft` has, of all that were made: another draw for each seed. The rows that they answer are
        read for each, because a process runs few of them."""
        chosen = self.pool.drawn(seed)
        asked = read_rows(self.release, self.pool.config, only={trace.sample for trace in chosen})
        where = {id_: place for place, id_ in enumerate(asked.ids)}
        rows = asked.taken([where[trace.sample] for trace in chosen])
        return rows.put(rows.questions, self.sft.columns["tags"][0]).saying([trace.reply for trace in chosen])

    def _control(self, seed: int) -> Rows:
        """As many random candidates as were selected. Another draw for each seed, where the candidates went out and no
        quotas bind the choice; else the control that went out."""
        if self._redrawn:
            ids = sorted(ids_of(self.release, "unfiltered", self._sides))
            number = self.manifest["statistics"]["configs"]["rl"]["rows"]
            taken = {ids[i] for i in drawn(ids, number, f"control:{seed}")}
            return read_rows(self.release, "unfiltered", len(self.rl), only=taken)
        return read_rows(self.release, "control", len(self.rl))

    @property
    def _sides(self) -> tuple[str, ...] | None:
        found = self.manifest["configs"]["rl"].get("sides")
        return None if found is None else tuple(found)

    @property
    def _redrawn(self) -> bool:
        sections = [step["select"] for step in self.manifest["recipe"]["steps"] if "select" in step]
        bound = any(isinstance(section, dict) and section.get("quotas") for section in sections)
        return bool(self.manifest["statistics"]["configs"].get("unfiltered", {}).get("rows")) and not bound


def gone(manifest: Mapping[str, Any], pool: Pool) -> dict[str, str]:
    """What there is nothing to train on of, with the reason, by the names of `Arm.traces` and `Arm.prompts`."""
    rows = {name: facts["rows"] for name, facts in manifest["statistics"]["configs"].items()}
    found = {name: f"the release has no row in `{name}`" for name in ("sft", "rl") if not rows.get(name)}
    if "sft" in found:
        found |= dict.fromkeys(("answers", "shuffled", "random"), found["sft"])
    elif pool.why is not None:
        found["random"] = pool.why
    if not rows.get("control"):
        found["control"] = "the recipe selects nothing, so it has no random control"
    return found
