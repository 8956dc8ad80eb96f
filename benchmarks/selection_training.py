"""Does selection matter? The reference VLM trained on selected, random and all questions, five seeds, equal budgets.

    python benchmarks/selection_training.py [--quick] [--seeds 5] [--arms variance random all easy hard] [--rate 2e-4]
    python benchmarks/selection_training.py --choose-rate

**Task.** Questions about procedural scenes, one a scene, each followed by an instruction that the model never saw. It
answers half of the bare questions rightly and a quarter of these (its model card says why), so there is something to
learn, and many groups of rollouts are all wrong: the usual state of a pool at the start of reinforcement learning.

**Pool and measure.** 2,000 questions of the `curate` split, which the model was never trained on. 16 rollouts each at
temperature 1 of the starting model, scored by the verifier through the reward function that trainers call, counted by
`filters.difficulty.measure`.

**Arms.** `variance`: the 320 that the rule `variance` of `filters.select` keeps, those of highest p(1-p). `random`:
its control, 320 of the pool by hash. `all`: all 2,000. Two arms check that the set-up can tell good data from bad:
`easy` and `hard`, the 320 of highest and of lowest pass rate (ties by chance). Every arm is trained with GRPO for the
same number of updates, prompts an update and completions a prompt, hence with the same number of examples: the 320 are
seen three times each, of `all` 960 once. The rollouts that selecting costs are not charged to `variance`: the question is
what a selected set is worth, not what it costs.

**Judged.** Greedy accuracy on 1,500 questions of the `test` split, other scenes, one question each, after the last
update; beside it the accuracy of a sample at temperature 1. No checkpoint is picked. Seeds change the random subset,
ties, order and sampling; a seed is the same in every arm. Reported: mean and 95 % t-interval over seeds, the paired
difference to `random` with its t-interval over seeds, and the same difference with a 95 % interval over the test
questions, because seeds share the test set and say nothing of its chance.

**Learning rate.** Chosen once with `--choose-rate`: the `random` arm, a seed of its own, a validation set of 600 other
questions of the `curate` split, the rate of best greedy accuracy. No arm was tuned on its own.

One thread. Each finished run is a line of the state file, and a second call goes on where the first one ended.
"""

import argparse
import json
import logging
import math
import os
import platform
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl
import torch
from scipy import stats

from filters.difficulty import DifficultyConfig, measure
from filters.select.select import Selection, control, select
from filters.verify.gold import parse_gold
from filters.verify.reward import reward
from generators.reference.evaluate import WEIGHTS
from generators.reference.grpo import GrpoConfig, Prompt, grpo, reply
from generators.reference.grpo import asked as put
from generators.reference.replies import Reader
from generators.scenes import SceneQuestion, SceneSplit, iter_scenes, questions, render
from schemas.answer import dump_answer
from schemas.ids import canonical_json, chance, hash_text, seeded

RESULTS = Path(__file__).parent / "results"
INSTRUCTION = "\nLook at the picture carefully before you respond, then write the result on the last line."
ARMS = ("variance", "random", "all", "easy", "hard")
CHECKS = ("easy", "hard")
RATES = (2.5e-5, 5e-5, 1e-4, 2e-4, 4e-4)
RATE_SEED = 1000
log = logging.getLogger("selection_training")


@dataclass(frozen=True)
class Settings:
    """All that decides the figures."""

    pool: int = 2000
    budget: int = 320
    rollouts: int = 16
    test: int = 1500
    validation: int = 600
    samples: int = 2
    steps: int = 60
    prompts: int = 16
    completions: int = 8
    rate: float = 4e-4

    @property
    def key(self) -> str:
        """Lines of the state file with another key belong to other settings."""
        return hash_text(canonical_json(asdict(self)))[:12]

    def training(self, seed: int) -> GrpoConfig:
        return GrpoConfig(
            steps=self.steps, prompts=self.prompts, completions=self.completions, rate=self.rate, seed=seed
        )


QUICK = Settings(pool=120, budget=32, rollouts=4, test=60, validation=40, samples=1, steps=3, prompts=8, completions=4)


