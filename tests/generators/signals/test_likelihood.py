"""VisNec and VIG, by hand."""

from math import exp

import polars as pl
import pytest

from generators.signals.likelihood import blind_gains


def gains(*texts: tuple[str, str, float | None]) -> dict[str, tuple[float | None, ...]]:
    table = pl.DataFrame(texts, schema={"id": pl.String, "variant": pl.String, "logprob": pl.Float64}, orient="row")
    found = table.lazy().group_by("id").agg(**blind_gains("whole", "blind")).collect()
    return {id_: rest for id_, *rest in found.select("id", "logprob_blind", "visnec", "vig").rows()}  # type: ignore[misc]


def test_the_gain_is_the_loss_without_the_image_less_the_loss_with_it() -> None:
    """VisNec (arXiv 2603.01195): losses 2 and 0.5 give 1.5 (needed); 0.5 and 0.5 give 0 (redundant); 0.5 and 2 give -1.5
    (misaligned). VIG (2602.17186), of perplexities: e^2 - e^0.5."""
    found = gains(
        ("needed", "whole", -0.5), ("needed", "blind", -2.0),
        ("redundant", "whole", -0.5), ("redundant", "blind", -0.5),
        ("misaligned", "whole", -2.0), ("misaligned", "blind", -0.5),
    )  # fmt: skip
    assert found["needed"] == pytest.approx((-2.0, 1.5, exp(2) - exp(0.5)))
    assert found["redundant"] == pytest.approx((-0.5, 0.0, 0.0))
    assert found["misaligned"] == pytest.approx((-0.5, -1.5, exp(0.5) - exp(2)))


def test_a_row_that_was_not_shown_both_ways_has_none() -> None:
    found = gains(("no image", "whole", -0.5), ("unread", "whole", None), ("unread", "blind", -2.0))
    assert found == {"no image": [None, None, None], "unread": [-2.0, None, None]}
