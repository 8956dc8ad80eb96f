"""What adaptive rollouts save against a fixed n = 16, and what they lose.

    python benchmarks/adaptive_rollouts.py simulate     # five priors, seeded; with the most that any rule could save
    python benchmarks/adaptive_rollouts.py tune         # the grid from which the defaults were chosen, on other seeds
    python benchmarks/adaptive_rollouts.py vlm          # real rollouts of the reference VLM, through the driver and the log
    python benchmarks/adaptive_rollouts.py fill         # how busy turns of waves keep an engine, beside fixed rollouts

Every policy sees the same answers. It is compared with two judges: the decision that all 16 answers give (`fixed`), and the
true pass rate (`truth`: in the band if low/16 <= p <= high/16), where what counts is the loss against the fixed 16,
which errs as well. For the VLM the truth is the rate of 32 further rollouts of each sample, which no policy saw.

The policies:

- `fixed 8`: ask 8, decide by k/8.
- `4-8-16 mixed` (the baseline): ask 4; while all are right or all are wrong double to 8, then 16; in if the rate is.
- `4-8-16 alike`: ask 4; stop, out of the band, if all are right or all are wrong, else double to 8, then 16.
- `counts`, `rate`: `filters.stopping` with its confidence, first look and wave.

`most` is a bound: the largest saving of any rule that reads only its sample's answers, even one that knows the prior and
may toss coins, at 3 points of recall and of precision lost (a linear program over all counts). Writes
benchmarks/results/adaptive_<command>.json.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from filters.stopping import Outcome, StoppingRule
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.adaptive import AdaptiveConfig
from schemas.completion import Completion, Message, ModelIdentity, Request
from schemas.ids import seeded

N = 16
RESULTS = Path(__file__).parent / "results"
BANDS = ((1, 15), (2, 14), (4, 12))
REPORTED, TUNED = range(101, 106), range(1, 4)
LOSS = 0.03
Answers = npt.NDArray[np.bool_]
Asked = npt.NDArray[np.int64]

PRIORS: dict[str, Callable[[np.random.Generator, int], npt.NDArray[np.float64]]] = {
    "uniform": lambda g, s: g.random(s),
    "U-shaped": lambda g, s: g.beta(0.3, 0.3, s),
    "mostly hard": lambda g, s: g.beta(0.5, 3, s),
    "mostly easy": lambda g, s: g.beta(3, 0.5, s),
    "mixture": lambda g, s: np.select(
        [(u := g.random(s)) < 0.30, u < 0.58], [np.zeros(s), np.ones(s)], g.beta(2, 2, s)
    ),
}
"""The mixture: 30 % never right, 28 % always, the rest Beta(2, 2)."""


@dataclass(frozen=True)
class Policy:
    """When to look, and what counts of right answers at a look decide: 1 in, 0 out, -1 go on."""

    name: str
    verdicts: dict[int, npt.NDArray[np.int64]]

    def play(self, answers: Answers) -> tuple[Asked, Answers]:
        """`(samples,)`: how many were asked, and whether the sample is in the band; `answers` is `(samples, 16)`."""
        right = np.cumsum(answers, axis=1)
        asked, decided = np.zeros(len(answers), np.int64), np.full(len(answers), -1)
        for look, verdict in self.verdicts.items():
            now = np.where(decided < 0, verdict[right[:, look - 1]], -1)
            asked[now >= 0] = look
            decided[now >= 0] = now[now >= 0]
        return asked, decided == 1


def in_band(band: tuple[int, int], k: npt.NDArray[Any], m: int) -> npt.NDArray[Any]:
    """Whether k of m is a rate within the band's counts out of 16, in whole numbers."""
    return (k * N >= band[0] * m) & (k * N <= band[1] * m)


