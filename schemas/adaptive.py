"""When to stop asking: what a recipe says of adaptive rollouts, and the prior that it starts from."""

from pydantic import Field

from schemas.section import Section


class BetaPrior(Section):
    """The Beta prior of a pass rate: Jeffreys' 1/2, 1/2 by default; 1, 1 is uniform; the fit of a pilot is allowed."""

    right: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="prior weight of a right answer (alpha)")
    wrong: float = Field(default=0.5, gt=0, allow_inf_nan=False, description="prior weight of a wrong answer (beta)")
