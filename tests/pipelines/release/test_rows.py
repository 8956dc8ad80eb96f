"""Rows of a release: lists are never null, and a text that speaks of a picture mark does not hold one."""

from pathlib import Path
from typing import Any

import pytest

from generators.prompts import Prompt
from pipelines.release.rows import CONFIGS, ReleaseConfig, record, schema
from pipelines.store.media import MediaStore

ROW: dict[str, Any] = {
    **dict.fromkeys(schema("sft").names + schema("rl").names + schema("unfiltered").names),
    "id": "a",
    "question": "What does <image> mean?",
    "text": "It says <image> twice: <image>.",
    "chosen_text": "<image>",
    "chosen_model": "vlm",
    "rejected_model": "vlm",
    "rejected_text": "no",
    "answer": {"kind": "text", "raw": "a mark", "parsed": "{}"},
    "verifier": {"id": "text", "params": "{}"},
    "media": None,
    "options": None,
    "source": {"dataset": "d", "row": "0", "license": None},
    "solution": None,
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_fits_its_schema(name: str, tmp_path: Path) -> None:
    row = record(name, ROW, Prompt(), ReleaseConfig(), MediaStore(tmp_path))
    assert set(row) == set(schema(name).names)
    assert (row["images"], row["options"]) == ([], [])
    assert row["solution"] == "$a mark$"
    assert "<image>" not in str(row)
    assert row["prompt"] == [{"role": "user", "content": "What does [image] mean?"}]
    if name == "sft":
        assert row["completion"] == [{"role": "assistant", "content": "It says [image] twice: [image]."}]
