"""`curate why` on a terminal: the story of a row, readable at 80 columns by someone who sees one for the first time."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from flows.terminal import printable
from pipelines.explain.asked import Exchange, Reply
from pipelines.explain.recorded import plural
from pipelines.explain.rows import Brood
from pipelines.explain.story import Chapter, RowStory

_SHOWN = 600
"""Characters of a text; a longer one is cut in the middle."""
_AGAIN = 40
"""Characters of a text that is shown twice rather than referred to."""
_REPLIES = 4
_LISTED = 3
_ID = 12
"""Characters of an id, enough to ask for its story."""


def tell(story: RowStory, console: Console) -> None:
    """Print a story: what became of the row, what it was made from, what each step did, what was made of it."""
    row = story.row
    _say(console, 0, Text.assemble((f"{row.unit} {row.id}", "bold"), f"  of build '{story.build}'"))
    _say(console, 0, Text(story.end, style="bold"))
    if story.others:
        _say(console, 0, Text(f"Also in {', '.join(story.others)}; choose a build with --recipe."))
    if story.parents:
        _heading(console, "Made from")
        for one in story.parents:
            _say(console, 2, Text(f"{one.row.unit} {one.row.id}, made by {one.row.step.name}"))
            _values(console, one.values)
    _heading(console, "Step by step")
    for chapter in story.chapters:
        _chapter(console, chapter, row.unit)
    if story.children:
        _heading(console, "Made of it, directly or not")
        for brood in story.children:
            _say(console, 2, Text(_brood(brood)))


def _chapter(console: Console, chapter: Chapter, unit: str) -> None:
    style = "red" if chapter.what in ("dropped", "not made", "unreleased") else ""
    step = chapter.step
    name = step.name if step.type == step.name else f"{step.name} ({step.type})"
    _say(console, 2, Text.assemble((f"{step.number + 1}. {name}", "bold"), " ", (_did(chapter), style)))
    for exchange in chapter.asked:
        _exchange(console, exchange)
    if chapter.asked and chapter.values:
        _say(console, 6, Text("with the evidence" if chapter.reason else "read as"))
    _values(console, chapter.values, {r.text for exchange in chapter.asked for r in exchange.replies})


def _did(chapter: Chapter) -> str:
    """What a step did, as the rest of a sentence that begins with its name."""
    step, reason = chapter.step, chapter.reason
    if chapter.what == "children" and chapter.brood is not None:
        return f"made {_brood(chapter.brood, whole=False)}"
    if chapter.what == "passed by":
        return f"passed it by: it works on rows where {step.where}" if step.where else "passed it by"
    shown = " (its prompt shows the gold)" if step.gold_visible and chapter.asked else ""
    words = {
        "made": "read it from its source" if step.number == 0 else f"made it{shown}",
        "not made": f"could not make it: {reason}",
        "gave": f"gave{shown}",
        "kept": "kept it",
        "dropped": f"dropped it: {reason}",
        "retired": "retired it: samples that were made of it take its place",
        "unreleased": f"left it out: {reason}",
    }
    return words[chapter.what]


def _brood(brood: Brood, *, whole: bool = True) -> str:
    """`8 traces`, and `whole`: `8 traces by distill: 8c1d77e0aa31, …`; then what could not be made, and why."""
    count = len(brood.ids)
    made = f"{count:,} {plural(brood.step.unit, count)}"
    if whole:
        ids = ", ".join(id_[:_ID] for id_ in brood.ids[:_LISTED]) + (", …" if count > _LISTED else "")
        made += f" by {brood.step.name}" + (f": {ids}" if ids else "")
    reasons = ", ".join(sorted({reason for _, reason in brood.lost}))
    return made + (f"; {len(brood.lost):,} could not be made ({reasons})" if brood.lost else "")


def _exchange(console: Console, exchange: Exchange) -> None:
    _say(console, 6, Text.assemble("asked ", (exchange.model, "cyan")))
    if exchange.messages is None:
        _say(console, 8, Text("The prompt is not in the log: it was asked before prompts were kept.", style="dim"))
    for message in exchange.messages or ():
        _say(console, 8, Text.assemble((f"{message['role']}: ", "dim"), _short(_content(message["content"]))))
    if exchange.prefix:
        _say(console, 8, Text.assemble(("the reply begins with: ", "dim"), _short(exchange.prefix)))
    if exchange.constraint:
        held = f"{exchange.constraint['kind']} {exchange.constraint['value']}"
        _say(console, 8, Text.assemble(("held to: ", "dim"), _short(held)))
    for reply in exchange.replies[:_REPLIES]:
        _say(console, 8, Text.assemble((f"{_head(reply)}: ", "green"), _short(_words(reply))))
    if len(exchange.replies) > _REPLIES:
        _say(console, 8, Text(f"… and {len(exchange.replies) - _REPLIES:,} more replies", style="dim"))


def _content(content: Iterable[Mapping[str, str]]) -> str:
    return "".join(part["text"] if "text" in part else f"[image {part['image'][:12]}]" for part in content)


def _head(reply: Reply) -> str:
    if reply.finish_reason is None:
        return f"no reply {reply.index}"
    cut = ", cut off" if reply.finish_reason == "length" else ""
    return f"reply {reply.index}" + (f" ({reply.tokens:,} tokens{cut})" if reply.tokens is not None else cut)


def _words(reply: Reply) -> str:
    if reply.finish_reason is None:
        return reply.error or "the model was not reached"
    thought = f"<thinking> {reply.reasoning} </thinking> " if reply.reasoning else ""
    return f"{thought}{reply.text}"


def _values(console: Console, values: Mapping[str, Any], replies: Collection[str] = ()) -> None:
    """A line a column; a long text that was shown as the reply is not shown again."""
    for name, value in values.items():
        if value is not None and value != []:
            same = isinstance(value, str) and len(value) > _AGAIN and value in replies
            text = Text("the reply, as it is", style="dim") if same else Text(_short(plain(value)))
            _say(console, 8, Text.assemble((f"{printable(name)}: ", "dim"), text))


def plain(value: Any) -> str:
    """A value as one reads it: golds as published, images by their hashes, the rest as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and {"kind", "raw", "parsed"} <= value.keys():
        return f"{value['raw']} ({value['kind']})"
    if isinstance(value, list) and value and all(isinstance(one, dict) and one.get("sha256") for one in value):
        return ", ".join(f"{one.get('kind') or 'image'} {one['sha256'][:12]}" for one in value)
    if isinstance(value, dict):
        value = {name: one for name, one in value.items() if one is not None}
    return json.dumps(value, ensure_ascii=False, default=str)


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"


def _heading(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, style="bold underline"))


def _say(console: Console, indent: int, text: Text) -> None:
    console.print(Padding(text, (0, 0, 0, indent), expand=False), highlight=False)
