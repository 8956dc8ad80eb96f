"""What of a proof can be chosen, and what is fixed before its first run."""

from collections.abc import Sequence
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from generators.embedded import REFERENCE_VLM
from generators.training.student import RlBudget, SftBudget
from pipelines.proof.arms import ARMS, BASE, BEST
from pipelines.recipe.yaml12 import read_yaml
from schemas.errors import ConfigError, nearest
from schemas.section import Section


class GradedSizes(Section):
    """What every student is graded on: as many questions for each arm."""

    holdout: int = Field(default=500, ge=1, description="most rows of `holdout`, drawn by hash")
    fresh: int = Field(default=500, ge=0, description="most samples of procedural sources under another seed")
    band: int = Field(default=96, ge=0, description="most rows of `rl` whose pass rate is measured again")
    replies: int = Field(default=8, ge=2, description="replies to each of these")


class ProofConfig(Section):
    """A proof: who is trained, on what, how often and for how long."""

    student: str = Field(default=REFERENCE_VLM, description="the embedded VLM, a folder, or a model of the Hub")
    seeds: int = Field(default=5, ge=1, le=100, description="runs of each arm, with seeds from 0 on")
    arms: tuple[str, ...] = Field(default=tuple(ARMS), min_length=1, description="what is compared")
    sft: SftBudget = SftBudget()
    rl: RlBudget = RlBudget()
    graded: GradedSizes = GradedSizes()
    trial: bool = Field(default=False, description="shows that it runs and nothing else, so no card has it")
    tokens: int | None = Field(
        default=None, ge=1, description="longest reply; where not given, a quarter more than the longest trace has"
    )

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: tuple[str, ...]) -> tuple[str, ...]:
        for arm in arms:
            if arm not in ARMS:
                raise ValueError(f"there is no arm '{arm}'; there are {', '.join(ARMS)}.{nearest(arm, ARMS)}")
        return tuple(arm for arm in ARMS if arm in arms)

    @model_validator(mode="after")
    def _compared(self) -> Self:
        if set(self.arms) <= {BASE, BEST}:
            raise ValueError("arms: none of these trains anything; add sft or rl")
        return self


QUICK = (
    "seeds=1", "sft.steps=30", "sft.batch=16", "rl.steps=3", "rl.prompts=4", "rl.completions=4",
    "graded.holdout=24", "graded.fresh=24", "graded.band=8", "graded.replies=4",
)  # fmt: skip
"""What `--quick` sets before all else: enough to see that everything runs, and nothing else."""


def read_config(options: Sequence[str], quick: bool = False) -> ProofConfig:
    """The config that `key=value` texts make, each value in YAML; a quick one is a trial whatever they say. Raises
    ConfigError."""
    found: dict[str, Any] = {}
    for option in (*QUICK, *options, "trial=true") if quick else options:
        origin = f"--set {option[:80]}"
        key, given, text = option.partition("=")
        if not given or not key:
            raise ConfigError(f"{origin}: write it as key=value, for example --set sft.steps=400.")
        *above, last = key.split(".")
        section = found
        for name in above:
            section = section.setdefault(name, {})
            if not isinstance(section, dict):
                raise ConfigError(f"{origin}: '{name}' is a value and has no keys.")
        section[last] = read_yaml(text, lambda line, origin=origin: origin)[0]  # type: ignore[misc]
    try:
        return ProofConfig.model_validate(found)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(one) for one in error.errors())) from None


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    words = error["msg"].removeprefix("Value error, ").rstrip(".")
    if error["type"] == "extra_forbidden":
        known: Any = {"sft": SftBudget, "rl": RlBudget, "graded": GradedSizes}.get(
            where.rpartition(".")[0], ProofConfig
        )
        words = f"there is no such key.{nearest(where.rpartition('.')[2], known.model_fields)}".rstrip(".")
    return f"--set {where or 'arms'}: {words}."
