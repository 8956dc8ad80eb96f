"""The same recipe twice: as it was, section by section, and as its translation into steps, on one log."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from translate import translate

from pipelines.build import release_path, run_build
from pipelines.compiler.pipeline import Step
from pipelines.job import Job, compile_recipe, open_job
from pipelines.recipe.load import load_recipe
from pipelines.road.stage import Build
from pipelines.road.stages import road
from pipelines.store.workspace import Workspace
from schemas.ids import content_id

RENAMED = {"split": "side"}
"""Columns of old releases by other names."""

KEYS = {"sft": ("id", "index"), "rollouts": ("sample_id", "model", "index")}
"""What tells the rows of a config apart, beside `id` alone."""


@dataclass(frozen=True)
class Twice:
    """The release of an old recipe, and the build of its translation from the same log."""

    tree: Mapping[str, Any]
    old: Path
    job: Job

    @property
    def new(self) -> Path:
        assert self.job.release is not None
        return self.job.release


def write(path: Path, tree: Mapping[str, Any]) -> str:
    path.write_text(json.dumps(tree))
    return str(path)


def twice(folder: Path, tree: Mapping[str, Any], *, limit: int | None = None) -> Twice:
    """Build a recipe, and then its translation in a workspace of its own that holds nothing but the logs of the first.

    The second build replays: it may ask for nothing that the first did not.
    """
    build = Build(load_recipe(write(folder / "old.yaml", tree), limit=limit), Workspace(folder / "old"))
    run_build(build)
    old = release_path(build, road(build))
    for logs in ("log", "media"):
        shutil.copytree(folder / "old" / logs, folder / "new" / logs)
    job = translated(folder, tree, folder / "new", limit=limit)
    job.run()
    return Twice(tree, old, job)


def translated(folder: Path, tree: Mapping[str, Any], out: Path, *, limit: int | None = None, **more: Any) -> Job:
    """The build of a recipe's translation that asks no model; `more` are fields of its build."""
    compiled = compile_recipe(write(folder / "new.yaml", translate(tree)), limit=limit)
    return open_job(compiled, out, replay=True, **more)


def configs(release: Path) -> set[str]:
    return {path.parent.name for path in release.glob("*/*.parquet")}


def rows(release: Path, config: str) -> pl.DataFrame:
    """A config's rows; no columns where there is none."""
    files = sorted((release / config).glob("*.parquet"))
    return pl.read_parquet(files) if files else pl.DataFrame()


def differences(both: Twice, config: str) -> list[str]:
    """What of one config is not as it was: rows, their order, or values of columns that old and new rows share."""
    old, new = rows(both.old, config), rows(both.new, config)
    if old.is_empty() and new.is_empty():
        return []
    old = old.rename({name: to for name, to in RENAMED.items() if name in old.columns})
    if config == "rollouts" and "sample_id" in new.columns:  # those of samples that no config holds recompute nothing
        old, new = (
            old.filter(pl.col("sample_id").is_in(sampled(both.new).implode())).sort(KEYS[config]),
            new.sort(KEYS[config]),
        )
    if config == "control":  # what may not be trained on is in no config to train on
        old = old.join(rows(both.old, "holdout"), on="id", how="anti", maintain_order="left")
    key = list(KEYS.get(config, ("id",)))
    if old.is_empty() or new.is_empty() or old.select(key).rows() != new.select(key).rows():
        there = [set(table.select(key).rows()) if not table.is_empty() else set() for table in (old, new)]
        return [
            f"{config}: {len(there[0] - there[1])} rows are lost, {len(there[1] - there[0])} are new"
            if there[0] != there[1]
            else f"{config}: the same rows in another order"
        ]
    unselected = {"control"} if "select" not in both.tree else set[str]()  # without a selection there is no control
    lost = [name for name in old.columns if name not in new.columns and name not in unselected]
    found = [f"{config}.{name}: is gone" for name in lost]
    for name in (name for name in old.columns if name in new.columns):
        pairs = zip(old[name].to_list(), new[name].to_list(), strict=True)
        other = [(a, b) for a, b in pairs if a != b]
        found += [f"{config}.{name}: {len(other)} of {old.height} differ, {other[0]}"] if other else []
    return found


def drops(release: Path) -> pl.DataFrame:
    return pl.read_parquet(release / "dropped.parquet")


