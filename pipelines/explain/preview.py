"""Preview: a few rows through every stage but the release, and all that was said on the way.

The tables stand in a scratch folder that is gone afterwards, so no version is made and no build is touched; the log and
the images are the workspace's own, so whatever was answered is answered for the build too.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl

from filters.difficulty import is_unread, verdict, verdict_of
from pipelines.road.ask import ask
from pipelines.road.stage import Asks, Build, Road, Stage, run_stage
from pipelines.road.stages import ROAD, road
from pipelines.road.steps.rollouts import scores
from pipelines.road.steps.round_trip import trained_on
from pipelines.store.workspace import Workspace
from schemas.completion import Completion, ImagePart, Message, Request, completion_key, prompt_key
from schemas.errors import CurateError
from schemas.split import Split, no_drops

LAST = "release"
"""The stage that a preview stops before."""

NO_IMAGE_TOKENS = 2
"""Prompt tokens an image up to which there was none: a server that ignores images may still count a mark for each."""


@dataclass(frozen=True)
class Reply:
    """One completion, what a stage read in it, and what was made of that. Null where the log has no answer."""

    index: int
    text: str | None
    finish: str | None
    prompt_tokens: int | None = None
    reasoning: str | None = None
    extracted: str | None = None
    verdict: str | None = None


@dataclass(frozen=True)
class Asked:
    """What one model was sent for a row, and what it answered. `model` is the recipe's name of it."""

    stage: str
    model: str
    request: Request
    replies: tuple[Reply, ...]


@dataclass
class Row:
    """One sample on its way. `images` are the paths of its stored images; `fate` is a sentence."""

    id: str
    source: str
    question: str
    gold: str
    kind: str
    images: tuple[Path, ...]
    asked: list[Asked] = field(default_factory=list)
    drops: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    fate: str = ""


@dataclass(frozen=True)
class Arrival:
    """Whether a model got the images that a stage sent it, and by what that was told."""

    stage: str
    model: str
    arrived: Literal["yes", "no", "unknown"]
    why: str


@dataclass
class Preview:
    """The rows, whether their images arrived, what ingest dropped, and the error that ended it, if one did."""

    rows: list[Row]
    arrivals: list[Arrival]
    lost: list[tuple[str, Mapping[str, Any]]]
    error: str | None = None


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


def preview(build: Build, check: Callable[[Build], None] = lambda build: None) -> Preview:
    """Run a build's rows (its recipe has a limit) through every stage but the release; `check` it before anything starts."""
    with _scratch(build) as tried:
        check(tried)
        plan, error = road(tried), None
        for stage in plan.stages:
            if stage.name == LAST:
                break
            try:
                run_stage(plan, stage)
            except CurateError as failed:
                error = str(failed)
                break
        rows = _rows(tried, plan)
        asked = [found for stage in plan.stages for found in _asked(tried, plan, stage)]
        by_id = {row.id: row for row in rows}
        for sample, found in asked:
            if sample in by_id:
                by_id[sample].asked.append(found)
        _tell_fates(plan, by_id, stopped=error is not None)
        arrivals = list(_arrivals(tried, plan, [found for _, found in asked]))
        lost = _drops(plan, "ingest") if _done(plan, "ingest") else []
    return Preview(rows, arrivals, [(d["reason"], json.loads(d["evidence"] or "{}")) for d in lost], error)


@contextmanager
def _scratch(build: Build) -> Iterator[Build]:
    with tempfile.TemporaryDirectory(prefix="curate-preview-") as folder:
        workspace = Scratch(build.workspace.root, Path(folder))
        workspace.prepare(build.recipe.name)
        with workspace.lock(build.recipe.name):
            yield replace(build, workspace=workspace)


def _done(plan: Road, name: str) -> bool:
    return name in plan and plan.record(plan.stage(name)) is not None


def _rows(build: Build, plan: Road) -> list[Row]:
    if not _done(plan, "ingest"):
        return []
    found = []
    for row in plan.table("ingest").collect().iter_rows(named=True):
        images = [m["sha256"] for m in row["media"] or () if m["kind"] == "image"]
        source, answer = row["source"], row["answer"]
        paths = tuple(build.media.path(sha256) for sha256 in images)
        found.append(Row(row["id"], source["dataset"], row["question"], answer["raw"], answer["kind"], paths))
    return found


