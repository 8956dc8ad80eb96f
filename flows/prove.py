"""`curate prove`: whether training on a release helps, shown on a student."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import HERE, NOTHING, TrustOption, WorkspaceOption, say, sentences, warn
from pipelines.proof.arms import ARMS

if TYPE_CHECKING:
    from pipelines.job import Job
    from pipelines.proof.prove import Proving

prove_app = typer.Typer()

_HELP = f"""Train a student on a release and on what it is to beat, and say with intervals what came out, whatever that is.

Arms: {", ".join(ARMS)}. Seeds, sizes and steps are written to a plan before the first run. The proof lies under the hash of
that plan; the same command goes on after a kill.

    curate prove cold_start --dry-run               what would be run, and how long that takes

    curate prove cold_start                         all arms, five seeds

    curate prove cold_start --arms rl --arms sft_rl --seeds 3

    curate prove quickstart/v1 --set sft.steps=400 --set rl.rate=1e-4

    curate prove mine --student ./Qwen2.5-VL-3B     any model, trained by TRL: needs a GPU
"""


@prove_app.command("prove", help=_HELP)
def prove(
    release: Annotated[str, typer.Argument(help="A recipe, or a release: its folder, quickstart, quickstart/v1.")],
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change the plan: sft.steps=400, graded.fresh=1000.")
    ] = NOTHING,
    arms: Annotated[
        list[str], typer.Option("--arms", help="Only these arms; once for each. By default all that can be run.")
    ] = NOTHING,
    seeds: Annotated[int | None, typer.Option(help="Runs of each arm; 5 by default.", min=1)] = None,
    student: Annotated[
        str | None, typer.Option(help="Who is trained: reference-vlm (default), a folder, a model of the Hub.")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(help="Runs side by side, a thread each; by default one a core, or one with a GPU.", min=1),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes: shows that it runs. Never on a card.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the plan and how long it would take.")] = False,
    workspace: WorkspaceOption = HERE,
    trust: TrustOption = False,
) -> None:
    with sentences():
        from pipelines.proof.config import read_config
        from pipelines.proof.prove import open_proof

        chosen = [f"arms=[{', '.join(arms)}]"] if arms else []
        chosen += [f"seeds={seeds}"] if seeds is not None else []
        chosen += [f"student={student}"] if student is not None else []
        config = read_config([*set_, *chosen], quick)
        found, job = _found(release, workspace, trust)
        proving = open_proof(found, config, workspace, job)
        side_by_side = processes or _processes()
        _say_plan(proving)
        if dry_run:
            _say_cost(proving, side_by_side)
            return
        _run(proving, side_by_side)


def _found(name: str, workspace: Path, trust: bool) -> tuple[Path, "Job | None"]:
    """The release, and the build that wrote it where its recipe is known and was built here."""
    from flows.job import job_of
    from pipelines.recipe.draft import name_in
    from pipelines.release.versions import find_release
    from pipelines.store.workspace import DEMO, is_trial
    from schemas.errors import ConfigError, CurateError

    asked = _recipe(name)
    try:
        found = find_release(name, workspace)
    except ConfigError as error:
        if asked is None:
            raise
        try:
            found = find_release(name_in(asked), workspace)
        except ConfigError:
            raise ConfigError(f"{error} Build it first: curate build {name}") from None
    label = found.parent.name
    recipe = asked or _recipe(label.removesuffix(DEMO))
    if recipe is None or is_trial(label) != label.endswith(DEMO):
        return found, None
    try:
        return found, job_of({"name": str(recipe), "trust": trust, "demo": label.endswith(DEMO)}, str(workspace))
    except CurateError:  # a release of elsewhere: its own rows do without
        return found, None


def _recipe(name: str) -> Path | None:
    """The file of a recipe, by its path, its file's name or its own."""
    from pipelines.recipe.library import find_recipe
    from schemas.errors import ConfigError

    for one in (name, name.replace("-", "_")):
        try:
            return find_recipe(one)
        except ConfigError:
            continue
    return None


def _processes() -> int:
    import torch

    return 1 if torch.cuda.is_available() else os.cpu_count() or 1


def _say_plan(proving: "Proving") -> None:
    plan = proving.plan
    rows = ", ".join(f"{name} {facts['rows']:,}" for name, facts in plan.facts["rows"].items() if facts["rows"])
    say(f"Plan {plan.hash[:16]} for {plan.label}: {len(plan.runs())} runs, {len(plan.seeds)} seeds; rows: {rows}.")
    if plan.facts["trial"]:
        say("  A trial, which shows that it runs and nothing else: no card will have it.")
    for name, words in plan.arms.items():
        say(f"  {name:<15} {words}")
    for name, why in plan.facts["left"].items():
        say(f"  {name:<15} not run: {why}")
    if plan.facts["fresh"]:
        say(f"  No fresh samples: {plan.facts['fresh']}.")


def _say_cost(proving: "Proving", processes: int) -> None:
    from pipelines.proof.estimate import estimate

    cost = estimate(proving)
    parts = f"SFT {cost.sft:.0f} s, RL {cost.rl:.0f} s, grading {cost.graded:.0f} s, pass rates {cost.band:.0f} s"
    say(f"One thread with a core to itself: {parts}; a seed {cost.seed / 60:.1f} min.")
    say(f"All with {processes} side by side: about {cost.whole / 60 / processes:.0f} min. Nothing was run.")


def _run(proving: "Proving", processes: int) -> None:
    from pipelines.proof.grading import share
    from pipelines.proof.state import State
    from pipelines.proof.table import summary

    def report(run: dict[str, Any], done: int, of: int) -> None:
        right = ", ".join(f"{which} {share(run[which]):.1%}" for which in ("holdout", "fresh") if run.get(which))
        say(f"{done}/{of} {run['arm']}, seed {run['seed']}: {right} ({run['seconds']:.0f} s of processor time)")

    done = len(State(proving.folder).runs())
    if done:
        say(f"{done} of {len(proving.plan.runs())} runs are there already.")
    warn(proving.run(processes, report))
    for sentence in summary(proving.plan, State(proving.folder).runs()):
        say(sentence + ".")
    say(f"Proof: {proving.folder}")
