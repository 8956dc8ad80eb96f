"""10,000,000 samples with eight rollouts of 4,000 tokens on 64 and on 512 GPUs, on paper: docs/scale.md, by arithmetic.

    python benchmarks/scale_paper.py            # prints the page
    python benchmarks/scale_paper.py --write    # writes docs/scale.md

Every figure is an assumption that the page states, a figure that a benchmark measured (read from benchmarks/results/, with
the command that measures it), or computed from these here. What was not measured yet is left out. Whoever runs one of the
benchmarks again runs this again; a test holds the page to what this prints.
"""

import argparse
import json
import math
import sys
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

RESULTS, PAGE = Path(__file__).parent / "results", Path(__file__).parents[1] / "docs" / "scale.md"

SAMPLES, ROLLOUTS, TOKENS, PROMPT = 10_000_000, 8, 4_000, 1_000
CHARACTERS = 4.25
"""Of a token of English."""
GPUS, PLACES = (64, 512), 64
"""PLACES: sequences that a GPU computes at once."""
SPEEDS = (1_000, 2_500, 5_000, 10_000)
"""Reply tokens a second of one GPU: what depends on model, GPU and server, and is asked of the reader."""
DIMENSIONS = 1_024
DISK = 200e6
"""Bytes a second that a disk or an object store takes."""
ANSWERS = SAMPLES * ROLLOUTS
FLUSHED, JOINED = 4_096, 64
"""Answers of a part of the log as it is written, and how many parts become one (`pipelines.store`)."""
KEY = 16
"""Bytes of a key."""

FINEPHRASE = {"tokens": 486e9, "gpus": 100, "tokens_a_second": 9_200, "weeks": 2}
"""As published: tokens made, H100 used, tokens a second of one, and how long it took in all (HuggingFaceFW/finephrase)."""


