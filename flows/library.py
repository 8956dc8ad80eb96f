"""Commands about the recipes that come with curate: list them, explain one, compare two, start one's own."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import TrustOption, console, say, sentences

if TYPE_CHECKING:
    from pipelines.explain.overview import Need, Overview
    from pipelines.explain.recipe_diff import Change

library_app = typer.Typer()


@library_app.command()
def recipes(
    name: Annotated[str | None, typer.Argument(help="One of them, to explain; all are listed without.")] = None,
    family: Annotated[str | None, typer.Option(help="List those of one family.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list for a program.")] = False,
) -> None:
    """List the published recipes that come with curate, or explain one: what it follows, gives, needs and asks."""
    with sentences():
        from pipelines.explain.overview import library, overview
        from pipelines.job import compile_recipe
        from schemas.errors import ConfigError

        if name is not None:
            if family is not None:
                raise ConfigError("--family is about the list; leave it out to explain one recipe.")
            compiled = compile_recipe(name)
            _explain(name, compiled.document, overview(compiled), as_json=as_json)
            return
        shown = list(library(family))
        if as_json:
            say(json.dumps([_record(one) for one in shown], indent=2))
            return
        _list(shown)
        say("`curate recipes NAME` explains one, `curate build NAME --demo` runs it here.")


@library_app.command("diff-recipes")
def diff_recipes(
    first: Annotated[str, typer.Argument(help="A recipe: the name of one that comes with curate, or a path.")],
    second: Annotated[str, typer.Argument(help="The one to compare it with.")],
    trust: TrustOption = False,
) -> None:
    """Say how two recipes differ: models, sources and steps, each key with both of its values."""
    with sentences():
        from pipelines.explain.recipe_diff import recipe_changes
        from pipelines.recipe.document import load_document

        one, two = (load_document(name, trust=trust) for name in (first, second))
        changes = recipe_changes(one, two)
        how = "are the same" if one.name == two.name else "differ in name only"
        say("\n".join(_changed(changes)) or f"{first} and {second} {how}.")


@library_app.command()
def init(
    name: Annotated[str, typer.Argument(help="The new recipe's name; the file is NAME.yaml.")],
    recipe: Annotated[str, typer.Option("--from", help="The recipe to start from: a name, or a path.")] = "quickstart",
    out: Annotated[Path, typer.Option(help="The folder of the new file.")] = Path(),
) -> None:
    """Start a recipe of your own from another: its own builds and releases, the same log, nothing asked twice."""
    with sentences():
        from pipelines.recipe.start import start_from

        path = start_from(recipe, name, out)
        say(f"Wrote {path}. Change what you like, then `curate plan {path}` says what is left to ask.")


def _list(shown: Iterable["Overview"]) -> None:
    from rich.table import Table

    table = Table(show_header=True, pad_edge=False, expand=True)
    table.add_column("recipe", overflow="fold", min_width=22)
    table.add_column("gives", overflow="fold", ratio=3)
    table.add_column("needs", overflow="fold", ratio=2)
    table.add_column("calls a sample", overflow="fold", justify="right", width=6)
    table.add_column("follows", overflow="fold", ratio=3)
    family = None
    for one in shown:
        if one.family != family:
            table.add_section()
            table.add_row(f"{one.family}/" if one.family else "", "", "", "", "", style="bold")
            family = one.family
        gives = ", ".join(one.gives) or "tables"
        table.add_row(one.path.stem, gives, one.needs_in_words, one.calls_in_words, one.follows)
    console().print(table)


def _record(one: "Overview") -> dict[str, Any]:
    needs = {role: {"model": n.model, "sees_images": n.sees, "steps": n.steps} for role, n in one.needs.items()}
    follows = {"paper": one.paper, "code": one.code}
    plain = {"name": one.name, "family": one.family, "path": str(one.path), **follows}
    return {**plain, "gives": one.gives, "needs": needs, "calls_a_sample": one.calls}


def _explain(name: str, document: Any, one: "Overview", *, as_json: bool) -> None:
    about = document.about.model_dump(mode="json", exclude_defaults=True)
    if as_json:
        say(json.dumps({**_record(one), "about": about}, indent=2))
        return
    shown = console()
    shown.print(f"{one.family}/{one.path.stem}" if one.family else str(one.path), style="bold")
    if document.description:
        shown.print(document.description)
    for key, value in about.items():
        _item(shown, key, value)
    _item(shown, "gives", ", ".join(one.gives) or "tables")
    _item(shown, "needs", [_need(role, need) for role, need in one.needs.items()])
    _item(shown, "sources", [f"{name}: {where}" for name, where in one.sources.items()])
    most = "as many as its answers call for" if one.calls is None else f"{one.calls:,} at most"
    _item(shown, "calls a sample", most)
    shown.print(
        f"\n`curate show {quote(name)}` prints its steps, `curate init NAME --from {quote(name)}` starts your own."
    )


def _need(role: str, need: "Need") -> str:
    asked = ", ".join(need.steps) or "no step"
    return f"{role}: {need.model}, {'sees images' if need.sees else 'reads text'}; asked by {asked}"


def _item(shown: Any, key: str, value: Any) -> None:
    from rich.padding import Padding

    if isinstance(value, list):
        shown.print(f"{key}:")
        for text in value:
            shown.print(Padding(f"- {text}", (0, 0, 0, 2)))
    else:
        shown.print(f"{key}: {value}")


def _changed(changes: Iterable["Change"]) -> Iterator[str]:
    """The changes as lines, those of one part of the recipe under its name."""
    place = None
    for change in changes:
        if change.place != place:
            yield f"{change.place}:"
            place = change.place
        yield from (f"  {line}" for line in _lines(change))


def _lines(change: "Change") -> Iterator[str]:
    from pipelines.explain.recipe_diff import text_changes

    before, after = change.before, change.after
    if change.how == "only first":
        yield f"- {change.name}: {_short(before)}"
    elif change.how == "only second":
        yield f"+ {change.name}: {_short(after)}"
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"{change.name}:"
        yield from (f"  {line}" for line in text_changes(before, after))
    else:
        yield f"{change.name}: {_short(before)} → {_short(after)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= 160 else f"{text[:159]}…"
