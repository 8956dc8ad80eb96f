"""From sums of logs to a sample's psi."""

from math import exp, log

import polars as pl
import pytest

from generators.signals.attention import COLUMN_SUMS, AttentionConfig, column_sums, log_psi, over_rollouts
from generators.signals.columns import HEADS

# psi with sigma = 1 of a reply of three tokens: 0.01 over three factors, 0.2 over two, 0.9 over one
SUMS = column_sums(
    [{heads: [log(0.01), log(0.2), log(0.9)] for heads in HEADS}, "too long", {heads: [] for heads in HEADS}]
)
TABLE = SUMS.with_columns(pl.Series("key", ["a", "b", "c"]))


@pytest.mark.parametrize(
    ("config", "psi"),
    [
        (AttentionConfig(span="all"), 0.9 * 2),
        (AttentionConfig(span="min", span_tokens=2), 0.2 * 4),
        (AttentionConfig(span="min", span_tokens=3), 0.01 * 8),
        (AttentionConfig(span="min", span_tokens=10), 0.01 * 8),
        (AttentionConfig(span="min", span_tokens=2, sigma=10), 0.2 * 100),
        (AttentionConfig(span="min", span_tokens=2, reduce="mean_log"), 0.2**0.5 * 2),
        (AttentionConfig(span="window", span_tokens=2), 0.2 * 4),
    ],
)
def test_hand_worked(config: AttentionConfig, psi: float) -> None:
    found = log_psi(TABLE, config)
    assert found["key"].to_list() == ["a"]
    assert exp(found["log_psi"][0]) == pytest.approx(psi, rel=1e-6)


def test_errors_and_empty_replies_are_rows_of_the_log() -> None:
    assert SUMS.schema == COLUMN_SUMS
    assert SUMS["length"].to_list() == [3, None, 0]
    assert SUMS["error"].to_list() == [None, "too long", None]


def test_only_windows_make_the_model_compute_again() -> None:
    assert AttentionConfig().window is None
    assert AttentionConfig(span="all", sigma=3.0, heads="each").window is None
    assert AttentionConfig(span="window", span_tokens=4).window == 4


@pytest.mark.parametrize(("how", "psi"), [("first", 0.5), ("max", 0.8), ("mean", 0.65)])
def test_over_rollouts(how: str, psi: float) -> None:
    config = AttentionConfig.model_validate({"rollouts": how})
    table = pl.DataFrame({"index": [1, 0, 2], "log_psi": [log(0.8), log(0.5), None]})
    assert exp(table.select(over_rollouts(config)).item()) == pytest.approx(psi)


def test_products_that_no_float_holds_have_a_mean() -> None:
    table = pl.DataFrame({"index": [0, 1], "log_psi": [-5000.0, -5000.0]})
    assert table.select(over_rollouts(AttentionConfig(rollouts="mean"))).item() == pytest.approx(-5000.0)
