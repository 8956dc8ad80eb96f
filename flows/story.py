"""`curate why` on a terminal."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape

from flows.terminal import printable
from pipelines.explain.why import Story

_SHOWN = 600


def tell(story: Story, console: Console) -> None:
    """Print a story: one block a table, one line a column, long texts cut in the middle."""
    console.print(f"[bold]{story.id}[/bold]")
    console.print(escape(story.end))
    for view, row in story.chapters:
        console.print(f"\n[bold]{view}[/bold]")
        for name, value in row.items():
            if value is not None and name not in {"id", "sample_id"}:
                console.print(f"  {name}: {escape(_short(value))}", highlight=False)
    for drop in story.drops:
        what = "this row" if drop["id"] == story.id else f"its row {drop['id']}"
        console.print(f"\n[bold red]{drop['stage']}[/bold red] dropped {what}: {escape(drop['reason'])}")
        for name, value in drop["evidence"].items():
            if value is not None and name != "sample_id":
                console.print(f"  {name}: {escape(_short(value))}", highlight=False)


def _short(value: Any) -> str:
    text = printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]} … {text[-_SHOWN // 2 :]}"
