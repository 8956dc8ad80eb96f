"""What every command shares: its options, errors as sentences, and the one way in which words reach a terminal.

Words may be of data, models, servers and recipes of others, and a terminal obeys some characters: `ESC ]52` writes the
clipboard, U+202E turns a file's name around. So all that a command prints goes through `printable`: what it says (`say`,
`warn`), what it draws (`console`), what it ends with (`sentences`), and what libraries log or warn of (`guard`).
"""

import logging
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any
from unicodedata import category

import typer

if TYPE_CHECKING:
    from rich.console import Console

RecipeArgument = Annotated[str, typer.Argument(help="A recipe file, or the name of one that comes with curate.")]
SetOption = Annotated[list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a value: steps.rollout.n=16.")]
LimitOption = Annotated[
    int | None, typer.Option(help="A trial of at most so many samples, spread over the sources.", min=1)
]
DemoOption = Annotated[
    bool, typer.Option("--demo", help="Small models and sources that come with curate, in the place of the recipe's.")
]
SeedOption = Annotated[int | None, typer.Option(help="A trial with another seed than the recipe's.")]


def _workspace(where: str | Path) -> Path:
    """The folder of a workspace, which an address (s3://…) has on this machine too; connects to nothing."""
    if isinstance(where, Path) or "://" not in where:  # the default comes as what it is
        return Path(where)
    from pipelines.remote.places import named
    from schemas.errors import ConfigError

    try:
        return named(where)
    except ConfigError as error:
        _fail(str(error), 2)
        raise


WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        "-w",
        parser=_workspace,
        metavar="FOLDER",
        help="Where tables, logs and releases live: a folder, or s3://BUCKET/FOLDER.",
    ),
]
TrustOption = Annotated[
    bool, typer.Option("--trust", help="Run the recipe's own code (`uses`, trust_remote_code). Read it first.")
]
logger = logging.getLogger(__name__)

NOTHING: list[str] = []
HERE = Path("curate_out")


@contextmanager
def sentences() -> Iterator[None]:
    """Print our own errors, and what the system refuses to do with a file, as a sentence: exit code 2 before work began, 1
    after, 130 on Ctrl-C."""
    from pipelines.store.causes import shortages
    from schemas.errors import ConfigError, CurateError

    try:
        with shortages(Path.cwd()):
            if (places := sys.modules.get("pipelines.remote.places")) is not None:
                places.refresh()  # what the command's --workspace named
            yield
    except ConfigError as error:
        _fail(str(error), 2)
    except CurateError as error:
        _fail(str(error), 1)
    except OSError as error:
        if error.filename is None:
            raise
        logger.info("What the system refused:", exc_info=True)
        _fail(f"{error.filename} cannot be used: {str(error.strerror).lower()}.", 1)
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
    from pipelines.store.workspace import DEMO, is_trial, recipe_of

    if name.endswith(DEMO):
        say(
            f"A demo: it is named {name}, and nothing of {recipe_of(name)} was changed. Its models and sources stand for "
            "those of the recipe, and replies whose shape is forced mean nothing."
        )
    elif is_trial(name):
        say(f"A trial (--limit or --seed): it is named {name}, and nothing of {recipe_of(name)} was changed.")


def printable(text: str) -> str:
    """Text of data or models as a terminal may show it: what moves the cursor, colours or reorders text is spelled out."""
    return "".join(c if c in "\n\t" or c.isprintable() or category(c) == "Zs" else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def say(words: str) -> None:
    sys.stdout.write(printable(words) + "\n")


def confirm(question: str) -> bool:
    """Ask for a yes on the terminal."""
    return typer.confirm(printable(question))


def warn(sentences: list[str]) -> None:
    """Print warnings where people look last, apart from what a program reads."""
    shown = console(stderr=True, highlight=False)
    for sentence in sentences:
        shown.print("Warning:", sentence, style="bold yellow")


def console(**settings: Any) -> "Console":
    """A Rich console on which no text but Rich's own moves the cursor, colours, links or reorders."""
    return _kind()(**{"markup": False, "emoji": False, **settings})


@cache
def _kind() -> "type[Console]":
    from rich.console import Console
    from rich.segment import Segment

    class Printable(Console):
        def render(self, renderable: Any, options: Any = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(printable(segment.text), segment.style)

    return Printable


def guard() -> None:
    """Make printable what reaches the terminal by no door of ours: log records, warnings, and the traceback of a bug."""
    sys.excepthook = _excepthook
    make, form = logging.getLogRecordFactory(), warnings.formatwarning
    if getattr(make, "guarded", False):
        return

    def record(*args: Any, **named: Any) -> logging.LogRecord:
        made = make(*args, **named)
        made.msg, made.args = printable(made.getMessage()), None
        if made.exc_info and made.exc_info[0] is not None:
            made.exc_text = printable("".join(traceback.format_exception(*made.exc_info)).rstrip())
        return made

    record.guarded = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(record)
    warnings.formatwarning = lambda *args, **named: printable(form(*args, **named))


def _excepthook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    sys.stderr.write(printable("".join(traceback.format_exception(kind, error, trace))))
