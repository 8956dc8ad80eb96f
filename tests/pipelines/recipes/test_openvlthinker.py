"""OpenVLThinker, two rounds: the second reads what the first released."""

from pathlib import Path

import pytest

from pipelines.job import compile_recipe, open_job
from schemas.errors import ConfigError


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("openvlthinker_1")
    distill = recipe.pipeline.step("distill").config
    assert (distill.n, distill.sampling.temperature) == (4, 0.6)
    assert recipe.pipeline.step("pick").config.take == "shortest"
    assert compile_recipe("openvlthinker_2").pipeline.unread == recipe.pipeline.unread == ()


def test_the_second_round_needs_the_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        open_job(compile_recipe("openvlthinker_2"), tmp_path)
    assert "openvlthinker_2.yaml:" in str(error.value)
    assert str(error.value).endswith(
        "Source 'openvlthinker-1': there is no release 'openvlthinker-1@v1'. There is none here yet; "
        "build the earlier recipe."
    )


def test_the_demo_of_the_second_round_says_what_comes_before_it(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError,
        match=r"Build what it goes on from first: `curate build openvlthinker_1 --demo`, in the same workspace",
    ):
        open_job(compile_recipe("openvlthinker_2", demo=True), tmp_path)
