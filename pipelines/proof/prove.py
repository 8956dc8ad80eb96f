"""Proving that a release makes a student better, or that it does not: the whole way from a release to its proof."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from generators.training.choose import open_student
from generators.training.student import Student
from pipelines.job import Job
from pipelines.proof.config import ProofConfig
from pipelines.proof.files import PLAN, TABLE, WEIGHTS
from pipelines.proof.manifest import write_manifest
from pipelines.proof.material import Material
from pipelines.proof.plan import Plan, plan_of
from pipelines.proof.plot import draw
from pipelines.proof.random_traces import Pool, pool_of
from pipelines.proof.schedule import Report, run_all
from pipelines.proof.state import State
from pipelines.proof.table import render_table
from pipelines.store.release_seal import sound
from pipelines.store.workspace import replacing, store_errors
from schemas.errors import MissingDependencyError


@dataclass(frozen=True)
class Proving:
    """A proof that is planned: its student is open, its rows are read, and nothing is written yet."""

    plan: Plan
    material: Material
    student: Student
    folder: Path

    def write_plan(self) -> None:
        """Fix the plan: from here on nothing of it changes."""
        with store_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / PLAN).exists():
                self.material.pool.write(self.folder)
            self.plan.write(self.folder)

    def run(self, processes: int = 1, report: Report = lambda run, done, of: None) -> list[str]:
        """Run what is missing, and write table, plots and manifest, also where it is stopped. Returns notes."""
        self.write_plan()
        try:
            run_all(self.plan, self.material.release, self.folder, processes, report)
        finally:
            notes = self.publish()
        shutil.rmtree(self.folder / WEIGHTS, ignore_errors=True)
        return notes

    def publish(self) -> list[str]:
        """Write what the runs that are there come to."""
        runs, notes = State(self.folder).runs(), list[str]()
        with store_errors(self.folder):
            with replacing(self.folder / TABLE) as path:
                path.write_text(render_table(self.plan, runs), encoding="utf-8")
            if runs:
                try:
                    draw(self.plan, runs, self.folder)
                except MissingDependencyError as error:
                    notes.append(f"No plots: {error}")
            write_manifest(self.plan, runs, self.folder)
        return notes


def open_proof(release: Path, config: ProofConfig, workspace: Path, job: Job | None = None) -> Proving:
    """Plan a proof of a release, which is proven to be whole first; `job` is the build that wrote it, where it is here.

    Raises ConfigError for a release with too little to prove anything with, and a student that cannot be trained here.
    """
    manifest = sound(release, "statistics", "configs", "recipe", whole="whole")
    traces = manifest["statistics"]["configs"].get("sft", {}).get("rows") or 0
    number = min(traces, config.sft.steps * config.sft.batch) if "sft_random" in config.arms else 0
    pool = pool_of(job, release, manifest, number, config.seeds) if number else Pool(why="not asked for")
    material = Material(release, manifest, config, pool)
    student = open_student(config.student)
    plan = plan_of(material, student)
    return Proving(plan, material, student, plan.folder(workspace))
