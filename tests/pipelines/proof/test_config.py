"""What can be chosen is read with a sentence for every mistake, and arms come in one order."""

import pytest

from pipelines.proof.arms import ARMS
from pipelines.proof.config import QUICK, ProofConfig, read_config
from schemas.errors import ConfigError


def test_values_are_put_by_dotted_keys_and_later_ones_win() -> None:
    config = read_config([*QUICK, "sft.steps=7", "rl.rate=1e-4", "arms=[sft_rl, rl]"])
    assert (config.sft.steps, config.rl.rate, config.arms, config.seeds) == (7, 1e-4, ("rl", "sft_rl"), 1)
    assert ProofConfig().arms == tuple(ARMS)


def test_a_quick_proof_is_a_trial_whatever_is_set() -> None:
    quick = read_config(["seeds=9", "trial=false"], quick=True)
    assert (quick.trial, quick.seeds, quick.sft.steps) == (True, 9, 30)
    assert not read_config(["seeds=9"]).trial


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["sft.step=7"], "--set sft.step: there is no such key. Did you mean 'steps'?"),
        (["seeds=0"], "--set seeds: Input should be greater than or equal to 1."),
        (["arms=[sft, slf]"], "there is no arm 'slf'; there are base, base_best, sft"),
        (["arms=[base]"], "none of these trains anything; add sft or rl"),
        (["steps"], "--set steps: write it as key=value"),
        (["seeds=2", "seeds.x=1"], "'seeds' is a value and has no keys"),
        (["rl.completions=1"], "--set rl.completions: Input should be greater than or equal to 2."),
    ],
)
def test_a_mistake_is_a_sentence(options: list[str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(options)
    assert words in str(caught.value)
