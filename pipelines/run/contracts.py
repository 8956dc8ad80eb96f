"""What a body gives back is held against what its step declared, before a row of it reaches the disk.

These eighty lines stand for a library of table contracts because the checks are of one table against one declaration that is
made at compile time, and against the rows that went in, which no schema class knows.
"""

from collections.abc import Mapping

import polars as pl

from pipelines.compiler.pipeline import Step
from pipelines.store.step_tables import STEP_DROPS
from schemas.errors import BUG, StepError
from schemas.step import Out


def checked(step: Step, rows: pl.DataFrame, out: Out) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows and the drops of `out` as they are written. Raises StepError where they break the step's contract."""
    drops = _drops(step, rows, out.drops)
    written = out.rows
    if written is None:
        if step.gives or step.makes:
            raise _bug(step, "gave no rows, although it declares columns")
        return rows.select("id").join(drops, on="id", how="anti", maintain_order="left"), drops
    declared = {"id": pl.String(), **({"parent_id": pl.String()} if step.makes else {}), **step.gives}
    _check_columns(step, written, declared)
    if written["id"].null_count() or written["id"].n_unique() != written.height:
        raise _bug(step, "gave an id twice, or none")
    written = written.select(list(declared)).sort("id")
    if step.makes is None:
        _check_balance(step, rows, written, drops)
        return written, drops
    parents = written.join(rows.select(parent_id="id"), on="parent_id", how="anti")
    if parents.height:
        raise _bug(step, f"made '{parents['id'][0]}' from a row that it did not get")
    clash = written.join(drops, on="id", how="semi")
    if clash.height:
        raise _bug(step, f"both made and dropped '{clash['id'][0]}'")
    sample = pl.col("id") if step.makes == "sample" else pl.col("sample_id")
    above = rows.select("sample_id", parent_id="id")
    return written.join(above, on="parent_id", how="left", maintain_order="left").with_columns(sample_id=sample), drops


def _drops(step: Step, rows: pl.DataFrame, drops: pl.DataFrame) -> pl.DataFrame:
    """Drops with the parent of each row, in order of id."""
    if "parent_id" not in drops.columns:
        parents = rows.select("id", "parent_id") if step.makes is None else rows.select("id", parent_id="id").head(0)
        drops = drops.join(parents, on="id", how="left", maintain_order="left")
    drops = drops.select(list(STEP_DROPS)).cast(STEP_DROPS).sort("id")
    if drops["id"].n_unique() != drops.height:
        raise _bug(step, "dropped a row twice")
    wrong = drops.filter(~pl.col("reason").str.starts_with(f"{step.name}:"))
    if wrong.height:
        raise _bug(step, f"gives the reason '{wrong['reason'][0]}', which does not begin with its name")
    return drops


def _check_columns(step: Step, written: pl.DataFrame, declared: Mapping[str, pl.DataType]) -> None:
    for name, dtype in declared.items():
        if name not in written.columns:
            raise _bug(step, f"declares a column '{name}' and gave none")
        if written.schema[name] != dtype:
            raise _bug(step, f"declares '{name}' as {dtype} and gave {written.schema[name]}")
    beside = sorted(set(written.columns) - set(declared) - {"sample_id", "parent_id", "made_by"})
    if beside:
        raise _bug(step, f"gave a column '{beside[0]}' that it does not declare")


def _check_balance(step: Step, rows: pl.DataFrame, written: pl.DataFrame, drops: pl.DataFrame) -> None:
    """Every row that came in was either written or dropped, and no other was."""
    after = pl.concat([written.select("id"), drops.select("id")])
    if after["id"].n_unique() != after.height:
        raise _bug(step, "both kept and dropped a row")
    lost, new = rows.join(after, on="id", how="anti"), after.join(rows, on="id", how="anti")
    if lost.height or new.height:
        raise _bug(
            step,
            f"lost rows: {rows.height} came in, {written.height} were kept and {drops.height} dropped "
            f"({lost.height} are missing, {new.height} came from nowhere)",
        )


def _bug(step: Step, what: str) -> StepError:
    return StepError(f"Step '{step.name}' {what}. {BUG}")
