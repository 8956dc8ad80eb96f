"""When to stop asking: what a recipe says of adaptive rollouts, and the prior that it starts from."""

from typing import Literal

from pydantic import Field, model_validator

from schemas.section import Section


class BetaPrior(Section):
    """The Beta prior of a pass rate: Jeffreys' 1/2, 1/2 by default; 1, 1 is uniform; the fit of a pilot is allowed."""

    right: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="prior weight of a right answer (alpha)")
    wrong: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="prior weight of a wrong answer (beta)")


class AdaptiveConfig(Section):
    """When enough rollouts of a sample have been seen to know whether it is wanted."""

    rule: Literal["counts", "rate"] = Field(
        default="counts",
        description="what is foretold: that all n rollouts would end in the band, or that the true pass rate lies in it",
    )
    band: tuple[int, int] | None = Field(
        default=None, description="least and greatest number of right answers out of n; null: 1 to n - 1"
    )
    confidence: float = Field(
        default=0.9,
        gt=0.5,
        le=1,
        description="stop at this posterior probability; 1 stops only where nothing is left open",
    )
    first: int = Field(default=3, ge=1, description="rollouts of every sample before the first look")
    wave: int = Field(
        default=2, ge=1, description="rollouts between looks; more of them are fewer requests, and save less"
    )
    prior: BetaPrior = Field(default=BetaPrior(), description="of a pass rate; Jeffreys' unless a pilot gave another")

    @model_validator(mode="after")
    def _ordered(self) -> "AdaptiveConfig":
        if self.band is not None and not 0 <= self.band[0] <= self.band[1]:
            raise ValueError("the band is [least, greatest] number of right answers, neither below 0")
        return self
