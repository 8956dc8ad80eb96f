"""slime as of August 2026: its loader's steps restated, and its way of asking for rewards."""

import asyncio
import base64
import copy
import io
import json
import re
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from trainer_reading import answers, exported, gold_in, imported, rows_of, seen, shown

from pipelines.export.image_tokens import escape


def content_lists(row: dict[str, Any], images: list[str] | None) -> list[dict[str, Any]]:
    """THUDM/slime 624b824, slime/utils/data.py `_build_messages`, with `--multimodal-keys '{"image": "images"}'`."""
    messages, left = copy.deepcopy(row["messages"]), list(images or ())
    for message in messages:
        content: list[dict[str, Any]] = []
        for piece in filter(None, re.split("(<image>)", message["content"])):
            if piece == "<image>":
                assert left, "more places than images"
                content.append({"type": "image", "image": left.pop(0)})
            else:
                content.append({"type": "text", "text": piece})
        message["content"] = content
    assert not left, "more images than places"
    return messages


def opened(address: str) -> Image.Image:
    """slime/utils/processing_utils.py `_extract_images_from_messages`; qwen_vl_utils opens the same."""
    assert address.startswith("data:image/")
    return Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1])))


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_loader_shows_the_question_the_images_and_the_gold(
    kinds: Path, sheet: str, split: str, tmp_path: Path
) -> None:
    home = exported(kinds, "slime", tmp_path / "out")
    reward = imported(home / "curate_reward.py").reward
    lines = (home / f"{sheet}.jsonl").read_text("utf-8").splitlines()
    for line, row in zip(lines, rows_of(kinds, split), strict=True):
        read = json.loads(line)
        system, user = content_lists(read, read.get("images"))
        assert system["content"] == [{"type": "text", "text": escape(row["prompt"][0]["content"])}]
        parts = [part["text"] if part["type"] == "text" else opened(part["image"]) for part in user["content"]]
        assert seen(parts) == shown(row)
        assert read["label"] == gold_in(row) and read["metadata"] == {"source_name": row["dataset"]}
        said = [SimpleNamespace(response=reply, label=read["ground_truth"]) for reply in answers(row)]
        assert [asyncio.run(reward(None, one)) for one in said] == asyncio.run(reward(None, said)) == [1.0, 0.0]


def test_its_start_asks_for_the_architecture_of_the_model(shapes: Path, tmp_path: Path) -> None:
    """A script of settings that are another model's would train noise: there is none to begin with."""
    home = exported(shapes, "slime", tmp_path / "out")
    asked = subprocess.run(["bash", str(home / "train.sh")], capture_output=True, text=True, check=False)
    assert asked.returncode != 0 and "ARCH" in asked.stderr and "scripts/models" in asked.stderr
    assert "ARCH=" in (home / "README.md").read_text("utf-8")
