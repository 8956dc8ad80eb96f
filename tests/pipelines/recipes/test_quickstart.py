"""The quickstart with its own models and sources, but fewer rows."""

import pytest
from small_recipe import Built, compiled

from pipelines.job import compile_recipe, open_job

NAME = "quickstart"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    fewer = ["sources.easy-vqa.limit=12", "sources.scenes.n=5", "steps.rollout.sampling.seed=0"]
    job = open_job(compile_recipe(NAME, fewer), tmp_path_factory.mktemp(NAME))
    return Built(job, {record["step"]: record for record in job.run()})


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    assert steps["distill"].config.shown == ()
    assert len(steps["distill"].config.shots) == 4
    assert steps["rollout"].config.n == 8
    assert steps["split"].config.shares.holdout == 0.1


def test_gates_keep_and_drop(built: Built) -> None:
    assert built.separated("drop")
    assert built.separated("quality")
    assert built.separated("select")
    assert built.records["rollout"]["kept"] == 8 * built.records["rollout"]["in"]


def test_each_side_has_rows_with_their_counts(built: Built) -> None:
    sft, rl, holdout = (built.config(name) for name in ("sft", "rl", "holdout"))
    assert len(sft) > 0
    assert len(rl) > 0
    assert len(holdout) > 0
    assert {row["n"] for row in [*sft, *rl, *holdout]} == {8}
    assert all(0 < row["k"] < 8 for row in rl)  # sometimes right, sometimes wrong
    assert all(row["caption"] for row in sft)
    assert not {row["group"] for row in sft} & {row["group"] for row in rl}
    logged = built.config("rollouts")
    assert sum(row["correct"] for row in logged if row["sample_id"] == rl[0]["id"]) == rl[0]["k"]
