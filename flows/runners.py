"""What `--runner` and `--address` may say; loads neither Prefect nor a cluster's library."""

from schemas.errors import ConfigError
from schemas.secrets import plain_address

RUNNERS = ("processes", "dask", "ray")


def check_runner(runner: str, address: str | None) -> None:
    """Raises ConfigError for a runner that there is not, and for an address that it does not take. Loads nothing."""
    if runner not in RUNNERS:
        raise ConfigError(f"--runner: there is no runner '{runner}'; there are {', '.join(RUNNERS)}.")
    if address is None:
        return
    if runner == "processes":
        raise ConfigError("--address names a cluster, and --runner processes has none; add --runner dask or ray.")
    if runner == "dask" and (address == "auto" or address.startswith("ray://")):
        raise ConfigError(f"--address {plain_address(address)} is one of Ray's; add --runner ray.")
