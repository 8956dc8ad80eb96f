"""How long replies and conversations may be: what a release measured by, and its longest row."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.export.catalogue import exporter_of
from pipelines.export.lengths import reply_tokens, room
from pipelines.export.rows import open_release
from pipelines.export.write import export

DRAWN = {"sampling": {"temperature": 1.0, "max_tokens": 4096}}
REPLIES = {
    "trl": "grpo.yaml", "ms_swift": "grpo.yaml", "verl": "train.sh", "easyr1": "train.yaml", "openrlhf": "train.sh",
    "roll": "roll/train.yaml", "skyrl": "train.sh", "nemo_rl": "train.sh", "rllm": "train.sh", "verifiers": "rl.toml",
}  # fmt: skip
CONVERSATIONS = {
    "verl": ("sft.sh", "data.max_length="),
    "nemo_rl": ("sft.sh", "policy.max_total_sequence_length="),
    "axolotl": ("sft.yaml", "sequence_len: "),
    "llama_factory": ("sft.yaml", "cutoff_len: "),
    "unsloth": ("sft.py", "max_length="),
}


@pytest.mark.parametrize(
    ("steps", "measured", "found"),
    [
        ([{"rollout": DRAWN}], "rollout", 4096),
        (["difficulty", {"distill": {"sampling": {"max_tokens": 9}}}, {"rollout": DRAWN}], "rollout", 4096),
        ([{"rollout": {"as": "other", "sampling": {"max_tokens": 16}}}, {"rollout": DRAWN}], "other", 16),
        ([{"rollout": {"model": "vlm"}}], "rollout", 2048),
        ([{"rollout": {"sampling": {"max_tokens": 16}}}, {"rollout": {"as": "b", **DRAWN}}], None, 4096),
        ([{"distill": DRAWN}], None, 1024),
        ([{"rollout": None}, {"rollout": {"sampling": {"max_tokens": "?"}}}], "gone", 1024),
    ],
)
def test_replies_are_as_long_as_those_that_measured_the_prompts(
    steps: list[Any], measured: str | None, found: int
) -> None:
    manifest = {"recipe": {"steps": steps}, "measured": {"step": measured} if measured else None}
    assert reply_tokens(manifest) == found
    assert reply_tokens({}) == 1024


@pytest.mark.parametrize("trainer", REPLIES)
def test_every_trainer_draws_replies_as_long_as_the_measured_ones(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = open_release(str(make_release()), Path())
    drawn = replace(release, manifest={**release.manifest, "recipe": {"steps": [{"rollout": DRAWN}]}})
    export(drawn, exporter_of(trainer), tmp_path / "out")
    text = (tmp_path / "out" / REPLIES[trainer]).read_text("utf-8")
    assert re.search(r'(?:length|tokens)"?\s*[=: ]\s*4096\b', text), text
    assert not re.search(r"\b1024\b", text)


@pytest.mark.parametrize("trainer", CONVERSATIONS)
def test_a_conversation_has_room_and_the_file_says_by_what(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    long = make_release([("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42. " * 1000)])
    export(open_release(str(long), Path()), exporter_of(trainer), tmp_path / "out")
    file, setting = CONVERSATIONS[trainer]
    text = (tmp_path / "out" / file).read_text("utf-8")
    assert f"{setting}4096" in text and "estimate" in text  # 12,000 characters
    if file.endswith(".yaml"):
        assert yaml.safe_load(text)


@pytest.mark.parametrize(("most", "found"), [(0, 2048), (2048, 2048), (2049, 4096), (5000, 8192), (8193, 16384)])
def test_room_is_a_power_of_two(most: int, found: int) -> None:
    assert room(most) == found
