"""Preview: a few rows through every step but those that go out, and the story of each.

The tables stand in a scratch folder that is gone afterwards, so no version is made and no build is touched; the logs and the
images are the workspace's own, so whatever was answered is answered for the build too.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.explain.recorded import RecordedBuild
from pipelines.explain.rows import by_id, find
from pipelines.explain.story import RowStory, story_of
from pipelines.job import Job
from pipelines.store.workspace import Workspace
from schemas.errors import CurateError


@dataclass(frozen=True)
class Preview:
    """For each sample its story, then those of the first row that each step made of it. `lost` are the reasons of rows that
    never became samples, `error` is what ended the preview early."""

    samples: list[list[RowStory]]
    lost: list[str]
    error: str | None


class Scratch(Workspace):
    """A workspace whose builds and releases stand in a folder of their own; all else is the workspace's."""

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
    """Run a job of few samples up to what goes out; `check` it before anything starts."""
    name = job.build.recipe.name
    with tempfile.TemporaryDirectory(prefix="curate-preview-") as folder:
        workspace = Scratch(job.build.workspace.root, Path(folder))
        tried = replace(job, build=replace(job.build, workspace=workspace))
        check(tried)
        with workspace.lock(name):
            error = _run(tried)
            return _told(workspace, RecordedBuild(workspace.build(name)), error)


def _run(job: Job) -> str | None:
    """Run the steps until the first that goes out. Returns the sentence of the error that ended it, if one did."""
    runner = job.runner
    try:
        for step in job.compiled.pipeline.steps:
            if step.type.last:
                break
            runner.run(step)
    except CurateError as failed:
        return str(failed)
    finally:
        job.build.close()
    return None


def _told(workspace: Workspace, build: RecordedBuild, error: str | None) -> Preview:
    first = build.steps[0].name if build.steps else ""
    samples, lost = [], list[str]()
    for row in find(build, ""):
        if row.step.name != first:
            continue
        story = story_of(workspace, build, row)
        if not row.made:
            lost += [chapter.reason for chapter in story.chapters if chapter.reason]
            continue
        made = [found for brood in story.children for id_ in brood.ids[:1] if (found := by_id(build, id_, row.bucket))]
        samples.append([story, *(story_of(workspace, build, found) for found in made)])
    return Preview(samples, lost, error)
