"""What verification made of the golds: right completions against chance, for the manifest and the card."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from filters.guessing import golds_and_verdicts, verified_shares
from pipelines.compiler.compile import Before
from pipelines.run.context import StepContext
from pipelines.steps.release_plan import BASE, Planned
from pipelines.store.table_files import scan_table
from schemas.step import Beside, Read, read


def scored_beside(planned: Planned, before: Before) -> dict[str, Beside]:
    """All completions of a config's unit that were verified, dropped or not; of other configs nothing."""
    if not planned.verified:
        return {}
    wanted: dict[str, Read] = {name: BASE[name] for name in ("options", "answer", "source")}
    wanted |= {"correct": read("correct", pl.Boolean()), "final": read("final", pl.String())}
    if "no_answer" in before.types(planned.section.of):
        wanted["no_answer"] = read("no_answer", pl.Boolean())
    return {_name(planned): Beside(planned.section.of, wanted, dropped=True, gone=True)}


def shares(
    planned: tuple[Planned, ...], context: StepContext, written: Mapping[str, Sequence[Path]]
) -> dict[str, list[dict[str, Any]]]:
    """For each config of verified completions the rows of `filters.guessing.verified_shares`."""
    return {one.name: _shares(one, context, written[one.name]) for one in planned if one.verified}


def _shares(planned: Planned, context: StepContext, written: Sequence[Path]) -> list[dict[str, Any]]:
    samples, answered, kept = [], [], []
    for bucket in context.buckets:
        golds, verdicts = golds_and_verdicts(context.beside(_name(planned), bucket))
        samples.append(golds)
        answered.append(verdicts)
        living = context.beside(planned.name, bucket, only={"reply_correct"})
        kept.append(living.filter("reply_correct").select("sample_id").unique())
    released = scan_table(written).select(id="sample_id").unique().collect()
    return verified_shares(pl.concat(samples), pl.concat(answered), pl.concat(kept), released).to_dicts()


def _name(planned: Planned) -> str:
    return f"scored:{planned.name}"
