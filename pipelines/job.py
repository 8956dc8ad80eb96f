"""A recipe to build: read, typed and compiled, in a workspace."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Any

import polars as pl

from generators.kept import kept_models
from pipelines.compiler.columns import NameFault
from pipelines.compiler.compile import Entry, compile_steps
from pipelines.compiler.pipeline import Pipeline, Step
from pipelines.recipe.demo import Sidecar, read_sidecar
from pipelines.recipe.demo_changes import demo_changes, demo_facts
from pipelines.recipe.document import Demonstration, Document, load_document
from pipelines.recipe.extensions import load_uses
from pipelines.recipe.library import find_recipe
from pipelines.recipe.typed import typed_steps
from pipelines.remote.places import address_of, named, place
from pipelines.run.build import Build
from pipelines.run.runner import Runner
from pipelines.steps.catalogue import TYPES, step_types
from pipelines.steps.ingest import INGEST, SELFTEST, ingest_config
from pipelines.store.causes import shortages
from pipelines.store.owner import this_host
from pipelines.store.workspace import Workspace, is_trial, recipe_of
from schemas.errors import ConfigError
from schemas.step import StepConfig

Run = Callable[[Runner, Step], Any]
"""How one step is brought up to date."""


@dataclass(frozen=True)
class Compiled:
    """A recipe with the pipeline that its steps make, and the sidecar where it is a demo."""

    document: Document
    pipeline: Pipeline
    sidecar: Sidecar | None = None


def compile_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    trust: bool = False,
    limit: int | None = None,
    seed: int | None = None,
    demo: bool = False,
) -> Compiled:
    """Read a recipe and compile its steps. `overrides` are `key=value` texts; with `trust` it may run code of its own. A
    `demo` has the same steps, with models and sources that come with curate (`pipelines.recipe.demo`).

    Raises ConfigError, each mistake on a line with its place.
    """
    if not demo:
        return _compiled(load_document(name, overrides, trust=trust, limit=limit, seed=seed))
    sidecar = read_sidecar(find_recipe(name))
    own = [option for option in overrides if option.startswith("steps.")]  # others are about what the demo changes
    published = _compiled(load_document(name, own, trust=trust))
    changes = demo_changes(published.document, published.pipeline, sidecar)
    demonstration = Demonstration(changes, demo_facts(published.document, changes, sidecar.demo))
    document = load_document(name, overrides, trust=trust, limit=limit, seed=seed, demo=demonstration)
    return replace(_compiled(document), sidecar=sidecar)


def _compiled(document: Document) -> Compiled:
    known = dict.fromkeys(TYPES)
    own = load_uses(document, known) if document.uses else {}
    found = step_types(entry.type for entry in document.steps) | own
    typed = typed_steps(document, {**known, **found})  # type: ignore[dict-item]  # names of those not loaded, for hints
    first = document.places.get(("sources",), str(document.path))
    implied = [
        Entry("ingest", INGEST, ingest_config(document.sources), first),
        Entry("selftest", SELFTEST, StepConfig(), first),
    ]
    steps = [Entry(step.entry.name, step.type, step.config, step.entry.place) for step in typed]
    return Compiled(document, compile_steps([*implied, *steps]))


@dataclass(frozen=True)
class Job:
    """A compiled recipe in a workspace."""

    compiled: Compiled
    build: Build

    @property
    def runner(self) -> Runner:
        return Runner(self.build, self.compiled.pipeline)

    @property
    def release(self) -> Path | None:
        """The folder of the release that the build wrote; None where it wrote none, or it is gone."""
        step = self.releasing
        return None if step is None else self._published(step)

    @property
    def releasing(self) -> Step | None:
        """The step that releases, if the recipe has one."""
        return next((step for step in self.compiled.pipeline.steps if step.type.published is not None), None)

    def _published(self, step: Step) -> Path | None:
        if step.type.published is None or not self.runner.record.holds_beside(step):  # where the version is written
            return None
        return step.type.published(step.name, self.build)

    def up_to_date(self) -> bool:
        """Whether there is nothing to do: every table is fresh and what was published is there. Loads no model."""
        return not self.runner.stale() and not any(map(self._is_gone, self.compiled.pipeline.steps))

    def _is_gone(self, step: Step) -> bool:
        """Whether a step publishes, and what it published is not there."""
        return step.type.published is not None and self._published(step) is None

    def run(self, run: Run = lambda runner, step: runner.run(step)) -> list[dict[str, Any]]:
        """Bring every step up to date, in order, and return their records; `run` is how one step is run."""
        build, pipeline = self.build, self.compiled.pipeline
        build.workspace.prepare(build.recipe.name)
        with shortages(build.workspace.root), build.workspace.lock(build.recipe.name):
            runner = self.runner
            sweep(build, pipeline)
            small = kept_models() if self.compiled.sidecar is not None else nullcontext()
            try:
                with small:
                    for step in pipeline.steps:
                        if self._is_gone(step):
                            runner.record.forget(step)
                        run(runner, step)
            finally:
                build.close()
            return Runner(build, pipeline).record.steps()

    def rows(self, of: str | tuple[str, ...], columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The living rows of a unit, or those that steps made, with current values as of the end of the pipeline.

        `id, sample_id, parent_id, made_by` and `columns` by the names that recipes write (`reasoning`, `sample.question`,
        `difficulty.k`); None: all of their own that a short name reads. In order of `id`; the gold is read as text. Raises
        ConfigError for a name that is unknown, ambiguous or outdated, and where the recipe was never built here.
        """
        self.records()
        runner, names = self.runner, self.compiled.pipeline.names
        try:
            node = names.node(of)
            wanted = names.own(node) if columns is None else columns
            sources = {name: names.find(node, tuple(name.split(".")), text=True) for name in wanted}
        except NameFault as fault:
            raise ConfigError(f"{of}: {fault}") from None
        end = len(self.compiled.pipeline.steps)
        runner.record.check(self.compiled.pipeline.steps)
        found = [runner.tables.current(node, sources, bucket, end) for bucket in range(runner.record.buckets)]
        return pl.concat(found).sort("id")

    def finished(self) -> list[dict[str, Any]]:
        """The records of the steps that the latest build came through; what lies behind them is of an earlier build."""
        record = self.runner.record
        found = []
        for step in self.compiled.pipeline.steps:
            mine = record.step(step.name)
            if mine is None or (mine["run"] != record.run and record.stale(step)):
                break
            found.append(mine)
        return found

    def records(self) -> list[dict[str, Any]]:
        """What is recorded of every step. Raises ConfigError where the recipe was never built here."""
        found = self.runner.record.steps()
        if not found:
            name = self.build.recipe.name
            command = f"curate build {recipe_of(name)}" + (" --demo" if self.compiled.sidecar is not None else "")
            raise ConfigError(f"'{name}' has not been built in {self.build.workspace.root}. Run `{command}` first.")
        return found