def measured(name: str) -> Any:
    """The results of a benchmark; None where it was not run."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown; all columns but the first to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def hours(count: float) -> str:
    if count >= 48:
        return f"{count / 24:,.1f} days"
    return f"{count:,.1f} h" if count >= 1 else f"{count * 60:,.1f} min"


def size(count: float) -> str:
    return f"{count / 1e12:,.2f} TB" if count >= 1e12 else f"{count / 1e9:,.1f} GB"


def asking() -> str:
    """Hours of the GPUs, and what they ask of the driver, over a range of speeds."""
    rows = []
    for speed in SPEEDS:
        row = [f"{speed:,}"]
        for gpus in GPUS:
            seconds = ANSWERS * TOKENS / (gpus * speed)
            row += [hours(seconds / 3600), f"{ANSWERS / seconds:,.0f}"]
        rows.append(row)
    return table(["tokens/s of a GPU", *(f"{what} on {n}" for n in GPUS for what in ("time", "replies/s"))], rows)


def driver() -> str:
    """Cores that the driver needs beside the fleet."""
    long, rate = measured("long_replies"), measured("driver_rate")
    text = next(row for row in rate if row["load"] == "text")["rates"]["curate"][0]
    each = long["cpu_ms_a_reply"] / 1000
    rows = []
    for speed in SPEEDS:
        shares = [gpus * speed / TOKENS * each for gpus in GPUS]
        rows.append([f"{speed:,}", *(f"{share:.2f}" for share in shares), f"{1 / each * TOKENS / speed:,.0f}"])
    head = ["tokens/s of a GPU", *(f"cores on {gpus} GPUs" for gpus in GPUS), "GPUs that one core keeps full"]
    return (
        f"{table(head, rows)}\n\n"
        f"A reply of {long['characters']:,} characters costs the driver {long['cpu_ms_a_reply']} ms of a core, eight of "
        "them a call: HTTP, JSON, keys, journal and parts of the log (`python benchmarks/long_replies.py`). Of short ones, "
        f"one a call, a core asks {text:,} a second (`python benchmarks/driver_rate.py`). In all that is "
        f"{hours(driver_hours())} of one core for {ANSWERS:,} replies, whatever the GPUs are."
    )


def driver_hours() -> float:
    return float(ANSWERS * measured("long_replies")["cpu_ms_a_reply"] / 1000 / 3600)


def bytes_() -> str:
    """What lies on the disk."""
    long = measured("long_replies")
    share = long["log_bytes_a_reply"] / long["characters"]
    raw = ANSWERS * TOKENS * CHARACTERS
    parts = math.ceil(ANSWERS / FLUSHED)
    vectors = SAMPLES * DIMENSIONS * 2
    rows = [
        ["text of the replies", f"{ANSWERS:,} × {TOKENS:,} tokens × {CHARACTERS} characters", size(raw)],
        ["log", f"{share:.2f} of it, as measured on English", size(raw * share)],
        ["journal, until it is a part", f"{FLUSHED:,} replies at a time", size(FLUSHED * TOKENS * CHARACTERS)],
        ["keys, all of which a build reads", f"{ANSWERS:,} × {KEY} bytes", size(ANSWERS * KEY)],
        ["one table of texts (rewrite, trim), if a step makes one", "as much as the log", size(raw * share)],
        ["a release of all replies", "once more", size(raw * share)],
        ["vectors of all samples", f"{SAMPLES:,} × {DIMENSIONS:,} × 2 bytes", size(vectors)],
    ]
    return (
        f"{table(['what', 'how much', 'bytes'], rows)}\n\n"
        f"Files: {parts:,} parts of {FLUSHED:,} replies as they are written, {math.ceil(parts / JOINED):,} when {JOINED} of "
        f"them have become one beside the build. Requests: {SAMPLES:,} where a server gives eight samples a call, which "
        f"computes a prompt once; {ANSWERS:,} where it gives one. "
        f"Prompt tokens: {size_of_tokens(SAMPLES * PROMPT)} or {size_of_tokens(ANSWERS * PROMPT)}, at {PROMPT:,} a prompt."
    )


def size_of_tokens(count: float) -> str:
    return f"{count / 1e9:,.0f} billion"


def memory() -> str:
    """What a process holds at once."""
    rows = [["driver, short replies in flight", *_simulated()]]
    long, log = measured("long_replies"), measured("log_rows")
    rows.append(["driver, 8 × 17 KB a call", f"{long['peak_gb']} GB", "`long_replies.py`"])
    most = log["1000000 together"]["ours"]
    rows.append(
        [
            "reading 1,000,000 answers of a log of 10,000,000",
            f"{most['peak_gb']} GB, {most['seconds']:.0f} s",
            "`log_rows.py`",
        ]
    )
    written = measured("release_write")["reference"]
    rows.append([f"a release of {written['rows_written']:,} rows", f"{written['peak_gb']} GB", "`release_write.py`"])
    for one in (measured("step_scale") or {}).get("lines", ()):
        rows.append([f"step `{one['step']}`, {one['rows']:,} rows", f"{one['peak_gb']} GB", "`step_scale.py`"])
    return table(["what", "peak", "measured by"], [row for row in rows if row[1]])


def _simulated() -> tuple[str, str]:
    found = measured("fleet_simulation")
    if found is None:
        return "", ""
    places = found["servers"] * found["places"]
    return f"{max(one['peak_gb'] for one in found['cases']):.2f} GB at {places:,} places", "`fleet_simulation.py`"


def pure_rows() -> list[tuple[str, str, float, str]]:
    """What asks nothing: what it is, as measured, hours, and by which benchmark."""
    steps = (measured("step_scale") or {}).get("lines", ())
    rows = [
        (f"step `{one['step']}`", f"{one['rows_per_s_2']:,} rows/s of two cores", one["hours_at_10m"], "step_scale.py")
        for one in steps
    ]
    verify = measured("verify_speed")["honest"]["per_s_compared"]
    what = "verdicts of formulas and numbers"
    rows.append((what, f"{verify:,.0f}/s of a core", ANSWERS / verify / 3600, "verify_speed.py"))
    read = measured("log_rows")["1000000 together"]["ours"]["busy"] / 1e6
    what = "finding and reading answers of 200 bytes"
    rows.append((what, f"{1 / read:,.0f}/s of a core", ANSWERS * read / 3600, "log_rows.py"))
    few, many = (measured(f"dedup_speed_{name}")["runs"]["step"]["cpu_seconds"] for name in ("100k", "1m"))
    growth = math.log10(many / few)
    spent = many * (SAMPLES / 1e6) ** growth / 3600
    rows.append(("near duplicates of vectors × 384", f"a core, exponent {growth:.2f}", spent, "dedup_speed.py"))
    rule = max(line["cpu_seconds"] for name, line in measured("select_speed")["lines"].items() if name in RULES)
    what = "the slowest rule of `select`"
    rows.append((what, f"{1e6 / rule:,.0f} rows/s of a core", SAMPLES / 1e6 * rule / 3600, "select_speed.py"))
    written = measured("release_write")["reference"]
    speed = written["rows_written"] / written["seconds"]
    rows.append(("a release of every reply", f"{speed:,.0f} rows/s", ANSWERS / speed / 3600, "release_write.py"))
    return rows


def pure() -> str:
    """Hours of what asks nothing."""
    rows = [[what, how, hours(count), f"`{by}`"] for what, how, count, by in pure_rows()]
    return table(["part", "measured", f"at {SAMPLES:,} samples", "by"], rows)


def limits() -> str:
    """What takes longest, at the most and at the fewest GPUs that the page knows."""
    log = measured("long_replies")
    written = ANSWERS * TOKENS * CHARACTERS * (1 + log["log_bytes_a_reply"] / log["characters"])
    others = {
        "the driver": driver_hours(),
        "the disk, for journal and log": written / DISK / 3600,
        "what asks nothing": sum(count for _, _, count, _ in pure_rows()),
    }
    fastest = ANSWERS * TOKENS / (GPUS[-1] * SPEEDS[-1]) / 3600
    slowest = ANSWERS * TOKENS / (GPUS[0] * SPEEDS[0]) / 3600
    words = ", ".join(f"{name} {hours(count)}" for name, count in others.items())
    longest = max(others, key=lambda name: others[name])
    what = "the GPUs limit" if fastest >= others[longest] else f"{longest} may limit where GPUs are fastest"
    return (
        f"The GPUs take {hours(fastest)} ({GPUS[-1]} at {SPEEDS[-1]:,} tokens/s) to {hours(slowest)} ({GPUS[0]} at "
        f"{SPEEDS[0]:,}); the rest, on the cores named above: {words}. So {what}, and what asks nothing divides by cores. "
        "Where replies are short (labels, judges with a choice) that turns around, and the driver limits first: calibrate."
    )


RULES = ("variance", "temporal_r1", "mmr1_vas", "neura_ladder", "vl_rethinker", "vl_cogito", "rap", "in_band")


def makespan() -> str:
    """What the driver leaves of a fleet's time."""
    rows = [
        [
            f"{one['requests']:,} requests, 64 places, {one['case']}",
            f"{one['ratio']:.3f}",
            f"{one['curate_cpu_s']:.1f} s",
            "`makespan.py`",
        ]
        for one in measured("makespan")
    ]
    found = measured("fleet_simulation")
    for one in (found or {}).get("cases", ()):
        what = f"{found['requests']:,} requests, {found['servers'] * found['places']:,} places, {one['case']}"
        rows.append([what, f"{one['ratio']:.3f}", f"{one['cpu_s']:.1f} s", "`fleet_simulation.py`"])
    return table(["fleet on loopback", "of perfect", "driver's core", "by"], rows)


