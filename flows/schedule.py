"""A recipe on a schedule: a Prefect deployment served from this machine."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL

from flows.prefect_api import check_prefect
from flows.terminal import say, stop
from pipelines.remote.places import address_of
from schemas.errors import ConfigError


class _Runner(Runner):
    def handle_sigterm(self, *args: Any, **kwargs: Any) -> None:
        """A polite stop is a Ctrl-C. Prefect's own handler calls a coroutine that nobody awaits, and warns of it."""
        stop()


def serve(
    flow: Any,
    name: str,
    recipe: dict[str, Any],
    workspace: Path,
    cron: str,
    push_to: str | None = None,
    *,
    public: bool,
) -> None:
    """Serve builds by `flow` of `recipe`, as that takes it, until stopped; with `push_to` each new release goes to the Hub.

    A run that has begun is finished first. Raises ConfigError for a cron line that Prefect does not read, without a server
    that stays (the temporary one schedules nothing), or where none answers.
    """
    if not PREFECT_API_URL.value():
        raise ConfigError(
            "A schedule needs a Prefect server that stays: run `prefect server start` in another terminal, then this "
            "command again with PREFECT_API_URL=http://127.0.0.1:4200/api in its environment."
        )
    try:
        schedule = Cron(cron)
    except ValueError:
        raise ConfigError(f"--cron '{cron}' is no cron line; '0 3 * * *' is every night at three.") from None
    check_prefect(trust=recipe["trust"])
    parameters = {
        "recipe": recipe,
        "workspace": address_of(workspace.absolute()),
        "push_to": push_to,
        "public": public,
    }
    runner = _Runner(name=name)
    # A polite stop may come as soon as the server knows the deployment, before the runner itself runs.
    with contextlib.suppress(KeyboardInterrupt):
        runner.add_flow(flow, name=name, schedule=schedule, parameters=parameters, tags=["curate"])
        say(f"{name} is built at '{cron}' for as long as this command runs.")
        asyncio.run(runner.start())
    say(f"Stopped: {name} is scheduled no more. What was answered is in the log.")
