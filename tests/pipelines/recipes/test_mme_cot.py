"""MME-CoT (arXiv 2502.09621): precision, recall and F1 of a thought, by numbers."""

import polars as pl
import pytest
from own_steps import run, table

from pipelines.job import compile_recipe


def test_precision_is_of_the_steps_that_say_something() -> None:
    """Of a's five steps two match, one is reasonable, one wrong, one says nothing: (2 + 1) / 4. Of b's one says nothing."""
    verdicts = [("a", kind) for kind in ("match", "match", "reasonable", "wrong", "empty")] + [("b", "empty")]
    steps = table(
        *({"id": f"{trace}{n}", "parent_id": trace, "support": kind} for n, (trace, kind) in enumerate(verdicts)),
        support=pl.String,
    )
    out = run("mme_cot", "precise", table({"id": "a"}, {"id": "b"}), counted=steps)
    assert out.rows.select("id", "precision").rows() == [("a", 0.75), ("b", None)]


def test_recall_is_of_the_key_steps() -> None:
    """Two of a's four key steps are there."""
    keys = table(
        *({"id": str(n), "parent_id": "a", "has": has} for n, has in enumerate(["yes", "no", "yes", "no"])),
        has=pl.String,
    )
    assert run("mme_cot", "recalled", table({"id": "a"}), counted=keys).rows["recall"].to_list() == [0.5]


def test_f1_is_their_harmonic_mean() -> None:
    """2 x 0.75 x 0.5 / 1.25 is 0.6; nothing right at all is 0, and what has no precision has no F1."""
    rows = table(
        {"id": "a", "precision": 0.75, "recall": 0.5},
        {"id": "b", "precision": 0.0, "recall": 0.0},
        {"id": "c", "precision": None, "recall": 0.5},
        precision=pl.Float64,
        recall=pl.Float64,
    )
    first, *others = run("mme_cot", "measured", rows).rows["f1"].to_list()
    assert first == pytest.approx(0.6)
    assert others == [0.0, None]


def test_it_compiles_as_published() -> None:
    pipeline = compile_recipe("mme_cot").pipeline
    assert pipeline.step("step_kind").config.reply.choice == ("description", "inference", "background")
    assert pipeline.unread == ()
