"""One run of a proof: a student trained as one arm says, with one seed, and graded."""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.training.student import Student, Trained
from pipelines.proof.arms import ARMS, BEST, Arm
from pipelines.proof.files import WEIGHTS
from pipelines.proof.grading import band, best, graded
from pipelines.proof.material import Material
from pipelines.proof.plan import Plan
from pipelines.proof.state import Run


@dataclass(frozen=True)
class Runner:
    """Runs arms of a plan in this process. Weights after SFT are kept in the plan's folder for the arms that go on."""

    plan: Plan
    material: Material
    student: Student
    folder: Path

    def run(self, name: str, seed: int) -> Run:
        """Train and grade one arm with one seed, from the start."""
        arm, began, trained = ARMS[name], time.process_time(), list[dict[str, Any]]()
        if arm.traces == "sft":
            trained.append(self._cold_start(arm, seed))
        else:
            self.student.load(None)
            if arm.traces:
                trained.append(self._sft(arm, seed))
        shared = sum(part.pop("seconds", 0.0) for part in trained)
        if arm.prompts:
            trained.append(self._rl(arm, seed))
        found = self._graded(name, arm, seed)
        spent = time.process_time() - began + shared
        return {"arm": name, "seed": seed, "trained": trained, **found, "seconds": round(spent, 2)}

    def _cold_start(self, arm: Arm, seed: int) -> dict[str, Any]:
        """SFT on `sft`, which several arms begin with: trained once for a seed, and taken from there with its cost."""
        kept = self.folder / WEIGHTS / f"sft-{seed}"
        if (kept / "trained.json").is_file():
            self.student.load(kept)
            found: dict[str, Any] = json.loads((kept / "trained.json").read_text(encoding="utf-8"))
            return found
        began = time.process_time()
        self.student.load(None)
        found = self._sft(arm, seed)
        draft = kept.with_name(f".{kept.name}.{os.getpid()}")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        self.student.save(draft)
        seconds = {"seconds": time.process_time() - began}
        (draft / "trained.json").write_text(json.dumps(found | seconds), encoding="utf-8")
        if not kept.exists():
            draft.rename(kept)
        shutil.rmtree(draft, ignore_errors=True)
        return found

    def _sft(self, arm: Arm, seed: int) -> dict[str, Any]:
        rows = self.material.traces(arm, seed)
        return _facts("sft", len(rows), self.student.sft(rows.questions, rows.replies, self.material.config.sft, seed))

    def _rl(self, arm: Arm, seed: int) -> dict[str, Any]:
        rows, budget = self.material.prompts(arm, seed), self.material.config.rl
        return _facts("rl", len(rows), self.student.rl(rows.questions, rows.rewards, budget, self.plan.tokens, seed))

    def _graded(self, name: str, arm: Arm, seed: int) -> dict[str, Any]:
        material, tokens, tags = self.material, self.plan.tokens, self.material.manifest["configs"]["holdout"]["tags"]
        tags = material.manifest["configs"].get("sft", {}).get("tags", tags)
        fresh, found = material.fresh.rows, dict[str, Any]()
        if name == BEST:
            found["format"], sets = best(self.student, material.holdout, fresh, tokens, tags)
        else:
            wanted = [material.holdout, *([fresh] if fresh else [])]
            sets = [graded(self.student, rows, tokens, tags) for rows in wanted]
        found |= {which: one.verdicts for which, one in zip(("holdout", "fresh"), sets, strict=False)}
        found["formatted"] = round(sets[0].formatted, 4)
        sizes, again = material.config.graded, "rl" in self.plan.facts["rows"] and name != BEST
        if again and sizes.band:
            heat = material.config.rl.temperature
            found["band"] = band(self.student, material.band, sizes.replies, heat, tokens, seed)
        return found


def _facts(what: str, rows: int, trained: Trained) -> dict[str, Any]:
    """What a run says of a training; of its curve the mean of the first and of the last tenth."""
    tenth = max(1, len(trained.curve) // 10)
    ends = [sum(part) / len(part) for part in (trained.curve[:tenth], trained.curve[-tenth:])]
    found = {
        "what": what,
        "rows": rows,
        "tokens": trained.tokens,
        "first": round(ends[0], 4),
        "last": round(ends[1], 4),
    }
    return found if trained.silent is None else {**found, "silent": round(trained.silent, 4)}
