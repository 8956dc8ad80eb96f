"""OmniAlign-V (arXiv 2502.18411): the strong answer is preferred to the worst of the weak ones."""

import polars as pl
from own_steps import run, table

TYPES = {"_text": pl.String, "_model": pl.String, "_end": pl.String, "_value": pl.Float64}


def answers(of: str, strong: float, *weak: float) -> list[dict[str, object]]:
    graded = [("strong", strong), *(("weakly", grade) for grade in weak)]
    return [
        {"id": f"{of}{n}", "sample_id": of, "parent_id": of, "made_by": by, "_text": f"{by} {n}", "_model": by,
         "_end": "stop", "_value": grade}
        for n, (by, grade) in enumerate(graded)
    ]  # fmt: skip


def test_the_strong_answer_is_paired_with_the_worst_weak_one() -> None:
    """Of 8 against 5, 2, 7 and 4 the 2 is rejected, six behind. One that is graded no higher than any has no pair."""
    rows = table(*answers("a", 8, 5, 2, 7, 4), *answers("b", 3, 3, 9, 3, 4), **TYPES)
    out = run("omnialign_v", "pair", rows)
    assert out.rows.select("chosen_id", "rejected_id", "margin").rows() == [("a0", "a2", 6.0)]
