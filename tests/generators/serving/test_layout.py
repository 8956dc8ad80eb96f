from pathlib import Path

import pytest

from generators.serving import layout
from generators.serving.layout import gpus_here, gpus_of, lay_out
from schemas.engine import ModelConfig
from schemas.errors import ConfigError


def model(tensor: int = 1) -> ModelConfig:
    return ModelConfig(model="reference-vlm", args={"tensor_parallel_size": tensor} if tensor > 1 else {})


def placed(models: dict[str, ModelConfig], gpus: int) -> list[tuple[str, tuple[str, ...], int]]:
    return [
        (s.name, s.gpus, s.port) for s in lay_out(models, [str(n) for n in range(gpus)], ["vllm", "serve"], port=9000)
    ]


def test_each_gpu_or_group_of_them_has_a_server() -> None:
    assert placed({"a": model()}, 3) == [("a", (str(n),), 9000 + n) for n in range(3)]
    assert placed({"a": model(2)}, 5) == [("a", ("0", "1"), 9000), ("a", ("2", "3"), 9001)]
    assert placed({"a": model(4)}, 4) == [("a", ("0", "1", "2", "3"), 9000)]
    assert gpus_of(ModelConfig(model="m", args={"tensor_parallel_size": 2, "pipeline_parallel_size": 3})) == 6


@pytest.mark.parametrize("size", ["2", "two", 0, -1, 1.5, True, [2], {}])
@pytest.mark.parametrize("name", ["tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"])
def test_what_is_no_number_of_gpus_is_a_sentence(name: str, size: object) -> None:
    with pytest.raises(ValueError, match=f"{name} is how many GPUs work together: a whole number from 1 on, not "):
        ModelConfig(model="m", args={name: size})


def test_models_share_the_gpus() -> None:
    assert [(name, gpus) for name, gpus, _ in placed({"a": model(), "b": model(2)}, 8)] == [
        *[("a", (str(n),)) for n in range(4)],
        ("b", ("4", "5")),
        ("b", ("6", "7")),
    ]
    assert [gpus for _, gpus, _ in placed({"a": model(), "b": model(2)}, 3)] == [("0",), ("1", "2")]
    with pytest.raises(ConfigError, match=r"the models need 2 \(a\) \+ 2 \(b\) GPUs, and there are 3"):
        placed({"a": model(2), "b": model(2)}, 3)


def test_without_gpus_a_model_has_one_server_on_the_cpu() -> None:
    (one, two) = lay_out({"a": model(), "b": model(2)}, [], ["vllm", "serve"])
    assert (one.gpus, two.gpus) == ((), ())
    assert "CUDA_VISIBLE_DEVICES" not in one.environment


def test_a_server_sees_its_gpus_alone() -> None:
    (one,) = lay_out({"a": model(2)}, ["4", "GPU-8f3a"], ["/opt/vllm", "serve"])
    assert one.environment["CUDA_VISIBLE_DEVICES"] == "4,GPU-8f3a"
    assert one.command[:2] == ("/opt/vllm", "serve")


def test_gpus_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for shown, found in (("2,3", ["2", "3"]), ("", []), ("-1", []), ("GPU-1a, GPU-2b", ["GPU-1a", "GPU-2b"])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
        assert gpus_here() == found
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: H100 (UUID: x)'\necho 'GPU 1: H100 (UUID: y)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpus_here() == ["0", "1"]
    program.unlink()
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(layout, "GPU_FILES", str(tmp_path))
    assert gpus_here() == ["0", "1"]
