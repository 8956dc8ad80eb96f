"""What every source of a recipe shares: its name, its SELECT, its limit, and how it hands its raw table to DuckDB."""

import difflib
import warnings
from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from pipelines.sources.given import Columns
from pipelines.sources.schemas import known_schema
from schemas.answer import Answer
from schemas.section import Section

SMALL = 256 * 2**20
"""Bytes up to which a limited source is read whole, so that a limit can take rows by hash instead of the first."""

KINDS: tuple[str, ...] = tuple(part.model_fields["kind"].default for part in get_args(get_args(Answer)[0]))


# pydantic warns because its models once had a method of this name; the word is the one that users look for.
warnings.filterwarnings("ignore", message='Field name "schema" in "SourceSection" shadows', category=UserWarning)


class SourceSection(Section):
    """The fields that every source type has. `type` tells the types apart."""

    all_images: ClassVar[bool] = False
    """Whether every row of the type has an image."""

    name: str = Field(pattern=r"^\w[\w./-]*$", description="name of the dataset; part of every row's id")
    schema: Annotated[str, AfterValidator(known_schema)] | None = Field(  # type: ignore[assignment]
        default=None, description="name of a public dataset's columns, such as chartqa, llava or vlmevalkit"
    )
    select: str | None = Field(default=None, description="DuckDB SELECT … FROM raw that names the columns")
    limit: int | None = Field(default=None, ge=1, description="at most so many rows of this source")
    columns: Columns = Field(
        default={}, description="columns that samples keep, each with its type: {caption: str, responses: [str]}"
    )
    kind: str = Field(default="text", description="answer kind of rows whose column 'kind' is absent or null")
    index_base: Literal[0, 1] | None = Field(
        default=None, description="answers of choices are numbers of options, counted from here; they become letters"
    )
    marks: Literal["images", "literal"] = Field(
        default="images", description="whether `<image>` in a question with images stands for one of them, or is text"
    )
    split: str = Field(default="train", description="the split that is read and recorded")
    license: str | None = Field(default=None, description="licence of the data, recorded in every row")
    image_root: str | tuple[str, ...] | None = Field(
        default=None,
        description="folder that image paths start from and stay in, or a list, of which the others are open too; the "
        "source's own folder where not given",
    )
    url: str | None = Field(default=None, description="where the data lives, recorded in every row")

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, 1) or ["text"]
            raise ValueError(f"no answer kind '{kind}'; did you mean '{near[0]}'? One of {', '.join(sorted(KINDS))}")
        return kind

    @model_validator(mode="after")
    def _one_mapping(self) -> Self:
        if self.schema is not None and self.select is not None:
            raise ValueError("give 'schema' or 'select', not both")
        return self

    @property
    def terms(self) -> str | None:
        """The licence that is recorded in every row; None where none is stated."""
        return self.license

    @property
    def image_folders(self) -> tuple[Path, ...]:
        """The folders that a row may name images of; relative paths start from the first. None: images are bytes."""
        given = (self.image_root,) if isinstance(self.image_root, str) else self.image_root
        return self._folders() if given is None else tuple(Path(folder).expanduser() for folder in given)

    def _folders(self) -> tuple[Path, ...]:
        """`image_folders` where the recipe names none."""
        return ()

    def locate(self, releases: Path, *, trial: bool = False) -> None:
        """Find what lies among the releases of a workspace, before anything is read; `trial` says that it is for a trial or
        a demo. Raises ConfigError."""

    @abstractmethod
    def attach(self, connection: Any, scratch: Path) -> None:
        """Make the table `raw` in a DuckDB connection; its rows need not be there yet. `scratch` is a folder for copies
        that are wanted while it is read. Raises ConfigError."""

    def feed(self, connection: Any) -> None:
        """Give `raw` its rows, where `attach` gave only its columns. They can be read once."""

    def files(self) -> list[str]:
        """The files and addresses that `raw` reads while a SELECT runs; it can open no others."""
        return []

    def length(self) -> int | None:
        """How many rows `raw` has, where that is known without reading them; None where they have to be counted."""
        return None

    def is_far(self) -> bool:
        """Whether its rows have to be fetched before they can be counted."""
        return False

    @abstractmethod
    def stamp(self) -> JsonValue:
        """What changes when the data changes, found without reading them."""

    @abstractmethod
    def is_small(self) -> bool:
        """Whether reading all of it to answer a small limit is cheap."""
