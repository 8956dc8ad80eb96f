import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from ray_cluster import two_nodes

from schemas.completion import ImagePart, Message, Request, Sampling
from schemas.errors import MediaError
from schemas.ids import hash_text

Run = Callable[[Coroutine[Any, Any, Any]], Any]


class StoredImages:
    """A media store of two images, and one file that is not an image: a `schemas.engine.MediaReader`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.red = self._draw("red", "ellipse")
        self.blue = self._draw("blue", "rectangle")
        self.broken = hash_text("broken")
        self.path(self.broken).write_text("not an image")

    def _draw(self, color: str, shape: str) -> str:
        image = Image.new("RGB", (64, 64), (235, 235, 235))
        getattr(ImageDraw.Draw(image), shape)((14, 14, 50, 50), fill=color)
        name = hash_text(color)
        image.save(self.path(name))
        return name

    def path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.png"

    def read(self, sha256: str) -> bytes:
        if not self.path(sha256).is_file():
            raise MediaError("it is not there", sha256)
        return self.path(sha256).read_bytes()


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before = os.environ.get("CURATE_CACHE")
    os.environ["CURATE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["CURATE_CACHE"]
    else:
        os.environ["CURATE_CACHE"] = before


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> StoredImages:
    return StoredImages(tmp_path_factory.mktemp("media"))


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Runs coroutines on one event loop that lives as long as the engines do."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=600)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    with two_nodes() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def ask() -> Callable[..., Request]:
    """Builds a request: a question, maybe an image before it, and sampling parameters."""

    def build(text: str, image: str | None = None, *, prefix: str = "", **sampling: Any) -> Request:
        content: tuple[str | ImagePart, ...] = (text,) if image is None else (ImagePart(image), text)
        return Request(hash_text(text), (Message("user", content),), Sampling(**sampling), prefix=prefix)

    return build


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random text model with a context of 512 tokens."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from generators.reference.architecture import CHAT_TEMPLATE, train_tokenizer

    folder = tmp_path_factory.mktemp("tiny-llama")
    tokenizer = train_tokenizer(["a small red circle", "a large blue square", "how many shapes are there?"], 400)
    tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        initializer_range=0.4,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def vllm_server() -> Iterator[str]:
    """A real vLLM server on this machine with the reference VLM; its base URL."""
    from generators.embedded import reference_folder

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(reference_folder())]
    command += ["--served-model-name", "reference-vlm", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "64", "--enable-prompt-tokens-details"]
    # Left to guess, vLLM joins the parts of a message by a line break that the template does not have.
    command += ["--chat-template-content-format", "openai"]
    # Without these, JSON may hold blanks, in which a small model gets lost.
    command += ["--structured-outputs-config.backend", "xgrammar"]
    command += ["--structured-outputs-config.disable_any_whitespace", "true"]
    quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    env = os.environ | {"VLLM_CPU_KVCACHE_SPACE": "1", "OMP_NUM_THREADS": "1"} | quiet
    server = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        _await_health(server, f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _await_health(server: "subprocess.Popen[bytes]", url: str) -> None:
    for _ in range(400):
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(1)
    raise RuntimeError("the server did not come up")
