"""The export for TRL in TRL itself, on a CPU, with the reference VLM."""

import importlib.util
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny

from pipelines.export.catalogue import exporter_of
from pipelines.export.image_tokens import escape
from pipelines.export.rows import open_release
from pipelines.export.write import export

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries; ours are errors everywhere else


@pytest.fixture(scope="module")
def exported(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("trl") / "out"
    export(open_release(str(shapes), Path()), exporter_of("trl"), target)
    return target


@pytest.fixture
def load(exported: Path, tmp_path: Path) -> Callable[[str], Any]:
    from datasets import load_dataset

    return lambda sheet: load_dataset(str(exported), sheet, split="train", cache_dir=str(tmp_path / "cache"))


@pytest.fixture
def model() -> Any:
    from transformers import AutoModelForImageTextToText

    from generators.embedded import reference_folder

    return AutoModelForImageTextToText.from_pretrained(reference_folder())


@pytest.fixture(scope="module")
def processor() -> Any:
    from transformers import AutoProcessor

    from generators.embedded import reference_folder

    return AutoProcessor.from_pretrained(reference_folder())


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    common = {
        "output_dir": str(folder),
        "report_to": "none",
        "logging_steps": 1,
        "save_strategy": "no",
        "use_cpu": True,
    }
    common |= {"bf16": False, "gradient_checkpointing": False, "disable_tqdm": True, "per_device_train_batch_size": 2}
    return common | {"max_steps": 5, "learning_rate": 1e-5} | more


def losses(trainer: Any) -> list[float]:
    return [log["loss"] for log in trainer.state.log_history if "loss" in log]


@pytest.mark.parametrize("sheet", ["sft", "sft_messages"])
def test_five_steps_of_sft(load: Callable[[str], Any], model: Any, processor: Any, sheet: str, tmp_path: Path) -> None:
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(**settings(tmp_path / "run"), max_length=None)
    trainer = SFTTrainer(model, args=config, train_dataset=load(sheet), processing_class=processor)
    trainer.train()
    assert len(losses(trainer)) == 5 and all(map(math.isfinite, losses(trainer)))


def test_five_steps_of_grpo_with_our_reward_on_every_row(
    exported: Path, load: Callable[[str], Any], model: Any, processor: Any, tmp_path: Path
) -> None:
    from trl import GRPOConfig, GRPOTrainer

    spec = importlib.util.spec_from_file_location("reward", exported / "reward.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    asked: list[tuple[str, float | None]] = []

    def reward(completions: list[Any], **columns: Any) -> list[float | None]:
        scores: list[float | None] = module.reward(completions, **columns)
        asked.extend(zip(columns["id"], scores, strict=True))
        return scores

    data = load("grpo")
    # One question a batch: the processor of Idefics3, unlike TRL, takes no batch in which only some rows have images.
    config = GRPOConfig(**settings(tmp_path / "run", max_steps=len(data)), num_generations=2, max_completion_length=8)
    trainer = GRPOTrainer(model, reward_funcs=reward, args=config, train_dataset=data, processing_class=processor)
    trainer.train()
    assert len(losses(trainer)) == len(data) >= 5 and all(map(math.isfinite, losses(trainer)))
    assert {id_ for id_, _ in asked} == set(data["id"])
    assert all(score in (0.0, 1.0) for _, score in asked)


def test_three_steps_of_dpo(load: Callable[[str], Any], model: Any, processor: Any, tmp_path: Path) -> None:
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(**settings(tmp_path / "run", max_steps=3), max_length=None)
    trainer = DPOTrainer(model, args=config, train_dataset=load("dpo"), processing_class=processor)
    trainer.train()
    assert len(losses(trainer)) == 3 and all(map(math.isfinite, losses(trainer)))


@pytest.mark.parametrize("sheet", ["sft", "grpo", "grpo_holdout", "dpo"])
def test_question_images_and_answer_survive_the_trainers_own_preparation(
    shapes: Path,
    stored: Callable[[Path, str], list[dict[str, Any]]],
    load: Callable[[str], Any],
    processor: Any,
    sheet: str,
) -> None:
    from trl.data_utils import prepare_multimodal_messages

    split = {"sft": "sft", "grpo": "rl", "grpo_holdout": "holdout", "dpo": "preference"}[sheet]
    for row, source in zip(load(sheet), stored(shapes, split), strict=True):
        turn = prepare_multimodal_messages(row["prompt"], row["images"])[0]
        question = next(part["text"] for part in turn["content"] if part["type"] == "text")
        shown = [part["image"] for part in turn["content"] if part["type"] == "image"]
        assert question == escape(source["prompt"][0]["content"])
        assert len(shown) == len(source["images"])
        text = processor.apply_chat_template([turn])
        processor(text=[text], images=shown or None)  # counts marks against images
        if "answer" in row:
            assert json.loads(row["answer"]) == json.loads(source["answer"])
        if sheet == "sft":
            assert row["completion"][0]["content"] == escape(source["completion"][0]["content"])


def test_our_reward_and_trls_own_agree_on_the_gold(load: Callable[[str], Any], exported: Path) -> None:
    from trl.rewards import accuracy_reward

    rows = [row for row in load("grpo") if row["verifier"] in ("number", "choice", "expression")]
    said = [
        [{"role": "assistant", "content": f"<think>…</think><answer>\\boxed{{{r['solution'].strip('$')}}}</answer>"}]
        for r in rows
    ]
    assert accuracy_reward(said, [row["solution"] for row in rows]) == [1.0] * len(rows)


@pytest.mark.parametrize("keep", [True, False])
def test_the_switch_that_the_readme_names_keeps_the_order(
    load: Callable[[str], Any], model: Any, processor: Any, tmp_path: Path, keep: bool
) -> None:
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

    group = {"num_generations": 2, "generation_batch_size": 2, "seed": 1}
    config = GRPOConfig(**settings(tmp_path / "grpo"), **group, **({"shuffle_dataset": False} if keep else {}))
    grpo = GRPOTrainer(
        model, reward_funcs=lambda **_: [0.0], args=config, train_dataset=load("grpo"), processing_class=processor
    )
    asked = list(dict.fromkeys(grpo._get_train_sampler()))
    assert (asked == list(range(len(asked)))) is keep
    chosen = {"train_sampling_strategy": "sequential"} if keep else {}
    sft = SFTTrainer(
        model,
        args=SFTConfig(**settings(tmp_path / "sft"), **chosen, max_length=None, seed=1),
        train_dataset=load("sft"),
        processing_class=processor,
    )
    batches = list(sft._get_train_sampler(sft.train_dataset))
    assert (batches == list(range(len(batches)))) is keep


@pytest.mark.parametrize("kind", ["sft", "grpo", "dpo"])
def test_the_configs_train_through_trls_own_scripts(
    exported: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `trl sft --config sft.yaml` does in the folder, with a model of its own and one step."""
    from generators.embedded import reference_folder

    script = importlib.import_module(f"trl.scripts.{kind}")
    home = tmp_path / "moved"
    shutil.copytree(exported, home)
    monkeypatch.chdir(home)
    monkeypatch.setattr(sys, "path", list(sys.path))
    given = {"model_name_or_path": reference_folder(), "output_dir": tmp_path / "run", "max_steps": 1, "use_cpu": True}
    given |= {"bf16": False, "report_to": "none", "save_strategy": "no"}
    if kind == "grpo":
        given |= {"max_completion_length": 4}
    else:
        given |= {"gradient_accumulation_steps": 1}
    words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
    *read, unknown = script.make_parser().parse_args_and_config(
        ["--config", f"{kind}.yaml", *words], return_remaining_strings=True, fail_with_unknown_args=False
    )
    assert not unknown
    script.main(*read)
    assert (tmp_path / "run" / "model.safetensors").is_file()
    sys.modules.pop("reward", None)


def prompts_alone(recipe: dict[str, Any]) -> None:
    """The tiny recipe without traces and pairs, of one side."""
    del recipe["steps"][:5]
    tiny.without("pair", "split")(recipe)
    release = tiny.section(recipe, "release")
    release.clear()
    release["rl"] = {"of": "sample"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release whose rows the model that is trained was measured on."""
    folder = tmp_path_factory.mktemp("measured")
    tiny.write_source(folder, 20)
    return tiny.release(tiny.built(folder, edit=prompts_alone))


def test_grpo_on_the_release_itself_has_something_to_learn_from(
    measured: Path, model: Any, processor: Any, tmp_path: Path
) -> None:
    """As the card says: `load_dataset(release, "rl")` and the shipped reward, nothing in between."""
    from datasets import load_dataset
    from trl import GRPOConfig, GRPOTrainer

    from filters.verify.reward import reward

    data = load_dataset(str(measured), "rl", split="train", cache_dir=str(tmp_path / "cache"))
    assert all(0 < row["k"] < row["n"] for row in data), "selection kept what the student sometimes gets right"
    group = {"per_device_train_batch_size": 16, "num_generations": 8, "max_completion_length": 8, "seed": 0}
    mark = {"suppress_tokens": [model.config.image_token_id]}  # a reply that holds it has no image for it
    config = GRPOConfig(**(settings(tmp_path / "run") | group), generation_kwargs=mark)
    trainer = GRPOTrainer(model, reward_funcs=reward, args=config, train_dataset=data, processing_class=processor)
    trainer.train()
    log = [entry for entry in trainer.state.log_history if "reward_std" in entry]
    assert len(log) == 5
    assert any(entry["reward_std"] > 0 and entry["grad_norm"] > 0 for entry in log)
    assert all(entry["reward"] > 0 for entry in log), "as it did when it was measured, it gets some of each batch right"
