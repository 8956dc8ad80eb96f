"""OpenRLHF as of August 2026: its loader's steps restated, and its way of asking for rewards."""

import asyncio
import copy
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from trainer_reading import answers, exported, gold_in, imported, rendered, rows_of, seen, shown, split_marks

from generators.embedded import reference_folder
from pipelines.export.image_tokens import escape


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


def content_list(text: str) -> Any:
    """OpenRLHF/OpenRLHF 3c3be62, openrlhf/datasets/prompts_dataset.py `_str_to_content_list`."""
    if "<image>" not in text:
        return text
    first, *rest = (piece.strip() for piece in text.split("<image>"))
    content = [{"type": "text", "text": first}] if first else []
    for piece in rest:
        content += [{"type": "image"}] + ([{"type": "text", "text": piece}] if piece else [])
    return content


def prompt_dataset(path: str, apply_chat_template: Any, cache: Path) -> list[tuple[str, str, str, Any]]:
    """openrlhf/datasets/utils.py `blending_datasets` and prompts_dataset.py `PromptDataset`."""
    from datasets import load_dataset

    assert Path(path).suffix == ".parquet"  # by which it knows the format
    data = load_dataset("parquet", data_files=path, cache_dir=str(cache))["train"]
    rows = []
    for row in data:
        chat = copy.deepcopy(row["prompt"])
        for message in chat:
            if isinstance(message["content"], str):
                message["content"] = content_list(message["content"])
        prompt = apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        rows.append((row.get("datasource", "default"), prompt, row["ground_truth"], row.get("images")))
    return rows


def tokens_of(processor: Any, prompt: str, images: Any) -> tuple[Any, list[Image.Image]]:
    """openrlhf/utils/vlm_utils.py `load_images` and `process_prompt_with_images`: with images only where there are some."""
    if not images:
        return processor(text=prompt, add_special_tokens=False, return_tensors="pt"), []
    opened = [Image.open(io.BytesIO(image)) if isinstance(image, bytes) else Image.open(image) for image in images]
    return processor(text=[prompt], images=opened, add_special_tokens=False, return_tensors="pt"), opened


async def asked(reward_func: Any, query: str, prompt: str, label: str) -> dict[str, Any]:
    """openrlhf/utils/agent.py `SingleTurnAgentExecutor`: one query a call, in a thread; what it makes of the reply."""
    found = await asyncio.to_thread(reward_func, [query], [prompt], [label])
    score = found.get("scores")
    logs = {name: value.flatten()[0].item() for name, value in (found.get("extra_logs") or {}).items()}
    return {"reward": found.get("rewards"), "scores": found.get("rewards") if score is None else score, "logs": logs}


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_loader_shows_the_question_the_images_and_the_gold(
    kinds: Path, processor: Any, sheet: str, split: str, tmp_path: Path
) -> None:
    import torch

    home = exported(kinds, "openrlhf", tmp_path / "out")
    rows = prompt_dataset(f"{home}/{sheet}/*.parquet", processor.apply_chat_template, tmp_path / "cache")
    reward_func = imported(home / "reward_func.py").reward_func
    for (source, prompt, label, images), row in zip(rows, rows_of(kinds, split), strict=True):
        tokens, opened = tokens_of(processor, prompt, images)
        assert source == row["dataset"] and tokens["input_ids"].shape[0] == 1
        turns = rendered(prompt)
        assert turns["system"] == escape(row["prompt"][0]["content"])
        assert seen(split_marks(turns["user"], opened)) == shown(row)
        for reply, score in zip(answers(row), (1.0, 0.0), strict=True):
            query = processor.decode(tokens["input_ids"][0]) + f"{reply}<end_of_utterance>"
            found = asyncio.run(asked(reward_func, query, prompt, label))
            assert torch.tensor([found["reward"]]).tolist() == torch.tensor([found["scores"]]).tolist() == [score]
            assert found["logs"] == {"accuracy": score, "format": 1.0, "unscored": 0.0}
        assert rows_label(home, sheet, row["id"]) == gold_in(row)


def rows_label(home: Path, sheet: str, id_: str) -> Any:
    return next(row["label"] for row in rows_of(home, sheet) if row["id"] == id_)
