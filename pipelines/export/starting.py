"""Files by which training on an export starts: YAML, or a shell script. Their settings are to begin with."""

from collections.abc import Callable, Mapping
from typing import Any

import yaml

from pipelines.export.sheet import Exported, Start

EPOCH = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8, "num_train_epochs": 1, "logging_steps": 1}
"""What trainers that take `transformers.TrainingArguments` are given."""
_HEAD = """#!/usr/bin/env bash
# MODEL={model} bash {file}
set -euo pipefail
HERE="$(cd "$(dirname "${{BASH_SOURCE[0]}}")" && pwd)"
MODEL="${{MODEL:-{model}}}"

"""


def as_yaml(sheet: str, command: str, settings: Callable[[str, Exported], Mapping[str, Any]]) -> Start:
    """A YAML file of what `settings` gives for a sheet and what was written. `{file}` in the command is its name."""

    def text(name: str, exported: Exported) -> str:
        return yaml.safe_dump(dict(settings(name, exported)), sort_keys=False, allow_unicode=True)

    return Start(sheet, "yaml", command, text)


def as_script(sheet: str, lines: Callable[[str, Exported], list[str]], command: str = "bash {file}") -> Start:
    """A shell script of one command, `lines` on lines, in which `$HERE` is the folder it lies in and `$MODEL` the model.

    It may be run from anywhere, and hands out absolute paths, for trainers whose workers run in folders of their own.
    """

    def text(name: str, exported: Exported) -> str:
        head = _HEAD.format(model=exported.model, file=f"{name}.sh")
        return head + " \\\n  ".join([*lines(name, exported), '"$@"']) + "\n"

    return Start(sheet, "sh", command, text)
