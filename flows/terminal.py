"""What every command shares: its options, errors as sentences, words on a terminal."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from unicodedata import category

import typer

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with curate.")]
SetOption = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value: steps.rollout.n=16.")]
LimitOption = Annotated[
    int | None, typer.Option(help="A trial of at most so many samples, spread over the sources.", min=1)
]
SeedOption = Annotated[int | None, typer.Option(help="A trial with another seed than the recipe's.")]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", "-w", help="Where tables, logs and releases live.")]
TrustOption = Annotated[bool, typer.Option("--trust", help="Run the recipe's own code (`uses`). Read it first.")]
NOTHING: list[str] = []
HERE = Path("curate_out")


@contextmanager
def sentences() -> Iterator[None]:
    """Print our own errors as their sentence: exit code 2 before work began, 1 after, 130 on Ctrl-C."""
    from schemas.errors import ConfigError, CurateError

    try:
        yield
    except ConfigError as error:
        _fail(str(error), 2)
    except CurateError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("Stopped. Everything that was answered is in the log; the same command goes on from there.", 130)


def stop(*_: Any) -> None:
    """What a polite stop (SIGTERM) does: a Ctrl-C, also where Ctrl-C itself is ignored, as in a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"curate: {printable(message)}\n")
    sys.stderr.flush()
    raise typer.Exit(code)


def text(table: Any) -> str:
    """A polars table as text, whole."""
    import polars as pl

    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=60, tbl_hide_dataframe_shape=True):
        return str(table)


def say_trial(name: str) -> None:
    """Say what a trial is, where a build is one."""
    from pipelines.store.workspace import TRIAL, is_trial

    if is_trial(name):
        say(f"A trial (--limit or --seed): it is named {name}, and nothing of {name.removesuffix(TRIAL)} was changed.")


def printable(text: str) -> str:
    """Text of data or models as a terminal may show it: what moves the cursor, colours or reorders text is spelled out."""
    return "".join(c if c in "\n\t" or c.isprintable() or category(c) == "Zs" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(words: str) -> None:
    sys.stdout.write(printable(words) + "\n")


def warn(sentences: list[str]) -> None:
    """Print warnings where people look last, apart from what a program reads."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    for sentence in sentences:
        console.print("Warning:", printable(sentence), style="bold yellow", markup=False)
