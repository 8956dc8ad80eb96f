"""What a comparison is said to show is what its two arms differ in, and the documentation says the same."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from pipelines.proof.arms import ARMS, BASE, BEST, PAIRS, Arm, Pair

DOCS = (Path(__file__).parents[3] / "docs" / "prove.md").read_text(encoding="utf-8")
ADDS_TO = [pair for pair in PAIRS if ARMS[pair.second].trains]


def between(pair: Pair) -> int:
    first, second = ARMS[pair.first], ARMS[pair.second]
    return (first.traces != second.traces) + (first.prompts != second.prompts)


def table(rows: list[str], *heads: str) -> str:
    return "\n".join([f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows])


@pytest.mark.parametrize("pair", ADDS_TO, ids=str)
def test_only_a_comparison_of_two_things_speaks_of_them_together(pair: Pair) -> None:
    assert between(pair) in (1, 2)
    assert ("together" in pair.means) == (between(pair) == 2)


@pytest.mark.parametrize(
    ("first", "second", "about"),
    [
        ("sft_rl", "sft", "RL"),
        ("sft_rl", "rl", "cold start"),
        ("sft_rl", "sft_rl_control", "selection"),
        ("sft", "sft_answers", "thoughts"),
        ("sft", "sft_shuffled", "true of their images"),
        ("sft", "sft_random", "curated"),
    ],
)
def test_each_part_of_a_release_has_a_comparison_that_differs_in_it_alone(first: str, second: str, about: str) -> None:
    [pair] = [pair for pair in PAIRS if (pair.first, pair.second) == (first, second)]
    assert between(pair) == 1 and about in pair.means


def test_every_arm_is_compared_and_no_pair_twice() -> None:
    assert {name for pair in PAIRS for name in pair[:2]} == set(ARMS)
    assert len({frozenset(pair[:2]) for pair in PAIRS}) == len(PAIRS)
    assert {pair[:2] for pair in PAIRS} >= {("sft_rl", BASE), ("sft_rl", BEST)}


def test_an_arm_is_what_it_trains_on() -> None:
    assert {name for name, arm in ARMS.items() if not arm.trains} == {BASE, BEST}
    assert {name for name, arm in ARMS.items() if arm.goes_on} == {"sft_rl", "sft_rl_control"}
    assert not Arm("random", "rl", "").goes_on, "its SFT is its own"


def test_the_documentation_has_the_arms_and_the_comparisons() -> None:
    arms = table([f"| `{name}` | {arm.words} |" for name, arm in ARMS.items()], "arm", "learns from")
    pairs = table([f"| `{first}` | `{second}` | {means} |" for first, second, means in PAIRS], "arm", "beats", "then")
    assert arms in DOCS
    assert pairs in DOCS


def test_the_help_names_the_arms() -> None:
    found = CliRunner().invoke(app, ["prove", "--help"])
    assert all(name in found.stdout for name in ARMS)
