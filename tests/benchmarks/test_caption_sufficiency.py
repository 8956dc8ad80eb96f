"""What the benchmark of caption sufficiency counts as an error."""

import importlib.util
from pathlib import Path
from types import ModuleType

import polars as pl

FILE = Path(__file__).parents[2] / "benchmarks" / "caption_sufficiency.py"


def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("caption_sufficiency", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_false_accepts_are_of_false_captions_and_false_rejects_of_true_ones() -> None:
    """Of four true captions one is refused, of ten false ones none accepted: Wilson's interval of 0 of 10 ends at 27.8 %."""
    fits = [True] * 4 + [False] * 10
    rows = pl.DataFrame({"fits": fits, "readers": [True, True, True, False] + [False] * 10, "a judge": [True] * 14})
    found = {(row["method"], row["error"]): row for row in benchmark().errors(rows)}
    assert [found["readers", kind]["count"] for kind in ("false accepts", "false rejects")] == [0, 1]
    assert [found["a judge", kind]["share"] for kind in ("false accepts", "false rejects")] == [100.0, 0.0]
    assert (found["readers", "false accepts"]["low"], found["readers", "false accepts"]["high"]) == (0.0, 27.8)
