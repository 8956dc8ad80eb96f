"""The task `unanswerable`: the colour of what is not there."""

from collections.abc import Iterator

from generators.tasks.rows import Asked, Drawing, Row, altered, scene_row, scenes


def unanswerable(n: int, seed: str | int, drawing: Drawing) -> Iterator[Row]:
    """The answer is that there is none; the wrong one names the colour of what is there."""
    for number, scene in enumerate(scenes(n, f"{seed}-unanswerable", drawing, apart=True)):
        there, absent = scene.objects[0], altered(scene).objects[0]
        because, amiss = f"There is no {absent.shape}.", f"The {absent.shape} is {there.colour}."
        question = f"What color is the {absent.shape}?"
        asked = Asked("absent", question, "cannot be determined", there.colour, "abstain", because, amiss)
        yield scene_row("unanswerable", number, scene, asked, drawing)
