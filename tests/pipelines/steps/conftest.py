"""A set of samples with planted duplicates, what rules need to know of them, and a context whose build is a real one."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image
from pydantic import TypeAdapter
from tiny import write_source
from tiny_build import tiny_build

from filters.dedup.content import question_texts
from filters.dedup.image_hash import image_hashes
from filters.dedup.vectors import Vectors
from generators.encoders import EncoderConfig, make_image_encoder, make_text_encoder
from pipelines.ingest.ingest import ingest
from pipelines.run.build import Build
from pipelines.sources.source import Source
from pipelines.store.image_hashes import image_shas
from schemas.step import Out, StepConfig, StepType, Tables


@dataclass(frozen=True)
class Samples:
    """Ingested samples, the folder of their source and the build that holds their images."""

    folder: Path
    build: Build
    rows: pl.DataFrame

    def context(self, name: str, build: Any = None) -> Any:
        """The context of a step of that name."""
        return SimpleNamespace(name=name, seed=0, media=self.build.media, gold_visible=False, build=build or self.build)

    def tables(self, *columns: pl.Series | pl.Expr, rows: pl.DataFrame | None = None) -> Tables:
        """What a body gets: all samples, and further columns."""
        table = (
            (self.rows if rows is None else rows)
            .sort("id")
            .with_columns(*columns, sample_id="id", made_by=pl.lit("ingest"))
        )
        return Tables(table, {"samples": table}, pl.DataFrame())

    def whole(self, step: StepType[Any], tables: Tables, config: StepConfig, context: Any) -> Out:
        """What a step makes of all rows at once, which are those of one bucket, as the runner gives them to it."""
        context.buckets, context.beside = range(1), lambda name, bucket: tables.beside[name]
        rows = tables.rows if step.narrow is None else step.narrow(tables.rows, config)
        return step.body(tables._replace(rows=rows), config, context)

    @property
    def scenes(self) -> dict[str, int]:
        """Which of the twelve scenes each sample shows, by its id."""
        places = self.rows.select("id", row=pl.col("source").struct.field("row").cast(pl.Int32))
        return {id_: row % 12 for id_, row in places.iter_rows()}

    @cached_property
    def hashes(self) -> pl.DataFrame:
        """The hashes of the samples' images, past any log."""
        return image_hashes(image_shas(self.rows), self.build.media)

    @cached_property
    def text_vectors(self) -> Vectors:
        """The vectors of the samples' questions, past any log, with the precision of one."""
        texts = question_texts(self.rows).unique("key").sort("key")
        found = make_text_encoder(EncoderConfig(model="all-minilm-l6-v2")).encode(texts["text"].to_list())
        return Vectors(texts["key"], found.astype(np.float16))

    @cached_property
    def image_vectors(self) -> Vectors:
        """The vectors of the samples' images, in the same way."""
        shown = image_shas(self.rows)
        found = make_image_encoder(EncoderConfig(model="reference-vlm"), self.build.media).encode(shown.to_list())
        return Vectors(shown, found.astype(np.float16))


@pytest.fixture(scope="session")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Twelve questions about scenes, each also in capitals; four of them once more about another encoding of the image."""
    folder = tmp_path_factory.mktemp("planted")
    path = write_source(folder, 12)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    more = [row | {"question": row["question"].upper()} for row in rows]
    for place, row in enumerate(rows[:4]):
        other = folder / "images" / f"other-{place}.bmp"
        Image.open(row["image"]).convert("RGB").save(other)
        more.append(row | {"image": str(other)})
    path.write_text("\n".join(map(json.dumps, rows + more)))
    source = TypeAdapter(Source).validate_python({"type": "jsonl", "name": "scenes", "path": str(path)})
    build = tiny_build(folder / "out", path, sources=(source,))
    parts = [part.kept for part in ingest(build.recipe.sources, build.media, build.recipe.ingest)]
    found = pl.concat(parts).sort("id")
    assert found.height == 28
    return Samples(folder, build, found)


@pytest.fixture(scope="session")
def known() -> Any:
    """What the compiler knows: a step may ask for anything."""
    return SimpleNamespace(types=lambda of: {}, unit=lambda of: "sample", parent=lambda unit: "sample")
