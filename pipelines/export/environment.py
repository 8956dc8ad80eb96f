"""Rows as environments ask them: a system turn, the question in parts, and all that the reward needs.

The texts are those that were asked when the row was measured, to the letter: messages in parts have no marks of images, so
none has to be disarmed. Images lie beside the rows, each once.
"""

from typing import Any

from pipelines.export.rows import Row, gold_of
from pipelines.export.sheet import Draft, Exported, Sheet, gradable, ground_truth

_CONFIGS = ("rl", "holdout", "sft", "preference")
PICK = '''

def _rows(config):
    """The rows of a config, by the name of its dataset here or in the release, each prompt once. ValueError where there is
    no such config."""
    names = (config, *(f"{shape}_{config}" for shape in ("rl", "sft", "preference")))
    config = next((name for name in names if name in CONFIGS), config)
    file = Path(HERE) / f"{config}.jsonl"
    if config not in CONFIGS or not file.is_file():
        raise ValueError(f"there is no config {config!r} here; there are {', '.join(CONFIGS)}")
    asked = set()
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            if row["id"] not in asked:  # several replies to one prompt are one thing to ask
                asked.add(row["id"])
                yield row
'''
"""Reads the rows, in the code of an environment; `CONFIGS` are those that there are."""


def asked(row: Row, draft: Draft) -> dict[str, Any]:
    """A prompt and its gold. UnfitError for a row that only a judge can grade: nobody would ever be right about it."""
    gradable(row)
    content = [
        {"type": "text", "text": piece, "image": ""}
        if isinstance(piece, str)
        else {"type": "image", "text": "", "image": draft.place(piece)}
        for piece in row.pieces
    ]
    return {
        "system": row.system or "",
        "content": content,
        "solution": gold_of(row),
        "ground_truth": ground_truth(row),
        "verifier": row.columns["verifier"],
        "dataset": row.columns["dataset"],
    }


def first(exported: Exported, *wanted: str) -> str:
    """The dataset that an environment asks unless it is given another, as its code finds it."""
    return next((name for name in wanted if name in exported.sheets), min(exported.sheets, default=""))


SHEETS = tuple(Sheet(config, config, asked) for config in _CONFIGS)
"""Whatever a config is for, its prompts can be asked."""