def open_job(compiled: Compiled, workspace: Path, **more: Any) -> Job:
    """The job of a compiled recipe in a workspace; `more` are fields of its `Build`."""
    places, trial = compiled.document.places, is_trial(compiled.document.name)
    for number, source in enumerate(compiled.document.sources):
        try:
            source.locate(workspace / "releases", trial=trial)
        except ConfigError as error:
            at, earlier = places.get(("sources", number), str(compiled.document.path)), compiled.sidecar
            cure = (
                [f"`curate build {quote(name)} --demo`" for name in earlier.demo.after] if earlier is not None else []
            )
            before = f" Build what it goes on from first: {', '.join(cure)}, in the same workspace." if cure else ""
            raise ConfigError(f"{at}: {error}{before}") from None
    folder = workspace.absolute()
    more.setdefault("reopen", partial(_reopened, compiled.document, address_of(folder), _home(folder)))
    return Job(compiled, Build(compiled.document, Workspace(workspace), **more))


def _home(workspace: Path) -> tuple[str, str]:
    """Which folder of which machine a workspace is."""
    return str(workspace), this_host()


def _reopened(document: Document, address: str, home: tuple[str, str], **more: Any) -> Runner:
    """The runner of a build that another process opened (`Build.reopen`) in a workspace whose folder there is `home`; on
    another machine an address has a folder of its own."""
    folder = place(address, beside=_home(named(address)) == home)
    return Runner(Build(document, Workspace(folder), **more), _compiled(document).pipeline)


def sweep(build: Build, pipeline: Pipeline) -> None:
    """Remove the tables of steps that the recipe no longer has."""
    known = {step.name for step in pipeline.steps}
    for found in build.folder.iterdir():
        if found.is_dir() and found.name not in known:
            shutil.rmtree(found)
