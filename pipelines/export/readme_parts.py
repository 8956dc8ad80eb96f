"""Parts of the README of an export that only some exports have: the choice of rows, commands, the verifier."""

from collections.abc import Mapping
from typing import Any

from pipelines.export.sheet import Exported, Exporter
from pipelines.export.sheets import starts_of

_STARTS = """Paths are relative to this folder, which can be moved. In it, in the trainer's environment:

```
{}
```

The files name a model, and settings to begin with: change them.

"""
_WIDTH = 60
_VERIFIER = """The reward is version {version} of curate's verifier, in `{code}` ({engines}). A score is the verdict of
curation, whatever the layout; `FORMAT_WEIGHT` in the reward's file gives the layout a share of it.
"""


def verifier_lines(facts: Mapping[str, Any] | None) -> str:
    """Which verifier an export carries; nothing where it carries none."""
    if facts is None:
        return ""
    engines = ", ".join(f"{name} {version}" for name, version in facts["engines"].items())
    return _VERIFIER.format(version=facts["version"], code=facts["code"], engines=engines)


def selection_lines(chosen: Mapping[str, Any]) -> str:
    """Markdown that says which rows were chosen; nothing where all were."""
    configs = ", ".join(f"`{name}`" for name in chosen.get("configs", ()))
    lines = [f"Of the configs of the release only {configs}.\n"] if configs else []
    if "where" in chosen:
        out = ", ".join(
            f"{name}: {left['not_chosen']} and {left['undecided']}" for name, left in chosen["left_out"].items()
        )
        sql = "\n".join(f"    {line}" for line in chosen["where"].splitlines())
        lines.append(f"Only rows that meet\n\n{sql}\n\nLeft out, and left out because null decides nothing: {out}.\n")
    return "".join(f"{line}\n" for line in lines)


def starts_lines(exporter: Exporter, exported: Exported) -> str:
    """The commands by which training starts; nothing where the trainer has no such files."""
    lines = [start.command.format(file=file) for start, _, file in starts_of(exporter, exported)]
    if lines and exporter.reward is not None:
        lines.insert(0, f"{exporter.installs:{_WIDTH}}  # for the reward")
    return _STARTS.format("\n".join(lines)) if lines else ""
