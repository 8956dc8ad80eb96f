"""Preview of a recipe: a few rows through every step, and what happened to each of them.

The tables and the release are in a scratch folder that is gone afterwards, so no version is made and no build is touched;
the logs and the images are the workspace's own, so whatever was answered is answered for the build too.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from generators.engines.capability import constrains, held_to
from pipelines.compiler.pipeline import Step
from pipelines.explain.arrival import Arrival, arrivals
from pipelines.explain.asked import exchange_of
from pipelines.explain.rows import Found, find
from pipelines.explain.sample_story import Event, KeptBuild, Outcome, SampleStory, sample_story
from pipelines.explain.story import RowStory
from pipelines.job import Job
from pipelines.run.runner import Runner
from pipelines.store.workspace import Workspace
from schemas.errors import CurateError


@dataclass(frozen=True)
class Preview:
    """Each sample with what happened to it. `lost` are rows that never became samples, with their reasons and evidence;
    `error` is what ended the preview early. `media` are the files of stored images by their hashes."""

    samples: list[SampleStory]
    arrivals: list[Arrival]
    lost: list[tuple[str, dict[str, Any]]]
    error: str | None
    media: Callable[[str], Path]


class Scratch(Workspace):
    """A workspace whose builds and releases are in a folder of their own; all else is the workspace's."""

    def __init__(self, root: Path, scratch: Path) -> None:
        super().__init__(root)
        self._scratch = scratch

    def build(self, recipe: str) -> Path:
        return self._scratch / "builds" / recipe

    def releases(self, recipe: str) -> Path:
        return self._scratch / "releases" / recipe

    def former(self, recipe: str) -> Path:
        return Workspace(self.root).former(recipe)


def preview(job: Job, check: Callable[[Job], None]) -> Preview:
    """Run a job of few samples (its recipe has a limit); `check` it before anything starts."""
    name = job.build.recipe.name
    with tempfile.TemporaryDirectory(prefix="curate-preview-") as folder:
        workspace = Scratch(job.build.workspace.root, Path(folder))
        tried = replace(job, build=replace(job.build, workspace=workspace))
        check(tried)
        with workspace.lock(name):
            runner = tried.runner
            try:
                failed, error = _run(runner)
                stories, lost = _stories(workspace, runner, failed)
                arrived = list(arrivals(runner, Path(folder)))
            finally:
                tried.build.close()
        return Preview(stories, arrived, lost, error, job.build.media.path)


def _run(runner: Runner) -> tuple[Step | None, str | None]:
    """Run the steps. Returns the step whose error ended it, if one did, and its sentence."""
    for step in runner.pipeline.steps:
        try:
            runner.run(step)
        except CurateError as failed:
            return step, str(failed)
    return None, None


def _stories(
    workspace: Workspace, runner: Runner, failed: Step | None
) -> tuple[list[SampleStory], list[tuple[str, dict[str, Any]]]]:
    build = KeptBuild(runner.build.folder)
    first = build.steps[0].name if build.steps else ""
    samples, lost = [], list[tuple[str, dict[str, Any]]]()
    for row in find(build, ""):
        if row.step.name != first:
            continue
        found = sample_story(workspace, build, row)
        if not row.made:
            lost += [(chapter.reason, chapter.values) for chapter in found.story.chapters if chapter.reason]
            continue
        more = [] if failed is None else list(_tried(runner, failed, build, found.story))
        samples.append(SampleStory(found.story, (*found.events, *more)))
    return samples, lost


def _tried(runner: Runner, step: Step, build: KeptBuild, story: RowStory) -> Iterator[Event]:
    """What the step that failed was to ask first about a sample and what was made from it, and what came of that."""
    if step.type.asks is None or step.number == 0:
        return
    facts, bucket = build.steps[step.number], story.row.bucket
    with suppress(CurateError):  # it has been shown already
        rows, _ = runner.rows(step, bucket)
        mine = set(rows.filter(rows["sample_id"] == story.row.id)["id"]) | ({story.row.id} & set(rows["id"]))
        for request in step.type.asks.requests(rows, step.config):
            if request.id in mine:
                for model in step.models:
                    if request.model in (None, model):
                        held = held_to(constrains(runner.build.recipe.models[model]), request)
                        about = Found(request.id, facts.of, facts, bucket)
                        yield Event(facts, about, (Outcome((exchange_of(runner.build, model, held),), ""),))
