"""Self-consistency: which answer do the sample's own rollouts agree on? Asks nobody anything."""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import model_validator

from generators.checks.check import Change, Check, Refusal, Setting
from generators.checks.material import Material


class Vote(Check):
    """The majority of the rollouts' answers, its share, and whether it speaks against the gold (see `check_rules`)."""

    type: Literal["vote"] = "vote"

    @model_validator(mode="after")
    def _asks_nobody(self) -> Self:
        for name in ("model", "n", "system", "prompt", "sampling", "tags"):
            if getattr(self, name) is not None:
                raise ValueError(f"a vote reads the rollouts and asks nobody; leave `{name}` out")
        return self

    def calls(self, n: int) -> int:
        """None."""
        return 0

    def asks(self, student: str) -> str | None:
        """Nobody."""
        return None

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """None."""
        yield from ()
