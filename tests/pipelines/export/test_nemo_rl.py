"""NeMo-RL as of August 2026: its way of loading datasets, processors and environments restated, with ours in it."""

import ast
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from trainer_reading import answers, exported, gold_in, imported, rendered, rows_of, seen, shown, split_marks

from generators.embedded import reference_folder
from pipelines.export.image_tokens import escape


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    return AutoProcessor.from_pretrained(reference_folder())


def keys_of(processor: Any) -> list[str]:
    """NVIDIA-NeMo/RL 7ea279a, nemo_rl/data/multimodal_utils.py `get_multimodal_keys_from_processor`."""
    keys = {*processor.image_processor.model_input_names, *processor.model_input_names}
    return sorted(keys - set(processor.tokenizer.model_input_names))


@pytest.fixture(autouse=True)
def nemo(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much of it as an environment and a dataset import, without its clusters."""
    returned = "observations metadata next_stop_strings rewards terminateds answers"
    facts: dict[str, dict[str, Any]] = {
        "ray": {"remote": lambda **how: lambda made: made},
        "nemo_rl.environments.interfaces": {
            "EnvironmentInterface": object,
            "EnvironmentReturn": namedtuple("EnvironmentReturn", returned),
        },
        "nemo_rl.data.datasets.raw_dataset": {"RawDataset": object},
        "nemo_rl.data.multimodal_utils": {
            "PackedTensor": lambda tensor, dim_to_pack: SimpleNamespace(tensor=tensor, dim=dim_to_pack),
            "get_dim_to_pack_along": lambda processor, key: 0,
            "get_multimodal_keys_from_processor": keys_of,
        },
    }
    for name, held in facts.items():
        module = ModuleType(name)
        vars(module).update(held)
        for depth in range(name.count("."), 0, -1):
            monkeypatch.setitem(sys.modules, name.rsplit(".", depth)[0], ModuleType(name.rsplit(".", depth)[0]))
        monkeypatch.setitem(sys.modules, name, module)


def rows_in(home: Path, sheet: str) -> list[dict[str, Any]]:
    """nemo_rl/data/datasets/processed_dataset.py `AllTaskProcessedDataset.__getitem__`: the preprocessor of each row."""
    made = imported(home / "curate_data.py").CurateDataset(data_path=str(home / sheet), split="train")
    assert made.val_dataset is None and set(made.dataset["task_name"]) == {made.task_name}
    return [made.preprocessor(made.dataset[i]) for i in range(len(made.dataset))]


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_prompts_show_the_question_the_images_and_the_gold(
    kinds: Path, processor: Any, sheet: str, split: str, tmp_path: Path
) -> None:
    home = exported(kinds, "nemo_rl", tmp_path / "out")
    data = imported(home / "curate_data.py")
    environment = imported(home / "curate_environment.py").CurateEnvironment({"num_workers": 1})
    for row, source in zip(rows_in(home, sheet), rows_of(kinds, split), strict=True):
        made = data.process(row, SimpleNamespace(prompt=None), processor, 4096, 0)
        [message] = made["message_log"]
        turns = rendered(message["content"])
        assert turns["system"] == escape(source["prompt"][0]["content"])
        images = made.get("vllm_images", [])
        assert seen(split_marks(turns["user"], images)) == shown(source)
        assert ("pixel_values" in message) == bool(images) == ("vllm_content" in made)
        assert made["length"] == len(message["token_ids"]) and made["loss_multiplier"] == 1.0
        logs = [[message, {"role": "assistant", "content": reply}] for reply in answers(source)]
        found = environment.step(logs, [made["extra_env_info"]] * 2)
        assert found.rewards.tolist() == [1.0, 0.0] and found.terminateds.tolist() == [1.0, 1.0]
        assert [one["role"] for one in found.observations] == ["environment"] * 2 and row["answer"] == gold_in(source)


def test_its_sft_gets_conversations_of_the_same(kinds: Path, processor: Any, tmp_path: Path) -> None:
    home = exported(kinds, "nemo_rl", tmp_path / "out")
    for row, source in zip(rows_in(home, "sft"), rows_of(kinds, "sft"), strict=True):
        text = processor.apply_chat_template(row["messages"], tokenize=False)
        turns = rendered(text)
        parts = [part for turn in row["messages"] if isinstance(turn["content"], list) for part in turn["content"]]
        images = [part["image"] for part in parts if part["type"] == "image"]
        assert seen(split_marks(turns["user"], images)) == shown(source)
        assert turns["assistant"] == escape(source["completion"][0]["content"])


def test_a_prompt_that_is_too_long_counts_for_nothing(shapes: Path, processor: Any, tmp_path: Path) -> None:
    home = exported(shapes, "nemo_rl", tmp_path / "out")
    made = imported(home / "curate_data.py").process(rows_in(home, "train")[0], None, processor, 10, 3)
    [message] = made["message_log"]
    assert made["loss_multiplier"] == 0.0 and made["idx"] == 3 and "vllm_images" not in made
    assert set(message) == {"role", "content", "token_ids"} and len(message["token_ids"]) == 4
    assert made["length"] > 10
    assert ast.parse((home / "nemo_main.py").read_text("utf-8"))


def test_a_reply_that_was_cut_is_paid_for_its_text_as_in_every_other_export(shapes: Path, tmp_path: Path) -> None:
    """And what is logged is named for what it is: a share of the layout in the score makes the mean no accuracy."""
    import torch

    environment = imported(exported(shapes, "nemo_rl", tmp_path / "out") / "curate_environment.py").CurateEnvironment(
        {}
    )
    batch = {"rewards": torch.tensor([1.0, 0.9, 1.0, 0.1]), "is_end": torch.tensor([1, 1, 0, 1])}
    kept, metrics = environment.global_post_process_and_metrics(batch)
    assert kept["rewards"].tolist() == pytest.approx([1.0, 0.9, 1.0, 0.1]) and metrics == {
        "mean_reward": pytest.approx(0.75)
    }
