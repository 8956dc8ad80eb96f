"""That no row of a build disappears: each is kept, dropped, passed by, or gone with what it was made from."""

from collections.abc import Iterator

import polars as pl
from tiny import rows

from pipelines.compiler.pipeline import Step
from pipelines.job import Job


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
    if step.number == 0 or step.type.name in {"pair", "segment", "promote", "swap_images", "unfold"} or _adaptive(step):
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
    made = pl.concat([rows(job, maker).select("id") for maker in sorted(step.node.makers)])
    return pl.read_parquet(files).select("id").join(made, on="id", how="semi")["id"].to_list() if files else []
