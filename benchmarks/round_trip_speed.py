"""The round trip beside a trainer's grader that is asked every time, and whether its shortcuts change a score.

    python benchmarks/round_trip_speed.py [--rows 300] [--trainers trl,easyr1,verl] [--out speed.json]
    python benchmarks/round_trip_speed.py --compare 100000 [--trainers trl] [--out compare.json]

The first measures rows a second on one core, in alternating rounds of the same run: *each time* puts the gold, a trace of
1.4 KB and two wrong answers of every row to the real grader, as was done until the round trip learned to remember; *round
trip* is `filters.verify.round_trip` on the same rows. No two golds are equal. Two tables: whole numbers, and numbers,
decimals, fractions and formulas in equal parts.

The second puts pairs of a completion and a solution to the real grader and to `quick_grader` and counts where they differ.
Most are plain numbers, equal or nearly; the others are formulas, odd spellings, several boxes, dollars, brackets and phrases
that the graders' patterns look for, at random places around them. It ends with an error if any pair differs.
"""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import polars as pl

from filters.verify import quick_grader as quick
from filters.verify.gold import parse_gold
from filters.verify.graders import GRADERS
from filters.verify.round_trip import RoundTrip, RoundTripConfig, canonical, fault
from filters.verify.verifier import verify
from schemas.answer import dump_answer, load_answer
from schemas.ids import seeded
from schemas.tags import TAG_SCHEMAS, render_trace

THOUGHT = "We look at the image, name what is there, and put one number beside the other. "
ROUNDS = 4
SHAPES = ("${}$", "\\boxed{{{}}}", "{}")


def table(golds: list[tuple[str, str]]) -> pl.DataFrame:
    """`id, answer, stated, text` of (kind, gold)."""
    schema = TAG_SCHEMAS["think_answer_boxed"]
    rows = [
        (str(i), dump_answer(parse_gold(kind, gold)), gold, render_trace(schema, f"{THOUGHT * 17}It is row {i}.", gold))
        for i, (kind, gold) in enumerate(golds)
    ]
    return pl.DataFrame(rows, schema=["id", "answer", "stated", "text"], orient="row")


def whole(count: int) -> list[tuple[str, str]]:
    return [("number", str(13 * i + 7)) for i in range(count)]


def mixed(count: int) -> list[tuple[str, str]]:
    kinds = (
        lambda i: ("number", str(13 * i + 7)),
        lambda i: ("number", f"{i}.{i % 90 + 10}"),
        lambda i: ("expression", f"\\frac{{{2 * i + 1}}}{{{2 * i + 4}}}"),
        lambda i: ("expression", f"{i + 2}x+\\sqrt{{{i + 3}}}"),
    )
    return [kinds[i % 4](i) for i in range(count)]


def each_time(rows: pl.DataFrame, trainer: str) -> int:
    """Rows that pass, with nothing remembered."""
    grader, others = GRADERS[trainer], rows["stated"].to_list()
    passed = 0
    for id_, answer, stated, text in rows.iter_rows():
        chance, gold = seeded(0, id_), load_answer(answer)
        drawn = sorted({chance.choice(others) for _ in range(8)} - {stated})
        wrong = [canonical(t) for t in drawn if verify(t, gold, tags="plain").correct is False][:2]
        passed += any(fault(s.format(stated), [canonical(stated), text], wrong, grader) is None for s in SHAPES)
    return passed


def round_trip(rows: pl.DataFrame, trainer: str) -> int:
    """Rows whose gold and whose trace pass."""
    gate = RoundTrip(RoundTripConfig(trainer=trainer))
    gate.look_at(rows["stated"].to_list())
    kept = gate.golds(rows.select("id", "answer", "stated")).kept
    traces = rows.select("id", "text", sample_id="id").join(
        kept.select("id", "solution"), on="id", maintain_order="left"
    )
    return gate.traces(traces).kept.height


def speed(trainer: str, golds: list[tuple[str, str]]) -> dict[str, Any]:
    rows = table(golds)
    warm = rows.head(4)
    assert each_time(warm, trainer) == round_trip(warm, trainer)
    seconds, passed = {"each_time": 0.0, "round_trip": 0.0}, {"each_time": 0, "round_trip": 0}
    for part in range(ROUNDS):
        piece = rows.gather_every(ROUNDS, part)
        for name, run in (("each_time", each_time), ("round_trip", round_trip)):
            start = time.process_time()
            passed[name] += run(piece, trainer)
            seconds[name] += time.process_time() - start
    rates = {f"{name}_rows_per_s": round(rows.height / taken, 1) for name, taken in seconds.items()}
    return {
        "rows": rows.height,
        **rates,
        "times": round(seconds["each_time"] / seconds["round_trip"], 1),
        "passed": passed,
    }


