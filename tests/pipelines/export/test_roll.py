"""ROLL as of August 2026: its loaders' steps restated, and its way of asking for rewards."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from trainer_reading import answers, exported, imported, rendered, rows_of, seen, shown, split_marks

from generators.embedded import reference_folder
from pipelines.export.image_tokens import escape

QWEN = "<|vision_start|><|image_pad|><|vision_end|>"


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, processor: Any) -> None:
    """alibaba/ROLL 8eb27cc: as much of what a reward worker imports as one has, without its clusters."""

    class Worker:
        def __init__(self, worker_config: Any) -> None:
            self.worker_config, self.rank_info = worker_config, SimpleNamespace(rank=0, world_size=1)

    class DataProto(SimpleNamespace):
        @classmethod
        def from_dict(cls, tensors: dict[str, Any]) -> "DataProto":
            return cls(batch=tensors)

    names = {
        "executor.worker": {"Worker": Worker},
        "scheduler.decorator": {"Dispatch": SimpleNamespace(ONE_TO_ALL=0, DP_MP_COMPUTE=1), "register": registered},
        "scheduler.protocol": {"DataProto": DataProto},
    }
    made = {f"roll.distributed.{name}": facts for name, facts in names.items()}
    made["roll.models.model_providers"] = {"default_tokenizer_provider": lambda model_args: processor.tokenizer}
    for name, facts in made.items():
        module = ModuleType(name)
        vars(module).update(facts)
        monkeypatch.setitem(sys.modules, name, module)
        for depth in range(1, name.count(".") + 1):
            monkeypatch.setitem(sys.modules, name.rsplit(".", depth)[0], ModuleType(name.rsplit(".", depth)[0]))


def registered(**how: Any) -> Any:
    return lambda method: method


def vision_rows(data: Any, processor: Any) -> list[dict[str, Any]]:
    """roll/datasets/vlm_dataset_utils.py `get_vlm_dataset`, `encode_function`, `format_prompt`."""
    rows = []
    for row in data:
        text = processor.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
        facts = {"prompt": text.replace("<image>", QWEN), "images": row["images"], "image_flag": bool(row["images"])}
        rows.append(facts | {"tag": row["data_source"], "ground_truth": row["reward_model"]["ground_truth"]})
    return rows


def text_rows(data: Any, processor: Any) -> list[dict[str, Any]]:
    """roll/pipeline/rlvr/rlvr_pipeline.py `get_encode_function` with the template `native`."""
    return [
        {**row, "images": [], "prompt": processor.apply_chat_template(row["messages"], tokenize=False)} for row in data
    ]


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_loaders_show_the_question_the_images_and_the_gold(
    worker: None, kinds: Path, processor: Any, sheet: str, split: str, tmp_path: Path
) -> None:
    from datasets import load_dataset

    home = exported(kinds, "roll", tmp_path / "out")
    config = yaml.safe_load((home / "roll" / "train.yaml").read_text("utf-8"))
    [(domain, chosen)] = config["rewards"].items()
    assert config["actor_train"]["data_args"]["domain_interleave_probs"] == {domain: 1.0}
    made = imported(home / "curate_reward_worker.py").CurateRewardWorker(SimpleNamespace(model_args={}))
    data = load_dataset("parquet", data_files=str(home / sheet / "*.parquet"), cache_dir=str(tmp_path / "cache"))[
        "train"
    ]
    read = vision_rows if "images" in data.column_names else text_rows
    for row, source in zip(read(data, processor), rows_of(kinds, split), strict=True):
        assert row["tag"] in chosen["tag_included"]
        turns = rendered(row["prompt"].replace(QWEN, "<image>"))
        assert turns["system"] == escape(source["prompt"][0]["content"])
        assert seen(split_marks(turns["user"], row["images"])) == shown(source)
        assert scores(made, row["ground_truth"], answers(source), processor.tokenizer) == [1.0, 0.0]


def scores(made: Any, truth: str, replies: list[str], tokenizer: Any) -> list[float]:
    """As roll/pipeline/rlvr/rewards has them: tokens of responses in, scores of the same number out."""
    tokens = tokenizer(replies, padding=True, return_tensors="pt", add_special_tokens=False)["input_ids"]
    found = made.compute_rewards(
        SimpleNamespace(batch={"responses": tokens}, non_tensor_batch={"ground_truth": [truth] * len(replies)})
    ).batch
    assert found["token_level_rewards"].shape == tokens.shape
    assert found["scores"].tolist() == found["response_level_rewards"].tolist()
    return list(found["response_level_rewards"].tolist())
