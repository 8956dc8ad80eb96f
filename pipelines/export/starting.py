"""Files by which training on an export starts: YAML, or a shell script. Their settings are to begin with."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from pipelines.export.lengths import NOTE
from pipelines.export.sheet import Exported, Start

GROUP = 8
"""Replies to a prompt in RL, as many as releases measure by."""
_HEAD = """#!/usr/bin/env bash
# MODEL={model} bash {file}
set -euo pipefail
{note}HERE="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
MODEL="${{MODEL:-{model}}}"

"""


def batch(most: int, rows: int) -> int:
    """Rows an update: `most`, or the largest power of two of the rows that there are, so that an epoch has an update.

    Trainers drop the rows that fill no batch, and stop, or train on nothing, where that is all of them. Powers of two,
    because batches are cut into others and shared by GPUs.
    """
    return min(most, 1 << (max(1, rows).bit_length() - 1))


def epoch(rows: int, each: int = 1) -> dict[str, int]:
    """What trainers that take `transformers.TrainingArguments` are given, for `each` replies to a row."""
    steps = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": each * batch(8, rows)}
    return steps | {"num_train_epochs": 1, "logging_steps": 1}


def quoted(path: str) -> str:
    """A path within a word of bash that is in double quotes, as Hydra and YAML take it: quoted again.

    In double quotes, because folders have apostrophes more often; unquoted, neither takes ` `, `~`, `=`, `(`, `[`, `#`, `,`.
    """
    return f'\\"{path}\\"'


def as_yaml(sheet: str, command: str, settings: Callable[[str, Exported], Mapping[str, Any]], bound: str = "") -> Start:
    """A YAML file of what `settings` gives for a sheet and what was written. `{file}` in the command is its name.

    `bound` is the setting, if there is one, that is `Exported.room`; the file says what it is.
    """

    def text(name: str, exported: Exported) -> str:
        return _noted(bound) + yaml.safe_dump(dict(settings(name, exported)), sort_keys=False, allow_unicode=True)

    return Start(sheet, "yaml", command, text)


def as_script(
    sheet: str, lines: Callable[[str, Exported], list[str]], command: str = "bash {file}", bound: str = ""
) -> Start:
    """A shell script of one command, `lines` on lines, in which `$HERE` is the folder it lies in and `$MODEL` the model.

    It may be run from anywhere, and hands out absolute paths, for trainers whose workers run in folders of their own.
    """

    def text(name: str, exported: Exported) -> str:
        head = _HEAD.format(model=exported.model, file=f"{name}.sh", note=_noted(bound))
        return head + " \\\n  ".join([*lines(name, exported), '"$@"']) + "\n"

    return Start(sheet, "sh", command, text)


def _noted(bound: str) -> str:
    return f"# {NOTE.format(key=bound)}\n" if bound else ""