def doubling(band: tuple[int, int], alike_stops: bool) -> Policy:
    verdicts = {}
    for look in (4, 8, N):
        k = np.arange(look + 1)
        alike, decision = (k == 0) | (k == look), in_band(band, k, look).astype(int)
        verdicts[look] = np.where(alike == alike_stops, np.where(alike, 0, decision), -1)
    verdicts[N] = in_band(band, np.arange(N + 1), N).astype(int)
    return Policy("4-8-16 alike" if alike_stops else "4-8-16 mixed", verdicts)


def fixed(band: tuple[int, int], n: int) -> Policy:
    return Policy(f"fixed {n}", {n: in_band(band, np.arange(n + 1), n).astype(int)})


def adaptive(band: tuple[int, int], name: str | None = None, **config: Any) -> Policy:
    """The rule of `filters.stopping`, as a table."""
    asked = AdaptiveConfig(band=band, **config)
    rule = StoppingRule(N, asked)
    outcomes = {None: -1, True: 1, False: 0}
    verdicts = {m: np.array([outcomes[rule.verdict(k, m - k)] for k in range(m + 1)]) for m in rule.looks}
    last = in_band(band, np.arange(N + 1), N).astype(int)
    verdicts[N] = np.where(verdicts[N] < 0, last, verdicts[N])
    return Policy(name or f"{asked.rule} {asked.confidence:g}, {asked.first}+{asked.wave}", verdicts)


def policies(band: tuple[int, int]) -> list[Policy]:
    return [
        fixed(band, 8),
        doubling(band, False),
        doubling(band, True),
        adaptive(band, confidence=1, first=2, wave=1),
        adaptive(band),
        adaptive(band, first=2, wave=1),
        adaptive(band, first=4, wave=4),
        adaptive(band, confidence=0.85),
        adaptive(band, rule="rate"),
    ]


def score(policy: Policy, band: tuple[int, int], answers: Answers, truth: Answers, p: Any) -> dict[str, float]:
    """Saved share, and recall and precision against both judges; the truth's as differences from the fixed 16."""
    asked, chosen = policy.play(answers)
    whole = fixed(band, N).play(answers)[1]
    signal = p * (1 - p)
    return {
        "saved": 1 - asked.mean() / N,
        "recall_fixed": _share(chosen & whole, whole),
        "precision_fixed": _share(chosen & whole, chosen),
        "recall_truth": _share(chosen & truth, truth) - _share(whole & truth, truth),
        "precision_truth": _share(chosen & truth, chosen) - _share(whole & truth, whole),
        "signal": float(signal[chosen].sum() / signal[whole].sum()),
    }


def _share(part: Answers, whole: Answers) -> float:
    return float(part.sum() / max(1, whole.sum()))


def drawn(prior: str, seed: int, samples: int) -> tuple[npt.NDArray[np.float64], Answers]:
    generator = np.random.default_rng([seed, list(PRIORS).index(prior)])
    p = PRIORS[prior](generator, samples)
    return p, generator.random((samples, N)) < p[:, None]


