"""Whose k of n a row carries: that of its own question, and never of one that it was made from."""

from pathlib import Path

import pytest
import tiny
from tried_sums import job, write_sums

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
