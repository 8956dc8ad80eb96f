"""Whose k of n a row carries: that of its own question, and never of one that it was made from."""

import json
from pathlib import Path
from typing import Any

import pytest
import recipe_build
import tiny
from tried_sums import job, write_sums

from pipelines.release.verify import verify_release
from schemas.errors import ConfigError

MADE = (
    "sql: {as: new, of: sample, makes: draft, "
    "select: \"SELECT id AS parent_id, 'Really, ' || question AS asked, answer AS gold FROM rows\"}",
    "promote: {as: made, of: new, question: asked, answer: gold, kind: number}",
)
AGAIN = (
    "unfold: {as: later, of: made, column: tried, makes: rollout}",
    "verify: {as: again, of: later}",
    "difficulty: {as: harder, of: later}",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sums(tmp_path_factory.mktemp("measured"))


def released(folder: Path, *steps: str, workspace: str) -> list[tuple[bool, int | None]]:
    """Of each row of `rl` whether its question was made, and its n."""
    found = job(folder, *steps, workspace=workspace)
    found.run()
    rows = tiny.config(found, "rl").to_dicts()
    return sorted({(row["prompt"][0]["content"].startswith("Really"), row["n"]) for row in rows})


def test_what_was_made_of_a_measured_question_was_not_measured_itself(folder: Path) -> None:
    assert released(folder, *MADE, "release: {rl: {of: made}}", workspace="made") == [(True, None)]
    both = released(folder, *MADE, "release: {rl: {of: sample}}", workspace="both")
    assert both == [(False, 4), (True, None)]


def test_where_only_made_questions_go_out_their_own_difficulty_is_taken(folder: Path) -> None:
    assert released(folder, *MADE, *AGAIN, "release: {rl: {of: made}}", workspace="own") == [(True, 4)]


def test_a_difficulty_of_what_does_not_go_out_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(ConfigError, match="measured_by: 'difficulty' measured samples of which none goes out"):
        job(folder, *MADE, *AGAIN, "release: {rl: {of: made}, measured_by: difficulty}")


def test_a_selection_goes_by_numbers_of_its_own_candidates(folder: Path) -> None:
    chosen, out = "select: {of: made, rule: variance}", "release: {rl: {of: made}}"
    with pytest.raises(ConfigError, match=r"`k`, which was measured on the samples that these were made from.*STEP\.k"):
        job(folder, *MADE, chosen, out)
    job(folder, *MADE, *AGAIN, chosen, out)
    unread = job(folder, *MADE, "select: {of: made, rule: all}", out).compiled.pipeline.step("select").sources
    assert not {"k", "n", "pass_rate"} & unread.keys()
    meant = "select: {of: made, rule: variance, columns: {k: difficulty.k, n: difficulty.n}}"
    assert released(folder, *MADE, meant, out, workspace="meant") == [(True, None)]


def test_a_sample_of_which_no_reply_counts_says_no_k_of_n_in_any_config(tmp_path: Path) -> None:
    """Not asked, or never answered: `k = 0` is true of neither, so that nothing takes them for never right."""
    tried = {"2": [], "4": ["I cannot tell"] * 2, "6": ["7777"] * 2, "8": ["8", "7777"]}
    rows = [
        {
            "question": f"What is {answer} + 0?",
            "answer": answer,
            "tried": [{"text": t, "model": "student"} for t in texts],
        }
        for answer, texts in tried.items()
    ]
    steps: list[Any] = [
        {"unfold": {"as": "tries", "column": "tried", "makes": "rollout"}},
        {"verify": {"as": "scored", "of": "rollout"}},
        {"difficulty": {"unmeasured": "keep"}},
        {"select": {"rule": "all"}},
        {"release": {"rl": {"of": "sample"}, "hard": {"of": "sample", "where": "k = 0"}, "trainer": None}},
    ]
    recipe = recipe_build.write_recipe(tmp_path, steps, rows, driver={"workers": 1})
    found = recipe_build.built(recipe, tmp_path / "ws", "sources.sums.columns={tried: [{text: str, model: str}]}")
    for name in ("rl", "unfiltered"):
        stated = {row["solution"]: (row["k"], row["n"]) for row in tiny.config(found, name).to_dicts()}
        assert {json.loads(answer.strip("$")): counts for answer, counts in stated.items()} == {
            2: (None, None), 4: (None, None), 6: (0, 2), 8: (1, 2)
        }, name  # fmt: skip
    assert tiny.config(found, "hard")["solution"].to_list() == ["$6$"]
    assert verify_release(tiny.release(found)).holds
