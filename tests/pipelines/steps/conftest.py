"""A set of samples with planted duplicates, and a context whose build is a real one."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from PIL import Image
from pipelines.road.stage import Build

from pipelines.ingest.ingest import ingest
from schemas.step import Tables

ENCODERS = "dedup={text: {model: all-minilm-l6-v2}, image: {model: reference-vlm}}"


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


@pytest.fixture(scope="session")
def planted(tiny: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Samples:
    """Twelve questions about scenes, each also in capitals; four of them once more about another encoding of the image."""
    folder = tmp_path_factory.mktemp("planted")
    path: Path = tiny.write_source(folder, 12)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    more = [row | {"question": row["question"].upper()} for row in rows]
    for place, row in enumerate(rows[:4]):
        other = folder / "images" / f"other-{place}.bmp"
        Image.open(row["image"]).convert("RGB").save(other)
        more.append(row | {"image": str(other)})
    path.write_text("\n".join(map(json.dumps, rows + more)))
    build = tiny.make(folder, ENCODERS)
    parts = [part.kept for part in ingest(build.recipe.sources, build.media, build.recipe.ingest)]
    found = pl.concat(parts).sort("id")
    assert found.height == 28
    return Samples(folder, build, found)


@pytest.fixture(scope="session")
def known() -> Any:
    """What the compiler knows: a step may ask for anything."""
    return SimpleNamespace(types=lambda of: {}, unit=lambda of: "sample", parent=lambda unit: "sample")
