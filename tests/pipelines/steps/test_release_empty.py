"""A release without the rows that its recipe gives is an error, and says what became of them."""

from pathlib import Path

import pytest
import tiny
from tried_sums import job, write_sums

from schemas.errors import StepError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sums(tmp_path_factory.mktemp("empty"))


def sides(rl: str) -> str:
    return f'split: {{sides: {{rl: "{rl}", sft: else}}, near_questions: null, same_images: null}}'


SPLIT, OUT = sides("k BETWEEN 1 AND 3"), "release: {rl: {of: sample}}"
EARLY = 'drop: {as: early, of: sample, if: {all_right: "k = 4"}}'
CASES = {
    "dropped": (
        [EARLY, SPLIT, "drop: {of: sample, if: {late: \"side = 'rl'\"}}", OUT],
        "The config 'rl' is empty, though 8 samples were dealt to that side. Dropped of them: 8 drop:late. Likely cure: "
        "look at one with `curate why ID`. Nothing was released. If it may be empty, set allow_empty: [rl] in the section "
        "of 'release'.",
    ),
    "another side": ([sides("k > 4"), OUT], "none of 12 samples was dealt to that side. Nothing was released."),
    "no sample": (
        ['drop: {of: sample, if: {known: "k >= 0"}}', SPLIT, OUT],
        "'rl' is empty: no sample was left for any side. Dropped of them: 12 drop:known.",
    ),
    "no pair": (
        [
            SPLIT,
            "pair: {of: rollout, chosen: correct AND k > 4, rejected: NOT correct}",
            "release: {pairs: {of: pair}}",
        ],
        "'pairs' is empty: no prompt has a preferred response and a rejected one. Nothing was released.",
    ),
    "a condition": (
        [SPLIT, 'release: {rl: {of: sample, where: "k > 4"}}'],
        "'rl' is empty: none of its 8 rows of sample meets `k > 4`. Nothing was released.",
    ),
    "counted once": (
        ['drop: {of: rollout, if: {any: "true"}}', "release: {all_of_them: {of: rollout}}"],
        "'all_of_them' is empty. Dropped of them: 12 drop:any. Likely cure",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_empty_config_says_what_became_of_its_rows(folder: Path, case: str) -> None:
    steps, sentence = CASES[case]
    with pytest.raises(StepError) as caught:
        job(folder, *steps).run()
    assert sentence in str(caught.value)


def test_a_trial_of_a_few_rows_may_leave_any_config_empty(folder: Path) -> None:
    made = job(folder, sides("k > 4"), "release: {rl: {of: sample}, sft: {of: sample}}", limit=3)
    made.run()
    assert tiny.config(made, "rl").is_empty() and not tiny.config(made, "sft").is_empty()
