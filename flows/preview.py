"""`curate preview` on a terminal: what models were asked about each sample, what they replied, and what became of it."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

from flows.story import plain
from flows.terminal import printable
from pipelines.explain.arrival import Arrival
from pipelines.explain.asked import Exchange, Reply
from pipelines.explain.preview import Preview
from pipelines.explain.sample_story import Event, Outcome, SampleStory

SHOWN = 600
"""Characters of a text that are shown; a longer one loses its middle."""
_FACTS = 240
"""Characters of what a step gives a sample."""
_PROMPTS = 2
"""Prompts of a step and model about one sample and what was made from it."""
_REPLIES = 6
"""Different replies to a prompt."""
_MARGIN = 12

Line = tuple[str, str, str]
"""A name in the margin, a text, and its style."""


Heads = dict[tuple[str, str], tuple[int, object]]
"""The messages before the last one that a step last sent a model, and the number of the sample that it was about."""


def show(found: Preview, console: Console) -> None:
    """Print a preview, sample by sample, then whether images arrived."""
    heads: Heads = {}
    for number, sample in enumerate(found.samples, 1):
        made = sample.story.chapters[0].values
        title = f"sample {number} of {len(found.samples)} · {printable(_dataset(made))} · {sample.story.row.id[:12]}"
        console.print(Rule(Text(title)))
        for line in _sample(made, found.media):
            _line(console, *line)
        console.print()
        for (step, model), events in groupby(sample.events, key=lambda event: (event.step.name, event.model)):
            _step(console, step, model, list(events), number, heads)
        end = _end(sample)
        _line(console, "end", end, "red" if end.startswith("Dropped") else "bold green")
    for (reason, evidence), count in Counter((r, _facts(e)) for r, e in found.lost).most_common():
        words = f"{count:,} row{'s' * (count > 1)} of the sources became no sample: {reason} {evidence}"
        console.print(Text(printable(words.strip()), style="red"))
    if not found.samples:
        console.print(Text("No row came through ingest, so nothing was asked.", style="bold red"))
    console.print(Rule())
    for arrival in found.arrivals:
        console.print(_arrived(arrival))
    if found.error:
        console.print(Text(f"The preview ended early: {printable(found.error)}", style="bold red"))


def _dataset(made: Mapping[str, Any]) -> str:
    return str((made.get("source") or {}).get("dataset", ""))


def _sample(made: Mapping[str, Any], media: Callable[[str], Path]) -> Iterator[Line]:
    for name, column in (("question", "question"), ("options", "options"), ("gold", "answer")):
        if made.get(column):
            yield name, plain(made[column]), ""
    for one in made.get("media") or ():
        if one.get("sha256"):
            yield one.get("kind") or "image", _short_path(media(one["sha256"])), ""


def _step(console: Console, step: str, model: str, events: list[Event], number: int, heads: Heads) -> None:
    """One step: prompts with their replies, or what it gave the sample and did to it."""
    asked = [event for event in events if event.outcomes]
    for event in events:
        if not event.outcomes:
            values = _facts(event.values or {})
            words = f"{event.words} ({values})" if event.words and values else event.words or values
            style = "red" if event.words.startswith("dropped") else ""
            if words:
                _line(console, step, words, style)
    if not asked:
        return
    console.print(Text.assemble((step, "bold"), f" · {printable(model)}"))
    for event in asked[:_PROMPTS]:
        if event.about.unit != "sample":
            _line(console, "about", f"the {event.about.unit} {event.about.id[:12]}", "dim")
        exchange = event.outcomes[0].turns[0]
        before, head = heads.get((step, model), (0, None))
        again = head == (exchange.messages or [])[:-1]
        same_as = "" if not again else "above" if before == number else f"with sample {before}"
        for line in _prompt(exchange, same_as):
            _line(console, *line)
        if not again:
            heads[step, model] = number, (exchange.messages or [])[:-1]
        for line in _outcomes(event.outcomes):
            _line(console, *line)
    if len(asked) > _PROMPTS:
        more = len(asked) - _PROMPTS
        _line(console, "", f"… and {more:,} more prompt{'s' * (more > 1)}", "dim")
    console.print()


def _prompt(exchange: Exchange, same_as: str) -> Iterator[Line]:
    """A prompt; where all but its last message were shown before, `same_as` says where."""
    messages = exchange.messages or []
    if exchange.messages is None:
        yield "prompt", "not in the log: it was asked before prompts were kept", "dim"
    if same_as and len(messages) > 1:
        count = f"{len(messages) - 1:,} messages are" if len(messages) > 2 else "message is"
        yield "", f"(the first {count} the same as {same_as})", "dim"
        messages = messages[-1:]
    for message in messages:
        yield message["role"], _content(message["content"]), "cyan"
    if exchange.prefix:
        yield "prefix", exchange.prefix, "cyan"


def _outcomes(outcomes: Iterable[Outcome]) -> Iterator[Line]:
    """Different replies in the order in which they first came, with what was read in them and what became of that."""
    found = list(outcomes)
    total = sum(outcome.count for outcome in found)
    for outcome in found[:_REPLIES]:
        head = "reply" if total == 1 else f"{outcome.count} of {total}"
        for turn, exchange in enumerate(outcome.turns):
            if turn:
                yield from _turn(outcome.turns[turn - 1], exchange)
            yield from _replies(exchange.replies, head if not turn else "reply")
        if outcome.became:
            words = set(outcome.became.replace(",", " ").split())
            bad = ":" in outcome.became.split("'")[-1] or "wrong" in words
            yield "→", outcome.became, "red" if bad else "green" if "right" in words else "yellow"
    if len(found) > _REPLIES:
        more = len(found) - _REPLIES
        yield "", f"… and {more:,} other repl{'ies' if more > 1 else 'y'}", "dim"


def _turn(before: Exchange, after: Exchange) -> Iterator[Line]:
    """What was asked when a model was asked to go on, beside what it was asked before."""
    if after.messages != before.messages and after.messages:
        yield "then", _content(after.messages[-1]["content"]), "cyan"
    if after.prefix != before.prefix:
        new = after.prefix.removeprefix(before.prefix + (before.replies[-1].text if before.replies else ""))
        yield "goes on", new.strip() or after.prefix, "cyan"


def _replies(replies: Iterable[Reply], head: str) -> Iterator[Line]:
    """Equal replies of one prompt on one line."""
    same = Counter((r.text, r.reasoning, r.finish_reason, r.error) for r in replies)
    for (text, reasoning, finish, error), count in same.items():
        name = head if len(same) == 1 and count == 1 else f"{count} of {same.total()}"
        if finish in (None, "error"):
            yield name, "no reply" + (f": {error}" if error else ""), "red"
            continue
        if reasoning:
            yield "thinking", reasoning, "dim"
        yield name, (text or "(empty)") + (" [cut off by max_tokens]" if finish == "length" else ""), ""


def _content(content: Iterable[Mapping[str, str]]) -> str:
    return "".join(part["text"] if "text" in part else f"[image {part['image'][:12]}] " for part in content)


def _facts(values: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}: {_value(v)}" for name, v in values.items() if v is not None and v != [])
    return text if len(text) <= _FACTS else f"{text[:_FACTS]} …"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _end(sample: SampleStory) -> str:
    """What became of the sample, as a build of these rows alone would have it."""
    story = sample.story
    own = dict.fromkeys(place.config for place in story.released)
    if story.end.startswith(("Released", "Alive; its sample")):
        return f"Would be released in {', '.join(own)}."
    return story.end


def _line(console: Console, name: str, text: str, style: str = "") -> None:
    """A name in the margin and a text beside it, folded there."""
    body = Text(_cut(printable(text)), style=style, overflow="fold")
    head = Text(f"{printable(name):>{_MARGIN - 2}}", style="dim")
    width = max(20, console.width - _MARGIN)
    lines = body.wrap(console, width) or [Text("")]
    if len(head) > _MARGIN - 2:
        console.print(head)
        console.print(Padding(Group(*lines), (0, 0, 0, _MARGIN)))
        return
    console.print(head, lines[0], sep="  ", no_wrap=True, overflow="ignore", crop=False)
    if len(lines) > 1:
        console.print(Padding(Group(*lines[1:]), (0, 0, 0, _MARGIN)))


def _arrived(arrival: Arrival) -> Text:
    who = f"{arrival.step} · {printable(arrival.model)}: "
    if arrival.arrived == "no":
        cure = " Check that the server takes images, and that the model's chat template has a place for them."
        return Text(f"{who}THE IMAGE DID NOT ARRIVE: {printable(arrival.why)}.{cure}", style="bold red")
    if arrival.arrived == "unknown":
        return Text(f"{who}whether the image arrived is unknown: {printable(arrival.why)}", style="yellow")
    return Text(f"{who}the image arrived: {arrival.why}.", style="green")


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[: SHOWN // 2]} … {text[-SHOWN // 2 :]}"


def _short_path(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