def simulated(policy: Policy, band: tuple[int, int], prior: str, seeds: range, samples: int) -> dict[str, float]:
    rows = []
    for seed in seeds:
        p, answers = drawn(prior, seed, samples)
        rows.append(score(policy, band, answers, (p * N >= band[0]) & (p * N <= band[1]), p))
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def most(band: tuple[int, int], prior: str, judge: str) -> float:
    """The largest saving of any rule at `LOSS`: an LP over how often each count is reached and what is done there."""
    from scipy.optimize import linprog
    from scipy.stats import binom

    p = PRIORS[prior](np.random.default_rng(7), 20_000)
    p, weight = np.unique(np.round(p, 3), return_counts=True)
    weight = weight / weight.sum()
    states = [(m, k) for m in range(N + 1) for k in range(m + 1)]
    number = {state: i for i, state in enumerate(states)}
    true = in_band(band, p, 1) if judge == "truth" else None
    mass, wanted = {}, {}
    for m, k in states:
        likely = weight * binom.pmf(k, m, p)
        mass[m, k] = float(likely.sum())
        more = np.arange(N - m + 1)
        inside = in_band(band, k + more, N)
        chance = true if true is not None else (binom.pmf(more[:, None], N - m, p) * inside[:, None]).sum(axis=0)
        wanted[m, k] = float((likely * chance).sum() / max(mass[m, k], 1e-300))
    ends = [(N, k) for k in range(N + 1)]
    everything = sum(mass[s] * wanted[s] for s in ends)
    selected = [s for s in ends if in_band(band, np.array(s[1]), N)]
    found = sum(mass[s] * wanted[s] for s in selected)
    recall, precision = found / everything - LOSS, found / sum(mass[s] for s in selected) - LOSS
    cost, lost, false = (np.zeros(3 * len(states)) for _ in range(3))
    flow, source = np.zeros((len(states), 3 * len(states))), np.zeros(len(states))
    source[0] = 1
    for (m, k), i in number.items():
        take, leave, go = 3 * i, 3 * i + 1, 3 * i + 2
        flow[i, [take, leave, go]] = 1
        cost[[take, leave]], cost[go] = m, 1e4 * (m == N)
        lost[leave], false[take] = wanted[m, k], precision - wanted[m, k]
        for hit in (0, 1) if m < N else ():
            step = float((weight * binom.pmf(k, m, p) * np.where(hit, p, 1 - p)).sum() / max(mass[m, k], 1e-300))
            flow[number[m + 1, k + hit], go] -= step
    limits = [everything * (1 - recall), 0.0]
    best = linprog(cost, A_ub=[lost, false], b_ub=limits, A_eq=flow, b_eq=source, method="highs")
    return 1 - float(best.fun) / N


def simulate(samples: int) -> list[dict[str, Any]]:
    rows = []
    for band in BANDS:
        for prior in PRIORS:
            bound = {f"most_{judge}": most(band, prior, judge) for judge in ("fixed", "truth")}
            for policy in policies(band):
                found = simulated(policy, band, prior, REPORTED, samples)
                rows.append({"band": f"{band[0]}..{band[1]}", "prior": prior, "policy": policy.name, **found, **bound})
    return rows


def tune(samples: int) -> list[dict[str, Any]]:
    """On other seeds than the reported ones: the worst prior's saving and losses for each setting."""
    rows = []
    for band in BANDS:
        for first, wave in ((2, 1), (3, 1), (2, 2), (3, 2), (4, 2), (4, 4)):
            for confidence in (0.8, 0.85, 0.88, 0.9, 0.92, 0.95, 1):
                policy = adaptive(band, first=first, wave=wave, confidence=confidence)
                found = [simulated(policy, band, prior, TUNED, samples) for prior in PRIORS]
                worst = {name: min(row[name] for row in found) for name in found[0]}
                rows.append({"band": f"{band[0]}..{band[1]}", "policy": policy.name, **worst})
    return rows


RECIPE = """\
name: adaptive
models:
  vlm: {model: reference-vlm, engine: transformers}
sources:
  - {type: easy_vqa, name: easy-vqa, split: test, limit: HALF}
  - {type: scenes, name: scenes, split: curate, n: HALF, per_scene: 1, levels: [1, 2, 3]}
steps:
  - rollout: {model: vlm, n: 48, sampling: {temperature: 1.0, max_tokens: 16}, tags: plain}
  - verify: {of: rollout, tags: plain}
"""


def rolled(folder: Path, out: str, *overrides: str, limit: int | None = None, replay: bool = False) -> Any:
    """The job of the recipe in a workspace of its own, built."""
    from pipelines.job import compile_recipe, open_job

    compiled = compile_recipe(str(folder / "adaptive.yaml"), overrides, limit=limit)
    job = open_job(compiled, folder / out, replay=replay)
    job.run()
    return job


