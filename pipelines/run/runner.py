"""Run a pipeline: what is stale is computed again, in the order of the steps, a bucket at a time, and recorded."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from filters.sql.engine import spilling
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.remote.places import copy_of
from pipelines.run.asked import ANSWERS
from pipelines.run.asking import Asking, Missing
from pipelines.run.asking_shares import by_processes
from pipelines.run.body import narrowed, run_body
from pipelines.run.bucket import Computed, compute, rows_of
from pipelines.run.bucket_tables import Counted, Inquiry, write
from pipelines.run.build import Build
from pipelines.run.context import StepContext
from pipelines.run.contracts import checked
from pipelines.run.ends import Ends
from pipelines.run.finished import Finished
from pipelines.run.outcome import Outcome
from pipelines.run.progress import of_rows
from pipelines.run.reading import read_sources
from pipelines.run.record import Record
from pipelines.run.shards import may_share
from pipelines.store.current import Tables as StepTables
from pipelines.store.scratch import scratch
from pipelines.store.step_tables import RETIRED, content, table_beside, write_part
from pipelines.store.workspace import store_errors
from schemas.errors import MediaError, StepError, StoreError
from schemas.step import Apart

MENDED = 4
"""How many times a step begins, as long as it meets what is damaged."""


class Runner:
    """The steps of one pipeline in one build."""

    def __init__(self, build: Build, pipeline: Pipeline) -> None:
        self.build = build
        self.pipeline = pipeline
        self.tables = StepTables(pipeline, build.folder)
        self.record = Record(build, pipeline, self.tables)
        self._context: StepContext | None = None

    def stale(self) -> list[Step]:
        """The steps that have work to do as things are; what reads from them may have some then."""
        if not self.record.buckets:
            return list(self.pipeline.steps)
        return [step for step in self.pipeline.steps if self.record.stale(step)]

    def run(self, step: Step) -> dict[str, Any] | None:
        """Bring one step up to date, if it is not, and return its record. Those before it must be."""
        if step.number == 0:
            self.record.open()
            if not self.record.buckets or self.record.stale(step):
                read_sources(StepContext(self.build, step, self.tables, self.record))
            return self.record.step(step.name)
        self._recover(step)
        if self.record.stale(step):
            self._run_mended(step)
        return self.record.step(step.name)

    def _recover(self, step: Step) -> None:
        """Record what a build that was killed had finished of a step."""
        finished = Finished(self.build.folder / step.name, self.record.fingerprint(step))
        parts = finished.read()
        if not parts:
            return
        known = self.record.step(step.name)
        if known is not None and known["fingerprint"] == self.record.fingerprint(step):
            parts = known["buckets"] | parts
        parts = {name: parts[name] for name in sorted(parts, key=int)}
        record = Outcome(parts).record(self.build, step, self.record.fingerprint(step), None, Ends(None), 0.0)
        self.record.put(step, record | {"run": next(reversed(parts.values()))["run"]})
        finished.clear()

    def run_all(self) -> list[dict[str, Any]]:
        """Bring every step up to date, in order, and return their records."""
        try:
            return [found for step in self.pipeline.steps if (found := self.run(step)) is not None]
        finally:
            self.build.close()

    def _run_mended(self, step: Step) -> None:
        """Run a step; what it meets damaged is made anew first: tables by the steps that wrote them, images by reading their
        sources again, where a row whose image is gone is dropped. What comes out the same wakes nobody.

        Raises StoreError for what is damaged again at once, and MediaError for an image that no source gives any more.
        """
        lost: set[str] = set()
        notes: list[str] = []
        for _ in range(MENDED):
            paths = self.record.distrust(step)
            notes += [f"{path} was damaged, and is computed anew." for path in paths]
            if not paths:
                try:
                    self._run(step, self.record.stale(step), notes)
                    return
                except MediaError as error:
                    if error.sha256 in lost:
                        raise
                    lost.add(error.sha256)
                    notes += [
                        f"{path} was damaged, and its source is read again." for path in self.build.media.set_aside()
                    ]
                    self.record.forget(self.pipeline.steps[0])
            for earlier in self.pipeline.before(step):
                self.run(earlier)
        raise StoreError(
            f"{notes[-1]} It has happened {MENDED} times in this build: check the disk of {self.build.folder}."
        )

    def _run(self, step: Step, stale: list[int], notes: list[str]) -> None:
        if not stale:
            return
        folder, started = self.build.folder / step.name, time.monotonic()
        with store_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if step.asks:
            with scratch(folder) as keys:
                self._compute(step, stale, notes, started, keys)
        else:
            self._compute(step, stale, notes, started, None)

    def _compute(self, step: Step, stale: list[int], notes: list[str], started: float, keys: Path | None) -> None:
        """Compute stale buckets and record them; `keys` is a folder for what a step asks, if it does."""
        context = StepContext(self.build, step, self.tables, self.record)
        asking = None if keys is None else self.asking(step, context, stale, keys)
        if asking is not None:
            asking.ask()
        whole = step.type.scope(step.config) == "all"
        done = Outcome(parts=self.record.begin(step, range(self.record.buckets) if whole else stale))
        ends = Ends(asking)
        if whole and step.type.survey is None:
            self._whole(step, context, asking, done, ends)
        else:
            self._apart(step, context, asking, stale, done, ends)
        seconds = time.monotonic() - started
        record = done.record(self.build, step, self.record.fingerprint(step), asking, ends, seconds)
        record["warnings"] += [*notes, *self.build.troubles]
        for name in set(done.parts) - {str(b) for b in range(self.record.buckets)}:
            del record["buckets"][name]
        self.record.put(step, record)
        Finished(self.build.folder / step.name, record["fingerprint"]).clear()

    def asking(self, step: Step, context: StepContext, buckets: list[int], folder: Path) -> Asking:
        """A step that asks models about the rows of some buckets; `folder` is for its keys."""
        rows = lambda bucket: self.rows(step, bucket)[0]  # noqa: E731
        return Asking(self.build, step, context, rows, buckets, folder, by_processes)

    def missing(self, step: Step, buckets: list[int], folder: Path) -> dict[str, Missing]:
        """How many completions a build would ask of each of a step's models. All steps before it have to be fresh."""
        return self.asking(step, StepContext(self.build, step, self.tables, self.record), buckets, folder).missing()

    def rows(self, step: Step, bucket: int) -> tuple[pl.DataFrame, Counted]:
        """The rows of a bucket that a step works on, and how many there are."""
        return rows_of(self.tables, step, bucket)

    def context(self, name: str, fingerprint: str) -> StepContext:
        """The context of a step for a process that helps with a build. Raises StepError where the step is another here."""
        step = self.pipeline.step(name)
        if self._context is None or self._context.step is not step:
            copy = copy_of(self.build.folder)
            helps = copy is not None and copy.helps(self.build.folder.name)
            if copy is not None and helps:
                copy.refresh()
            self.record.read()
            if helps:
                self.record.bring(step)
            self._context = StepContext(self.build, step, self.tables, self.record)
        if self.record.fingerprint(step) != fingerprint:
            raise StepError(f"Step '{name}' is another in this process.")
        return self._context

    def _apart(
        self, step: Step, context: StepContext, asking: Asking | None, stale: list[int], done: Outcome, ends: Ends
    ) -> None:
        """Compute buckets, each by itself."""
        progress = of_rows(self.build, step, self.record, stale)
        surveys = self._surveyed(step, context, stale)
        inputs = {bucket: self.record.inputs(step, bucket) for bucket in stale}
        if may_share(step):
            finished = Finished(self.build.folder / step.name, self.record.fingerprint(step))

            def took(bucket: int, one: Computed) -> None:
                if step.type.survey is None:  # else all of them are computed together, or none
                    finished.add(bucket, one.part)

            found = context.each(
                compute, {bucket: (inputs[bucket], surveys[bucket]) for bucket in stale}, progress.add, took
            )
        else:
            found = {}
            for bucket in stale:
                answers = ends.answers(bucket)
                inquiry = None if asking is None else partial(_inquiry, asking, bucket)
                found[bucket] = compute(
                    context, bucket, inputs[bucket], surveys[bucket], progress.add, answers, inquiry
                )
        for bucket, one in found.items():
            done.parts[str(bucket)] = one.part
        if step.type.survey is not None:
            tables = {
                name: gather([one.tables[name] for one in found.values()]) for name, gather in step.type.gathers.items()
            }
            done.tables, done.files = self._write_tables(step, tables)

    def _surveyed(self, step: Step, context: StepContext, stale: list[int]) -> dict[int, Any]:
        """What each bucket gets of a step's survey of all rows; None of a step that has none."""
        survey = None
        if step.type.survey is not None:
            survey = step.type.survey((self.rows(step, bucket)[0] for bucket in stale), step.config, context)
        return dict(zip(stale, survey, strict=True)) if isinstance(survey, Apart) else dict.fromkeys(stale, survey)

    def _whole(self, step: Step, context: StepContext, asking: Asking | None, done: Outcome, ends: Ends) -> None:
        """A step that can only be computed on all rows at once; what it gives goes back to the buckets of its rows."""
        buckets = range(self.record.buckets)
        inputs = {bucket: self.record.inputs(step, bucket) for bucket in buckets}
        progress = of_rows(self.build, step, self.record, buckets)
        progress.add(0)
        found, counts = [], []
        for bucket in buckets:
            mine, counted = self.rows(step, bucket)
            found.append(narrowed(step, mine, context))
            counts.append(counted)
        home = pl.concat([mine.select("id", bucket=pl.lit(bucket, pl.Int32)) for bucket, mine in enumerate(found)])
        rows = pl.concat(found).sort("id")
        found.clear()  # lest all rows are in memory twice
        answers, beside = pl.DataFrame(schema=ANSWERS), {}
        if step.type.streams:
            context.answers = ends.answers
        else:
            answers = pl.concat([ends.answers(b) for b in buckets]).sort("id", maintain_order=True)
            besides = [{name: context.beside(name, bucket) for name in step.beside} for bucket in buckets]
            beside = {name: pl.concat([one[name] for one in besides]).sort("id") for name in step.beside}
        with scratch(self.build.folder / step.name) as spill, spilling(spill, self.build.memory.engine):
            out = run_body(step, rows, beside, answers, context)
        written, drops = checked(step, rows, out)
        on = "id" if step.makes is None else "parent_id"
        kept, gone = (_by_bucket(table, home.rename({"id": on})) for table in (written, drops))
        nothing = written.head(0), drops.head(0)
        del rows, written, drops
        retired = out.tables.get(RETIRED)
        for bucket in buckets:
            replaced = None
            if retired is not None:
                replaced = retired.join(self._samples(bucket), on="id", how="semi", maintain_order="left")
            own, lost = (t.get((bucket,), none) for t, none in zip((kept, gone), nothing, strict=True))
            inquiry = None if asking is None else _inquiry(asking, bucket)
            one = write(context, bucket, own, lost, replaced, inputs[bucket], counts[bucket], {}, inquiry)
            done.parts[str(bucket)] = one
            progress.add(counts[bucket].rows)
        done.tables, done.files = self._write_tables(step, out.tables)
        done.notes.update(out.notes)

    def _samples(self, bucket: int) -> pl.DataFrame:
        return self.tables.made(self.pipeline.names.node("sample"), bucket).select("id")

    def _write_tables(
        self, step: Step, found: Mapping[str, pl.DataFrame]
    ) -> tuple[dict[str, str], dict[str, list[Any]]]:
        """Write what a step keeps beside its rows, and remove what it kept there before. Their contents, and their files."""
        tables = {name: table for name, table in found.items() if name != RETIRED}
        folder = self.build.folder / step.name
        for name in self.record.tables(step.name) - set(tables):
            table_beside(folder, name).unlink(missing_ok=True)
        paths = {name: table_beside(folder, name) for name in tables}
        files = {path.name: write_part(tables[name], path) for name, path in paths.items()}
        return {name: content(table) for name, table in tables.items()}, files


def _by_bucket(table: pl.DataFrame, home: pl.DataFrame) -> dict[tuple[object, ...], pl.DataFrame]:
    """The rows of a table by the buckets in which they are at `home`, which has a key of the table and `bucket`."""
    found = table.join(home, on=home.columns[0], how="left", maintain_order="left")
    return found.partition_by("bucket", maintain_order=True, include_key=False, as_dict=True)


def _inquiry(asking: Asking, bucket: int) -> Inquiry:
    return Inquiry(asking.asked(bucket), asking.refused(bucket))
