"""The process that does the expensive half of verifying: `pool` starts it, gives it items, and may kill it.

It is a program of its own rather than a `multiprocessing` child: it must never re-run a trainer's main script, nor
inherit its threads, its CUDA context or its imports. One JSON line an item, one JSON line back.
"""

import json
import os
import sys
from typing import IO, Any

from filters.verify import symbolic
from filters.verify.verifier import VerifyItem, verify_item
from schemas.answer import load_answer
from schemas.verdict import Verdict

MEMORY_BYTES = 4 << 30
"""Address space of a worker: an answer that grows without end meets this before the machine does."""


def encode(number: int, item: VerifyItem) -> bytes:
    """An item as a line."""
    from schemas.answer import dump_answer

    parts = [
        number,
        item.response,
        dump_answer(item.gold),
        item.verifier,
        dict(item.params),
        list(item.options),
        item.tags,
    ]
    return json.dumps(parts).encode() + b"\n"


def decode(line: bytes) -> tuple[int, VerifyItem]:
    """The inverse of `encode`."""
    number, response, gold, verifier, params, options, tags = json.loads(line)
    return number, VerifyItem(response, load_answer(gold), verifier, params, tuple(options), tags)


def main() -> None:
    """Answers items until the pipe closes."""
    out = _own_stdout()
    _limit_memory()
    _say(out, ["ready"])
    for line in sys.stdin.buffer:
        number, item = decode(line)
        _prepare(item)
        _say(out, ["start", number])
        _say(out, ["done", number, _answer(item)])


def verdict_of(fields: list[Any]) -> Verdict:
    """A verdict from the fields of a `done` line."""
    return Verdict(*fields)


def _answer(item: VerifyItem) -> list[Any]:
    v = verify_item(item)
    return [v.score, v.correct, v.extracted, v.explanation, v.tier, v.parsed_gold, v.parsed_response]


def _prepare(item: VerifyItem) -> None:
    """Imports what the item needs before its clock starts."""
    if (item.verifier or item.gold.kind).partition(":")[0] == "expression":
        symbolic.warm_up()


def _own_stdout() -> IO[bytes]:
    """The pipe under a number of its own, so that a library that prints cannot garble the answers."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return out


def _limit_memory() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # no such limits here; the budget still holds
        pass


def _say(out: IO[bytes], message: list[Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


if __name__ == "__main__":
    main()
