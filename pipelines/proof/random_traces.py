"""All traces that a recipe made, whether they went out or not: what a random choice of traces is drawn from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipelines.job import Job
from pipelines.proof.files import POOL
from pipelines.proof.rows import ids_of
from pipelines.store.sealed_json import read_sealed, write_sealed
from schemas.errors import StoreError
from schemas.ids import chance, content_id
from schemas.tags import TAG_SCHEMAS, render_trace

if TYPE_CHECKING:
    import polars as pl


class Trace(NamedTuple):
    """A trace by its own id, the sample that it answers, and the reply as the release would have written it."""

    key: str
    sample: str
    reply: str


@dataclass(frozen=True)
class Pool:
    """The traces that were drawn, for each seed the places of its draw among them, the config that has their prompts, and
    why there are none."""

    traces: tuple[Trace, ...] = ()
    draws: tuple[tuple[int, ...], ...] = ()
    config: str = "unfiltered"
    why: str | None = "the build of this release is not in the workspace, so the traces that it dropped are not either"

    def drawn(self, seed: int) -> list[Trace]:
        """What a seed learns from."""
        return [self.traces[place] for place in self.draws[seed]]

    @property
    def hash(self) -> str:
        """What a plan says of it."""
        return content_id(self._facts())

    def write(self, folder: Path) -> None:
        write_sealed(self._facts(), folder / POOL)

    def _facts(self) -> dict[str, Any]:
        draws = [list(places) for places in self.draws]
        return {
            "traces": [list(trace) for trace in self.traces], "draws": draws, "config": self.config, "why": self.why,
        }  # fmt: skip


def read_pool(folder: Path, planned: str) -> Pool:
    """What `write` wrote. Raises StoreError where it is gone, damaged, or not the pool whose hash is in the plan."""
    found = read_sealed(folder / POOL)
    if found is None or content_id(found) != planned:
        raise StoreError(f"{folder / POOL} is damaged. Remove {folder} and run the proof again.")
    draws = tuple(tuple(places) for places in found["draws"])
    return Pool(tuple(Trace(*trace) for trace in found["traces"]), draws, found["config"], found["why"])


def pool_of(job: Job | None, release: Path, manifest: Mapping[str, Any], number: int, seeds: int) -> Pool:
    """So many traces for each seed, drawn by hash from all that the build which wrote a release made, of samples that it
    asks with their gold on the sides of `sft`. Held are the ids of the draws, and then the texts of these alone."""
    if job is None or job.release is None or job.release.resolve() != release.resolve():
        return Pool()
    facts = manifest["configs"]["sft"]
    if facts["of"] != "trace":
        return Pool(why=f"`sft` is made of {facts['of']}s, and this draws traces")
    rows = manifest["statistics"]["configs"]
    config = "unfiltered" if rows.get("unfiltered", {}).get("rows") else "sft"
    made, draws = _draws(job, ids_of(release, config, facts["sides"]), number, seeds)
    if made <= rows["sft"]["rows"]:
        return Pool(why="the recipe made no more traces than went out")
    traces = _texts(job, {id_ for draw in draws for id_ in draw}, facts["tags"])
    places = {trace.key: place for place, trace in enumerate(traces)}
    return Pool(traces, tuple(tuple(sorted(places[id_] for id_ in draw)) for draw in draws), config, None)


def _draws(job: Job, known: Sequence[str], number: int, seeds: int) -> tuple[int, list[list[str]]]:
    """How many traces with an answer were made of `known` samples, and the ids of those that each seed draws: those that
    come first by a hash, bucket after bucket."""
    import polars as pl

    asked = pl.Series(known, dtype=pl.String).implode()
    made, kept = 0, [pl.DataFrame(schema={"id": pl.String, "by": pl.Float64})] * seeds
    for rows in _made(job, "final"):
        ids = rows.filter(pl.col("sample_id").is_in(asked), pl.col("final") != "")["id"]
        made += len(ids)
        more = [pl.DataFrame({"id": ids, "by": chance(f"random:{seed}", ids)}) for seed in range(seeds)]
        kept = [pl.concat(pair).sort("by", "id").head(number) for pair in zip(kept, more, strict=True)]
    return made, [draw["id"].to_list() for draw in kept]


def _texts(job: Job, wanted: set[str], tags: str) -> tuple[Trace, ...]:
    """The traces of those ids, in their order."""
    import polars as pl

    found, ids = list[Trace](), pl.Series(sorted(wanted), dtype=pl.String).implode()
    for rows in _made(job, "reasoning", "final"):
        for row in rows.filter(pl.col("id").is_in(ids)).iter_rows(named=True):
            reply = render_trace(TAG_SCHEMAS[tags], row["reasoning"] or "", row["final"])
            found.append(Trace(row["id"], row["sample_id"], reply))
    return tuple(sorted(found))


def _made(job: Job, *texts: str) -> Iterator["pl.DataFrame"]:
    """All traces that a build made, also those that it dropped, a bucket at a time, with some of their texts."""
    runner, names = job.runner, job.compiled.pipeline.names
    node, end = names.node("trace"), len(job.compiled.pipeline.steps)
    sources = {name: names.find(node, (name,), text=True) for name in texts}
    for bucket in range(runner.record.buckets):
        yield runner.tables.current(node, sources, bucket, end, dropped=True, gone=True)
