"""Verdicts a second without repeats, beside plain math-verify, and what hanging answers cost.

    python benchmarks/verify_speed.py [--rows 1500] [--plain 300] [--hang 2000] [--out speed.json]

Times of one core are CPU seconds of this process (user and system). In one run:

1. `honest`: replies none of which comes twice (`verify_pairs.honest_mix`): formulas, numbers, choices, truth values, sets
   and words, thoughts of up to 3,000 characters before the answer, prose that is wrong, lead-ins in nine languages. Plain
   math-verify takes what it can, formulas and numbers, after their thoughts: `times` compares both on those same replies.
2. `rollouts`: `samples` answers to each question, about 70 % of them in the gold's own words, with their share of repeats.
3. `hanging`: `--hang` verdicts through a pool, without and with ten answers that never end. Allowed: the time without
   + 10 × budget / workers + 1 s, in wall time. Where it takes longer, the command fails.
"""

import argparse
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from verify_pairs import Row, honest_mix, repeat_share, rollouts

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem, verify_item
from schemas.answer import dump_answer, load_answer

BOMB = "5^(5^(5^(5^5)))"


def item_of(row: Row) -> VerifyItem:
    gold = load_answer(dump_answer(parse_gold(row.kind, row.gold, options=row.options)))
    return VerifyItem(f"<think>{row.thought}</think><answer>{row.answer}</answer>", gold, options=row.options)


def plain(row: Row) -> bool:
    from math_verify import parse, verify

    gold = parse(f"${row.gold}$", parsing_timeout=None)
    return bool(verify(gold, parse(row.answer, parsing_timeout=None), timeout_seconds=None))


def ours(items: list[VerifyItem], tiers: dict[str, int]) -> float:
    """CPU seconds."""
    start = time.process_time()
    for item in items:
        tier = verify_item(item).tier
        tiers[tier] = tiers.get(tier, 0) + 1
    return time.process_time() - start


def side_by_side(rows: list[Row], most: int, rounds: int = 5) -> dict[str, Any]:
    """Ours on all rows, and plain math-verify on up to `most` of those that it can take, in alternating rounds."""
    verify_item(VerifyItem("<answer>\\gcd(7,14)</answer>", parse_gold("expression", "7")))
    plain(Row("expression", "7", "", "\\boxed{7}"))
    formulas = [row for row in rows if row.formula]
    chosen, rest = formulas[:most], formulas[most:] + [row for row in rows if not row.formula]
    tiers: dict[str, int] = {}
    both = other = theirs = 0.0
    for part in range(rounds):
        other += ours([item_of(row) for row in rest[part::rounds]], tiers)
        both += ours([item_of(row) for row in chosen[part::rounds]], tiers)
        start = time.process_time()
        for row in chosen[part::rounds]:
            plain(row)
        theirs += time.process_time() - start
    lengths = sorted(len(row.thought) + len(row.answer) for row in rows)
    return {"rows": len(rows), "repeats": repeat_share([(r.kind, r.gold, r.answer) for r in rows]),
            "per_s": len(rows) / (both + other),
            "characters_median": lengths[len(lengths) // 2], "characters_most": lengths[-1],
            "compared": len(chosen), "per_s_compared": len(chosen) / both, "math_verify_per_s": len(chosen) / theirs,
            "times": theirs / both, "tiers": {k: v / len(rows) for k, v in sorted(tiers.items())}}  # fmt: skip


def hanging(count: int, workers: int, budget: float) -> dict[str, Any]:
    def stream(bombs: bool) -> Iterator[VerifyItem]:
        every = max(1, count // 10)
        for n in range(count):
            hang = bombs and n % every == every // 2
            yield VerifyItem(f"<answer>{BOMB if hang else n % 50}</answer>", seven)

    seven = parse_gold("expression", "7")
    seconds: dict[bool, float] = {}
    memory: dict[bool, float] = {}
    with VerifierPool(workers=workers, budget_s=budget) as pool:
        pool.verify(VerifyItem("<answer>\\gcd(7,14)</answer>", seven))
        for bombs in (False, True):
            start = time.perf_counter()
            timeouts = 0
            for verdict in pool.verify_many(stream(bombs)):
                timeouts += verdict.tier == "timeout"
            seconds[bombs] = time.perf_counter() - start
            memory[bombs] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    allowed = seconds[False] + 10 * budget / workers + 1
    return {"verdicts": count, "without_s": seconds[False], "with_ten_s": seconds[True], "timeouts": timeouts,
            "allowed_s": allowed, "within": seconds[True] <= allowed, "workers": workers, "budget_s": budget,
            "peak_rss_mb": memory[True]}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1500)
    parser.add_argument("--plain", type=int, default=300)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--hang", type=int, default=2000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    results: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    results["honest"] = side_by_side(honest_mix(options.rows), options.plain)
    repeated = [
        Row("expression", p.gold, "t", f"\\boxed{{{p.response}}}") for p in rollouts(options.questions, options.samples)
    ]
    results["rollouts"] = side_by_side(repeated, options.plain)
    results["hanging"] = hanging(options.hang, options.workers, 2.0)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))
    if not results["hanging"]["within"]:
        sys.exit(
            "hanging answers took {with_ten_s:.1f} s, where {allowed_s:.1f} s are allowed".format(**results["hanging"])
        )


if __name__ == "__main__":
    main()
