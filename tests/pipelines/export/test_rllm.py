"""rLLM as of August 2026: its loader's steps restated, its agent's call, and its way of asking for rewards."""

import base64
import importlib.util
import io
import json
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from trainer_reading import answers, exported, gold_in, imported, rows_of, seen, shown

from pipelines.export.image_tokens import escape


def tasks_of(folder: Path) -> list[SimpleNamespace]:
    """rllm-org/rllm 9beb6e0, rllm/tasks/loader.py `_load_data_dataset`: a task of each line, the line as its metadata."""
    facts = tomllib.loads((folder / "dataset.toml").read_text())["dataset"]
    assert facts["type"] == "simple" and (folder / facts["data"]).exists()
    lines = (folder / facts["data"]).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [SimpleNamespace(id=row["id"], instruction=row[facts["instruction_field"]], metadata=row) for row in rows]


def verifier_of(folder: Path) -> Any:
    """rllm/eval/module_evaluator.py `PythonModuleEvaluator.from_module`."""
    facts = tomllib.loads((folder / "dataset.toml").read_text())["verifier"]
    assert facts["module"].endswith(".py")
    spec = importlib.util.spec_from_file_location(f"_rllm_verifier_{folder.name}", folder / facts["module"])
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, facts["function"])


def opened(part: dict[str, Any]) -> Any:
    if part["type"] == "text":
        return part["text"]
    return Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].split("base64,")[1])))


def pieces(content: Any) -> list[Any]:
    return [content] if isinstance(content, str) else list(map(opened, content))


@pytest.mark.parametrize(("sheet", "split"), [("train", "rl"), ("val", "holdout")])
def test_its_loader_and_our_agent_ask_what_was_measured(kinds: Path, sheet: str, split: str, tmp_path: Path) -> None:
    exported(kinds, "rllm", tmp_path / "out").rename(tmp_path / "moved")
    home = tmp_path / "moved"
    agent, evaluate = imported(home / "curate_agent.py"), verifier_of(home / sheet)
    for task, row in zip(tasks_of(home / sheet), rows_of(kinds, split), strict=True):
        assert (task.id, task.instruction) == (row["id"], row["prompt"][-1]["content"])
        assert task.metadata["answer"] == gold_in(row)
        system, user = agent.messages(task.metadata)
        assert pieces(system["content"]) == [escape(row["prompt"][0]["content"])]
        assert seen(pieces(user["content"])) == shown(row)
        for reply, score in zip(answers(row), (1.0, 0.0), strict=True):
            found = evaluate(metadata=task.metadata, trajectory={"output": reply, "steps": []})
            assert (found["reward"], found["is_correct"]) == (score, bool(score))
            assert found["signals"] == {"accuracy": score, "format": 1.0}


def test_the_agent_sends_one_call_and_hands_over_what_was_replied(
    kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rllm/types.py `AgentFlow.run`, with the client of the package `openai` that it asks with."""
    import sys
    from types import ModuleType

    sent: list[Any] = []

    def create(**asked: Any) -> Any:
        sent.append(asked)
        return SimpleNamespace(choices=[SimpleNamespace(message=SimpleNamespace(content="42"))])

    client = SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)))
    openai, types = ModuleType("openai"), ModuleType("rllm.types")
    vars(openai).update(OpenAI=lambda **how: client)
    vars(types).update(dict.fromkeys(("Episode", "Step", "Trajectory"), SimpleNamespace))
    for name, module in (("openai", openai), ("rllm", ModuleType("rllm")), ("rllm.types", types)):
        monkeypatch.setitem(sys.modules, name, module)
    home = exported(kinds, "rllm", tmp_path / "out")
    module = imported(home / "curate_agent.py")
    task = tasks_of(home / "train")[0]
    config = SimpleNamespace(base_url="http://localhost/v1", model="m", session_uid="s")
    episode = module.agent.run(task, config)
    assert sent == [{"model": "m", "messages": module.messages(task.metadata)}]
    assert [one.output for one in episode.trajectories] == ["42"] and episode.id == "s"