ODD = """\
+7|007|7.|.5|0.5|-0|7,000|7 000|7%|7\\%|7 cm|7\\text{ cm}|x=7|1e3|10^3|14/2|\\frac{14}{2}|7\\pi|A|E|I|(7,8)|{7}|7 or 8||
|seven|7.0000001|1234567890.5|\\$7|∞""".replace("\n", "").split("|")
FORMULAS = """\
x+1|x-1|1+x|2x+2|2(x+1)|\\frac{x}{2}|\\sqrt{2}|\\sqrt{8}|2\\sqrt{2}|\\frac{\\sqrt{8}}{2}|x^2-1|(x-1)(x+1)|\\pi
|3.14159|\\frac{1}{3}|0.333333|0.333|\\sin^2(x)+\\cos^2(x)|1|e^x|\\log(x)|\\ln x|a+b|b+a|ab|3+4i|5|\\sqrt{x^2}|x
|\\frac{a}{b}|2^{10}|1024|-x|50\\%|y=2x|2x|\\{1,2\\}|x<3|\\begin{pmatrix}1\\\\2\\end{pmatrix}|n!|6|\\infty|\\frac{7}{2}
|\\sum_{i=1}^{3} i|3.5|3\\frac{1}{2}|x+0.001|x+1.0001|60^\\circ|60|2:3|\\frac{2}{3}""".replace("\n", "").split("|")
AROUND = [
    "",
    "",
    "",
    "So it is $8$. ",
    "It costs $5 and $6. ",
    "[8] ",
    " [\\boxed{8}] ",
    "\\(8\\) ",
    "\\[8\\] ",
    "\\boxed{8} ",
    "{",
    "} ",
    "The final answer is 8. ",
    "final answer is $8$. I hope ",
    "FINAL ANSWER is \\frac{8}{1}. ",
    "answer: 8 ",
    "50% ",
    "\\boxed{",
    "<answer>8</answer> ",
    "\\fbox{8} ",
    "<answer>\n",
    "and 8, 9 ",
    "é√ ",
]
FORMULA_SHARE = 0.05
LAYOUTS = (
    "<think>{0}…{1}</think><answer>\\boxed{{{2}}}</answer>{3}",
    "<think>{0}</think>\n<answer>{1}\\boxed{{{2}}}</answer>{3}",
    "{0}{1}\\boxed{{{2}}}{3}",
    "{0}<answer>{1}{2}</answer>{3}",
)


def number(chance: Random) -> str:
    whole = chance.randrange(10 ** chance.randrange(1, 10)) * chance.choice((1, 1, -1))
    places = chance.choice((0, 0, 0, 1, 2, 5))
    return f"{whole}.{chance.randrange(10**places):0{places}d}" if places else str(whole)


def near(text: str, chance: Random) -> str:
    """The same number, the same in another spelling, or one that differs in the last place."""
    way = chance.randrange(5)
    if way == 0 and "." in text and len(text.partition(".")[2]) < 5:
        return text + "0"
    if way == 1 and "." not in text:
        return f"{text}.{'0' * chance.randrange(1, 6)}"
    if way == 2:
        return text[:-1] + str((int(text[-1]) + 1) % 10)
    if way == 3:
        return text.removeprefix("-") if text.startswith("-") else f"-{text}"
    return text


def pairs(count: int, seed: int = 0) -> Iterator[tuple[str, str]]:
    """(completion, solution)."""
    chance = Random(seed)
    for _ in range(count):
        if chance.random() < FORMULA_SHARE:
            gold, said = chance.choice(FORMULAS), chance.choice(FORMULAS)
            yield canonical(said, chance.choice(AROUND)), SHAPES[0].format(gold)
            continue
        gold = number(chance) if chance.random() < 0.85 else chance.choice(ODD)
        said = (
            near(gold, chance)
            if gold[-1:].isdigit() and chance.random() < 0.7
            else chance.choice((number(chance), *ODD))
        )
        shape = SHAPES[0] if chance.random() < 0.8 else chance.choice(SHAPES)
        if chance.random() < 0.5:
            yield canonical(said), shape.format(gold)
        else:
            marks = (chance.choice(AROUND), chance.choice(AROUND), said, chance.choice((*AROUND, "", "", "")))
            yield chance.choice(LAYOUTS).format(*marks), shape.format(gold)


def compare(trainer: str, count: int) -> dict[str, Any]:
    real, ours = GRADERS[trainer], quick.quick_grader(trainer)
    differ: list[Any] = []
    scores: dict[str, int] = {}
    sent = {"real": 0.0, "quick": 0.0}
    for completion, solution in pairs(count):
        start = time.process_time()
        truth = real(completion, solution)
        middle = time.process_time()
        found = ours(completion, solution)
        sent["real"] += middle - start
        sent["quick"] += time.process_time() - middle
        scores[str(truth)] = scores.get(str(truth), 0) + 1
        if found != truth:
            differ.append({"completion": completion, "solution": solution, "real": truth, "quick": found})
    return {"pairs": count, "scores": scores, "differ": len(differ), "first": differ[:5],
            "seconds": {name: round(taken, 1) for name, taken in sent.items()}}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--compare", type=int, default=0)
    parser.add_argument("--trainers", default="trl,easyr1,verl")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)
    results: dict[str, Any] = {"cores": os.cpu_count(), "load": os.getloadavg()[0]}
    for trainer in options.trainers.split(","):
        if options.compare:
            results[trainer] = compare(trainer, options.compare)
        else:
            results[trainer] = {
                name: speed(trainer, golds(options.rows)) for name, golds in (("whole", whole), ("mixed", mixed))
            }
        sys.stdout.write(json.dumps({trainer: results[trainer]}, indent=1) + "\n")
        sys.stdout.flush()
    if options.out:
        options.out.write_text(json.dumps(results, indent=1))
    if any(results[t].get("differ") for t in options.trainers.split(",")):
        sys.exit("the quick grader differs from the real one")


if __name__ == "__main__":
    main()