class Asked:
    """Questions with their images, ids and gold answers, and the verdicts about replies to them."""

    def __init__(self, split: SceneSplit, name: str, number: int) -> None:
        self.prompts: list[Prompt] = []
        self.questions: list[SceneQuestion] = []
        for scene in iter_scenes(split, 2 * number, f"selection-{name}"):
            if (asked := questions(scene)) and len(self.questions) < number:
                question = seeded(name, scene.id).choice(asked)
                self.questions.append(question)
                self.prompts.append(put(render(scene), question.question + INSTRUCTION))
        self.ids = [hash_text(f"{q.scene}\n{q.question}") for q in self.questions]
        self._golds = [dump_answer(parse_gold(q.kind, q.answer, options=q.options)) for q in self.questions]

    def score(self, places: Sequence[int], replies: Sequence[str]) -> list[float | None]:
        """What the trainer's reward function says of replies to the questions at `places`."""
        return reward(
            replies,
            answer=[self._golds[i] for i in places],
            options=[self.questions[i].options for i in places],
            tags=["plain"] * len(places),
        )

    def part(self, places: Sequence[int]) -> "Asked":
        """The questions at `places`, in that order."""
        part = Asked.__new__(Asked)
        part.prompts = [self.prompts[i] for i in places]
        part.questions = [self.questions[i] for i in places]
        part.ids = [self.ids[i] for i in places]
        part._golds = [self._golds[i] for i in places]
        return part


def answers(reader: Reader, asked: Asked, number: int, temperature: float, seed: int) -> list[list[bool]]:
    """Whether each of `number` replies to each question is right."""
    torch.manual_seed(seed)
    reader.model.eval()
    texts = reply(
        reader.model, reader.processor.tokenizer, asked.prompts, number=number, temperature=temperature, tokens=6
    )
    places = [i for i in range(len(texts)) for _ in range(number)]
    scores = asked.score(places, [text for group in texts for text in group])
    return [[score == 1.0 for score in scores[k : k + number]] for k in range(0, len(scores), number)]


def pass_counts(pool: Asked, settings: Settings) -> pl.DataFrame:
    """`id, k, n` of the starting model on the pool."""
    right = answers(Reader(WEIGHTS), pool, settings.rollouts, 1.0, 0)
    rows = [(id_, "stop", r, False, float(r), None) for id_, group in zip(pool.ids, right, strict=True) for r in group]
    schema = {"sample_id": pl.String, "finish_reason": pl.String, "correct": pl.Boolean}
    schema |= {"no_answer": pl.Boolean, "score": pl.Float64}
    table = pl.DataFrame(rows, schema={**schema, "tokens": pl.Int32}, orient="row")
    return measure(table, DifficultyConfig(), by=("sample_id",)).select("id", "k", "n")


def chosen(arm: str, counts: pl.DataFrame, budget: int, seed: int) -> list[str]:
    """Ids that an arm is trained on."""
    config = Selection.model_validate({"rule": "variance", "budget": budget, "draw": {"how": "top"}})
    if arm == "variance":
        kept = select(counts, config, seed).kept
    elif arm == "random":
        kept = control(counts, counts.head(budget), config, seed)  # of the second, only the number counts
    elif arm == "all":
        kept = counts
    else:
        tie = chance(f"tie:{seed}", counts["id"]).alias("tie")
        kept = counts.with_columns(tie).sort("k", "tie", descending=[arm == "easy", False]).head(budget)
    return sorted(kept["id"])


def run(arm: str, seed: int, pool: Asked, counts: pl.DataFrame, judged: Asked, settings: Settings) -> dict[str, Any]:
    """Train one arm with one seed from the start, and judge it."""
    began = time.monotonic()
    place = {id_: i for i, id_ in enumerate(pool.ids)}
    taken = pool.part([place[id_] for id_ in chosen(arm, counts, settings.budget, seed)])
    reader = Reader(WEIGHTS)
    records = grpo(reader.model, reader.processor.tokenizer, taken.prompts, taken.score, settings.training(seed))
    trained = time.monotonic() - began
    return {
        "arm": arm, "seed": seed, "examples": len(taken.ids),
        "tasks": dict(sorted(Counter(q.task for q in taken.questions).items())),
        "reward": [round(r.reward, 4) for r in records], "silent": round(_mean([r.silent for r in records]), 4),
        "train_s": round(trained, 1), **judge(reader, judged, settings, seed),
    }  # fmt: skip


