"""The vectors that a step compares: out of the embeddings log, by the encoders that the recipe names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from filters.dedup.search import Report, Search, logged
from filters.dedup.vectors import Vectors
from generators.encoders import EncoderConfig, make_image_encoder, make_text_encoder
from pipelines.store.embeddings import EmbeddingsLog
from pipelines.store.workspace import Workspace
from schemas.completion import ModelIdentity
from schemas.engine import MediaReader


class Stores(Protocol):
    """What a build keeps on disk, as far as rows are compared. `replay`: nothing new may be computed by a model."""

    @property
    def workspace(self) -> Workspace: ...

    @property
    def media(self) -> MediaReader: ...

    @property
    def replay(self) -> bool: ...


class Encoders(Protocol):
    """The section of a step that compares rows: its encoders, of questions and of images, where it has any."""

    @property
    def text(self) -> EncoderConfig | None: ...

    @property
    def image(self) -> EncoderConfig | None: ...


def encoder_facts(config: Encoders, build: Stores) -> list[Any]:
    """The identities of a step's encoders, of questions and of images; loads none."""
    text = text_identity(config.text).to_json() if config.text else None
    return [text, image_identity(build, config.image).to_json() if config.image else None]


def text_identity(config: EncoderConfig) -> ModelIdentity:
    """The identity of a text encoder; loads nothing."""
    return make_text_encoder(config).identity


def image_identity(build: Stores, config: EncoderConfig) -> ModelIdentity:
    """The identity of an image encoder; loads nothing."""
    return make_image_encoder(config, build.media).identity


def text_vectors(build: Stores, config: EncoderConfig, texts: pl.DataFrame, out: Path) -> Vectors:
    """The vectors of `key, text` (as of `filters.dedup.content.question_texts`), mapped from the file `out`."""
    unique = texts.select("key", "text").unique("key").sort("key")
    encoder = make_text_encoder(config)

    def items(keys: Sequence[str]) -> list[Any]:
        wanted = pl.DataFrame({"key": keys}, schema={"key": pl.String})
        return wanted.join(unique, on="key", maintain_order="left")["text"].to_list()

    log = EmbeddingsLog(build.workspace.embeddings)
    return log.vectors(encoder.identity, unique["key"], items, lambda: encoder, out, replay=build.replay)


def image_vectors(build: Stores, config: EncoderConfig, images: pl.Series, out: Path) -> Vectors:
    """The vectors of images by sha256 (unique, sorted), mapped from the file `out`."""
    encoder = make_image_encoder(config, build.media)
    log = EmbeddingsLog(build.workspace.embeddings)
    return log.vectors(encoder.identity, images, list, lambda: encoder, out, replay=build.replay)


class Searches:
    """Collects what each search says of itself, for the notes of a step."""

    def __init__(self) -> None:
        self._found: list[Search] = []

    @property
    def report(self) -> Report:
        """Give this to whoever searches."""

        def tell(search: Search) -> None:
            logged(search)
            self._found.append(search)

        return tell

    def notes(self) -> list[dict[str, Any]]:
        """One entry a kind of index: how many searches, their rows, the largest of them, the lowest recall."""
        kinds = sorted({(s.choice.kind, s.choice.gpu) for s in self._found})
        return [_summary([s for s in self._found if (s.choice.kind, s.choice.gpu) == kind]) for kind in kinds]


def _summary(searches: Sequence[Search]) -> dict[str, Any]:
    largest = max(searches, key=lambda s: s.choice.rows)
    measured = min((s for s in searches if s.recall is not None), key=lambda s: s.recall or 0.0, default=None)
    recall = [None] * 3 if measured is None else [measured.recall, *(measured.interval or ())]
    low = dict(zip(("recall", "recall_low", "recall_high"), recall, strict=True))
    return {
        "index": largest.choice.kind,
        "device": "GPU" if largest.choice.gpu else "CPU",
        "searches": len(searches),
        "rows": sum(s.choice.rows for s in searches),
        "largest": str(largest.choice),
        **{name: None if value is None else round(value, 4) for name, value in low.items()},
    }
