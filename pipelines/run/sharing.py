"""Ask once, whoever asks: what another build of the workspace is asking for is waited for, and asked where that one did not
get it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pipelines.run.build import Build
from pipelines.run.receipt import Receipt
from pipelines.run.refusals import Refusals
from pipelines.store.claims import Claims
from pipelines.store.table_files import scan_table
from pipelines.store.workspace import write_table

Ask = Callable[[int, Refusals], Receipt]
"""Asks for the samples of the table `missing`, of which there are so many."""


def ask_once(build: Build, step: str, model: str, wanted: Path, missing: Path, ask: Ask) -> Receipt:
    """Ask one model for what the logs do not hold of the table `wanted`; it is written to `missing` before.

    A replay, which asks no model, neither claims anything nor waits.
    """
    refusals, spent, open_ = Refusals(build, model, wanted), Receipt(), wanted
    claims, left = Claims(build.workspace.completions, build.memory), wanted.with_name("wanted-elsewhere.parquet")

    def find() -> int:
        build.log.heal()
        build.prompts.heal()
        return refusals.leave_out(missing, build.log.missing(open_, missing))

    try:
        if build.replay:
            total = find()
            return replace(ask(total, refusals) if total else spent, terms=refusals.terms)
        while True:
            with claims.claim(missing, find) as claim:
                if claim.ours:
                    spent += ask(claim.ours, refusals)
            if not claim.owners:
                return replace(spent, terms=refusals.terms)
            if claim.elsewhere:  # what was asked here is not asked again, whatever came of it
                rows = scan_table(open_).join(scan_table(claim.rest), on="prompt_key", how="semi")
                write_table(rows, left.with_suffix(".new"))
                left.with_suffix(".new").replace(left)
                open_ = left
            waiting = Receipt(total=claim.elsewhere, elsewhere=claim.elsewhere)
            claim.wait(lambda waiting=waiting: build.progress(step, waiting))  # type: ignore[misc]
    finally:
        left.unlink(missing_ok=True)
        claims.rest(missing).unlink(missing_ok=True)