def judge(reader: Reader, judged: Asked, settings: Settings, seed: int) -> dict[str, Any]:
    """Greedy accuracy, accuracy of a sample, and every greedy verdict as a digit."""
    greedy = [group[0] for group in answers(reader, judged, 1, 0.0, seed)]
    sampled = answers(reader, judged, settings.samples, 1.0, seed)
    return {
        "greedy": _mean(greedy),
        "sampled": _mean([_mean(group) for group in sampled]),
        "verdicts": "".join("01"[right] for right in greedy),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def interval(values: Sequence[float]) -> dict[str, float | None]:
    """Mean and half width of its 95 % t-interval; no width from a single value."""
    mean, n = _mean(values), len(values)
    if n < 2:
        return {"mean": round(mean, 4), "half": None}
    deviation = math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    return {"mean": round(mean, 4), "half": round(float(stats.t.ppf(0.975, n - 1)) * deviation / math.sqrt(n), 4)}


def summarise(base: dict[str, Any], runs: Sequence[dict[str, Any]], judged: Asked) -> dict[str, Any]:
    """Means with intervals, an arm a row; differences to `random` over the seeds that both have."""
    by_arm: dict[str, dict[int, dict[str, Any]]] = {}
    for row in runs:
        by_arm.setdefault(row["arm"], {})[row["seed"]] = row
    baseline, table = by_arm.get("random", {}), {}
    for arm, rows in by_arm.items():
        shared = sorted(set(rows) & set(baseline))
        table[arm] = {
            "seeds": sorted(rows),
            "examples": next(iter(rows.values()))["examples"],
            "greedy": interval([r["greedy"] for r in rows.values()]),
            "sampled": interval([r["sampled"] for r in rows.values()]),
            "silent_groups": round(_mean([r["silent"] for r in rows.values()]), 4),
            "by_task": _by_task([r["verdicts"] for r in rows.values()], judged),
        }
        if arm != "random" and shared:
            pairs = [(rows[s], baseline[s]) for s in shared]
            table[arm]["minus_random"] = {
                "greedy": interval([a["greedy"] - b["greedy"] for a, b in pairs]),
                "sampled": interval([a["sampled"] - b["sampled"] for a, b in pairs]),
                "greedy_over_questions": interval(_gains([(a["verdicts"], b["verdicts"]) for a, b in pairs])),
            }
    start = {name: round(base[name], 4) for name in ("greedy", "sampled")}
    return {"base": {**start, "by_task": _by_task([base["verdicts"]], judged)}, "arms": table}


def _gains(pairs: Sequence[tuple[str, str]]) -> list[float]:
    """Of each question, how many more seeds got it right than in the control, as a share."""
    return [sum((a[i] == "1") - (b[i] == "1") for a, b in pairs) / len(pairs) for i in range(len(pairs[0][0]))]


def _by_task(verdicts: Sequence[str], judged: Asked) -> dict[str, float]:
    hits: dict[str, list[bool]] = {}
    for marks in verdicts:
        for question, mark in zip(judged.questions, marks, strict=True):
            hits.setdefault(question.task, []).append(mark == "1")
    return {task: round(_mean(marks), 4) for task, marks in sorted(hits.items())}


def shown(summary: dict[str, Any]) -> str:
    """The table that is printed, in percent."""

    def cell(value: dict[str, float | None] | None, sign: str = "") -> str:
        if value is None or value["mean"] is None:
            return "-"
        half = "" if value["half"] is None else f" ± {100 * value['half']:.1f}"
        return f"{100 * value['mean']:{sign}.1f}{half}"

    base = summary["base"]
    lines = [
        "| arm | examples | greedy | sampled | silent groups | greedy - random, over seeds | over questions |",
        "|---|---|---|---|---|---|---|",
        f"| start | 0 | {100 * base['greedy']:.1f} | {100 * base['sampled']:.1f} | | | |",
    ]
    for arm, row in summary["arms"].items():
        versus = row.get("minus_random", {})
        lines.append(
            f"| {arm} | {row['examples']} | {cell(row['greedy'])} | {cell(row['sampled'])} "
            f"| {100 * row['silent_groups']:.0f} % | {cell(versus.get('greedy'), '+')} "
            f"| {cell(versus.get('greedy_over_questions'), '+')} |"
        )
    return "\n".join(lines)


class State:
    """Finished parts of the benchmark, a JSON line each."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            found = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
            self.lines = [line for line in found if line["key"] == key]

    def add(self, line: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines.append({"key": self.key, **line})
        with self.path.open("a") as file:
            file.write(json.dumps(self.lines[-1]) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def find(self, **wanted: Any) -> dict[str, Any] | None:
        return next((line for line in self.lines if all(line.get(k) == v for k, v in wanted.items())), None)


def measured_pool(state: State, pool: Asked, settings: Settings) -> pl.DataFrame:
    """Pass counts of the pool, from the state file where they are there."""
    if (line := state.find(part="pool")) is None:
        counts = pass_counts(pool, settings)
        state.add({"part": "pool", "counts": counts.rows()})
        return counts
    return pl.DataFrame(line["counts"], schema={"id": pl.String, "k": pl.Int32, "n": pl.Int32}, orient="row")


def choose_rate(settings: Settings) -> None:
    """The `random` arm at every rate on the validation set; its seed is none of the benchmark's."""
    pool, judged = Asked("curate", "pool", settings.pool), Asked("curate", "validation", settings.validation)
    counts = pl.DataFrame({"id": pool.ids, "k": [0] * len(pool.ids), "n": [1] * len(pool.ids)})  # unused by `random`
    start = judge(Reader(WEIGHTS), judged, settings, 0)
    sys.stdout.write(f"start: greedy {start['greedy']:.4f}, sampled {start['sampled']:.4f}\n")
    for rate in RATES:
        row = run("random", RATE_SEED, pool, counts, judged, replace(settings, rate=rate))
        sys.stdout.write(f"{rate:g}: greedy {row['greedy']:.4f}, sampled {row['sampled']:.4f}\n")
        sys.stdout.flush()


def benchmark(settings: Settings, arms: Sequence[str], seeds: int, state: State) -> dict[str, Any]:
    """Every arm with every seed, seed by seed, the compared arms before the two that check the set-up."""
    pool, judged = Asked("curate", "pool", settings.pool), Asked("test", "test", settings.test)
    counts = measured_pool(state, pool, settings)
    if (base := state.find(part="base")) is None:
        state.add({"part": "base", **judge(Reader(WEIGHTS), judged, settings, 0)})
        base = state.lines[-1]
    runs = []
    compared = [(seed, arm) for seed in range(seeds) for arm in arms if arm not in CHECKS]
    for seed, arm in compared + [(seed, arm) for seed in range(seeds) for arm in arms if arm in CHECKS]:
        if (row := state.find(part="run", arm=arm, seed=seed)) is None:
            state.add({"part": "run", **run(arm, seed, pool, counts, judged, settings)})
            row = state.lines[-1]
            log.info("%s, seed %d: greedy %.4f, sampled %.4f", arm, seed, row["greedy"], row["sampled"])
        runs.append(row)
    histogram = Counter(counts["k"].to_list())
    return {
        "command": f"python benchmarks/selection_training.py --seeds {seeds} --arms {' '.join(arms)}",
        "settings": asdict(settings),
        "versions": {name: version(name) for name in ("torch", "transformers", "polars")},
        "python": platform.python_version(),
        "pool_pass_counts": [histogram[k] for k in range(settings.rollouts + 1)],
        **summarise(base, runs, judged),
        "runs": [{k: v for k, v in row.items() if k not in ("key", "part", "verdicts", "train_s")} for row in runs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute: small sets, few updates, two seeds")
    parser.add_argument(
        "--choose-rate", action="store_true", help="print validation accuracy by learning rate, and end"
    )
    parser.add_argument("--rate", type=float, help="another learning rate than the chosen one; give --out with it")
    parser.add_argument("--seeds", type=int, help="default 5, with --quick 2")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--state", type=Path, default=Path("curate_out/selection_training.jsonl"))
    parser.add_argument(
        "--out", type=Path, help="default benchmarks/results/selection_training.json; with --quick none"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    settings = QUICK if arguments.quick else Settings()
    settings = replace(settings, rate=arguments.rate or settings.rate)
    if arguments.choose_rate:
        choose_rate(settings)
        return
    seeds = arguments.seeds or (2 if arguments.quick else 5)
    found = benchmark(settings, arguments.arms, seeds, State(arguments.state, settings.key))
    sys.stdout.write(shown(found) + "\n")
    out = arguments.out or (None if arguments.quick else RESULTS / "selection_training.json")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
