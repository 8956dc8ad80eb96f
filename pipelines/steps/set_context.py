"""What steps over a whole set may use beside their rows: the logs of the workspace, the recipe's name, earlier releases."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Protocol, cast

import polars as pl
from pydantic import AfterValidator

from filters.dedup.shards import Room
from generators.encoders import EncoderConfig, Kind, check_encoder
from pipelines.ingest.ingest import IngestConfig
from pipelines.steps.vectors import Searches, Stores
from pipelines.store import scratch
from pipelines.store.memory import Memory
from schemas.errors import ConfigError
from schemas.step import Context


class SetRecipe(Protocol):
    """The recipe, as far as these steps see it."""

    @property
    def name(self) -> str: ...

    @property
    def ingest(self) -> IngestConfig: ...


class SetBuild(Stores, Protocol):
    """The build that a step runs in."""

    @property
    def recipe(self) -> SetRecipe: ...

    @property
    def memory(self) -> Memory: ...


class SetContext(Context, Protocol):
    """The context of a step type whose scope is `all` and whose file is in `pipelines/steps`."""

    @property
    def build(self) -> SetBuild: ...


def build_of(context: Context) -> SetBuild:
    """The build behind a context. Steps of `pipelines.steps` alone ask for it."""
    return cast(SetContext, context).build


@contextmanager
def matrices(build: SetBuild) -> Iterator[tuple[Path, Path]]:
    """Two files of this process alone, for the matrix of texts and that of images; gone afterwards."""
    with scratch.scratch(build.workspace.build(build.recipe.name)) as folder:
        yield folder / "text.npy", folder / "image.npy"


def room(build: SetBuild, folder: Path) -> Room:
    """What searches may take of a build's memory, half of it, and of the disk: a folder."""
    return Room(build.memory.bytes // 2, folder)


SEARCHES = pl.Schema(
    {
        "index": pl.String(),
        "device": pl.String(),
        "searches": pl.Int64(),
        "rows": pl.Int64(),
        "largest": pl.String(),
        "recall": pl.Float64(),
        "recall_low": pl.Float64(),
        "recall_high": pl.Float64(),
    }
)


def searches_table(searches: Searches) -> pl.DataFrame:
    """How vectors were searched, a row a kind of index (`SEARCHES`)."""
    return pl.DataFrame(searches.notes(), schema=SEARCHES)


def recall_notes(table: pl.DataFrame) -> dict[str, int]:
    """The lowest recall of searches (`SEARCHES`) and its interval, in ten-thousandths; nothing where all were exact."""
    measured = table.drop_nulls("recall").sort("recall").head(1)
    names = ("recall", "recall_low", "recall_high")
    return {name: round(10_000 * measured[name].item()) for name in names} if measured.height else {}


def _known(kind: Kind) -> AfterValidator:
    def check(config: EncoderConfig) -> EncoderConfig:
        try:
            check_encoder(config, kind)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return config

    return AfterValidator(check)


TextEncoder = Annotated[EncoderConfig, _known("text")]
ImageEncoder = Annotated[EncoderConfig, _known("image")]