def _asked(build: Build, plan: Road, stage: Stage) -> Iterator[tuple[str, Asked]]:
    """Everything that a stage asked, with the id of the sample that it is about; also where the stage failed."""
    if stage.asks is None or not all(_done(plan, name) for name in plan.draws_on(stage) if name in plan):
        return
    rows = stage.asks.rows(plan, stage).collect().sort("id")
    samples = dict(rows.select("id", sample=pl.col("sample_id" if "sample_id" in rows.columns else "id")).iter_rows())
    outcomes = _outcomes(plan, stage) if _done(plan, stage.name) else {}
    section = stage.section(build.recipe)
    for model in stage.models(build.recipe):
        mine = rows.filter(pl.col("model") == model) if "model" in rows.columns else rows
        requests = list(stage.asks.requests(mine, section))
        answers = _answers(build, model, requests)
        for request in requests:
            replies = []
            for index in request.indexes:
                known = answers.get((request.id, index))
                extracted, verdict = outcomes.get((request.id, model, index), (None, None))
                if known is None:
                    replies.append(Reply(index, None, None, verdict=verdict))
                else:
                    said = (known.text, known.finish_reason, known.prompt_tokens, known.reasoning)
                    replies.append(Reply(index, *said, extracted, verdict))
            yield samples[request.id], Asked(stage.name, model, request, tuple(replies))


def _answers(build: Build, model: str, requests: list[Request]) -> dict[tuple[str, int], Completion]:
    """What the log holds of the answers to `requests`, by id and index; the first of several counts."""
    identity = build.identities[model]
    wanted: dict[str, list[tuple[str, int]]] = {}
    for request in requests:
        for index in request.indexes:
            wanted.setdefault(completion_key(prompt_key(identity, request), index), []).append((request.id, index))
    found = build.log.scan().filter(pl.col("key").is_in(list(wanted))).sort("created_at").collect()
    answers = {}
    for row in found.unique("key", keep="first", maintain_order=True).iter_rows(named=True):
        counts = (row["prompt_tokens"], row["completion_tokens"], row["reasoning"])
        for place in wanted[row["key"]]:
            answers[place] = Completion(place[1], row["text"], row["finish_reason"], *counts)
    return answers


Outcomes = dict[tuple[str, str, int], tuple[str | None, str | None]]
"""What was extracted and its verdict, by id of the request, model and index."""


def _outcomes(plan: Road, stage: Stage) -> Outcomes:
    if stage.name == "rollouts" and _done(plan, "score"):
        return _of_rollouts(plan)
    if stage.name == "distill":
        return _of_traces(plan, stage)
    model = next(iter(stage.models(plan.build.recipe)), "")
    found: Outcomes = {(row["id"], model, 0): (None, row["reason"]) for row in _drops(plan, stage.name)}
    kept = plan.table(stage.name).collect()
    for row in kept.iter_rows(named=True):
        if "correct" in kept.columns:
            found[row["id"], model, 0] = (None, verdict_of("stop", row["correct"], unread=False))
        elif "final" in kept.columns:
            found[row["id"], model, 0] = (row["final"], None)
    return found


def _of_rollouts(plan: Road) -> Outcomes:
    """As difficulty counts them; where a judge is still to come, as far as rules could tell."""
    waits = "judge_rollouts" in plan and not _done(plan, "judge_rollouts")
    scored = plan.table("score")
    judged = scored.with_columns(no_answer=is_unread()) if waits else scores(plan)
    told = judged.select("id", "sample_id", "model", "index", verdict=verdict())
    rows = told.join(scored.select("id", "extracted"), on="id", how="left").drop("id").collect()
    return {(sample, model, index): (extracted, named) for sample, model, index, named, extracted in rows.iter_rows()}


def _of_traces(plan: Road, stage: Stage) -> Outcomes:
    model = next(iter(stage.models(plan.build.recipe)), "")
    fates: dict[str, str] = {}
    if _done(plan, "verify"):
        right = plan.table("verify").select("id", "correct").collect()
        fates = {id_: "right" if correct else "for the judge" for id_, correct in right.iter_rows()}
    for name in ("verify", "judge", "rewrite", "quality", "pick", "round_trip_traces"):
        if _done(plan, name):
            fates |= {row["id"]: row["reason"] for row in _drops(plan, name)}
    traces = plan.table("distill").select("id", "sample_id", "index", "final").collect()
    return {(sample, model, index): (final, fates.get(id_)) for id_, sample, index, final in traces.iter_rows()}


def _drops(plan: Road, name: str) -> list[dict[str, Any]]:
    return plan.table(name, "dropped").collect().to_dicts()


