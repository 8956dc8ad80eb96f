"""`curate mixture`: from trial trainings to weights of sources."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.terminal import say, sentences

if TYPE_CHECKING:
    from filters.select.mixture import Mixture

mixture_app = typer.Typer()


@mixture_app.command()
def mixture(
    trials: Annotated[Path, typer.Argument(help="CSV, JSONL or parquet: a column of weights a source, and the score.")],
    sources: Annotated[
        str | None, typer.Option(help="The columns of weights: charts,maths; all others are left out.")
    ] = None,
    score: Annotated[str, typer.Option(help="The column of scores; larger is better.")] = "score",
    search: Annotated[Literal["cma", "gaussian"], typer.Option(help="CMA-ES, or samples of a Gaussian.")] = "cma",
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    counts: Annotated[bool, typer.Option("--counts", help="The columns are counts of samples, not weights.")] = False,
    undetermined: Annotated[
        bool, typer.Option("--undetermined", help="Guess, where the trials do not settle the surrogate.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Propose weights of sources from your own trial trainings, by MoDoMoDo's quadratic surrogate (arXiv 2505.24871)."""
    with sentences():
        from filters.select.mixture import MixtureConfig
        from pipelines.recipe.mixture_trials import propose

        config = MixtureConfig(score=score, search=search)
        named = [name.strip() for name in sources.split(",")] if sources else []
        found = propose(trials, named, config, seed, counts=counts, undetermined=undetermined)
        say(json.dumps(_record(found)) if as_json else _words(found))


def _record(found: "Mixture") -> dict[str, object]:
    model = found.surrogate
    return {
        "weights": found.weights,
        "predicted": found.predicted,
        "error_left_out": model.rmse_left_out,
        "score_spread": found.spread,
        "best_trial": found.best_trial,
        "best_score": found.best_score,
        "determined": model.determined,
    }


def _words(found: "Mixture") -> str:
    model = found.surrogate
    shares = ", ".join(f"{json.dumps(name)}: {weight:g}" for name, weight in found.weights.items())
    best = ", ".join(f"{name} {weight:.4g}" for name, weight in found.best_trial.items())
    lines = [f"predicted score {found.predicted:.4g}; best trial {found.best_score:.4g} ({best})"]
    if model.rmse_left_out is not None:
        lines.append(
            f"error on a trial that was left out {model.rmse_left_out:.2g}; scores spread by {found.spread:.2g}"
        )
        if model.rmse_left_out >= found.spread:
            lines.append(
                "That is no better than the mean of the scores: do not trust these weights, train more trials."
            )
    if not model.determined:
        lines.append(f"A guess: the trials settle {model.rank} of {model.free} numbers.")
    return "\n".join((*lines, "- select:", f"    quotas: {{by: [source], shares: {{{shares}}}, short: stop}}"))
