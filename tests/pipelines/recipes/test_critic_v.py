"""Critic-V: errors are put into answers, critics look for them, and the best critique is preferred to the worst."""

from pipelines.job import compile_recipe


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("critic_v")
    assert len(recipe.pipeline.step("critique").config.models) == 3
    assert "0.1 * grade" in recipe.pipeline.step("total").config.gives["total"]
    assert recipe.pipeline.unread == ()
