"""The task `multi_image`: two or three images, compared or counted together."""

from collections.abc import Iterator, Sequence
from itertools import islice

from generators.scenes import Scene
from generators.tasks.rows import Asked, Drawing, Row, row, scenes


def multi_image(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """How many objects in all, or whether the images have equally many, in turn. Every third row has three images."""
    found = scenes(3 * n, f"{seed}-multi", drawing)
    for number in range(n):
        shown = list(islice(found, 3 if number % 3 == 2 else 2))
        yield row("multi_image", number, shown, _asked(shown, number), drawing) | {"level": shown[0].level}


def _asked(shown: Sequence[Scene], number: int) -> Asked:
    counts = [len(scene.objects) for scene in shown]
    seen = f"They have {', '.join(map(str, counts))} shapes."
    if number % 2:
        same = len(set(counts)) == 1
        answer, wrong = ("yes", "no") if same else ("no", "yes")
        question = "Do the images have the same number of shapes?"
        return Asked("compare", question, answer, wrong, "boolean", seen, "One looks fuller than another.")
    total = sum(counts)
    question = "How many shapes are there in all images together?"
    amiss = f"They have {', '.join(map(str, [counts[0] + 1, *counts[1:]]))} shapes."
    return Asked("count", question, str(total), str(total + 1), "number", seen, amiss)
