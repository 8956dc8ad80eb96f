"""Where our verdicts differ from plain `math-verify`, on mixed pairs whose truth is known by construction.

    python benchmarks/verify_parity.py [--pairs 2500] [--seed 0] [--out parity.json]

Prints every difference with who is right, and the share of differing verdicts (wanted: at most 0.5 %).
"""

import argparse
import json
import logging
import sys
from pathlib import Path

from math_verify import parse, verify
from verify_pairs import mixed_pairs

from filters.verify.gold import parse_gold
from filters.verify.verifier import verify as ours

logging.getLogger("math_verify").setLevel(logging.CRITICAL)


def plain(gold: str, response: str) -> bool:
    """Full math-verify: gold as `$…$`, the response's box parsed with its default extraction."""
    return bool(
        verify(
            parse(f"${gold}$", parsing_timeout=None),
            parse(f"\\boxed{{{response}}}", parsing_timeout=None),
            timeout_seconds=None,
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    differences, wrong = [], {"ours": 0, "math_verify": 0}
    tiers: dict[str, int] = {}
    for pair in mixed_pairs(options.pairs, options.seed):
        verdict = ours(f"<answer>\\boxed{{{pair.response}}}</answer>", parse_gold("expression", pair.gold))
        theirs = plain(pair.gold, pair.response)
        tiers[verdict.tier] = tiers.get(verdict.tier, 0) + 1
        wrong["ours"] += bool(verdict.correct) != pair.truth
        wrong["math_verify"] += theirs != pair.truth
        if bool(verdict.correct) != theirs:
            right = "ours" if bool(verdict.correct) == pair.truth else "math-verify"
            differences.append({**pair._asdict(), "ours": verdict.correct, "right": right, "why": verdict.explanation})
    for d in differences:
        sys.stdout.write(
            f"{d['family']:12} gold {d['gold']!r} response {d['response']!r}: {d['right']} is right ({d['why']})\n"
        )
    share = len(differences) / options.pairs
    summary = {
        "pairs": options.pairs,
        "differ": len(differences),
        "share": share,
        "against_truth": wrong,
        "tiers": tiers,
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    if options.out:
        options.out.write_text(json.dumps({**summary, "differences": differences}, indent=1))


if __name__ == "__main__":
    main()
