import socket
import subprocess
import sys
from typing import Any

import pytest

from generators.engines.ray.cluster import connect, needs, no_room, room
from generators.engines.select import check_engine
from generators.signals.forced import check_signals
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, MissingDependencyError
from schemas.replicas import RayConfig


def node(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": resources}


NODES = [node(CPU=16, GPU=8), node(CPU=4, GPU=8), node(CPU=64), node(alive=False, CPU=99, GPU=99)]


def model(args: dict[str, Any] | None = None, **section: Any) -> ModelConfig:
    return ModelConfig.model_validate({"model": "reference-vlm", "engine": "ray", "args": args or {}, "ray": section})


def test_a_replica_takes_the_gpus_that_its_engine_needs_where_there_are_any() -> None:
    assert needs(model(), NODES) == {"CPU": 1, "GPU": 1}
    assert needs(model({"tensor_parallel_size": 4, "pipeline_parallel_size": 2}), NODES)["GPU"] == 8
    assert needs(model(), NODES[2:])["GPU"] == 0
    assert needs(model(num_gpus=0.5, num_cpus=2, resources={"A100": 1}), NODES) == {"CPU": 2, "GPU": 0.5, "A100": 1}


@pytest.mark.parametrize(
    ("need", "fits"),
    [
        ({"CPU": 1, "GPU": 1}, 12),  # 8 where there are CPUs for 16, 4 where there are 4
        ({"CPU": 1, "GPU": 0}, 84),
        ({"CPU": 0, "GPU": 0.1}, 160),
        ({"CPU": 1, "GPU": 16}, 0),
        ({"CPU": 1, "GPU": 1, "A100": 1}, 0),
        ({"CPU": 0, "GPU": 0}, 3),
    ],
)
def test_replicas_do_not_straddle_nodes_nor_lie_on_dead_ones(need: dict[str, float], fits: int) -> None:
    assert room(need, NODES) == fits


def test_too_few_is_a_sentence_of_what_there_is() -> None:
    found = no_room("m", 20, {"CPU": 1, "GPU": 1}, NODES)
    assert "wants 20 replicas of 1 CPU and 1 GPU each" in found
    assert "has room for 12 (84 CPU and 16 GPU on 3 nodes)" in found


def test_an_address_where_nobody_listens_is_a_sentence_within_seconds() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
        with pytest.raises(ConfigError, match=rf"nobody answers at {address} .*Is the head running"):
            connect(RayConfig(address=address))


def test_without_ray_the_pip_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match=r"engine: ray .*pip install 'curate-multimodal\[ray\]'"):
        connect(RayConfig())
    monkeypatch.setattr("generators.engines.select._installed", lambda name: name != "ray")
    with pytest.raises(MissingDependencyError, match=r"pip install 'curate-multimodal\[ray\]'"):
        check_engine(model())


def test_what_is_wrong_with_a_model_is_found_before_a_cluster_is() -> None:
    check_engine(model())
    with pytest.raises(ConfigError, match="there is no model 'reference-vlmm'"):
        check_engine(model().model_copy(update={"model": "reference-vlmm"}))
    with pytest.raises(ConfigError, match="which only engine: openai uses"):
        check_engine(model().model_copy(update={"base_urls": ("http://localhost:1/v1",)}))
    with pytest.raises(ConfigError, match="read in this process, not by replicas"):
        check_signals(model())


def test_checking_loads_no_ray() -> None:
    code = (
        "import sys\n"
        "from generators.engines.select import check_engine, make_engine\n"
        "from schemas.engine import ModelConfig\n"
        "config = ModelConfig(model='reference-vlm', engine='ray')\n"
        "check_engine(config); make_engine(config, None)\n"
        "sys.exit(','.join(m for m in ('ray', 'torch', 'transformers') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