def _tell_fates(plan: Road, rows: Mapping[str, Row], *, stopped: bool) -> None:
    """Write down which stage dropped what of each row, and where the row would go."""
    gone: dict[str, str] = {}
    for stage in plan.stages:
        if not _done(plan, stage.name):
            continue
        for drop in _drops(plan, stage.name):
            evidence = json.loads(drop["evidence"] or "{}")
            sample = evidence.get("sample_id") or drop["id"]
            if sample in rows:
                rows[sample].drops.append((drop["reason"], evidence))
                if drop["id"] == sample and stage.unit == "samples":
                    gone.setdefault(sample, drop["reason"])
    sides, traced = {}, set()
    if _done(plan, "split"):
        sides = dict(plan.table("split").select("id", "split").collect().iter_rows())
    if not stopped and "verify" in plan:
        traced = set(trained_on(plan).select("sample_id").collect()["sample_id"])
    for row in rows.values():
        if row.id in gone:
            row.fate = f"dropped: {gone[row.id]}"
        elif stopped or row.id not in sides:
            row.fate = "not decided: the preview ended early"
        elif sides[row.id] == "sft" and row.id not in traced:
            row.fate = "dropped: release:no_verified_trace"
        else:
            row.fate = f"released in {sides[row.id]}"


def _arrivals(build: Build, plan: Road, asked: list[Asked]) -> Iterator[Arrival]:
    """For each stage and model that was sent images: whether they got there.

    The same prompts are sent once more without their images. A prompt that counts no more tokens with an image had none
    in it. Where nobody counts tokens, both are asked once more at temperature 0; if all answers agree, nothing was seen.
    """
    sent: dict[tuple[str, str], list[Asked]] = {}
    for found in asked:
        if found.request.images and found.stage != "check_rollouts":  # what checks show is changed on purpose
            sent.setdefault((found.stage, found.model), []).append(found)
    for (name, model), prompts in sent.items():
        stage = plan.stage(name)
        try:
            blind = _ask_once(build, stage, model, "blind", without_images)
            counts = _counts(prompts, blind)
            if counts:
                yield _by_usage(name, model, counts)
                continue
            seen = _ask_once(build, stage, model, "seen", lambda request: request)
        except CurateError as failed:
            yield Arrival(name, model, "unknown", f"asking without the image failed: {failed}")
            continue
        yield _by_answers(name, model, seen, blind)


def without_images(request: Request) -> Request:
    """The same request, blind."""
    turns = (Message(m.role, tuple(p for p in m.content if not isinstance(p, ImagePart))) for m in request.messages)
    return replace(request, messages=tuple(turns))


def _ask_once(build: Build, stage: Stage, model: str, suffix: str, change: Any) -> dict[str, tuple[str, int | None]]:
    """Ask a stage's prompts with images once more, changed, at temperature 0: text and prompt tokens by id of the row."""
    assert stage.asks is not None
    asks = stage.asks

    def requests(rows: pl.DataFrame, section: Any) -> Iterator[Request]:
        for request in asks.requests(rows, section):
            if request.images:
                yield replace(change(request), n=1, sampling=request.sampling.model_copy(update={"temperature": 0.0}))

    def collect(answers: pl.DataFrame, section: Any) -> Split:
        return Split(answers.select("id", "text", "prompt_tokens", "finish_reason"), no_drops())

    probe = Stage(
        f"{stage.name}_{model}_{suffix}",
        "replies",
        1,
        stage.reads,
        stage.section,
        ask,
        Asks(lambda road, _: asks.rows(road, stage), requests, collect, models=lambda section: (model,)),
        number=99,
    )
    beside = Road(build, (*ROAD, probe))
    run_stage(beside, probe)
    kept = beside.table(probe.name).filter(pl.col("finish_reason").is_not_null()).collect()
    return {id_: (text or "", tokens) for id_, text, tokens in kept.select("id", "text", "prompt_tokens").iter_rows()}


def _counts(prompts: list[Asked], blind: Mapping[str, tuple[str, int | None]]) -> list[float]:
    """Prompt tokens an image, by prompt, where both counts are known."""
    found = []
    for asked in prompts:
        seen = next((r.prompt_tokens for r in asked.replies if r.prompt_tokens), None)
        bare = blind.get(asked.request.id, ("", None))[1]
        if seen and bare:
            found.append((seen - bare) / len(asked.request.images))
    return found


def _by_usage(stage: str, model: str, counts: list[float]) -> Arrival:
    if max(counts) > NO_IMAGE_TOKENS:
        return Arrival(stage, model, "yes", f"a prompt has {max(counts):.0f} tokens more with an image than without it")
    return Arrival(stage, model, "no", "a prompt has as many tokens with an image as without it")


def _by_answers(
    stage: str, model: str, seen: Mapping[str, tuple[str, int | None]], blind: Mapping[str, tuple[str, int | None]]
) -> Arrival:
    both = [(seen[id_][0], blind[id_][0]) for id_ in seen if id_ in blind]
    if not both:
        return Arrival(stage, model, "unknown", "nothing was answered")
    if all(a == b for a, b in both):
        few = "; one row says little, take more with -n" if len(both) == 1 else ""
        return Arrival(stage, model, "no", f"all {len(both)} answers are the same with the image and without it{few}")
    return Arrival(stage, model, "yes", "answers differ with the image and without it")
