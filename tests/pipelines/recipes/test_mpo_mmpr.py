"""MPO / MMPR: pairs by answer and by image, step scores, and the prompts that no try solves."""

from pipelines.job import compile_recipe


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("mpo_mmpr")
    tries, score = (recipe.pipeline.step(name).config for name in ("tries", "step_score"))
    assert (tries.n, tries.sampling.temperature, tries.sampling.top_k) == (32, 0.7, 50)
    assert (score.n, score.stop_at) == (16, 0)
    assert recipe.pipeline.step("by_answer").config.cap == 15
    assert recipe.pipeline.step("segment").config.most == 12
    assert recipe.pipeline.unread == ()
