"""`curate preview` on a terminal: what was sent for each row, what came back, and what became of it."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from flows.terminal import printable
from pipelines.explain.preview import Arrival, Asked, Preview, Row
from schemas.completion import ImagePart, Message

SHOWN = 600
"""Characters of a text that are shown; a longer one loses its middle."""

_MARGIN = 12


def show(preview: Preview, console: Console) -> None:
    """Print a preview, row by row, then whether the images arrived."""
    for number, row in enumerate(preview.rows, 1):
        console.print(Rule(Text(f"row {number} of {len(preview.rows)} · {printable(row.source)} · {row.id[:12]}")))
        _show_row(row, console)
    for reason, evidence in preview.lost:
        console.print(Text(f"A row of the sources was dropped: {reason} {printable(str(dict(evidence)))}", style="red"))
    if not preview.rows:
        console.print(Text("No row came through ingest, so nothing was asked.", style="red"))
    console.print(Rule())
    for arrival in preview.arrivals:
        console.print(_told(arrival))
    if preview.error:
        console.print(Text(f"The preview ended early: {printable(preview.error)}", style="bold red"))


def _show_row(row: Row, console: Console) -> None:
    _line(console, "question", row.question)
    _line(console, "gold", f"{row.gold} ({row.kind})")
    for path in row.images:
        _line(console, "image", _short_path(path))
    for asked in row.asked:
        console.print()
        console.print(Text.assemble((asked.stage, "bold"), f" · {printable(asked.model)}"))
        for message in asked.request.messages:
            _line(console, message.role, _content(message), "cyan")
        if asked.request.prefix:
            _line(console, "prefix", asked.request.prefix, "cyan")
        for line in _replies(asked):
            _line(console, *line)
    console.print()
    for reason, evidence in row.drops:
        said = evidence.get("error")
        _line(console, "dropped", f"{reason}: {said}" if said else reason, "red")
    _line(console, "fate", row.fate, "red" if row.fate.startswith("dropped") else "bold green")


def _line(console: Console, name: str, text: str, style: str = "") -> None:
    """A name in the margin and a text beside it, folded there."""
    body = Text(_cut(printable(text)), style=style, overflow="fold")
    head = Text(f"{name:>{_MARGIN - 2}}", style="dim")
    width = max(20, console.width - _MARGIN)
    lines = body.wrap(console, width) or [Text("")]
    console.print(head, lines[0], sep="  ", no_wrap=True, overflow="ignore", crop=False)
    if len(lines) > 1:
        console.print(Padding(Group(*lines[1:]), (0, 0, 0, _MARGIN)))


def _replies(asked: Asked) -> Iterator[tuple[str, str, str]]:
    """Equal replies on one line, in the order in which they first came."""
    same: Counter[tuple[str | None, ...]] = Counter()
    for reply in asked.replies:
        same[reply.text, reply.reasoning, reply.finish, reply.extracted, reply.verdict] += 1
    for (text, reasoning, finish, extracted, verdict), count in same.items():
        name = "reply" if len(asked.replies) == 1 else f"{count} of {len(asked.replies)}"
        if text is None:
            yield name, "no answer" + (f": {verdict}" if verdict else ""), "red"
            continue
        if reasoning:
            yield "thinking", reasoning, "dim"
        cut = " [cut off by max_tokens]" if finish == "length" else ""
        yield name, (text or "(empty)") + cut, ""
        found = "" if extracted is None else f"read as {extracted!r}"
        if found or verdict:
            style = {"right": "green", "wrong": "red"}.get(verdict or "", "yellow")
            yield "→", ", ".join(part for part in (found, verdict) if part), style


def _content(message: Message) -> str:
    return " ".join(f"[image {p.sha256[:12]}]" if isinstance(p, ImagePart) else p for p in message.content)


def _told(arrival: Arrival) -> Text:
    who = f"{arrival.stage} · {printable(arrival.model)}: "
    if arrival.arrived == "no":
        cure = " Check that the server takes images, and that the model's chat template has a place for them."
        return Text(f"{who}THE IMAGE DID NOT ARRIVE: {printable(arrival.why)}.{cure}", style="bold red")
    if arrival.arrived == "unknown":
        return Text(f"{who}whether the image arrived cannot be told: {printable(arrival.why)}", style="yellow")
    return Text(f"{who}the image arrived: {arrival.why}.", style="green")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def _short_path(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
