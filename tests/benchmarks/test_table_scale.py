"""What a step of all rows holds is linear in its rows, and small."""

from pathlib import Path

import pytest
import table_scale

BYTES = {"split": 2500, "ranked": 1500, "select": 1500}
"""Of memory that a row may take; `split` took 5,200 where it held questions and what they are made of."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_steps_of_all_rows_take_little_memory_a_row(tmp_path: Path) -> None:
    """Each step in a process of its own, at two sizes."""
    small, large = 20_000, 60_000
    less, more = (table_scale.measured(tmp_path / str(samples), samples) for samples in (small, large))
    for name, most in BYTES.items():
        a_row = (more[name]["peak_gb"] - less[name]["peak_gb"]) * 2**30 / (large - small)
        assert a_row < most, f"{name} takes {a_row:.0f} bytes a row"
