"""All traces that a recipe made, whether they went out or not: what a random choice of traces is drawn from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.job import Job
from pipelines.proof.rows import ids_of
from pipelines.store.sealed_json import read_sealed, write_sealed
from schemas.errors import StoreError
from schemas.ids import content_id
from schemas.tags import TAG_SCHEMAS, render_trace

FILE = "random_traces.json"


class Trace(NamedTuple):
    """A trace by its own id, the sample that it answers, and the reply as the release would have written it."""

    key: str
    sample: str
    reply: str


@dataclass(frozen=True)
class Pool:
    """The traces, the config that has their prompts, and why there are none."""

    traces: tuple[Trace, ...] = ()
    config: str = "unfiltered"
    why: str | None = "the build of this release is not in the workspace, so the traces that it dropped are not either"

    @property
    def hash(self) -> str:
        """What a plan says of it."""
        return content_id(self._facts())

    def write(self, folder: Path) -> None:
        write_sealed(self._facts(), folder / FILE)

    def _facts(self) -> dict[str, Any]:
        return {"traces": [list(trace) for trace in self.traces], "config": self.config, "why": self.why}


def read_pool(folder: Path, planned: str) -> Pool:
    """What `write` wrote. Raises StoreError where it is gone, damaged, or not the pool whose hash is in the plan."""
    found = read_sealed(folder / FILE)
    if found is None or content_id(found) != planned:
        raise StoreError(f"{folder / FILE} is damaged. Remove {folder} and run the proof again.")
    return Pool(tuple(Trace(*trace) for trace in found["traces"]), found["config"], found["why"])


def pool_of(job: Job | None, release: Path, manifest: Mapping[str, Any]) -> Pool:
    """The traces of the build that wrote a release, of samples that it asks with their gold on the sides of `sft`."""
    if job is None or job.release is None or job.release.resolve() != release.resolve():
        return Pool()
    facts = manifest["configs"]["sft"]
    if facts["of"] != "trace":
        return Pool(why=f"`sft` is made of {facts['of']}s, and this draws traces")
    rows = manifest["statistics"]["configs"]
    config = "unfiltered" if rows.get("unfiltered", {}).get("rows") else "sft"
    known, schema = set(ids_of(release, config, facts["sides"])), TAG_SCHEMAS[facts["tags"]]
    runner, names = job.runner, job.compiled.pipeline.names
    node = names.node("trace")
    sources = {name: names.find(node, (name,), text=True) for name in ("reasoning", "final")}
    end, found = len(job.compiled.pipeline.steps), list[Trace]()
    for bucket in range(runner.record.buckets):
        made = runner.tables.current(node, sources, bucket, end, dropped=True, gone=True)
        for row in made.iter_rows(named=True):
            if row["sample_id"] in known and row["final"]:
                reply = render_trace(schema, row["reasoning"] or "", row["final"])
                found.append(Trace(row["id"], row["sample_id"], reply))
    if len(found) < rows["sft"]["rows"]:
        return Pool(why="the recipe made no more traces than went out")
    return Pool(tuple(sorted(found)), config, None)
