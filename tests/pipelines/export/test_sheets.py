"""Which datasets an export makes of configs whose names a trainer does not know."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from pipelines.export.catalogue import exporter_of
from pipelines.export.rows import Release
from pipelines.export.selection import Selection
from pipelines.export.sheets import kept_back, shape_of, sheets_of

SAID = {"completion": ["one", "two"]}
STEPS = [[{"text": "a", "score": 0.5}], [{"text": "b", "score": 0.0}]]


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        (SAID, "sft"),
        ({**SAID, "success": [0.5, 1.0]}, "sft"),
        ({**SAID, "correct": [True, True]}, "sft"),
        ({**SAID, "correct": [True, False]}, None),
        ({**SAID, "correct": [True, None]}, None),
        ({**SAID, "checked_correct": [False, True]}, None),
        ({**SAID, "segment": STEPS}, None),
        ({**SAID, "segment": [[{"text": "a", "right": True}], []]}, None),
        ({**SAID, "segment": [[{"text": "a", "place": 0}], []]}, "sft"),
        ({"chosen": ["a"], "rejected": ["b"]}, "preference"),
        ({"prompt": ["a"], "correct": [False]}, "rl"),
    ],
)
def test_completions_with_verdicts_that_are_not_all_right_are_no_sft_set(
    columns: dict[str, Any], shape: str | None, tmp_path: Path
) -> None:
    """As in the step scores of MPO, whose solutions are right and wrong."""
    (tmp_path / "scores").mkdir()
    for number, part in enumerate(pl.DataFrame(columns).iter_slices(1)):
        part.write_parquet(tmp_path / "scores" / f"part-{number:05}.parquet")
    release = cast(Release, SimpleNamespace(path=tmp_path, selection=Selection()))
    assert shape_of(release, "scores") == shape
    made = [sheet.name for sheet in sheets_of(exporter_of("trl"), release) if sheet.split == "scores"]
    assert kept_back(release) == ([] if shape else ["scores"])
    assert made == {
        "sft": ["sft_scores", "sft_messages_scores"],
        "rl": ["grpo_scores"],
        "preference": ["dpo_scores"],
    }.get(shape or "", [])
