"""The `curate` command. Bodies parse and call; whatever is heavy is imported inside them, so that --help is quick."""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.library import library_app
from flows.mixture import mixture_app
from flows.prove import prove_app
from flows.releases import releases_app
from flows.serve import serve_app
from flows.terminal import (
    HERE,
    NOTHING,
    DemoOption,
    LimitOption,
    RecipeArgument,
    SeedOption,
    SetOption,
    TrustOption,
    WorkspaceOption,
    console,
    guard,
    say,
    sentences,
    stop,
    text,
)

app = typer.Typer(
    name="curate",
    help="Synthesise and curate training data for multimodal reasoning models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(library_app)
app.add_typer(releases_app)
app.add_typer(mixture_app)
app.add_typer(prove_app)
app.add_typer(serve_app)

_DEFAULTS = {
    # Threads that spin while they wait starve each other on a busy machine: 3.5 times slower distillation (measured).
    "OMP_WAIT_POLICY": "PASSIVE",
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    # Its temporary server asks for no password, so that no page in a browser may read what it says.
    "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1",
    # Its own 20 seconds are too few where two builds start at once on two busy cores.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    # `python -m uvicorn`, as Prefect starts its server, would run an `uvicorn.py` of the current folder.
    "PYTHONSAFEPATH": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_LOGGING_LEVEL": "WARNING",
}
"""Telemetry off, chatter down, threads polite; whoever sets one of these keeps what they set."""


@app.callback()
def main(verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what libraries log.")] = False) -> None:
    """Synthesise and curate training data for multimodal reasoning models."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if verbose:
        os.environ["PREFECT_LOGGING_LEVEL"] = "INFO"
    else:  # each of its retries is two lines, and what they come to is our sentence
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    logging.basicConfig(level=logging.INFO if verbose else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    guard()
    # A polite stop (SIGTERM) is a Ctrl-C: what was answered is in the log, the rest is asked next time.
    signal.signal(signal.SIGTERM, stop)
    sys.unraisablehook = _unraisable


def _unraisable(what: Any) -> None:
    """A second Ctrl-C that happens to hit a destructor is no error to show."""
    if what.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(what)


@app.command()
def build(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    limit: LimitOption = None,
    seed: SeedOption = None,
    workspace: WorkspaceOption = HERE,
    replay: Annotated[bool, typer.Option("--replay", help="Use the log only; never ask a model.")] = False,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask again, once, about rows that models refused for good.")
    ] = False,
    runner: Annotated[
        str, typer.Option(help="What computes steps that ask no model: processes of this machine, dask or ray.")
    ] = "processes",
    address: Annotated[
        str | None,
        typer.Option(help="Of a running cluster: tcp://HOST:8786 (dask); auto, HOST:6379 or ray://HOST:10001 (ray)."),
    ] = None,
    demo: DemoOption = False,
    trust: TrustOption = False,
) -> None:
    """Build a recipe: only what is missing is asked, only what is stale is computed."""
    with sentences():
        from flows import commands
        from schemas.errors import ConfigError

        if replay and retry_errors:
            raise ConfigError("--replay asks no model, and --retry-errors asks again; choose one.")
        asked_for = {"name": recipe, "set": set_, "limit": limit, "seed": seed, "trust": trust, "demo": demo}
        how = {"replay": replay, "retry_errors": retry_errors, "runner": runner, "address": address}
        if not commands.build(asked_for, workspace, **how):  # type: ignore[arg-type]
            raise typer.Exit(1)


@app.command()
def preview(
    recipe: RecipeArgument,
    number: Annotated[int, typer.Option("-n", help="How many rows, spread over the sources.", min=1)] = 5,
    set_: SetOption = NOTHING,
    seed: SeedOption = None,
    workspace: WorkspaceOption = HERE,
    demo: DemoOption = False,
    trust: TrustOption = False,
) -> None:
    """Run a few rows through everything and show what was sent, what came back and what became of it. Makes no version."""
    with sentences():
        from flows import commands

        asked_for = {"name": recipe, "set": set_, "limit": number, "seed": seed, "trust": trust, "demo": demo}
        if not commands.preview(asked_for, workspace):
            raise typer.Exit(1)


@app.command()
def plan(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    limit: LimitOption = None,
    seed: SeedOption = None,
    workspace: WorkspaceOption = HERE,
    demo: DemoOption = False,
    trust: TrustOption = False,
    requests: Annotated[
        int | None,
        typer.Option(
            "--calibrate", help="Ask about so many real requests, and say what limits: models, driver, disk.", min=1
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", help="With --calibrate: project to so many samples, not to what the sources give.", min=1
        ),
    ] = None,
) -> None:
    """Show what a build would do: what is stale, what is asked and what that costs at most. Asks with --calibrate only."""
    with sentences():
        from flows import commands
        from schemas.errors import ConfigError

        asked_for = {"name": recipe, "set": set_, "limit": limit, "seed": seed, "trust": trust, "demo": demo}
        if samples is not None and requests is None:
            raise ConfigError("--samples says what --calibrate projects to; add --calibrate 200.")
        if requests is None:
            commands.plan(asked_for, workspace)
        else:
            commands.calibrate(asked_for, workspace, requests, samples)


@app.command()
def validate(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    workspace: WorkspaceOption = HERE,
    demo: DemoOption = False,
    trust: TrustOption = False,
) -> None:
    """Check a recipe to the last key: sections, sources, models, engines, the workspace. Starts nothing."""
    with sentences():
        from flows import commands

        commands.validate({"name": recipe, "set": set_, "trust": trust, "demo": demo}, workspace)


@app.command()
def show(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    expand: Annotated[
        bool, typer.Option("--expand", help="Print the recipe with what each preset of `ask` stands for.")
    ] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid graph.")] = False,
    demo: DemoOption = False,
    trust: TrustOption = False,
) -> None:
    """Show the pipeline that a recipe compiles to: what each step works on, reads, gives and asks. Starts nothing."""
    with sentences():
        from flows import commands

        commands.show({"name": recipe, "set": set_, "trust": trust, "demo": demo}, expand=expand, mermaid=mermaid)


@app.command()
def why(
    id: str,
    workspace: WorkspaceOption = HERE,
    recipe: Annotated[str | None, typer.Option(help="Which build, where several have the row.")] = None,
) -> None:
    """Tell the story of one row of any unit: what was asked, what models replied, what each step decided and why."""
    with sentences():
        from flows.story import tell
        from pipelines.explain.story import row_story

        tell(row_story(workspace, id, recipe), console())


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="DuckDB SQL over the tables; `SHOW TABLES` lists them.")],
    workspace: WorkspaceOption = HERE,
    recipe: Annotated[str | None, typer.Option(help="Which build, where the workspace holds several.")] = None,
    to: Annotated[Path | None, typer.Option(help="Save the answer: a .parquet, .csv or .jsonl file.")] = None,
) -> None:
    """Ask the tables of a build in SQL: a view for each unit and each step, dropped, asked, prompts, completions, …"""
    with sentences():
        from pipelines.explain.query import run_query

        say(run_query(workspace, sql, recipe, to))


@app.command("verify-selftest")
def verify_selftest(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    limit: LimitOption = None,
    workspace: WorkspaceOption = HERE,
    trust: TrustOption = False,
) -> None:
    """Put every gold answer to its own verifier: itself = right; another row's, nothing, a refusal, all options = wrong."""
    with sentences():
        from flows.job import job_of
        from pipelines.calibration import selftest_verifiers

        asked_for = {"name": recipe, "set": set_, "limit": limit, "trust": trust}
        say(text(selftest_verifiers(job_of(asked_for, str(workspace)))))


@app.command("calibrate-judge")
def calibrate_judge(
    recipe: RecipeArgument,
    set_: SetOption = NOTHING,
    limit: LimitOption = None,
    workspace: WorkspaceOption = HERE,
    trust: TrustOption = False,
    right: Annotated[
        str | None,
        typer.Option(
            help="Which opinions mean right, over the columns of the judge: 'grade >= 7'. Unset: its first choice."
        ),
    ] = None,
) -> None:
    """Put right and wrong answers to the recipe's judge; report agreement, false accepts and false rejects."""
    with sentences():
        from flows.job import job_of
        from flows.progress import Reporter
        from pipelines.calibration import calibrate_judge as calibrate

        asked_for = {"name": recipe, "set": set_, "limit": limit, "trust": trust}
        reporter = Reporter()
        try:
            say(text(calibrate(job_of(asked_for, str(workspace), progress=reporter), right)))
        finally:
            reporter.close()


@app.command()
def schedule(
    recipe: RecipeArgument,
    cron: Annotated[str, typer.Option(help="When, in cron notation: '0 3 * * *'.")],
    set_: SetOption = NOTHING,
    limit: LimitOption = None,
    seed: SeedOption = None,
    workspace: WorkspaceOption = HERE,
    push_to: Annotated[str | None, typer.Option("--push", help="Push each new release: ORGANISATION/NAME.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new dataset public; it is private otherwise.")
    ] = False,
    trust: TrustOption = False,
) -> None:
    """Serve a Prefect deployment from this machine that builds the recipe on a schedule."""
    with sentences():
        from flows import commands
        from flows.push import check_name, find_token
        from schemas.errors import ConfigError

        if push_to is not None:
            check_name(push_to)
            find_token()
        elif public:
            raise ConfigError("--public is about pushing; name the dataset too: --push ORGANISATION/NAME.")
        asked_for = {"name": recipe, "set": set_, "limit": limit, "seed": seed, "trust": trust}
        commands.schedule(asked_for, workspace, cron, push_to, public=public)
