"""Verdicts a second, beside plain math-verify, and what hanging answers cost.

    python benchmarks/verify_speed.py [--questions 1000] [--samples 16] [--plain 600] [--hang 100000] [--out speed.json]

Four measurements in one run, the first three on one core:

1. `verify` in this process on rollouts: `samples` answers to each question, about 70 % of them in the gold's own words,
   and plain math-verify on a part of the same pairs (parse gold, parse response, compare), interleaved in rounds.
2. The same on pairs none of which comes twice, so that nothing is remembered.
3. The rollouts of 1 through a pool of one process.
4. `--hang` verdicts without and with ten answers that never end. Allowed: the time without + 10 × budget / workers + 1 s.
"""

import argparse
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from verify_pairs import Pair, mixed_pairs, rollouts

from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.verifier import VerifyItem, verify_item
from schemas.answer import dump_answer, load_answer

BOMB = "5^(5^(5^(5^5)))"


def items_of(pairs: Iterable[Pair]) -> list[VerifyItem]:
    golds = {gold: dump_answer(parse_gold("expression", gold)) for gold in {p.gold for p in pairs}}
    return [
        VerifyItem(f"<think>t</think><answer>\\boxed{{{p.response}}}</answer>", load_answer(golds[p.gold]))
        for p in pairs
    ]


def plain(pair: Pair) -> bool:
    from math_verify import parse, verify

    gold = parse(f"${pair.gold}$", parsing_timeout=None)
    return bool(verify(gold, parse(f"\\boxed{{{pair.response}}}", parsing_timeout=None), timeout_seconds=None))


def side_by_side(pairs: list[Pair], share: int, rounds: int = 5) -> dict[str, Any]:
    """Ours on all pairs and plain math-verify on every `share`-th, in alternating rounds on this core."""
    items = items_of(pairs)
    verify_item(VerifyItem("<answer>\\gcd(7,14)</answer>", parse_gold("expression", "7")))
    plain(pairs[0])
    ours = theirs = 0.0
    compared = 0
    tiers: dict[str, int] = {}
    for part in range(rounds):
        start = time.perf_counter()
        for item in items[part::rounds]:
            tier = verify_item(item).tier
            tiers[tier] = tiers.get(tier, 0) + 1
        ours += time.perf_counter() - start
        sampled = pairs[part::rounds][::share]
        start = time.perf_counter()
        for pair in sampled:
            plain(pair)
        theirs += time.perf_counter() - start
        compared += len(sampled)
    rate, base = len(items) / ours, compared / theirs
    return {"pairs": len(items), "per_s": rate, "math_verify_pairs": compared, "math_verify_per_s": base,
            "times": rate / base, "tiers": {k: v / len(items) for k, v in sorted(tiers.items())}}  # fmt: skip


def pooled(pairs: list[Pair]) -> dict[str, Any]:
    items = items_of(pairs)
    with VerifierPool(workers=1) as pool:
        pool.verify(VerifyItem("<answer>\\gcd(7,14)</answer>", items[0].gold))
        start = time.perf_counter()
        count = sum(1 for _ in pool.verify_many(items))
        return {"pairs": count, "per_s": count / (time.perf_counter() - start)}


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
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--plain", type=int, default=600)
    parser.add_argument("--hang", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    pairs = rollouts(options.questions, options.samples)
    share = max(1, len(pairs) // options.plain)
    results = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    results["hanging"] = hanging(options.hang, options.workers, 2.0)
    results["one_core"] = side_by_side(pairs, share)
    distinct = list(dict.fromkeys(mixed_pairs(4 * options.questions, seed=7)))
    results["one_core_no_pair_twice"] = side_by_side(distinct, max(1, len(distinct) // options.plain))
    results["pool_of_one"] = pooled(pairs)
    sys.stdout.write(json.dumps(results, indent=1) + "\n")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