def sampled(release: Path) -> pl.Series:
    """The samples that any config of a release holds."""
    found = [rows(release, name) for name in sorted(configs(release) - {"rollouts"})]
    return pl.concat([table["id"] for table in found if not table.is_empty()]).unique()


@dataclass(frozen=True)
class Fate:
    """What dropped a row, in the old build and in the new one; None where nothing did."""

    unit: str
    old: str | None
    new: str | None


def fates(both: Twice) -> Counter[Fate]:
    """How many rows were dropped for which reasons. Rows of traces and rollouts are told by what their ids are made of."""
    names = _names(both)
    old = _reasons(drops(both.old), "stage", names)
    new = _reasons(drops(both.new), "step", {})
    found: Counter[Fate] = Counter()
    for row in sorted({*old, *new}):
        before, after = old.get(row), new.get(row)
        found[Fate(row[0], before, after)] += 1
    return found


UNITS = {"samples": "sample", "traces": "trace", "verdicts": "trace", "answers": "conclusion", "captions": "caption",
         "rollouts": "rollout", "prompts": "prompt", "signals": "signal"}  # fmt: skip


def _reasons(table: pl.DataFrame, by: str, names: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """The first reason of each row, by its unit and id."""
    found: dict[tuple[str, str], str] = {}
    for step, unit, id_, reason in table.select(by, "unit", "id", "reason").iter_rows():
        unit_ = "rollout" if step == "judge_rollouts" else UNITS.get(unit, unit)
        found.setdefault((unit_, names.get(id_, id_)), reason)
    return found


def _names(both: Twice) -> dict[str, str]:
    """The new ids of traces and rollouts, by their old ones."""
    samples = rows_of(both.job, "ingest")["id"].to_list()
    found = {}
    for unit, step in (("trace", "distill"), ("rollout", "rollout")):
        section = both.tree.get({"rollout": "rollouts"}.get(step, step))
        if not section:
            continue
        models = [section["model"]] if isinstance(section["model"], str) else section["model"]
        for sample in samples:
            for model in models:
                for index in range(section.get("n", {"trace": 1, "rollout": 8}[unit])):
                    old = ["trace", sample, index] if unit == "trace" else ["rollout", sample, model, index]
                    found[content_id(old)] = content_id([step, sample, model, index])
    return found


def rows_of(job: Job, step: str) -> pl.DataFrame:
    """What a step wrote, in all buckets."""
    return pl.read_parquet(sorted((job.build.folder / step).glob("rows-*.parquet")))


def unaccounted(job: Job) -> Iterator[str]:
    """Steps whose rows do not add up: each that was made is worked on, passed by, gone with its parent, or dropped before;
    and each that is worked on is kept or dropped."""
    records = {record["step"]: record for record in job.records()}
    for step in job.compiled.pipeline.steps:
        record = records[step.name]
        kept, dropped = record["kept"], sum(record["dropped"].values())
        fan = _fan(step)
        if fan is not None and record["in"] * fan != kept + dropped:
            yield f"{step.name}: {record['in']} rows x {fan} in, {kept} kept, {dropped} dropped"
        made = sum(records[maker]["kept"] for maker in step.node.makers)
        before = len({id_ for other in _droppers(job, step) for id_ in _dropped(job, other, step)})
        seen = record["in"] + record["passed"] + record["gone"] + before
        if step.number > 0 and made != seen:
            parts = f"{record['in']} in, {record['passed']} passed, {record['gone']} gone, {before} dropped before"
            yield f"{step.name}: of {made} rows of {step.node.unit} {parts}"


def _fan(step: Step) -> int | None:
    """The rows that become of each; None where that is for the rows to decide."""
    if step.number == 0 or step.type.name in {"pair", "segment", "promote", "unfold"} or _adaptive(step):
        return None
    if step.makes is None:
        return 1
    return None if step.type.fan is None else step.type.fan(step.config)


def _adaptive(step: Step) -> bool:
    return getattr(step.config, "adaptive", None) is not None


def _droppers(job: Job, step: Step) -> Iterator[Step]:
    for other in job.compiled.pipeline.steps[: step.number]:
        if other.makes is None and other.unit == step.node.unit:
            yield other


def _dropped(job: Job, other: Step, step: Step) -> list[str]:
    files = sorted((job.build.folder / other.name).glob("dropped-*.parquet"))
    made = pl.concat([rows_of(job, maker).select("id") for maker in sorted(step.node.makers)])
    return pl.read_parquet(files).select("id").join(made, on="id", how="semi")["id"].to_list() if files else []
