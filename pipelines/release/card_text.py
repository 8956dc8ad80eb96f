"""The text of a data card: a Jinja template, read and rendered where it can do no harm.

A template may come with somebody's recipe or release. The sandbox of Jinja keeps it from what is not its own, but a text of
10 GB is `{{ 'a' * 10**10 }}`, made when it is compiled already, and a loop in a loop has no end. So a template that is not
ours is dealt with by a process of its own, which has little memory and time.
"""

import contextlib
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from unicodedata import category

MEMORY, SECONDS, LONGEST = 1 << 29, 2, 1 << 22
"""What a template that is not ours may take: address space, seconds of CPU, and characters of its text."""


class CardError(Exception):
    """Why a template cannot be rendered, as the end of a sentence."""


def render(template: str, names: Mapping[str, Any]) -> str:
    """The text of a template. Raises CardError."""
    try:
        text: str = _environment().from_string(template).render(**names)
    except MemoryError:
        raise CardError(f"it needs more than {MEMORY >> 20:,} MB") from None
    except RecursionError:
        raise CardError("it is nested too deeply, or calls itself") from None
    except Exception as error:  # a template of a release is anybody's, and so is what its manifest says
        raise CardError(str(error)[:1_000] or type(error).__name__) from None
    if len(text) > LONGEST:
        raise CardError(f"its text has {len(text):,} characters, and {LONGEST:,} are the most")
    return text.rstrip() + "\n"


def names_of(template: str) -> list[str]:
    """The names that a template uses and does not make. Raises CardError where it is no Jinja."""
    from jinja2 import meta

    try:
        return sorted(meta.find_undeclared_variables(_environment().parse(template)))
    except Exception as error:
        raise CardError(str(error)[:1_000] or type(error).__name__) from None


def apart(task: Literal["render", "names"], template: str, names: Mapping[str, Any]) -> Any:
    """`render` or `names_of`, by a process that has `MEMORY` and `SECONDS`. Raises CardError, also where they do not do."""
    where = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-P", "-c", f"from {__name__} import main; main()"]
    asked = json.dumps([task, template, dict(names)], default=str)
    try:
        stated = subprocess.run(
            command, input=asked, capture_output=True, text=True, encoding="utf-8", env=where, timeout=20 * SECONDS,
            check=True,
        )  # fmt: skip
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        raise CardError(f"it needs more than {SECONDS} seconds, or {MEMORY >> 20:,} MB") from None
    done, found = json.loads(stated.stdout)
    if not done:
        raise CardError(found)
    return found


def main() -> None:
    """The process that is apart: a task from standard input, what came of it to standard output."""
    task, template, names = json.load(sys.stdin)
    with contextlib.suppress(ValueError, OSError):  # not every system can limit the memory of a process
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    try:
        found = (True, render(template, names) if task == "render" else names_of(template))
    except CardError as error:
        found = (False, str(error))
    json.dump(found, sys.stdout)


def _environment() -> Any:
    """Sandboxed, because a template may come with somebody's recipe; a name that is not there is an error."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False, finalize=_inert
    )
    filters = (thousands, reasons, outcome, percent, part, histogram, number, line, quote, fenced)
    environment.filters.update({function.__name__: function for function in filters})
    return environment


def thousands(count: int) -> str:
    """`12,345`"""
    return f"{count:,}"


def reasons(dropped: Mapping[str, int]) -> str:
    """`12 verify:wrong, 3 verify:timeout`."""
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())


def outcome(step: Mapping[str, Any]) -> str:
    """What became of a step's rows: `4 segment rows made of 2 trace rows, 1 segment:empty`."""
    made, retired = step.get("makes") and step["type"] != "ingest", step["notes"].get("retired")
    words = [f"{step['kept']:,} {step['unit']} rows made of {step['in']:,} {step['of']} rows"] if made else []
    words += [reasons(step["dropped"])] if step["dropped"] else []
    words += [f"{retired:,} retired for what was made of them"] if retired else []
    return ", ".join([*words, *recall(step["notes"])])


def recall(notes: Mapping[str, int]) -> list[str]:
    """`recall of near duplicates 0.9912 [0.9870, 0.9950]`, where a step searched an index that misses some."""
    if "recall" not in notes:
        return []
    share, low, high = (f"{notes[name] / 10_000:.4f}" for name in ("recall", "recall_low", "recall_high"))
    return [f"recall of near duplicates {share} [{low}, {high}]"]


def percent(share: float | None) -> str:
    """`19 %`, nothing as a dash."""
    return "–" if share is None else f"{share:.0%}".replace("%", " %")


def part(count: int, whole: int) -> str:
    """`58 (53 %)`; the count alone where it is the whole."""
    return f"{count:,}" if count == whole else f"{count:,} ({percent(count / whole)})"


def number(value: float | None) -> str:
    """Whole numbers whole, others to three digits, nothing as a dash."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"


def histogram(counts: Sequence[Mapping[str, int]], width: int = 40) -> str:
    """A line for each k of n, with a bar as long as its share of the largest."""
    most = max(row["samples"] for row in counts)
    labels = [f"{row['k']}/{row['n']}" for row in counts]
    pad = max(map(len, labels))
    lines = (
        f"{label:>{pad}}  {'█' * round(width * row['samples'] / most)} {row['samples']:,}"
        for label, row in zip(labels, counts, strict=True)
    )
    return "\n".join(lines)


def line(text: Any) -> str:
    """A text that shows as it is: it cannot leave its table cell or line, and makes no image, link or tag."""
    return _ESCAPES.sub("&#92;", " ".join(str(text).split()).translate(_PLAIN))


def quote(text: str) -> str:
    """A text of several lines inside a quotation."""
    return "\n> ".join(line(part) for part in text.splitlines())


class _Code(str):
    """What is inside a code block, where nothing is markup."""


def fenced(text: str) -> str:
    """A text inside a code block, which it cannot end."""
    return _Code(text.replace("```", "'''"))


def _inert(value: Any) -> Any:
    """Whatever a template puts in: a text that makes no tag, link or image and shows its letters in their order."""
    if not isinstance(value, str):
        return value
    seen = "".join(c for c in value if c == "\n" or category(c) not in ("Cc", "Cf"))
    return (
        seen if isinstance(value, _Code) else seen.replace("<", "&#60;").replace("](", "]&#40;").replace("][", "]&#91;")
    )


_PLAIN = str.maketrans({"&": "&amp;"} | {c: f"&#{ord(c)};" for c in "<|[]`*"})
"""As entities, because a backslash before a mark may itself have one before it."""
_ESCAPES = re.compile(r"\\(?=[!-/:-@\[-`{-~])")
"""Backslashes that Markdown would take for its own; that of `\\frac` it leaves alone."""
