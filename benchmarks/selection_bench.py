"""Rules of selection side by side: the same student, the same candidates, equal sizes, by RL and by SFT.

    python benchmarks/selection_bench.py [--quick] [--seeds 5] [--rules variance rap …] [--set rl.steps=100]

**Candidates.** The `rl` side of the recipe `cold_start` without its `select`: questions about procedural scenes that
the student was never trained on, each measured by 8 rollouts as the release asks, by 8 without the image, by the
attention over its first reply (RAP), and by the likelihood of the gold with and without the image (VisNec, VIG). All
of it is of the student as it was, as published systems measure it. Golds are true by construction, so `hard_only`
takes each for confirmed.

**Rules.** `filters.select` with each rule as published and the same budget. A rule that lets fewer pass is filled up
by chance, and the table says how many are its own (`own`), so that sizes are equal.

**RL.** SFT on `sft`, once for a seed, then RL on what the rule chose. **SFT.** The untrained student on the traces of
what the rule chose. Every training has the same updates. Graded greedily by the shipped reward on `holdout` and on
fresh samples. Reported: mean and 95 % t-interval over seeds, and the paired difference to `random`, over seeds and
over questions (`docs/prove.md`).

One thread. Each finished run is a line, and a second call goes on where the first one ended.
"""

import argparse
import json
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import torch
import yaml

from filters.select.select import Selection, control, select
from generators.training.reference import ReferenceStudent
from pipelines.job import Job, compile_recipe, open_job
from pipelines.proof.config import QUICK, ProofConfig, read_config
from pipelines.proof.fresh import fresh_rows
from pipelines.proof.grading import graded
from pipelines.proof.rows import Rows, read_rows
from pipelines.proof.state import Run, State
from pipelines.proof.statistics import accuracy, by_arm, difference, verdict
from pipelines.proof.table import cell
from pipelines.recipe.library import find_recipe
from pipelines.store.release_seal import read_manifest
from schemas.ids import content_id

RESULTS = Path(__file__).parent / "results" / "selection_bench.json"
RANDOM = "random"
RULES: dict[str, dict[str, Any]] = {
    "variance": {"type": "variance"},
    "rap": {"type": "rap", "variant": "paper"},
    "discrepancy": {"type": "discrepancy"},
    "hard_only": {"type": "hard_only"},
    "visnec": {"type": "column", "by": "visnec", "low": 0},
    "vig": {"type": "column", "by": "vig"},
}
MEASURED = ("k", "n", "mean_score", "k_text", "n_text", "log_psi", "visnec", "vig")
WAYS = ("rl", "sft")
log = logging.getLogger("selection_bench")


