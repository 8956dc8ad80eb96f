"""No text of data, models, servers or recipes moves the cursor, writes the clipboard or reorders what is read."""

import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from flows.cli import app
from flows.progress import Reporter, line
from flows.terminal import console, guard, say, warn
from pipelines.job import compile_recipe, open_job
from pipelines.run.receipt import Receipt

ROOT = Path(__file__).parents[2]
EVIL = (
    "\x1b]52;c;cm0gLXJm\x07 \x1b[2J\x9b31m \u202egnp.\u202c \u2066x\u2069 \x08\x7f\r [link=https://evil.test]here[/link] "
    "\x1b]8;;x\x1b\\"
)
BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> None:
    assert not BAD.search(text), ascii(text[max(0, BAD.search(text).start() - 80) :][:200])  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Two releases of rows whose every text is hostile, where the recipe's own texts are too."""
    root = tmp_path_factory.mktemp("evil")
    rows = [{"question": f"{EVIL} {n}?", "answer": str(n), "kind": "number", "note": EVIL} for n in range(6)]
    rows += [{"question": f"{EVIL} bad", "answer": EVIL, "kind": "number", "note": EVIL}]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"type": "jsonl", "name": "q", "path": str(root / "rows.jsonl"), "columns": {"note": "str"}}
    recipe = {
        "name": "evil",
        "description": EVIL,
        "about": {"paper": EVIL},
        "sources": [{**source, "license": EVIL, "url": EVIL}],
        "steps": [
            {"drop": {"of": "sample", "where": f"question != '{EVIL}'", "if": {"four": "answer.raw = '4'"}}},
            {"release": {"rl": {"of": "sample"}}},
        ],
    }
    for limit in ("9", "3"):
        recipe["sources"][0]["limit"] = int(limit)  # type: ignore[index]
        (root / "evil.yaml").write_text(yaml.safe_dump(recipe))
        open_job(compile_recipe(str(root / "evil.yaml")), root / "out").run()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        yield root


def run(*args: str) -> str:
    done = CliRunner().invoke(app, list(args), catch_exceptions=False)
    return done.output


@pytest.mark.parametrize(
    "args",
    [
        ("validate", "evil.yaml"),
        ("show", "evil.yaml"),
        ("show", "evil.yaml", "--expand"),
        ("show", "evil.yaml", "--mermaid"),
        ("plan", "evil.yaml", "--set", "seed=4"),
        ("preview", "evil.yaml", "-n", "3", "-w", "out"),
        ("query", "SELECT question, note, answer FROM samples", "-w", "out", "--recipe", "evil"),
        ("query", f"SELECT '{EVIL}' FROM nowhere", "-w", "out", "--recipe", "evil"),
        ("releases", "-w", "out"),
        ("diff", "evil/v1", "evil/v2", "--rows", "9", "-w", "out"),
        ("report", "evil/v1", "-w", "out"),
        ("card", "evil/v1", "--out", "cards", "-w", "out"),
        ("export", "evil/v1", "trl", "-w", "out"),
        ("verify-selftest", "evil.yaml"),
        ("gc", "-w", "out", "--dry-run"),
        ("build", f"no{EVIL}.yaml"),
        ("build", "evil.yaml", "--set", f"description={EVIL}: {{"),
        ("push", f"no{EVIL}", "a/b", "-w", "out"),
        ("why", EVIL, "-w", "out", "--recipe", "evil"),
    ],
)
def test_no_command_prints_what_a_terminal_obeys(args: tuple[str, ...], workspace: Path) -> None:
    clean(run(*args))


def test_the_story_of_a_row_is_readable_and_obeyed_by_nobody(workspace: Path) -> None:
    ids = run("query", "SELECT id FROM samples ORDER BY id LIMIT 1", "-w", "out", "--recipe", "evil")
    found = run("why", re.findall(r"[0-9a-f]{16,}", ids)[0], "-w", "out", "--recipe", "evil")
    clean(found)
    assert "\\x1b]52;c;" in found and "\\u202e" in found and "[link=https://evil.test]here[/link]" in found


@given(st.text(max_size=60))
def test_whatever_is_drawn_keeps_its_text_and_obeys_nothing(text: str) -> None:
    file = StringIO()
    shown = console(file=file, width=200, force_terminal=False)
    table = Table(title=text)
    table.add_column(text)
    table.add_row(text)
    for drawn in (text, Text(text), table):
        shown.print(drawn)
    clean(file.getvalue())


def test_colours_and_cursor_of_our_own_still_work() -> None:
    file = StringIO()
    shown = console(file=file, width=80, force_terminal=True, color_system="standard")
    with Live(Text("one", style="red"), console=shown, transient=True):
        pass
    assert "\x1b[31mone" in file.getvalue() and "\x1b[2K" in file.getvalue()


def test_progress_errors_logs_warnings_and_tracebacks_go_through_the_same_door(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, form, hook = logging.getLogRecordFactory(), warnings.formatwarning, sys.excepthook
    try:
        guard()
        reporter = Reporter(console=console(file=sys.stderr, width=200))
        receipt = Receipt(total=3, retries=1, last_error=EVIL)
        assert EVIL in line("ask", receipt)
        reporter("ask", receipt)
        handler = logging.StreamHandler(sys.stderr)
        logger = logging.getLogger("evil")
        logger.addHandler(handler)
        try:
            raise ValueError(EVIL)
        except ValueError as error:
            logger.exception("%s", EVIL)
            sys.excepthook(type(error), error, error.__traceback__)
        sys.stderr.write(warnings.formatwarning(EVIL, UserWarning, "x.py", 1))
        warn([EVIL])
        say(EVIL)
        logger.removeHandler(handler)
    finally:
        logging.setLogRecordFactory(make)
        warnings.formatwarning, sys.excepthook = form, hook
    told = capsys.readouterr()
    assert told.err.count("\\x1b]52") == 6 and told.out.count("\\x1b]52") == 1
    clean(told.err + told.out)


def test_there_is_one_door() -> None:
    """Consoles are made, and standard output and error are written, in one file."""
    outlets = re.compile(
        r"\bConsole\(|(?<![\w.])print\(|typer\.(echo|secho|confirm|prompt)|click\.(?=\w+\()|sys\.(__)?std(out|err)(__)?\.write"
    )
    found = {
        str(path.relative_to(ROOT))
        for room in ("flows", "pipelines", "generators", "filters", "schemas")
        for path in (ROOT / room).rglob("*.py")
        if outlets.search(path.read_text(encoding="utf-8"))
    }
    assert found == {"flows/terminal.py", "pipelines/export/openrlhf_m.py"}, (
        "the second is the text of a server's program"
    )
