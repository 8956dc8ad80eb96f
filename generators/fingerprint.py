"""What names a model's weights without loading them: content hashes, remembered by path, size and time of change."""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from schemas.ids import hash_files, hash_text

MODEL_FILES = (
    "*.safetensors",
    "pytorch_model*.bin",
    "*.gguf",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
)
"""The files of a model folder that decide its answers. Cards, metrics and training state lie beside them unhashed."""


def cache_dir() -> Path:
    """Where converted models and remembered hashes live: `$CURATE_CACHE`, or `curate` in the user's cache folder."""
    named = os.environ.get("CURATE_CACHE")
    if named:
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


def model_files(folder: Path) -> list[Path]:
    """The files of `folder` that `MODEL_FILES` names, each once, by name."""
    return sorted({path for pattern in MODEL_FILES for path in folder.glob(pattern) if path.is_file()})


def remembered_hash(paths: Sequence[Path]) -> str:
    """`hash_files(paths)`, read from disk only when a path, a size or a time of change is new.

    Hashing 15 GB of weights takes a quarter of a minute; asking whether a build is up to date must not.
    """
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(paths)]
    stamp = hash_text(json.dumps(stats))
    note = cache_dir() / "fingerprints" / stamp
    try:
        return note.read_text()
    except OSError:
        digest = hash_files(paths)
    _remember(note, digest)
    return digest


def _remember(note: Path, digest: str) -> None:
    """Write whole or not at all. A cache folder that cannot be written costs time, never the build."""
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as file:
            file.write(digest)
        Path(file.name).replace(note)
    except OSError:
        return
