"""What the commands that take a recipe do."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.terminal import console, say, say_trial, warn

if TYPE_CHECKING:
    from pipelines.job import Job


def build(
    recipe: dict[str, Any], workspace: Path, *, replay: bool, retry_errors: bool, runner: str, address: str | None
) -> bool:
    """`curate build`: only what is missing is asked, only what is stale is computed. False: a demo not as expected."""
    from flows.job import job_of
    from flows.runners import check_runner
    from pipelines.remote.places import address_of, shown

    check_runner(runner, address)
    job = job_of(recipe, str(workspace), replay=replay, retry_errors=retry_errors)
    name = job.build.recipe.name
    from pipelines.faults import notes

    if job.up_to_date():
        warn(notes(job.compiled))
        say(f"{name} is up to date: {shown(job.release or job.build.folder)}")
        _say_digest(job.release)
        say_trial(name)
        return _say_expected(job)
    from pipelines.preflight import check

    check(job)
    warn(notes(job.compiled))
    from flows.prefect_api import check_prefect, lost_server

    check_prefect(trust=recipe["trust"])
    from flows.build import build as build_with
    from flows.cluster import connected
    from flows.funnel import all_warnings, funnel_table
    from flows.server import watch_server
    from schemas.errors import StepError

    watch_server()
    try:
        with lost_server(), connected(runner, address, job.build.processes) as cluster:
            build_with(recipe, address_of(workspace), cluster, replay=replay, retry_errors=retry_errors)
    except StepError:
        warn(all_warnings(job.finished()))
        raise
    records = job.records()
    console(width=None if sys.stdout.isatty() else 140).print(funnel_table(records, job.runner.record.run))
    warn(all_warnings(records))
    say(f"Release: {shown(job.release)}" if job.release else f"Tables: {shown(job.build.folder)}")
    _say_digest(job.release)
    say_trial(name)
    return _say_expected(job)


def _say_expected(job: "Job") -> bool:
    """Say of a demo whether it is what its sidecar expects; one of fewer rows need not be."""
    sidecar, recipe = job.compiled.sidecar, job.build.recipe
    if sidecar is None or recipe.limit is not None:
        return True
    from pipelines.explain.expected import unmet

    wrong = unmet(job)
    if wrong:
        warn([f"Not as {sidecar.path.name} expects: {sentence}." for sentence in wrong])
    else:
        say(f"As {sidecar.path.name} expects.")
    return not wrong


def _say_digest(release: Path | None) -> None:
    from pipelines.store.release_seal import digest_of

    if release is not None:
        say(f"Digest: {digest_of(release)}")


def validate(recipe: dict[str, Any], workspace: Path) -> None:
    """`curate validate`: a recipe to the last key and name; starts nothing."""
    from flows.job import job_of
    from pipelines.faults import notes
    from pipelines.preflight import check

    job = job_of(recipe, str(workspace))
    check(job)
    warn(notes(job.compiled))
    say(f"{recipe['name']} is valid: {len(job.compiled.pipeline.steps)} steps.")


def plan(recipe: dict[str, Any], workspace: Path) -> None:
    """`curate plan`: what a build would do, and what it would cost."""
    from flows.job import job_of
    from pipelines.faults import check_steps, notes
    from pipelines.plan import make_plan

    job = job_of(recipe, str(workspace))
    check_steps(job.compiled)
    planned = make_plan(job)
    from flows.planned import plan_table

    warn(notes(job.compiled))
    console(width=None if sys.stdout.isatty() else 100).print(plan_table(planned))


def calibrate(recipe: dict[str, Any], workspace: Path, requests: int, samples: int | None) -> None:
    """`curate plan --calibrate`: about so many real requests, and what they say of all of them."""
    from flows.job import job_of
    from flows.progress import Reporter
    from flows.projected import asked_table, hours_table, sentences_of
    from pipelines.preflight import check
    from pipelines.projection.hours import project
    from pipelines.projection.trial import calibrate as try_out
    from schemas.errors import ConfigError

    reporter = Reporter()
    try:
        measured, size = try_out(
            lambda limit: job_of({**recipe, "limit": limit or recipe["limit"]}, str(workspace), progress=reporter),
            requests,
            check,
        )
    finally:
        reporter.close()
    target = samples or size.samples
    if target is None:
        raise ConfigError(
            "The sources do not say how many samples they give; say for how many to project: --samples 10000000."
        )
    found, shown = project(measured, target), console(width=None if sys.stdout.isatty() else 140)
    shown.print(asked_table(measured))
    shown.print(hours_table(found))
    for sentence in sentences_of(measured, found):
        say(sentence)
    say("What was answered is in the log, and a build reads it there.")


def preview(recipe: dict[str, Any], workspace: Path) -> bool:
    """`curate preview`: a few rows through every step, and what happened to them; whether they came through."""
    from flows.job import job_of
    from flows.preview import show as show_preview
    from flows.progress import Reporter
    from pipelines.explain.preview import preview as try_out
    from pipelines.preflight import check

    reporter = Reporter()
    job = job_of(recipe, str(workspace), progress=reporter)
    try:
        found = try_out(job, check)
    finally:
        reporter.close()
    show_preview(found, console(width=None if sys.stdout.isatty() else 80))
    say("No version was made. Splits and selection see all rows in a build, and may then\ndecide otherwise.")
    say("What was answered is in the log, and a build reads it there.")
    return bool(found.samples) and found.error is None


def schedule(recipe: dict[str, Any], workspace: Path, cron: str, push_to: str | None, *, public: bool) -> None:
    """`curate schedule`: builds at the times of a cron line, by this process."""
    from flows.prefect_api import read_settings

    read_settings(trust=recipe["trust"])  # before anything imports Prefect, which fails on a wrong one
    from flows.build import build_flow
    from flows.job import job_of
    from flows.push import check_images, check_trial
    from flows.schedule import serve
    from pipelines.preflight import check
    from pipelines.recipe.library import find_recipe
    from schemas.errors import ConfigError

    job = job_of(recipe, str(workspace))
    if push_to is not None:
        if job.releasing is None:
            raise ConfigError(f"{recipe['name']} has no `release` step, so there is nothing to push; leave --push out.")
        check_trial(job.build.recipe.name)
        check_images(job.releasing.config.images, job.releasing.place)
    check(job)
    there = {**recipe, "name": str(find_recipe(recipe["name"]).absolute())}
    serve(build_flow, job.build.recipe.name, there, workspace, cron, push_to, public=public)


def show(recipe: dict[str, Any], *, expand: bool, mermaid: bool) -> None:
    """`curate show`: the pipeline that a recipe compiles to."""
    from pipelines.job import compile_recipe
    from schemas.errors import ConfigError

    if expand and mermaid:
        raise ConfigError("--expand prints a recipe, and --mermaid a graph; choose one.")
    compiled = compile_recipe(recipe["name"], recipe["set"], trust=recipe["trust"], demo=recipe["demo"])
    if expand:
        from pipelines.recipe.dump import dump_document
        from pipelines.recipe.expand import expanded

        say(dump_document(expanded(compiled.document, compiled.pipeline)).rstrip("\n"))
        return
    if mermaid:
        from pipelines.explain.mermaid import mermaid as graph

        say(graph(compiled.pipeline))
        return
    from flows.show import outline_table
    from pipelines.explain.outline import outline
    from pipelines.faults import notes

    lines = outline(compiled.pipeline)
    console(width=None if sys.stdout.isatty() else 80).print(outline_table(compiled.document.name, lines))
    warn(notes(compiled))