def vlm(samples: int, workspace: Path) -> list[dict[str, Any]]:
    """Ask the reference VLM 48 times about each sample; then let adaptive rollouts replay the first 16 of that log."""
    workspace.mkdir(parents=True, exist_ok=True)
    (workspace / "adaptive.yaml").write_text(RECIPE.replace("HALF", str(samples // 2)))
    table = rolled(workspace, "whole").rows("rollout", ["index", "correct"]).sort("sample_id", "index")
    right = table["correct"].fill_null(False).to_numpy().reshape(-1, 48)
    held = right[:, N:]
    rows = []
    for band in BANDS:
        truth = in_band(band, held.sum(axis=1), held.shape[1])
        for policy in policies(band):
            found = score(policy, band, right[:, :N], truth, held.mean(axis=1))
            rows.append(
                {"band": f"{band[0]}..{band[1]}", "prior": f"VLM, {len(right)}", "policy": policy.name, **found}
            )
        override = f"steps.rollout.adaptive={{band: [{band[0]}, {band[1]}]}}"
        job = rolled(workspace, "whole", "steps.rollout.n=16", override, replay=True)
        stops = job.rows("rollout", ["in_band"]).group_by("sample_id").agg(pl.len(), pl.col("in_band").first())
        stops = stops.sort("sample_id")
        asked, chosen = adaptive(band).play(right[:, :N])
        assert stops["len"].to_list() == asked.tolist(), "the step and the table of the rule must agree"
        assert stops["in_band"].to_list() == chosen.tolist()
    return rows


def costs(workspace: Path) -> list[dict[str, Any]]:
    """Fixed and adaptive rollouts of 100 samples from an empty log each: what was asked and what it cost.

    A wave is a request, so small waves send the prompt more often. The answers here have two tokens: where replies are
    that short, prompts are the bill, and waves should be large.
    """
    rows = []
    for name, override in (
        ("fixed 16", "null"),
        ("3+2", "{band: [2, 14]}"),
        ("4+4", "{band: [2, 14], first: 4, wave: 4}"),
    ):
        overrides = ("steps.rollout.n=16", f"steps.rollout.adaptive={override}")
        job = rolled(workspace, f"costs-{name.replace(' ', '-')}", *overrides, limit=100)
        cost = next(record for record in job.records() if record["step"] == "rollout")["asked"]["vlm"]
        facts = ("samples", "prompt_tokens", "completion_tokens", "seconds")
        rows.append({"policy": name, **{fact: cost[fact] for fact in facts}})
    return rows


class SleepingEngine:
    """Answers after a log-normal time, so that only the schedule counts: how busy are its slots?"""

    def __init__(self, slots: int, seed: int, scale: float) -> None:
        self.identity = ModelIdentity("sleeping", "0", "0")
        self.concurrency = slots
        self.slept = 0.0
        self._seed = seed
        self._scale = scale

    async def start(self) -> None:
        self._slots = asyncio.Semaphore(self.concurrency)

    async def complete(self, request: Request, indexes: Sequence[int]) -> list[Completion]:
        return list(await asyncio.gather(*(self._one(request, index) for index in indexes)))

    async def _one(self, request: Request, index: int) -> Completion:
        seconds = self._scale * seeded(self._seed, f"{request.id}:{index}").lognormvariate(0, 1)
        async with self._slots:
            await asyncio.sleep(seconds)
        self.slept += seconds
        return Completion(index, self.reply(request.id, index), "stop")

    def reply(self, name: str, index: int) -> str:
        """The answer to a sample of a request, which is drawn from its name and index."""
        p = seeded("p", name).betavariate(0.5, 0.5)
        return "right" if seeded("answer", f"{name}:{index}").random() < p else "wrong"

    async def close(self) -> None:
        pass


def fill(samples: int) -> list[dict[str, Any]]:
    """The share of the time that an engine's 64 slots are busy: fixed 16, and waves in turns, as the step asks.

    `ideal` is the least time in which 64 slots could do the same work, over the time that was needed. A call holds its slots
    until its last answer is there, so wide calls leave some idle; the end of each turn leaves others.
    """
    requests = [Request(f"{i:05d}", (Message("user", (f"question {i}",)),), n=N) for i in range(samples)]
    calls = [Call(r, r.id, tuple(range(N))) for r in requests]
    rule = StoppingRule(N, AdaptiveConfig(band=(2, 14)))
    rows = []
    for name in ("fixed 16", "waves, in turns"):
        engine, started = SleepingEngine(64, 1, 0.15), time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch, Session(engine) as session:
            log = CompletionsLog(Path(scratch))

            def ask(stream: Iterable[Call], log: CompletionsLog = log, session: Session = session) -> int:
                with log.writer(session.engine.identity) as writer:
                    return session.drive(iter(stream), writer, DriverConfig(), total=samples * N).samples

            asked = _ask_in_turns(calls, rule, ask, engine) if name.startswith("waves") else ask(calls)
        seconds = time.perf_counter() - started
        rows.append({"policy": name, "asked": asked, "seconds": seconds, "ideal": engine.slept / 64 / seconds})
    return rows


def _ask_in_turns(
    calls: list[Call], rule: StoppingRule, ask: Callable[[list[Call]], int], engine: SleepingEngine
) -> int:
    """Each open sample gets its next wave; the next turn begins when the last answer of it is there."""
    asked, wanted = 0, {call.request.id: 0 for call in calls}
    open_ = calls
    while open_:
        turn = []
        for call in open_:
            first = wanted[call.request.id]
            wanted[call.request.id] = next(look for look in (*rule.looks, N) if look > first)
            turn.append(Call(call.request, call.prompt, tuple(range(first, wanted[call.request.id]))))
        asked += ask(turn)
        open_ = [call for call in open_ if _is_open(call.request.id, wanted[call.request.id], rule, engine)]
    return asked


def _is_open(name: str, asked: int, rule: StoppingRule, engine: SleepingEngine) -> bool:
    right = sum(engine.reply(name, index) == "right" for index in range(asked))
    return asked < N and rule.verdict(right, asked - right) is None


def agree(samples: int = 400) -> None:
    """The tables of policies and the rule that the pipeline runs are one."""
    for band in BANDS:
        rule = StoppingRule(N, AdaptiveConfig(band=band))
        _, answers = drawn("uniform", 1, samples)
        asked, chosen = adaptive(band).play(answers)
        for row, m, decided in zip(answers, asked, chosen, strict=True):
            outcomes: list[Outcome] = ["right" if hit else "wrong" for hit in row]
            stop = rule.walk(outcomes)
            assert (stop.asked, stop.in_band) == (m, bool(decided))


def shown(rows: list[dict[str, Any]]) -> Iterator[str]:
    table = pl.DataFrame(rows, infer_schema_length=None)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, float_precision=3, tbl_hide_dataframe_shape=True):
        yield str(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("simulate", "tune", "vlm", "fill"))
    parser.add_argument(
        "--samples", type=int, default=None, help="a prior and seed (20,000), of the VLM or of fill (600)"
    )
    parser.add_argument(
        "--workspace", type=Path, default=None, help="of the VLM's rollouts; kept, so that it can go on"
    )
    parser.add_argument(
        "--costs", action="store_true", help="vlm: also roll out 100 samples afresh, fixed and adaptive"
    )
    options = parser.parse_args()
    agree()
    if options.command == "vlm":
        with tempfile.TemporaryDirectory() as scratch:
            workspace = options.workspace or Path(scratch)
            rows = vlm(options.samples or 600, workspace)
            others = costs(workspace) if options.costs else []
    elif options.command == "fill":
        rows, others = fill(options.samples or 600), []
    else:
        rows, others = (simulate if options.command == "simulate" else tune)(options.samples or 20_000), []
    for text in (*shown(rows), *(shown(others) if others else ())):
        sys.stdout.write(text + "\n")
    RESULTS.mkdir(exist_ok=True)
    out = RESULTS / f"adaptive_{options.command}.json"
    out.write_text(json.dumps({"rows": rows, "costs": others}, indent=1) + "\n")


if __name__ == "__main__":
    main()
