"""The record of a build: what each step wrote, a bucket at a time, and all that decided it (`store.build_record`).

A bucket of a step is fresh while its fingerprint (its section, version and models) and its inputs (the contents of the
columns that it read) are what they were. So a column that comes out the same wakes nobody, and one that does not wakes
exactly its readers, whenever the build was stopped. A step's record is written after its tables, so that what it names is
there, and read when it is first asked for.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from generators.engines.capability import constrains
from pipelines.compiler.columns import Source
from pipelines.compiler.describe import describe
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.run.build import Build
from pipelines.run.refusals import asks_again
from pipelines.sources.tasks import TasksSource
from pipelines.store.build_record import LAYOUT, read_build, read_step, write_build, write_step
from pipelines.store.current import Tables
from pipelines.store.step_tables import table_beside
from pipelines.store.witness import Suspect, Witness, is_there
from schemas.ids import content_id


class Record:
    """The record of one build, and what follows from it."""

    def __init__(self, build: Build, pipeline: Pipeline, tables: Tables) -> None:
        self._build = build
        self._pipeline = pipeline
        self._tables = tables
        self._folder = build.folder
        self._fingerprints: dict[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._steps: dict[str, dict[str, Any] | None] = {}
        self._witness = Witness(self._folder)
        self.read()

    def read(self) -> None:
        """Read the record again, as another process may have written it."""
        self._facts = read_build(self._folder) or {"buckets": None, "records": {}}
        self._steps = {}

    @property
    def buckets(self) -> int:
        return int(self._facts["buckets"] or 0)

    def start(self, buckets: int) -> None:
        """Begin anew with so many buckets; nothing that was recorded counts any more."""
        self._facts, self._steps = {"buckets": buckets, **self._now(), "records": {}}, {}
        write_build(self._facts, self._folder)

    def step(self, name: str) -> dict[str, Any] | None:
        """What is recorded of a step, or None where it never finished a bucket."""
        if name not in self._steps:
            self._steps[name] = read_step(self._folder, name, self._facts)
        return self._steps[name]

    def tables(self, name: str) -> set[str]:
        """The tables that a step keeps beside its rows."""
        return set((self.step(name) or {}).get("tables", {}))

    def steps(self) -> list[dict[str, Any]]:
        """The records of the pipeline's steps, in order, of those that have one."""
        return [found for step in self._pipeline.steps if (found := self.step(step.name)) is not None]

    def forget(self, step: Step) -> None:
        """Have a step computed again, by whoever reads the record."""
        self._steps[step.name] = None
        if self._facts["records"].pop(step.name, None) is not None:
            write_build(self._facts, self._folder)

    def begin(self, step: Step, buckets: Iterable[int]) -> dict[str, Any]:
        """Forget what is about to be written anew, so that what a kill leaves half done is not taken for what it was.

        Returns the records of the buckets that stay.
        """
        found = self.step(step.name)
        if found is None:
            return {}
        same = found["fingerprint"] == self.fingerprint(step)
        gone = {str(bucket) for bucket in buckets}
        found["buckets"] = {name: part for name, part in found["buckets"].items() if same and name not in gone}
        self._write(step.name)
        return dict(found["buckets"])

    def put(self, step: Step, record: Mapping[str, Any]) -> None:
        """Record a step."""
        self._steps[step.name] = dict(record)
        known = {known.name for known in self._pipeline.steps}
        self._facts["records"] = {name: found for name, found in self._facts["records"].items() if name in known}
        self._write(step.name)

    def _write(self, *names: str) -> None:
        """Write the records of some steps as they are now."""
        for name in names:
            self._facts["records"][name] = write_step(self._steps[name] or {}, self._folder)
        write_build(self._facts, self._folder)

    @property
    def run(self) -> str | None:
        """The latest build that began; parts and records of steps name the one that computed them."""
        found = self._facts.get("run")
        return found if isinstance(found, str) else None

    def open(self) -> None:
        """Note that this build has begun, what its pipeline is, and which procedural tasks it reads: those who look at it
        later have no recipe."""
        now = self._now()
        if self._facts | now != self._facts:
            self._facts |= now
            write_build(self._facts, self._folder)

    def _now(self) -> dict[str, Any]:
        fed = [source for source in self._build.recipe.sources if isinstance(source, TasksSource)]
        tasks = [source.model_dump(mode="json", by_alias=True) for source in fed]
        return {"run": self._build.run, "pipeline": describe(self._pipeline), "tasks": tasks}

    def fingerprint(self, step: Step) -> str:
        """What decides the tables of a step beside all that it reads."""
        known = self._fingerprints.get(step.name)
        if known is None:
            identities, models = self._build.identities, self._build.recipe.models
            known = content_id(
                {
                    "layout": LAYOUT,
                    "name": step.name,
                    "type": step.type.name,
                    "version": step.type.version,
                    # As text: of causes, sides and students the first one counts, so their order is part of a section.
                    "config": step.config.model_dump_json() if step.config is not None else None,
                    "seed": self._build.seed,
                    "models": [[identities[m].to_json(), sorted(constrains(models[m]))] for m in step.models],
                    "gives": {name: str(dtype) for name, dtype in step.gives.items()},
                    "gold_visible": step.gold_visible,
                    "before": step.before,
                    "reads": {name: _addresses(source) for name, source in step.named_sources()},
                    "facts": step.type.facts(step.config, self._build),
                }
            )
            self._fingerprints[step.name] = known
        return known

    def inputs(self, step: Step, bucket: int) -> str:
        """The contents of all that a step reads in a bucket, as they are now. Drops where there are none do not count."""
        found: dict[str, Any] = {}
        for giver, column in set(self._tables.addresses(step)):
            content = self._contents(giver, bucket).get(column)
            if content is not None:
                found[f"{giver}.{column}"] = content
        if step.type.last:  # what goes out holds every drop, with its evidence
            for other in self._pipeline.before(step):
                contents = self._contents(other.name, bucket)
                kept = (self.step(other.name) or {}).get("tables", {})
                found[other.name] = [*(contents.get(table) for table in ("#drops", "#retired")), kept]
        return content_id(found)

    def _contents(self, step: str, bucket: int) -> Mapping[str, str]:
        found: Mapping[str, str] = (self.step(step) or {}).get("buckets", {}).get(str(bucket), {}).get("contents", {})
        return found

    def is_fresh(self, step: Step, bucket: int) -> bool:
        """Whether a bucket of a step is whole, and all that decided it is what it was."""
        record = self.step(step.name)
        if record is None or record["fingerprint"] != self.fingerprint(step):
            return False
        if self._build.buckets not in (None, self.buckets):
            return False
        part = record["buckets"].get(str(bucket))
        if part is None or part.get("unanswered") or part["inputs"] != self.inputs(step, bucket):
            return False
        if asks_again(part.get("refused", {}), self._build.recipe.models, retry=self._build.retry_errors):
            return False
        folder = self._build.folder / step.name
        files = {**part["files"], **record.get("files", {})}
        there = all(is_there(folder / name, size, digest) for name, (size, digest) in files.items())
        beside = (table_beside(folder, name) for name in self.tables(step.name))
        return there and all(path.name in files or path.is_file() for path in beside)

    def distrust(self, step: Step) -> list[Path]:
        """Forget what is recorded of tables that a step is about to read and that are not what was written, so that they are
        computed again; their paths. Whole tables are read only here: `is_fresh` looks at sizes."""
        found = self._suspects(step)
        for suspect in found:
            record = self._steps[suspect.step] or {}
            gone = [suspect.bucket] if suspect.bucket is not None else list(record["buckets"])
            record["buckets"] = {name: part for name, part in record["buckets"].items() if name not in gone}
        if found:
            self._write(*sorted({suspect.step for suspect in found}))
        return [suspect.path for suspect in found]

    def bring(self, step: Step) -> None:
        """Have the tables here that a step reads, where another process publishes them: on a machine that helps with a
        build."""
        self._suspects(step)

    def _suspects(self, step: Step) -> list[Suspect]:
        before = self._pipeline.before(step)
        names = {giver for giver, _ in self._tables.addresses(step)}
        givers = [other for other in before if step.type.last or other.name in names]
        return list(self._witness.suspects({g.name: record for g in givers if (record := self.step(g.name))}))

    def check(self, steps: Iterable[Step]) -> None:
        """Raise StoreError where a table of steps is not what was written, for those who read and compute nothing."""
        self._witness.check({step.name: found for step in steps if (found := self.step(step.name)) is not None})

    def holds_beside(self, step: Step) -> bool:
        """Whether the tables that a step keeps beside its rows are what was written."""
        written = (self.step(step.name) or {}).get("files", {})
        return all(
            self._witness.holds(self._folder / step.name / file, digest) for file, (_, digest) in written.items()
        )

    def stale(self, step: Step) -> list[int]:
        """The buckets of a step that have to be computed: all of them where it can only be computed as a whole."""
        found = [bucket for bucket in range(self.buckets) if not self.is_fresh(step, bucket)]
        whole = step.type.scope(step.config) == "all"
        return list(range(self.buckets)) if found and whole else found


def _addresses(source: Source) -> list[str]:
    return [*(f"{column.step}.{column.name}" for column in source.columns), *source.path]
