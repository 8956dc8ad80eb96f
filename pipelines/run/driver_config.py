"""How hard a build tries: retries, waits, and the resources of one machine."""

from typing import Self

from pydantic import Field, model_validator

from pipelines.store.memory import Size
from schemas.section import Section


class DriverConfig(Section):
    """How hard to try."""

    max_retries: int = Field(
        default=6, ge=0, description="tries after the first: 429, 5xx, time-outs, lost connections"
    )
    backoff_s: float = Field(default=1.0, ge=0, description="first wait; doubles each time, drawn from [0, wait]")
    backoff_max_s: float = Field(
        default=60.0,
        ge=0,
        description="longest wait; a row whose server asks for a longer one is given up for this build",
    )
    error_attempts: int = Field(
        default=3,
        ge=1,
        description="builds in which a server may refuse a sample before that is final (see --retry-errors)",
    )
    max_restarts: int = Field(default=2, ge=0, description="restarts of a dead local engine")
    max_error_rate: float = Field(default=0.2, ge=0, le=1, description="above it (after 50 requests) the step stops")
    workers: int | None = Field(
        default=None,
        ge=1,
        description="processes for verdicts and pure steps; null: one a core, and for pure steps as memory allows",
    )
    processes: int = Field(
        default=1,
        ge=1,
        description="processes that ask one model behind a server, where many answers are missing: a core asks some "
        "2,800 times a second; they share the model's concurrency",
    )
    verify_seconds: float = Field(default=2.0, gt=0, description="CPU time that one answer may take before it is wrong")
    memory: Size | None = Field(
        default=None,
        ge=64 << 20,
        description="how much the build's tables may take, such as 4GB; null: a quarter of what is free when it starts",
    )

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.backoff_s > self.backoff_max_s:
            raise ValueError(
                f"the first wait ({self.backoff_s:g} s) must not exceed backoff_max_s ({self.backoff_max_s:g} s)"
            )
        return self
