"""The base of every recipe section: closed, immutable, typed."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A recipe section. An unknown key is an error, because a mistyped option that is silently ignored costs a GPU-day."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def is_changed(section: Section, key: str) -> bool:
    """Whether a recipe sets a key to something that is neither null nor what it is anyway."""
    if key not in section.model_fields_set:
        return False
    value = getattr(section, key)
    return value is not None and value != type(section).model_fields[key].get_default(call_default_factory=True)


def refuse_idle(section: Section, key: str, *, read: bool, why: str, cure: str) -> None:
    """Raise ValueError for a key that was set and that nothing reads: nobody would miss what it was meant to do."""
    if not read and is_changed(section, key):
        raise ValueError(f"{key}: {why}, so it would do nothing; {cure}, or take it out.")
