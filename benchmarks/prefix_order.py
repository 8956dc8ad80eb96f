"""How much of the prompts a server finds in its caches, in the order in which a build asks.

    python benchmarks/prefix_order.py [--samples 4000]

A simulation of one vLLM server: a cache of blocks of 16 tokens, each found by all that stands before it, and a cache of
encoded images; both forget what was not used for longest (200,000 tokens, 16 images). A token is four characters, an image
1,000 tokens. Orders: `ids`, in which rows come; `asked`, in which `pipelines.run.prefix_order` sends them; `sorted`, all
prompts sorted, which no stream of ten million can be. Loads:

- `judge`: eight rollouts of each question with an image, each put to a judge;
- `questions`: four questions about each image;
- `far`: the same with as many rows between those of one image as a build of 25 times the size has.

Prints the share of prompt tokens and of images that are found, and what is left to compute beside `ids`. The limit: `asked`
finds 0.9 of what `sorted` does, in the loads that it can look at together.
"""

import argparse
import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator

from pipelines.run.driver import Call
from pipelines.run.prefix_order import MOST, alike_together, start
from schemas.completion import ImagePart, Message, Request
from schemas.ids import hash_text, seeded

BLOCK, IMAGE, TOKENS, IMAGES = 16, 1000, 200_000, 16
SYSTEM = "You check answers. Say whether the reply below answers the question about the image, and why. " * 12
LIMIT = 0.9


class Lru:
    """What was used last, so much of it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[Hashable, None] = OrderedDict()

    def use(self, key: Hashable) -> bool:
        """Whether it was there."""
        found = key in self._held
        self._held[key] = None
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)
        return found


def tokens(call: Call) -> list[str]:
    found: list[str] = []
    for message in call.request.messages:
        for part in message.content:
            if isinstance(part, ImagePart):
                found += [f"{part.sha256}{number}" for number in range(IMAGE)]
            else:
                found += [part[at : at + 4] for at in range(0, len(part), 4)]
    return found


def served(calls: Iterable[Call]) -> tuple[float, float, int]:
    """The share of tokens that were found, that of images, and the tokens left to compute."""
    blocks, encoded = Lru(TOKENS // BLOCK), Lru(IMAGES)
    total = hits = seen = again = 0
    for call in calls:
        own, before, alike = tokens(call), 0, True
        for at in range(0, len(own) - BLOCK, BLOCK):
            before = hash((before, *own[at : at + BLOCK]))
            alike = blocks.use(before) and alike
            hits += BLOCK * alike
        total += len(own)
        for image in call.request.images:
            seen += 1
            again += encoded.use(image)
    return hits / total, again / seen, total - hits


def call(key: str, text: str, image: str) -> Call:
    content = (ImagePart(image), text)
    return Call(Request(key, (Message("system", (SYSTEM,)), Message("user", content))), key, (0,))


def by_id(calls: Iterable[Call]) -> list[Call]:
    return sorted(calls, key=lambda c: hash_text(c.prompt))


def judged(samples: int) -> list[Call]:
    found = []
    for sample in range(samples):
        question = f"Question: how many shapes of kind {sample} are left of the line? " * 3
        for rollout in range(8):
            words = " ".join(
                seeded(1, f"{sample}:{rollout}").choices(("the", "shapes", "are", "counted", "one"), k=150)
            )
            found.append(call(f"{sample}:{rollout}", f"{question}\nReply: {words}", hash_text(str(sample))))
    return by_id(found)


def questions(images: int) -> list[Call]:
    return by_id(
        call(f"{i}:{q}", f"Question {q}: what is at place {q}, and how large?", hash_text(str(i)))
        for i in range(images)
        for q in range(4)
    )


def far(images: int, times: int = 25) -> Iterator[Call]:
    """Of a build `times` as large: other rows stand between, which share nothing with them."""
    between = 0
    for own in questions(images):
        yield own
        for _ in range(times - 1):
            between += 1
            yield call(f"other {between}", "What is it?", f"other {between}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=4000)
    given = parser.parse_args()
    loads: dict[str, tuple[Callable[[], Iterable[Call]], Callable[[Call], bool]]] = {
        "judge": (lambda: judged(given.samples), lambda c: True),
        "questions": (lambda: questions(given.samples), lambda c: True),
        "far": (lambda: far(given.samples), lambda c: not c.prompt.startswith("other")),
    }
    orders: dict[str, Callable[[Iterable[Call]], Iterable[Call]]] = {
        "ids": lambda calls: calls,
        "asked": alike_together,
        "sorted": lambda calls: sorted(calls, key=start),
    }
    for name, (load, own) in loads.items():
        found = {order: served(c for c in put(load()) if own(c)) for order, put in orders.items()}
        shown = "  ".join(f"{o} {t:.3f} of tokens, {i:.3f} of images" for o, (t, i, _) in found.items())
        ratio, left = found["asked"][0] / found["sorted"][0], found["asked"][2] / found["ids"][2]
        sys.stdout.write(f"{name:10} {shown}\n")
        sys.stdout.write(f"           asked over sorted {ratio:.3f}; left to compute beside ids {left:.3f}")
        limited = f" (limit {LIMIT}) {'ok' if ratio >= LIMIT else 'BELOW'}"
        sys.stdout.write(f"{'' if name == 'far' else limited}; at most {MOST:,} calls are looked at together\n")


if __name__ == "__main__":
    main()
