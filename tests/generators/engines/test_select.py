import importlib.util
import sys
from typing import Any

import pytest

from generators.engines import select
from generators.engines.select import check_engine, choose_local, make_engine
from schemas.engine import Engine, ModelConfig
from schemas.errors import ConfigError, MissingDependencyError


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in packages else find(name))


@pytest.mark.parametrize(
    ("engine", "gpu", "hidden", "chosen"),
    [
        ("auto", True, (), "vllm"),
        ("auto", False, (), "transformers"),
        ("auto", True, ("vllm",), "transformers"),
        ("vllm", False, (), "vllm"),
        ("transformers", True, (), "transformers"),
    ],
)
def test_auto_is_vllm_only_with_a_gpu(
    monkeypatch: pytest.MonkeyPatch, engine: Any, gpu: bool, hidden: tuple[str, ...], chosen: str
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n: None if n in hidden else find("json" if n == "vllm" else n)
    )
    monkeypatch.setattr(select, "_has_gpu", lambda: gpu)
    assert choose_local(ModelConfig(model="m", engine=engine)) == chosen


def test_a_missing_engine_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "vllm", "torch")
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[gpu\]"):
        check_engine(ModelConfig(model="reference-vlm", engine="vllm"))
    with pytest.raises(MissingDependencyError, match=r"pip install .*\[cpu\]"):
        check_engine(ModelConfig(model="reference-vlm", engine="auto"))
    hide(monkeypatch, "aiohttp")
    with pytest.raises(MissingDependencyError, match=r"engine: openai needs the package 'aiohttp'"):
        check_engine(ModelConfig(model="m", engine="openai", base_urls=("http://localhost:1/v1",)))


def test_hidden_gpus_do_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(select, "GPU_DEVICES", (str(tmp_path / "nvidiactl"),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert select._has_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not select._has_gpu()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("localhost:8000/v1", "http://"),
        ("ftp://host/v1", "http://"),
        ("http://", "http://"),
        ("http://me:secret@host:8000", "http://host:8000/v1"),
        ("http://host:port/v1", "not a URL"),
    ],
)
def test_urls_are_checked_and_passwords_not_shown(monkeypatch: pytest.MonkeyPatch, url: str, says: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with pytest.raises(ConfigError, match="base_urls") as caught:
        check_engine(ModelConfig(model="m", engine="openai", base_urls=(url,)))
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)


def test_checking_needs_a_key_for_servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    there = ModelConfig(model="m", engine="openai", base_urls=("https://api.example.com/v1",), api_key_env="SOME_KEY")
    with pytest.raises(ConfigError, match="SOME_KEY"):
        check_engine(there)
    monkeypatch.setenv("SOME_KEY", "k")
    check_engine(there)
    with pytest.raises(ConfigError, match="only engine: openai"):
        check_engine(ModelConfig(model="m", base_urls=("http://localhost:1/v1",)))


def test_checking_and_making_load_nothing(media: Any) -> None:
    import subprocess

    code = (
        "import sys\n"
        "from generators.engines.select import check_engine, make_engine\n"
        "from schemas.engine import ModelConfig\n"
        "config = ModelConfig(model='reference-vlm')\n"
        "check_engine(config); make_engine(config, None)\n"
        "sys.exit(','.join(m for m in ('torch', 'vllm', 'transformers', 'aiohttp') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(make_engine(ModelConfig(model="reference-vlm"), media), Engine)


def test_a_cuda_torchvision_beside_a_cpu_torch_names_the_cure() -> None:
    from generators.engines.torch_build import broken_torchvision

    try:
        try:
            raise RuntimeError("operator torchvision::nms does not exist")
        except RuntimeError as cause:
            raise ModuleNotFoundError("Could not import module 'AutoProcessor'") from cause
    except ModuleNotFoundError as error:
        assert "pip uninstall -y torchvision" in str(broken_torchvision(error))
    assert broken_torchvision(ValueError("anything else")) is None
