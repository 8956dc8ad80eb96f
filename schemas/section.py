"""The base of every recipe section: closed, immutable, typed."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A recipe section. An unknown key is an error, because a mistyped option that is silently ignored costs a GPU-day."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
