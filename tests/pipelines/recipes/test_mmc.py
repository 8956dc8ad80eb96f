"""MMC (arXiv 2504.11009): siblings that end right and wrong, and critiques of where the wrong one goes astray."""

from typing import Any

import polars as pl
from own_steps import run, table

BRANCH = {"_text": pl.String, "_model": pl.String, "_end": pl.String, "ends.verdict": pl.String}


def branch(id_: str, of: str, text: str, verdict: str) -> dict[str, Any]:
    return {"id": id_, "parent_id": of, "_text": text, "_model": "actor", "_end": "stop", "ends.verdict": verdict}


def test_siblings_of_one_beginning_are_paired_where_they_end_apart() -> None:
    """Of three beginnings one goes on to a right and a wrong end, one to two right ones, one to a wrong and no answer."""
    rows = table(
        branch("a1", "a", "Two. So 2.", "right"),
        branch("a2", "a", "Two. So 3.", "wrong"),
        branch("b1", "b", "Two, that is 2.", "right"),
        branch("b2", "b", "It is 2.", "right"),
        branch("c1", "c", "So 4.", "wrong"),
        branch("c2", "c", "So.", "no_answer"),
        **BRANCH,
    )
    assert run("mmc", "pair", rows).rows.select("chosen_id", "rejected_id").rows() == [("a1", "a2")]


def test_the_solution_that_ends_wrong_is_read_step_by_step() -> None:
    rows = table({"id": "p", "rejected": "There are 2.5 rows. Each has two!\n\nSo 6."}, rejected=pl.String)
    (steps,) = run("mmc", "numbered", rows).rows["wrong_steps"].to_list()
    assert [step.strip() for step in steps] == ["There are 2.5 rows", "Each has two", "So 6."]


def test_a_critique_that_names_no_step_or_changes_nothing_goes() -> None:
    """Of two steps the first or the second can be wrong, and not the third."""
    steps = ["There are two rows", "So 6"]
    places = {"a": (2.0, "So 4"), "b": (3.0, "So 4"), "c": (2.0, " So 6 "), "d": (1.0, "")}
    rows = table(
        *(
            {"id": n, "place": place, "corrected_step": step, "wrong_steps": steps}
            for n, (place, step) in places.items()
        ),
        place=pl.Float64,
        corrected_step=pl.String,
        wrong_steps=pl.List(pl.String),
    )
    quoted = rows.join(run("mmc", "quoted", rows).rows, on="id", maintain_order="left")
    assert quoted["wrong_step"].to_list() == ["So 6", None, "So 6", "There are two rows"]
    out = run("mmc", "drop", quoted)
    assert dict(out.drops.select("id", "reason").rows()) == {
        "b": "drop:names_no_step",
        "c": "drop:corrects_nothing",
        "d": "drop:corrects_nothing",
    }