def recipe(folder: Path, scenes: int | None) -> Path:
    """`cold_start` without its selection, with what the rules read, and with the traces of the candidates."""
    given = yaml.safe_load(find_recipe("cold_start").read_text(encoding="utf-8"))
    given |= {"name": "selection_bench"}
    if scenes is not None:
        given["sources"][0]["n"] = scenes
    steps = [step for step in given["steps"] if step != "select" and "select" not in step]
    release = next(step["release"] for step in steps if "release" in step)
    release["candidates"] = {"of": "trace", "system": release["sft"]["system"], "where": "side = 'rl'"}
    rows = {"where": "side = 'rl'", "model": "student"}
    measured = [
        {"checks": {**rows, "checks": [{"type": "text_only", "n": 8}]}},
        {
            "signals": {
                **rows,
                "of": "rollout",
                "attention": {"rollouts": "first"},
                "likelihood": {"blind": True, "mask": None},
            }
        },
    ]
    at = next(place for place, step in enumerate(steps) if "release" in step)
    given["steps"] = [*steps[:at], *measured, *steps[at:]]
    path = folder / "selection_bench.yaml"
    path.write_text(yaml.safe_dump(given, sort_keys=False), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Bench:
    """One build of the candidates, and how the student is trained and graded."""

    job: Job
    config: ProofConfig
    budget: int
    folder: Path

    @cached_property
    def release(self) -> Path:
        assert self.job.release is not None
        return self.job.release

    @cached_property
    def candidates(self) -> pl.DataFrame:
        """`id`, what the rules read, and `confirmed`."""
        rows = self.job.rows("sample", ["side", *MEASURED]).filter(pl.col("side") == "rl")
        return rows.with_columns(confirmed=pl.lit(True))

    @cached_property
    def rows(self) -> dict[str, Rows]:
        return {name: read_rows(self.release, name) for name in ("sft", "rl", "candidates")}

    @cached_property
    def judged(self) -> dict[str, Rows]:
        fresh = fresh_rows(read_manifest(self.release, "recipe", "measured"), self.config.graded.fresh).rows
        found = {"holdout": read_rows(self.release, "holdout", self.config.graded.holdout)}
        return found if fresh is None else {**found, "fresh": fresh}

    @cached_property
    def student(self) -> ReferenceStudent:
        return ReferenceStudent()

    @cached_property
    def tokens(self) -> int:
        return self.config.tokens or -(-self.student.length(self.rows["sft"].replies) * 5 // 4)

    def chosen(self, rule: str, seed: int) -> tuple[list[str], int]:
        """As many ids as the budget for every rule, and how many of them are the rule's own."""
        mixed = Selection.model_validate({"budget": self.budget})
        order = control(self.candidates, self.candidates, mixed, seed)["id"].to_list()
        own: list[str] = []
        if rule != RANDOM:
            config = Selection.model_validate({"rule": RULES[rule], "budget": self.budget, "draw": {"how": "top"}})
            own = select(self.candidates, config, seed).kept["id"].to_list()
        known = set(own)
        return sorted([*own, *(id_ for id_ in order if id_ not in known)][: self.budget]), len(own)

    def run(self, way: str, rule: str, seed: int) -> Run:
        """Train on what a rule chose, from the same start for every rule, and grade."""
        began, (ids, own) = time.process_time(), self.chosen(rule, seed)
        if way == "rl":
            self._cold_start(seed)
            rows = _only(self.rows["rl"], ids)
            trained = self.student.rl(rows.questions, rows.rewards, self.config.rl, self.tokens, seed)
        else:
            self.student.load(None)
            rows = _only(self.rows["candidates"], ids)
            trained = self.student.sft(rows.questions, rows.replies, self.config.sft, seed)
        found = {
            which: graded(self.student, one, self.tokens, "think_answer").verdicts for which, one in self.judged.items()
        }
        facts = {"what": way, "tokens": trained.tokens, "silent": trained.silent, "rows": len(ids)}
        spent = round(time.process_time() - began, 1)
        return {"arm": f"{way}:{rule}", "seed": seed, "own": own, "trained": [facts], **found, "seconds": spent}

    def _cold_start(self, seed: int) -> None:
        kept, draft = self.folder / f"sft-{seed}", self.folder / ".sft"
        if kept.is_dir():
            self.student.load(kept)
            return
        self.student.load(None)
        rows = self.rows["sft"]
        self.student.sft(rows.questions, rows.replies, self.config.sft, seed)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        self.student.save(draft)
        draft.rename(kept)


def _only(rows: Rows, ids: Sequence[str]) -> Rows:
    wanted = set(ids)
    return rows.taken([place for place, id_ in enumerate(rows.ids) if id_ in wanted])


def shown(runs: dict[tuple[str, int], Run], rules: Sequence[str]) -> str:
    """The tables that are printed, in percent."""
    arms, lines = by_arm(runs), list[str]()
    for way in WAYS:
        base = arms.get(f"{way}:{RANDOM}")
        lines += [
            f"\n## {way.upper()}\n",
            "| rule | own | seeds | holdout | fresh | less random, over seeds | over questions | |",
        ]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for rule in (RANDOM, *rules):
            mine = arms.get(f"{way}:{rule}")
            if mine is None:
                continue
            cells = [cell(accuracy(mine, which)) for which in ("holdout", "fresh")]
            apart = difference(mine, base, "holdout") if base is not None and rule != RANDOM else None
            words = (
                [cell(apart.over_seeds, "+"), cell(apart.over_questions, "+"), verdict(apart)]
                if apart
                else ["", "", ""]
            )
            own = next(iter(mine.values()))["own"]
            lines.append(f"| {rule} | {own} | {len(mine)} | {' | '.join([*cells, *words])} |")
    return "\n".join(lines)


def bench(
    config: ProofConfig, rules: Sequence[str], budget: int, folder: Path, scenes: int | None = None
) -> dict[str, Any]:
    """Build the candidates, run what has no line yet, seed by seed, and return what came out."""
    folder.mkdir(parents=True, exist_ok=True)
    job = open_job(compile_recipe(str(recipe(folder, scenes))), folder / "out")
    job.run()
    key = content_id([config.model_dump(mode="json"), budget, scenes, read_manifest(job.release)["content"]])[:12]
    home = folder / key
    home.mkdir(exist_ok=True)
    one, state = Bench(job, config, budget, home), State(home)
    with state.held():
        done = state.runs()
        for seed in range(config.seeds):
            for way in WAYS:
                for rule in (RANDOM, *rules):
                    if (f"{way}:{rule}", seed) not in done:
                        run = one.run(way, rule, seed)
                        state.add(run)
                        log.info("%s by %s, seed %d: %s", way, rule, seed, cell(accuracy({seed: run}, "holdout")))
    runs = state.runs()
    return {
        "budget": budget,
        "config": config.model_dump(mode="json"),
        "table": shown(runs, rules),
        "runs": list(runs.values()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sets, few updates, one seed: that it runs")
    parser.add_argument("--seeds", type=int, default=None, help="default 5, with --quick 1")
    parser.add_argument("--rules", nargs="+", choices=tuple(RULES), default=tuple(RULES))
    parser.add_argument(
        "--budget", type=int, default=None, help="questions that each rule chooses; default 300, with --quick 12"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as `curate prove` has it")
    parser.add_argument("--folder", type=Path, default=Path("curate_out/selection_bench"))
    parser.add_argument("--out", type=Path, help=f"default benchmarks/results/{RESULTS.name}; with --quick none")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    torch.set_num_threads(1)
    options = [*(QUICK if arguments.quick else ()), *arguments.set]
    options += [f"seeds={arguments.seeds}"] if arguments.seeds else []
    small = arguments.quick
    budget = arguments.budget or (12 if small else 300)
    found = bench(read_config(options), arguments.rules, budget, arguments.folder, 60 if small else None)
    sys.stdout.write(found["table"] + "\n")
    out = arguments.out or (None if small else RESULTS)
    if out is not None:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
