"""What eight replies of 17 KB to a prompt cost the driver, and how many bytes each leaves in the log.

    python benchmarks/long_replies.py [--requests 400] [--rounds 3]

An instant server on loopback gives eight replies a call; 64 sequences are in flight. The rate is replies over seconds of
processor time of this process, all its threads: HTTP, JSON, keys, journal and parts. Bytes are those of a part of the log in
which each text stands once: English of this repository's own pages, which packs about as thoughts do (those of one model
pack better). Prints both, and writes benchmarks/results/long_replies.json.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from driver_rate import Images
from loopback import Load, fleet

from generators.engines.select import make_engine
from pipelines.run.driver import Call, Session
from pipelines.run.driver_config import DriverConfig
from pipelines.store.completions import CompletionsLog
from schemas.completion import Completion, Message, ModelIdentity, Request, prompt_key
from schemas.engine import ModelConfig

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "long_replies.json"
TEXT, EACH, IN_FLIGHT = 17_000, 8, 64


def texts() -> tuple[str, ...]:
    """The pages of this repository in pieces of TEXT characters, each once."""
    pages = [path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("docs/**/*.md"))]
    whole = "\n".join([(ROOT / "README.md").read_text(encoding="utf-8"), *pages])
    return tuple(whole[start : start + TEXT] for start in range(0, len(whole) - TEXT, TEXT))


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def packed(pieces: tuple[str, ...]) -> float:
    """Bytes of a reply in a part of the log."""
    identity, request = ModelIdentity("m", "r", "t"), Request("a", (Message("user", ("question",)),))
    with tempfile.TemporaryDirectory() as scratch:
        with CompletionsLog(Path(scratch)).writer(identity) as log:
            key = prompt_key(identity, request)
            log.append(request, key, [Completion(i, text, "stop", 1000, 4000) for i, text in enumerate(pieces)])
        return size_of(Path(scratch)) / len(pieces)


def driven(requests: int, url: str) -> tuple[float, float]:
    """Seconds of processor time a reply, and the peak of memory in GB."""
    config = ModelConfig(model="m", engine="openai", base_urls=(url,), concurrency=IN_FLIGHT)
    with tempfile.TemporaryDirectory() as scratch:
        engine = make_engine(config, Images(Path(scratch)))
        asked = [Request(str(i), (Message("user", (f"question {i}",)),)) for i in range(requests)]
        calls = (Call(r, prompt_key(engine.identity, r), tuple(range(EACH))) for r in asked)
        with Session(engine) as session, CompletionsLog(Path(scratch)).writer(engine.identity) as log:
            before = resource.getrusage(resource.RUSAGE_SELF)
            receipt = session.drive(calls, log, DriverConfig(), total=requests * EACH)
        after = resource.getrusage(resource.RUSAGE_SELF)
    assert receipt.samples == requests * EACH
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used / receipt.samples, after.ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    pieces = texts()
    with fleet(1, Load(texts=pieces, n=EACH)) as ((url,), _):
        found = [driven(given.requests, url) for _ in range(given.rounds)]
    facts: dict[str, Any] = {
        "characters": TEXT,
        "replies_a_call": EACH,
        "texts": len(pieces),
        "log_bytes_a_reply": round(packed(pieces)),
        "cpu_ms_a_reply": round(statistics.median(cpu for cpu, _ in found) * 1000, 3),
        "peak_gb": round(max(gb for _, gb in found), 2),
    }
    facts["replies_a_second_and_core"] = round(1000 / facts["cpu_ms_a_reply"])
    sys.stdout.write(
        f"{facts['replies_a_second_and_core']:,} replies of {TEXT:,} characters a second and core "
        f"({facts['cpu_ms_a_reply']} ms each), {facts['peak_gb']} GB; {facts['log_bytes_a_reply']:,} bytes each in the log "
        f"({facts['log_bytes_a_reply'] / TEXT:.2f} of its characters)\n"
    )
    RESULT.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
