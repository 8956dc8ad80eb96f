"""The table of a proof, in Markdown: what was right, the differences with intervals, staleness, cost, what was not run."""

from collections.abc import Mapping
from typing import Any

from pipelines.proof.arms import ARMS
from pipelines.proof.plan import Plan
from pipelines.proof.state import Run
from pipelines.proof.statistics import (
    BETTER,
    SETS,
    Estimate,
    Runs,
    accuracy,
    by_arm,
    differences,
    mean_of,
    verdict,
)


def render_table(plan: Plan, runs: Mapping[tuple[str, int], Run]) -> str:
    """The whole page of a proof, of the runs that are there."""
    arms = in_order(by_arm(runs))
    graded = [which for which in SETS if any(run.get(which) for run in runs.values())]
    of = len(plan.runs())
    state = "" if len(runs) == of else f"\n**{len(runs)} of {of} runs are done; this is no result yet.**\n"
    parts = [
        f"# Does training on {plan.label} help?\n{state}",
        _about(plan),
        "\n".join(["## Right answers, greedy, in percent\n", *_accuracies(plan, arms, graded)]),
        *(_differences(arms, which) for which in graded),
        _staleness(arms),
        _cost(arms),
        _left(plan),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def in_order(arms: Mapping[str, Runs]) -> dict[str, Runs]:
    """Arms as tables list them."""
    return {name: arms[name] for name in ARMS if name in arms} | {n: r for n, r in arms.items() if n not in ARMS}


def cell(value: Estimate | None, sign: str = "", scale: float = 100.0) -> str:
    """`38.1 ± 1.4`; a dash for nothing."""
    if value is None:
        return "–"
    half = "" if value.half is None else f" ± {scale * value.half:.1f}"
    return f"{scale * value.mean:{sign}.1f}{half}"


def summary(plan: Plan, runs: Mapping[tuple[str, int], Run]) -> list[str]:
    """What came out, a sentence a comparison: for the terminal and for cards."""
    arms, which = in_order(by_arm(runs)), "holdout"
    found = []
    for pair, one in differences(arms, which).items():
        rights = (f"{name} {cell(accuracy(arms[name], which))} %" for name in (pair.first, pair.second))
        shown = verdict(one)
        so = pair.means if shown == BETTER else f"better would mean: {pair.means}"
        found.append(f"{', '.join(rights)}: {cell(one.over_seeds, '+')} points, {shown} ({so})")
    return found


def _about(plan: Plan) -> str:
    facts, config = plan.facts, plan.facts["config"]
    sft, rl, rows = config["sft"], config["rl"], facts["rows"]
    fresh = (
        f"{rows['fresh']['rows']:,} fresh samples" if facts["fresh"] is None else f"no fresh samples: {facts['fresh']}"
    )
    train = (
        f"every SFT: {sft['steps']} updates of {sft['batch']} rows, rate {sft['rate']:g}; every RL: {rl['steps']} updates "
        f"of {rl['prompts']} prompts × {rl['completions']} replies, rate {rl['rate']:g}"
    )
    lines = [
        f"- release `{plan.label}`, content `{facts['content'][:16]}`",
        f"- plan `{plan.hash[:16]}`, in `plan.json`, which was written before the first run",
        f"- student `{facts['student']['model']}`, trained by {facts['student']['trainer']}; seeds: {config['seeds']}",
        f"- {train}; replies of at most {facts['tokens']} tokens",
        f"- graded by the reward that the release ships (`{facts['reward']}`), greedily, on {rows['holdout']['rows']:,} "
        f"rows of `holdout`; {fresh}",
        "- ±: 95 % t-interval over seeds; differences are paired; no checkpoint is picked",
    ]
    return "\n".join(lines)


def _accuracies(plan: Plan, arms: Mapping[str, Runs], graded: list[str]) -> list[str]:
    lines = [
        f"| arm | seeds | {' | '.join(graded)} | in format | learned from |",
        f"|---|---|{'---|' * (len(graded) + 2)}",
    ]
    for name, runs in arms.items():
        cells = " | ".join(cell(accuracy(runs, which)) for which in graded)
        words, first = plan.arms.get(name, name), next(iter(runs.values()))
        words += f" ({first['format']})" if first.get("format") else ""
        lines.append(f"| `{name}` | {len(runs)} | {cells} | {cell(mean_of(runs, 'formatted'))} | {words} |")
    return lines


def _differences(arms: Mapping[str, Runs], which: str) -> str:
    lines = [
        f"## One arm less another, on {which}, in points\n",
        "| arm | less | over seeds | over questions | shown | if better, then |",
        "|---|---|---|---|---|---|",
    ]
    for pair, one in differences(arms, which).items():
        numbers = f"{cell(one.over_seeds, '+')} | {cell(one.over_questions, '+')}"
        lines.append(f"| `{pair.first}` | `{pair.second}` | {numbers} | {verdict(one)} | {pair.means} |")
    return "\n".join(lines) if len(lines) > 3 else ""


def _staleness(arms: Mapping[str, Runs]) -> str:
    """How many rows of `rl` a group of rollouts still teaches something on, after each training."""
    measured = {name: runs for name, runs in arms.items() if any("band" in run for run in runs.values())}
    if not measured:
        return ""
    lines = [
        "## How stale the selection is: pass rates on rows of `rl`, measured again, in percent\n",
        "| after | some right, some wrong | all right | all wrong | mean pass rate |",
        "|---|---|---|---|---|",
    ]
    for name, runs in measured.items():
        cells = " | ".join(cell(mean_of(runs, "band", key)) for key in ("within", "always", "never", "mean"))
        lines.append(f"| `{name}` | {cells} |")
    return "\n".join(lines)


def _cost(arms: Mapping[str, Runs]) -> str:
    head = "| arm | tokens learned from | groups that agree | processor seconds |"
    lines = ["## Cost of a run\n", head, "|---|---|---|---|"]
    for name, runs in arms.items():
        tokens = sum(sum(part["tokens"] for part in run["trained"]) for run in runs.values()) / len(runs)
        silent: list[Any] = [part["silent"] for run in runs.values() for part in run["trained"] if "silent" in part]
        agree = f"{100 * sum(silent) / len(silent):.0f} %" if silent else "–"
        lines.append(f"| `{name}` | {tokens:,.0f} | {agree} | {cell(mean_of(runs, 'seconds'), scale=1.0)} |")
    return "\n".join(lines)


def _left(plan: Plan) -> str:
    left = plan.facts["left"]
    return "\n".join(["## Not run\n", *(f"- `{name}`: {why}" for name, why in left.items())]) if left else ""
