"""The section of the step `release`: which rows of which unit go into which config, and how they are put."""

from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from filters.sql.expression import ConditionText
from filters.verify.graders import GRADERS
from generators.template import PromptField
from pipelines.release.configs import BESIDE, OTHERS
from schemas.errors import nearest
from schemas.section import Section
from schemas.step import StepConfig
from schemas.tags import known_tags

CARRIED = (
    "id", "prompt", "completion", "chosen", "rejected", "images", "image_positions", "solution", "answer", "verifier",
    "verifier_params", "options", "tags", "dataset", "source_row", "license", "group", "row", "teacher", "index",
)  # fmt: skip
"""What rows of a release have of themselves."""


class ConfigSection(Section):
    """One config of a release: a table that `load_dataset(release, name)` reads.

    One that is named like a side of `split` holds the rows of that side; any other holds those of all sides but `holdout`.
    """

    model_config = ConfigDict(populate_by_name=True)

    of: str | tuple[str, ...] = Field(
        description="a unit: all its rows; or a step, or several: the rows that they made"
    )
    where: ConditionText | None = Field(
        default=None, description="which rows; null: those that are `correct`, of rows that were verified, in `sft`"
    )
    columns: tuple[str, ...] = Field(default=(), description="columns that its rows carry beside those of every config")
    order: str | None = Field(default=None, description="a column: rows are written in its order, the least first")
    limit: int | None = Field(default=None, ge=1, description="at most so many rows, the first in order")
    prompt: PromptField | None = Field(
        default=None, description="how its prompts are put; null: as the rows were asked, else the bare question"
    )
    system: str | None = Field(default=None, description="a system turn in front of them; an empty text: none")
    tags: str | None = Field(default=None, description="the tag schema that its completions are written in")
    with_: tuple[str, ...] = Field(
        default=(), alias="with", description="units made from its rows, which each row carries as a list"
    )

    @field_validator("columns")
    @classmethod
    def _beside(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name in CARRIED:
                raise ValueError(f"every row has `{name}` of its own; name a column that it has not")
        return names

    @field_validator("tags")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        return name if name is None else known_tags(name)


class ReleaseConfig(StepConfig):
    """What goes out. Every key that is none of these names a config."""

    model_config = ConfigDict(populate_by_name=True)

    configs: dict[str, ConfigSection] = Field(default_factory=dict, min_length=1)
    measured_by: str | None = Field(
        default=None, description="the `difficulty` whose k of n the rows carry; null: the one that `select` reads"
    )
    trainer: str | None = Field(
        default="trl",
        description="whose own grader must agree with ours about golds and completions; null asks none",
    )
    tags: str = Field(
        default="think_answer_boxed",
        description="the tag schema that completions are written in; where it is not set, those that were asked for in one "
        "stay in that, and prompts that no rollout measured are graded as `plain`",
    )
    images: Literal["embed", "reference"] = Field(
        default="embed",
        description="inside the parquet, or beside it in images/, each once, named by `path`; `datasets` then opens them "
        "only from inside the release's folder, exports from anywhere",
    )
    card: Path | None = Field(default=None, description="a Jinja template of your own for the data card")
    extras: tuple[Literal["control", "unfiltered"], ...] = Field(
        default=("control", "unfiltered"),
        description="configs beside the others where rows are selected: the random control, and all that was there",
    )
    allow_empty: tuple[str, ...] = Field(default=(), description="configs that may come out empty")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, section: Any) -> Any:
        """Every key of a mapping that is not a setting is the name of a config."""
        if not isinstance(section, dict):
            return section
        settings = {*cls.model_fields, "as"}
        configs = {name: value for name, value in section.items() if name not in settings}
        rest = {name: value for name, value in section.items() if name in settings}
        return {**rest, "configs": {**configs, **rest.get("configs", {})}}

    @field_validator("configs")
    @classmethod
    def _names(cls, configs: dict[str, ConfigSection]) -> dict[str, ConfigSection]:
        for name in configs:
            if not name.isidentifier() or name != name.lower() or name in RESERVED:
                raise ValueError(
                    f"'{name}' cannot name a config; use small letters, digits and underscores, and not {_RESERVED}"
                )
        return configs

    @field_validator("tags")
    @classmethod
    def _known(cls, name: str) -> str:
        return known_tags(name)

    @model_validator(mode="after")
    def _allows(self) -> "ReleaseConfig":
        for name in self.allow_empty:
            if name not in self.configs:
                hint = nearest(name, self.configs)
                raise ValueError(
                    f"allow_empty: no config is named '{name}'.{hint} There are {', '.join(self.configs)}."
                )
        return self

    @field_validator("trainer")
    @classmethod
    def _grades(cls, trainer: str | None) -> str | None:
        if trainer is not None and trainer not in GRADERS:
            raise ValueError(f"no grader '{trainer}'; there are {', '.join(GRADERS)}")
        return trainer


RESERVED = (*OTHERS, *BESIDE, "dropped")
"""What a release holds beside its configs."""
_RESERVED = ", ".join(RESERVED)
