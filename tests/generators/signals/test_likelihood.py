"""VisNec and VIG, by hand."""

from math import exp

import polars as pl
import pytest

from generators.signals.likelihood import blind_gains, by_reply


def gains(*texts: tuple[str, int, str, float | None]) -> dict[str, tuple[float | None, ...]]:
    names = {"id": pl.String, "index": pl.Int32, "variant": pl.String, "logprob": pl.Float64}
    table = pl.DataFrame(texts, schema=names, orient="row").with_columns(error=pl.lit(None, pl.String))
    replies = by_reply(table.lazy(), ("whole", "blind"))
    found = replies.group_by("id").agg(**blind_gains("whole", "blind")).collect()
    return {id_: rest for id_, *rest in found.select("id", "logprob_blind", "visnec", "vig").rows()}  # type: ignore[misc]


def test_the_gain_is_the_loss_without_the_image_less_the_loss_with_it() -> None:
    """VisNec (arXiv 2603.01195): losses 2 and 0.5 give 1.5 (needed); 0.5 and 0.5 give 0 (redundant); 0.5 and 2 give -1.5
    (misaligned). VIG (2602.17186), of perplexities: e^2 - e^0.5."""
    found = gains(
        ("needed", 0, "whole", -0.5), ("needed", 0, "blind", -2.0),
        ("redundant", 0, "whole", -0.5), ("redundant", 0, "blind", -0.5),
        ("misaligned", 0, "whole", -2.0), ("misaligned", 0, "blind", -0.5),
    )  # fmt: skip
    assert found["needed"] == pytest.approx((-2.0, 1.5, exp(2) - exp(0.5)))
    assert found["redundant"] == pytest.approx((-0.5, 0.0, 0.0))
    assert found["misaligned"] == pytest.approx((-0.5, -1.5, exp(0.5) - exp(2)))


def test_a_row_that_was_not_shown_both_ways_has_none() -> None:
    found = gains(("no image", 0, "whole", -0.5), ("unread", 0, "whole", None), ("unread", 0, "blind", -2.0))
    assert found == {"no image": [None, None, None], "unread": [-2.0, None, None]}


def test_a_reply_is_compared_with_itself_alone() -> None:
    """The long reply fits the context only without its image. The other one gains nothing by it, and so does the row."""
    found = gains(
        ("row", 0, "whole", None), ("row", 0, "blind", -6.0), ("row", 1, "whole", -2.0), ("row", 1, "blind", -2.0)
    )
    assert found["row"] == [-4.0, 0.0, 0.0]