def finephrase() -> str:
    """What others published, and what of it can be compared."""
    plan = FINEPHRASE["tokens"] / FINEPHRASE["tokens_a_second"] / 86_400
    days = plan / FINEPHRASE["gpus"]
    share = days / (7 * FINEPHRASE["weeks"])
    ours = ANSWERS * TOKENS / FINEPHRASE["tokens_a_second"] / 86_400
    steady = measured("makespan")[0]
    rows = [
        ["tokens made", f"{FINEPHRASE['tokens'] / 1e9:,.0f} billion", f"{ANSWERS * TOKENS / 1e9:,.0f} billion", "yes"],
        [
            "GPU-days at their 9,200 tokens/s of an H100",
            f"{plan:,.0f}",
            f"{ours:,.0f}",
            "only if model and GPU are theirs",
        ],
        [
            "share of the plan that held",
            f"{share:.0%} ({days:.0f} days planned, about two weeks taken)",
            "not measured",
            "no",
        ],
        ["share of the fleet kept busy", "not found", f"{steady['ratio']:.1%} of perfect, on loopback", "no"],
        [
            "resumes by",
            "request, in a chunk (the key leaves the model out)",
            "answer (model, sampling, prompt, images, index)",
            "yes",
        ],
        ["images", "none", "yes: they cost prompt tokens, not replies", "no"],
    ]
    return table(["", "FinePhrase, published", "this page", "comparable"], rows)


