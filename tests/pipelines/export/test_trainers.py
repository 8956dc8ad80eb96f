"""Exports read by the trainers themselves, each in an environment of its own: `make test-trainers`."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from generators.embedded import reference_folder
from pipelines.export.catalogue import exporter_of
from pipelines.export.image_tokens import COMMON, escape
from pipelines.export.ms_swift import MARKS
from pipelines.export.rows import open_release
from pipelines.export.write import export

pytestmark = [pytest.mark.trainers, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = Path(os.environ.get("CURATE_TRAINERS", ROOT / ".venv-trainers"))
Stored = Callable[[Path, str], list[dict[str, Any]]]


def read(release: Path, trainer: str, folder: Path, *more: str) -> Any:
    """What a trainer makes of its export, as the script in `loaders` tells it."""
    return run(release, trainer, folder, f"in_{trainer}.py", (), more)


def run(
    release: Path, trainer: str, folder: Path, script: str, before: tuple[str, ...] = (), after: tuple[str, ...] = ()
) -> Any:
    """What a script in `loaders` prints of an export, in the environment of the trainer."""
    python = ENVIRONMENTS / trainer / "bin" / "python"
    if not python.exists():
        pytest.fail(f"{python} is missing; `make test-trainers` makes it")
    target = folder / trainer
    export(open_release(str(release), Path()), exporter_of(trainer), target)
    path = Path(__file__).parent / "loaders" / script
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "MODELSCOPE_CACHE": str(folder)}
    environment.pop("PYTHONPATH", None)
    command = [str(python), str(path), *before, str(target), str(reference_folder()), *after]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def replies(release: Path, stored: Stored, folder: Path) -> Path:
    """A right and a wrong reply to every row, for its reward."""
    said = {}
    for row in [*stored(release, "rl"), *stored(release, "holdout")]:
        answers = (json.loads(row["answer"])["raw"], "17")
        said[row["id"]] = [f"<think>…</think>\n<answer>\\boxed{{{answer}}}</answer>" for answer in answers]
    (folder / "replies.json").write_text(json.dumps(said))
    return folder / "replies.json"


def check_prompt(read: dict[str, Any], stored: dict[str, Any], marks: tuple[str, ...] = COMMON) -> None:
    assert read["question"] == escape(stored["prompt"][-1]["content"], marks)
    assert read["images"] == len(stored["images"])


def check_graded(read: dict[str, Any], stored: dict[str, Any], marks: tuple[str, ...] = COMMON) -> None:
    check_prompt(read, stored, marks)
    assert read["id"] == stored["id"] and read["answer"] == json.loads(stored["answer"])
    assert read["scores"] == [1.0, 0.0]


def said(stored: dict[str, Any], name: str, marks: tuple[str, ...] = COMMON) -> str:
    return escape(stored[name][0]["content"], marks)


@pytest.fixture(params=["mixed", "text-only"])
def release(request: pytest.FixtureRequest, shapes: Path, make_release: Callable[..., Path]) -> Path:
    """Rows with no, one and many images; and a release without any, whose exports have no column for them."""
    texts = [
        ("What is six times seven?", 0, "number", "42", [], "6 · 7 = 42."),
        ("A half?", 0, "number", "0.5", [], "½"),
    ]
    return shapes if request.param == "mixed" else make_release(texts)


def test_llama_factory(release: Path, stored: Stored, tmp_path: Path) -> None:
    found = read(release, "llama_factory", tmp_path)
    for row, source in zip(found["sft"], stored(release, "sft"), strict=True):
        check_prompt(row, source)
        assert row["reply"] == said(source, "completion")
    for row, source in zip(found["dpo"], stored(release, "preference"), strict=True):
        check_prompt(row, source)
        assert (row["chosen"], row["rejected"]) == (said(source, "chosen"), said(source, "rejected"))


def test_verl(release: Path, stored: Stored, tmp_path: Path) -> None:
    found = read(release, "verl", tmp_path, str(replies(release, stored, tmp_path)))
    for row, source in zip(found["rows"], [*stored(release, "rl"), *stored(release, "holdout")], strict=True):
        check_graded(row, source)
    half = len(stored(release, "rl"))
    assert [row["split"] for row in found["rows"]] == ["rl"] * half + ["holdout"] * half
    for row, source in zip(found["sft"], stored(release, "sft"), strict=True):
        check_prompt(row, source)
        assert row["reply"] == said(source, "completion")


def test_ms_swift(release: Path, stored: Stored, tmp_path: Path) -> None:
    found = read(release, "ms_swift", tmp_path, str(replies(release, stored, tmp_path)))
    for row, source in zip(found["sft"], stored(release, "sft"), strict=True):
        check_prompt(row, source, MARKS)
        assert row["reply"] == said(source, "completion", MARKS)
    for row, source in zip(found["dpo"], stored(release, "preference"), strict=True):
        check_prompt(row, source, MARKS)
        assert (row["chosen_reply"], row["rejected_reply"]) == (
            said(source, "chosen", MARKS),
            said(source, "rejected", MARKS),
        )
    for name, split in (("grpo", "rl"), ("grpo_holdout", "holdout")):
        for row, source in zip(found[name], stored(release, split), strict=True):
            check_graded(row, source, MARKS)


def test_what_starts_training_is_read_by_the_trainers_own_parsers(shapes: Path, tmp_path: Path) -> None:
    """Whatever a file says that its trainer does not know is an error there, or is listed as unknown."""
    factory = run(shapes, "llama_factory", tmp_path, "starts.py", ("llama_factory",))
    facts = {"steps": 4, "media": True}  # of six rows
    assert factory == {f"{name}.yaml": {"stage": name, "dataset": [name], **facts} for name in ("sft", "dpo")}
    swift = run(shapes, "ms_swift", tmp_path, "starts.py", ("ms_swift",))
    assert all(
        (found["unknown"], found["dataset"]) == ([], [f"{file.removesuffix('.yaml')}/part-00000.parquet"])
        for file, found in swift.items()
    )
    assert {file: found["rlhf_type"] for file, found in swift.items()} == {
        "sft.yaml": None, "grpo.yaml": "grpo", "dpo.yaml": "dpo"
    }  # fmt: skip
    grpo = swift["grpo.yaml"]
    assert (grpo["reward_funcs"], grpo["external_plugins"]) == (["curate"], ["plugin.py"])
    assert grpo["held"] == ["grpo_holdout/part-00000.parquet"]
    verl, home, model = (
        run(shapes, "verl", tmp_path, "starts.py", ("verl",)),
        tmp_path / "verl",
        str(reference_folder()),
    )
    parts = {name: [str(home / name / "part-00000.parquet")] for name in ("train", "val", "sft")}
    reward = [str(home / "reward.py"), "compute_score"]
    assert verl["train.sh"] == {"train": parts["train"], "val": parts["val"], "reward": reward, "model": model}
    assert verl["sft.sh"] == {"train": parts["sft"], "model": model}
