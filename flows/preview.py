"""`curate preview` on a terminal."""

from collections import Counter

from rich.console import Console
from rich.text import Text

from flows.story import tell
from flows.terminal import printable
from pipelines.explain.preview import Preview


def show(found: Preview, console: Console) -> None:
    """Each sample with its story, and that of the first row that each step made of it."""
    for number, stories in enumerate(found.samples, 1):
        console.rule(f"sample {number} of {len(found.samples)}")
        for story in stories:
            tell(story, console)
            console.print()
    for reason, count in Counter(found.lost).most_common():
        console.print(Text(f"{count:,} rows of the sources became no sample: {printable(reason)}", style="red"))
    if not found.samples:
        console.print(Text("No row came through ingest.", style="bold red"))
    if found.error:
        console.print(Text(f"The preview ended early: {printable(found.error)}", style="bold red"))
