"""What is known to fail before a build starts comes with its line, whoever wrote the step."""

from pathlib import Path

import pytest
from recipe_build import sums, write_recipe

from pipelines.job import Job, compile_recipe, open_job
from pipelines.preflight import check
from schemas.errors import ConfigError

OWN = '''"""A step that wants a file and leaves one behind."""
from pathlib import Path

from schemas.errors import ConfigError
from schemas.step import Gives, Out, Reads, StepConfig, StepType


def _check(config, build):
    if not Path(build.workspace.root, "terms.txt").is_file():
        raise ConfigError("there is no terms.txt in the workspace")


def _body(tables, config, context):
    (context.build.workspace.root / "sent").mkdir(exist_ok=True)
    return Out()


def _published(name, build):
    path = build.workspace.root / "sent"
    return path if path.is_dir() else None


STEP = StepType(
    name="send",
    summary="publishes",
    version=1,
    config=StepConfig,
    reads=lambda config, known: Reads(),
    gives=lambda config, known: Gives(),
    body=_body,
    of="sample",
    check=_check,
    published=_published,
)
'''


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "own.py").write_text(OWN)
    return write_recipe(tmp_path, ["send"], sums(2), uses=["own.py"])


def opened(recipe: Path) -> Job:
    return open_job(compile_recipe(str(recipe), trust=True), recipe.parent / "ws")


def test_what_a_step_says_cannot_work_is_refused_with_its_line(recipe: Path) -> None:
    with pytest.raises(ConfigError, match=r"recipe.yaml:\d+: send: there is no terms.txt in the workspace"):
        check(opened(recipe))
    (recipe.parent / "ws").mkdir(exist_ok=True)
    (recipe.parent / "ws" / "terms.txt").touch()
    check(opened(recipe))


def test_what_a_step_published_is_published_again_where_it_is_gone(recipe: Path) -> None:
    opened(recipe).run()
    job = opened(recipe)
    assert job.up_to_date() and job.release == recipe.parent / "ws" / "sent"
    (recipe.parent / "ws" / "sent").rmdir()
    assert not opened(recipe).up_to_date()
    opened(recipe).run()
    assert opened(recipe).up_to_date()


def test_a_build_joins_one_ray_cluster(tmp_path: Path) -> None:
    models = {
        name: {"model": "reference-vlm", "engine": "ray", "ray": {"address": address}}
        for name, address in (("a", "auto"), ("b", "local"))
    }
    path = write_recipe(tmp_path, [{"rollout": {"model": ["a", "b"], "n": 2}}], sums(3), models=models)
    with pytest.raises(ConfigError, match=r"different Ray clusters \(a: auto, b: local\), and a build joins one"):
        check(open_job(compile_recipe(str(path)), tmp_path / "out"))
    check(open_job(compile_recipe(str(path), ["models.b.ray.address=auto"]), tmp_path / "out"))
