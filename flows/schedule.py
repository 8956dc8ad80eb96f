"""A recipe on a schedule: a Prefect deployment served from this machine."""

from pipelines.stage import Build
from schemas.errors import ConfigError


def serve(build: Build, cron: str, push_to: str | None = None, *, public: bool = False) -> None:
    """Serve until stopped; with `push_to` each new release goes to the Hub.

    Raises ConfigError for a cron line that Prefect does not read.
    """
    from prefect.schedules import Cron

    from flows.build import build_flow

    try:
        schedule = Cron(cron)
    except ValueError as error:
        raise ConfigError(f"--cron '{cron}': {error}") from None
    build_flow.serve(
        name=build.recipe.name,
        schedule=schedule,
        parameters={
            "recipe": build.recipe.model_dump(mode="json"),
            "workspace": str(build.workspace.root.absolute()),
            "push_to": push_to,
            "public": public,
        },
        tags=["curate"],
    )
