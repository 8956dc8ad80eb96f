"""Self-consistency: which answer do the sample's own rollouts agree on? Asks nobody anything."""

from collections.abc import Iterator
from typing import Literal

from generators.checks.variant import Change, Check, Material, Refusal, Setting
from generators.rollouts import RolloutsConfig


class Vote(Check):
    """The majority of the rollouts' answers, its share, and whether it speaks against the gold (see `check_rules`)."""

    type: Literal["vote"] = "vote"

    def calls(self, rollouts: RolloutsConfig) -> int:
        """None."""
        return 0

    def asks(self, rollouts: RolloutsConfig) -> str | None:
        """Nobody."""
        return None

    def changes(self, sample: Material, setting: Setting) -> Iterator[Change | Refusal]:
        """None."""
        yield from ()
