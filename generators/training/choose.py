"""Which student a name means, and whether this machine can train it."""

from pathlib import Path

from generators.embedded import REFERENCE_VLM, SMOLLM2, smollm2_folder
from generators.training.student import Student
from schemas.errors import ConfigError

LARGEST = 1 << 30
"""Bytes of weights that a machine without a GPU is asked to train."""


def open_student(name: str) -> Student:
    """The student of that name: the embedded VLM, an embedded or saved text model, or any model of the Hub.

    Raises ConfigError, in a sentence, for one that cannot be trained here.
    """
    if name == REFERENCE_VLM:
        from generators.training.reference import ReferenceStudent

        return ReferenceStudent()
    folder = smollm2_folder() if name == SMOLLM2 else Path(name).expanduser()
    check_trainable(name, folder)
    from generators.training.with_trl import TrlStudent

    return TrlStudent(str(folder) if folder.is_dir() else name)


def check_trainable(name: str, folder: Path) -> None:
    """Raise ConfigError for a model that is too large for a machine without a GPU, or of unknown size."""
    import torch

    if torch.cuda.is_available():
        return
    cure = f"Run this on a machine with a GPU, or name a student that fits: --student {REFERENCE_VLM}."
    if not folder.is_dir():
        raise ConfigError(f"The student '{name}' cannot be trained here: it is no folder, and there is no GPU. {cure}")
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if not size:
        raise ConfigError(f"The student '{name}' cannot be trained: {folder} holds no *.safetensors.")
    if size > LARGEST:
        raise ConfigError(
            f"The student '{name}' cannot be trained here: it has {size / 1e9:.1f} GB of weights, and there is no GPU. "
            f"{cure}"
        )
