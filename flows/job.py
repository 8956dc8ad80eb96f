"""The job as commands and flows pass it; loads no Prefect."""

from typing import Any

from pipelines.job import Job, compile_recipe, open_job
from pipelines.remote.places import place


def job_of(recipe: dict[str, Any], workspace: str, **how: Any) -> Job:
    """The job of a recipe as flows pass it: `name` (or path), `set`, `limit`, `seed`, `trust` and `demo`, in a workspace
    that is named by its path or its address."""
    compiled = compile_recipe(
        recipe["name"],
        recipe.get("set") or (),
        trust=bool(recipe.get("trust")),
        limit=recipe.get("limit"),
        seed=recipe.get("seed"),
        demo=bool(recipe.get("demo")),
    )
    return open_job(compiled, place(workspace), **how)
