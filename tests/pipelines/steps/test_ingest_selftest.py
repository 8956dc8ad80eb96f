"""A gold that its verifier cannot tell from a list of all answers is dropped, with the check that it failed."""

from pathlib import Path

from recipe_build import built, write_recipe
from tiny import dropped


def test_a_gold_that_every_list_of_answers_meets_is_dropped_by_name(tmp_path: Path) -> None:
    rows = [
        {"question": f"Which layers change {n}?", "answer": answer, "verifier_params": {"metric": "f1"}}
        for n, answer in enumerate("ABC")
    ]
    recipe = write_recipe(
        tmp_path, [{"release": {"trainer": None, "rl": {"of": "sample"}, "allow_empty": ["rl"]}}], rows,
        sources=[{"type": "jsonl", "name": "sums", "path": str(tmp_path / "rows.jsonl"), "kind": "set"}],
    )  # fmt: skip
    job = built(recipe, tmp_path / "ws")
    assert dropped(job, "selftest")["reason"].to_list() == ["selftest:everything"] * 3
