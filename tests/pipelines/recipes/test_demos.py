"""Every recipe that comes with curate as its demo: its own steps, whole, on small models and tasks of known truth.

Run by `make test-recipes`, which says how long each took.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from demos import built_demo, loaded

from generators.kept import kept_models
from pipelines.explain.expected import configs, unmet
from pipelines.job import Job
from pipelines.recipe.demo import read_sidecar
from pipelines.recipe.library import RECIPES, find_recipe, recipe_names, sidecar
from pipelines.store.table_files import row_count

NAMES = sorted({path.relative_to(RECIPES).with_suffix("").as_posix() for path in recipe_names().values()})


@pytest.fixture(scope="module")
def models() -> Iterator[None]:
    """Models are loaded once for all recipes."""
    with kept_models():
        yield


def test_every_recipe_has_a_demo() -> None:
    assert [name for name in NAMES if not sidecar(find_recipe(name)).is_file()] == []


@pytest.mark.recipes
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_runs_whole_and_gives_what_it_should(name: str, tmp_path: Path) -> None:
    for earlier in read_sidecar(find_recipe(name)).demo.after:
        built_demo(earlier, tmp_path)
    job = built_demo(name, tmp_path)
    assert unmet(job) == []
    found = configs(job)
    assert found
    for config, files in found.items():
        rows = sum(map(row_count, files))
        if rows or config not in allowed_empty(job):
            assert len(loaded(job, config)) == rows > 0


def allowed_empty(job: Job) -> tuple[str, ...]:
    """The configs that the recipe lets come out empty; such a one is no config for who loads the release."""
    [release] = [step for step in job.compiled.pipeline.steps if step.type.name == "release"]
    return tuple(release.config.allow_empty)
