"""How answers ended is counted once, however often they are read."""

from types import SimpleNamespace
from typing import Any

import polars as pl

from pipelines.run.asked import ANSWERS
from pipelines.run.ends import Ends


def test_a_bucket_that_is_read_twice_counts_once() -> None:
    rows = [{"id": "r", "model": "vlm", "finish_reason": end} for end in ("stop", "stop", "length", None)]
    asking: Any = SimpleNamespace(answers=lambda bucket: pl.DataFrame(rows[bucket:], schema=ANSWERS))
    ends = Ends(asking)
    assert [ends.answers(bucket).height for bucket in (0, 0, 2)] == [4, 4, 2]
    assert ends.counts == {("vlm", "stop"): 2, ("vlm", "length"): 2, ("vlm", "none"): 2}


def test_a_step_that_asks_nobody_has_no_answers() -> None:
    ends = Ends(None)
    assert (ends.answers(0).schema, ends.answers(0).height, ends.counts) == (ANSWERS, 0, {})