def calibrated() -> str:
    """What a calibration says of a slow and of an instant server."""
    found = measured("calibrate")
    rows = [
        [
            name,
            f"{one['answers_a_second']:,.0f}",
            f"{one['driver_ms']:.2f} ms",
            f"{one['of_a_core']:.0%}",
            *(f"{one['hours'][part]:,.1f} h" for part in ("models", "driver", "disk", "pure steps")),
            one["limit"],
        ]
        for name, one in found.items()
    ]
    head = ["server", "answers/s", "driver, an answer", "of a core", "models", "driver", "disk", "pure steps", "limit"]
    return table(head, rows)


def page() -> str:
    written = f"""# Ten million samples, on paper

This page is printed by `python benchmarks/scale_paper.py --write`; a test holds it to that. Each figure is an assumption
of the next section, a measurement with the command that gives it (two cores, no GPU), or arithmetic on these. No speed of a
GPU is claimed: it is an input. `curate plan RECIPE --calibrate 200` measures it on yours, and says which resource limits.

## Assumed

{SAMPLES:,} samples × {ROLLOUTS} rollouts × {TOKENS:,} tokens = {ANSWERS * TOKENS / 1e9:,.0f} billion reply tokens, a
prompt of {PROMPT:,} tokens (images included), {CHARACTERS} characters a token, {PLACES} sequences at once on a GPU:
{PLACES * GPUS[0]:,} places on {GPUS[0]} GPUs, {PLACES * GPUS[1]:,} on {GPUS[1]}. A disk that takes {DISK / 1e6:.0f} MB/s.

## Asking

Time = samples × rollouts × tokens ÷ (GPUs × tokens/s of a GPU), with the fleet full; what keeps it from being full is below.

{asking()}

## The driver

{driver()}

Where that is more than a core, several processes ask (`driver.processes`). A process opens a connection for each call in
flight: `ulimit -n` must allow that, and a build that needs more says so before it asks.

## How full the fleet is

{makespan()}

The driver starts the next request on whichever place is free first. What is left is the tail, when fewer requests are left
than places: with 80 million replies on 4,096 places it is a matter of one reply's time, not of the build's.
`fleet_simulation.py` runs the driver against 2,048 places whose requests fail and straggle, and whose servers die and come
back: what those held is asked of others at once, and a server that is back is found within as long as it was away, at most
half a minute.

## Bytes, files and requests

{bytes_()}

Texts are in the log once; tables hold keys until a step makes new text. The journal stays on local disk.

## Memory

{memory()}

Steps of scope `row` and `sample` go by buckets, so their memory does not grow with the samples. Steps of scope `all` hold
ids and numbers, or stream.

## Hours of what asks nothing

{pure()}

Steps of scope `row` and `sample` go by buckets on all cores, or on a cluster with `--runner`. Image-only duplicates,
signals and encoders are not on this page.

## Beside FinePhrase

{finephrase()}

FinePhrase (Hugging Face, `examples/inference/finephrase.py` of datatrove) rewrites text with small models, and is the
largest open run whose figures are published. Theirs are measured on a cluster, ours computed. What carries over is the
lesson of its plan: hours at full speed are the least of what a build takes.

## What limits

{limits()}

## Calibrate

`curate plan RECIPE --calibrate 200` asks about 200 real requests of the recipe's models through the driver; the answers are
in the log, and a build reads them there. It runs all steps of those samples, once more with all answered, and once for one
sample, and prints latencies, tokens, the driver's processor time, and the hours of each resource for what the sources hold,
or for `--samples 10000000`. A server whose window was never full, or a log that holds all of it already, is a sentence. One
recipe of short answers against a server of 64 places that takes half a second and against one that takes none
(`python benchmarks/calibrate.py`), projected to {SAMPLES:,} samples:

{calibrated()}
"""
    return "\n\n".join(reflowed(paragraph) for paragraph in written.strip().split("\n\n")) + "\n"


def reflowed(paragraph: str) -> str:
    """A paragraph in lines of at most 125 characters; headings and tables as they are."""
    if paragraph.startswith(("#", "|")):
        return paragraph
    return textwrap.fill(" ".join(paragraph.split()), 125, break_long_words=False, break_on_hyphens=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())


if __name__ == "__main__":
    main()
