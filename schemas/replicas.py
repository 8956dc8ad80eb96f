"""The recipe section of `engine: ray`: how many copies of a model answer, and what each of them takes of a Ray cluster."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from schemas.section import Section

ReplicaEngine = Literal["auto", "transformers", "vllm"]


class ReplicaRange(Section):
    """Between how many replicas a fleet has, while nodes join and leave."""

    min: int = Field(default=1, ge=1, description="replicas that the cluster must have room for when asking begins")
    max: int | None = Field(
        default=None, ge=1, description="replicas at most; null: as many as the cluster has room for"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.max is not None and self.max < self.min:
            raise ValueError(f"max ({self.max}) must not be below min ({self.min})")
        return self


class RayConfig(Section):
    """Replicas of an engine as Ray actors, placed by Ray. What is named as in Ray means what it means there."""

    engine: ReplicaEngine = Field(
        default="auto",
        description="what runs in each replica; auto: vllm where it is installed and the replica has a GPU",
    )
    address: str | None = Field(
        default=None,
        description="auto, HOST:PORT of the head, ray://HOST:10001, or local; null: RAY_ADDRESS, else a cluster that runs "
        "on this machine, else one that is started for the build",
    )
    replicas: ReplicaRange = Field(
        default=ReplicaRange(), description="how many, or {min, max}; by default as many as the cluster has room for"
    )
    num_gpus: float | None = Field(
        default=None,
        ge=0,
        description="GPUs of a replica, or a share of one; null: tensor_parallel_size × pipeline_parallel_size of args, and "
        "0 where the cluster has none",
    )
    num_cpus: float = Field(default=1, ge=0, description="CPUs of a replica")
    resources: dict[str, float] = Field(default_factory=dict, description="custom resources of a replica: {A100: 1}")
    runtime_env: dict[str, Any] = Field(
        default_factory=dict, description="the environment of replicas: pip, env_vars, working_dir, …; needs --trust"
    )
    wait_s: float = Field(
        default=0, ge=0, description="seconds to wait for room, where nodes are on their way or an autoscaler adds them"
    )

    @field_validator("engine", mode="before")
    @classmethod
    def _no_server(cls, given: Any) -> Any:
        if given in ("openai", "ray"):
            raise ValueError(
                f"replicas run transformers or vllm, not {given}; the replicas of a server are its base_urls: engine: "
                "openai with one URL a server"
            )
        return given

    @field_validator("replicas", mode="before")
    @classmethod
    def _so_many(cls, given: Any) -> Any:
        """A number is a range of one."""
        if isinstance(given, int) and not isinstance(given, bool):
            return {"min": given, "max": given}
        if isinstance(given, Mapping | ReplicaRange):
            return given
        raise ValueError("write a number of replicas, or {min: 1, max: 8}")

    @field_validator("num_gpus")
    @classmethod
    def _whole_gpus(cls, given: float | None) -> float | None:
        if given is not None and given > 1 and given != int(given):
            raise ValueError(f"a replica has a part of one GPU, or whole ones, not {given:g}")
        return given

    @field_validator("address")
    @classmethod
    def _an_address(cls, given: str | None) -> str | None:
        if given is None or given in ("auto", "local"):
            return given
        host, colon, port = given.removeprefix("ray://").rpartition(":")
        if "://" in host or not (colon and host and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("an address is auto, local, HOST:6379 of the head, or ray://HOST:10001")
        return given
