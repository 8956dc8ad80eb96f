from typing import Any

import pytest
from pydantic import ValidationError

from generators.models import identify
from pipelines.run.refusals import terms
from schemas.engine import ModelConfig
from schemas.replicas import RayConfig, ReplicaRange


def model(**given: Any) -> ModelConfig:
    return ModelConfig.model_validate({"model": "reference-vlm", **given})


def test_a_number_is_a_range_of_one() -> None:
    assert RayConfig.model_validate({"replicas": 4}).replicas == ReplicaRange(min=4, max=4)
    assert RayConfig().replicas == ReplicaRange(min=1, max=None)
    assert RayConfig.model_validate(RayConfig(replicas=ReplicaRange(min=2)).model_dump()).replicas.min == 2


@pytest.mark.parametrize("given", [True, "4", [4], 0, {"min": 0}, {"max": 0}])
def test_other_numbers_are_refused(given: Any) -> None:
    with pytest.raises(ValidationError):
        RayConfig.model_validate({"replicas": given})


@pytest.mark.parametrize(
    ("address", "right"),
    [
        *[(address, True) for address in ("auto", "local", "10.0.0.1:6379", "ray://head:10001", "[::1]:6379", None)],
        *[
            (address, False)
            for address in ("head", "ray://head", "http://head:8265", "head:port", ":6379", "h:99999", "")
        ],
    ],
)
def test_addresses_are_those_of_ray(address: str | None, right: bool) -> None:
    if right:
        assert RayConfig(address=address).address == address
        return
    with pytest.raises(ValidationError, match="an address is auto, local, HOST:6379"):
        RayConfig(address=address)


def test_neither_keys_nor_refusals_know_of_replicas() -> None:
    """What was answered or refused by the engine inside is found by replicas of it, and the other way round."""
    alone = model(engine="transformers")
    for section in ({}, {"replicas": 8, "num_gpus": 0.5}, {"address": "ray://head:10001"}):
        fleet = model(engine="ray", ray={"engine": "transformers", **section})
        assert fleet.replica == alone
        assert identify(fleet) == identify(alone)
        assert terms(fleet) == terms(alone)
    assert model(engine="ray").replica == model()
    assert alone.replica is alone
