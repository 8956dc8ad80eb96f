"""Axolotl and Unsloth, their loaders restated: conversations of parts, whose images are files that the parts name."""

import ast
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from trainer_reading import exported, rendered, rows_of, seen, shown, split_marks

from generators.embedded import reference_folder
from pipelines.export.image_tokens import escape


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


def without_nulls(value: Any) -> Any:
    """axolotl-ai-cloud/axolotl 067b021, src/axolotl/utils/dict.py `remove_none_values`."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def axolotl_text(row: dict[str, Any], processor: Any) -> tuple[str, list[Any]]:
    """src/axolotl/processing_strategies.py `ProcessingStrategy.__call__`, utils/collators/mm_chat.py `process_rows`."""
    assert not {"images", "image"} & set(
        row
    )  # a column makes it put the first of its images somewhere, and fail of `[]`
    messages = copy.deepcopy(row["messages"])
    for message in messages:
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    messages = without_nulls(messages)
    batch = processor.apply_chat_template([messages], tokenize=True, return_tensors="pt", return_dict=True)
    parts = [part for message in messages for part in message["content"]]
    images = [Image.open(part["path"]) for part in parts if part["type"] == "image"]
    assert ("pixel_values" in batch) == bool(images)
    return processor.apply_chat_template(messages, tokenize=False), images


def unsloth_text(row: dict[str, Any], processor: Any) -> tuple[str, list[Any]]:
    """unslothai/unsloth-zoo ce232d6, unsloth_zoo/vision_utils.py `UnslothVisionDataCollator.__call__`, `fetch_image`."""
    assert "images" not in row and not ("prompt" in row and "completion" in row)
    messages = copy.deepcopy(row["messages"])
    if isinstance(messages[0]["content"], str):
        messages[0]["content"] = [{"type": "text", "text": messages[0]["content"]}]
    assert "type" in messages[0]["content"][0]
    for message in messages:
        if isinstance(message["content"], list):
            message["content"] = [{k: v for k, v in part.items() if v is not None} for part in message["content"]]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
    parts = [part for message in messages if isinstance(message["content"], list) for part in message["content"]]
    images = [Image.open(part["image"]) for part in parts if part["type"] in ("image", "image_url", "video")]
    assert "input_ids" in processor(
        text=[text], images=[images] if images else None, return_tensors="pt", add_special_tokens=False
    )
    return text, images


Reader = Callable[[dict[str, Any], Any], tuple[str, list[Any]]]


@pytest.mark.parametrize(("trainer", "reader"), [("axolotl", axolotl_text), ("unsloth", unsloth_text)])
def test_their_loaders_show_question_images_and_reply(
    kinds: Path, processor: Any, trainer: str, reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import load_dataset

    exported(kinds, trainer, tmp_path / "out").rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path / "moved")  # where the lines of the README are run
    data = load_dataset("sft", split="train", cache_dir=str(tmp_path / "cache"))
    for row, source in zip(data, rows_of(kinds, "sft"), strict=True):
        text, images = reader(row, processor)
        turns = rendered(text)
        assert turns["system"] == escape(source["prompt"][0]["content"])
        assert seen(split_marks(turns["user"], images)) == shown(source)
        assert turns["assistant"] == escape(source["completion"][0]["content"])


def test_models_that_see_nothing_get_strings(make_release: Callable[..., Path], tmp_path: Path) -> None:
    release = make_release([("1 + 1?", 0, "number", "2", [], "2")])
    for trainer in ("axolotl", "unsloth"):
        home = exported(release, trainer, tmp_path / trainer)
        [row] = rows_of(home, "sft")
        assert [type(turn["content"]) for turn in row["messages"]] == [str, str]


@pytest.mark.parametrize("rows", [None, [("1 + 1?", 0, "number", "2", [], "2")]])
def test_what_starts_them_is_well_formed(make_release: Callable[..., Path], rows: Any, tmp_path: Path) -> None:
    release = make_release(rows)
    home = exported(release, "axolotl", tmp_path / "axolotl")
    config = yaml.safe_load((home / "sft.yaml").read_text())
    assert config["datasets"] == [{"path": "sft", "split": "train", "type": "chat_template"}]
    assert config.get("skip_prepare_dataset", False) is (rows is None)
    script = (exported(release, "unsloth", tmp_path / "unsloth") / "sft.py").read_text()
    ast.parse(script)
    assert '"<|im_start|>user\\n"' in script and 'load_dataset("sft"' in script
