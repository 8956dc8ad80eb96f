"""SkyRL as of August 2026: its loader's steps restated, and its way of making environments."""

import base64
import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from trainer_reading import answers, exported, gold_in, imported, rows_of, seen, shown

from pipelines.export.image_tokens import escape


class BaseTextEnv:
    """NovaSky-AI/SkyRL a956457, skyrl-gym/skyrl_gym/envs/base_text_env.py, as far as one turn needs it."""

    def __init__(self) -> None:
        self.turns, self.max_turns = 0, 1

    def close(self) -> None:
        pass


@pytest.fixture
def gym(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("skyrl_gym.envs.base_text_env")
    module.BaseTextEnv, module.BaseTextEnvStepOutput = BaseTextEnv, dict
    for name in ("skyrl_gym", "skyrl_gym.envs"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "skyrl_gym.envs.base_text_env", module)


def prompt_dataset(paths: list[str], cache: Path) -> list[tuple[Any, str, dict[str, Any]]]:
    """skyrl/train/dataset/dataset.py `PromptDataset`: the prompt, the class of the environment, and all other columns."""
    from datasets import concatenate_datasets, load_dataset

    parts = [load_dataset("parquet", data_files=path, cache_dir=str(cache))["train"] for path in paths]
    rows = [dict(row) for row in concatenate_datasets(parts)]
    return [(row.pop("prompt"), row.pop("env_class"), row) for row in rows]


def opened(part: dict[str, Any]) -> Any:
    """What vLLM shows of a part: a part with a key `image_url` that is null is none of its kinds."""
    assert None not in part.values()
    if part["type"] == "text":
        assert set(part) == {"type", "text"}
        return part["text"]
    return Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].split("base64,")[1])))


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_loader_shows_the_question_the_images_and_the_gold(
    gym: None, kinds: Path, sheet: str, split: str, tmp_path: Path
) -> None:
    home = exported(kinds, "skyrl", tmp_path / "out")
    made = imported(home / "curate_env.py").CurateEnv
    rows = prompt_dataset([str(home / sheet / "part-00000.parquet")], tmp_path / "cache")
    for (prompt, env_class, extras), row in zip(rows, rows_of(kinds, split), strict=True):
        assert env_class == "curate" and extras["extra_info"]["answer"] == gold_in(row)
        env = made(env_config={}, extras={**extras, "max_turns": 1})
        (system, user), facts = env.init(prompt)
        texts = [system["content"]] if isinstance(system["content"], str) else list(map(opened, system["content"]))
        assert "".join(texts) == escape(row["prompt"][0]["content"]) and facts == {}
        content = user["content"]
        assert seen([content] if isinstance(content, str) else map(opened, content)) == shown(row)
        for reply, score in zip(answers(row), (1.0, 0.0), strict=True):
            env = made(env_config={}, extras=extras)
            step = env.step(f"{reply}<|im_end|>")
            assert (step["reward"], step["done"], step["observations"]) == (score, True, [])
            assert env.get_metrics() == {"accuracy": score, "format": 1.0}
