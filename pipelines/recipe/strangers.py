"""What no recipe may hold, because others get its text, and what one may only hold where its reader trusts it.

A recipe is published with its release, and goes through logs and errors on its way. So a key is named in it, by the variable
of the environment that holds it, and never written down; and of the environment a recipe may name such variables only as
hold keys, or it could send any other to a server of its own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pipelines.recipe.mistakes import Where
from schemas.secrets import is_secret_name, secret_in

_REQUEST = {"extra_headers", "extra_query", "default_headers", "default_query", "api_key"}
"""Arguments of the openai library that carry keys."""

VARIABLE = re.compile(r"(?:[A-Z][A-Z0-9_]*_)?API_KEY|CURATE_[A-Z0-9_]+")
"""Variables that a recipe may have sent to a server: those that are named as keys of servers are, or on purpose."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

_CODE = re.compile(
    r"trust_remote_code|(worker|worker_extension|scheduler|executor)_cls|.*_plugins?|.*logits_processors.*|hf_overrides"
    r"|custom_generate|use_kernels|kernel_config|middleware|allowed_local_media_path|distributed_executor_backend"
    r"|quantization_config|download_dir|offload_folder"
)
"""Arguments by which an engine runs code that is not its own, or reads and writes files elsewhere."""

_HERE = (None, "auto", "local")
"""Addresses of Ray that no recipe decides: what a cluster sends back is unpickled, so it can run what it likes here."""


def secrets(value: Any, where: Where = ()) -> Iterator[tuple[Where, str]]:
    """The keys of a part of a recipe that hold what must stay secret, or could, each with the end of a sentence."""
    if isinstance(value, Mapping):
        for key, held in value.items():
            yield from (
                [((*where, key), why)] if (why := _refused((*where, key), held)) else secrets(held, (*where, key))
            )
    elif isinstance(value, list | tuple):
        for number, held in enumerate(value):
            yield from secrets(held, (*where, number))
    elif isinstance(value, str) and (what := secret_in(value) or _of_address(value)):
        yield where, f"holds {what}, and a recipe goes out with its release; {_cure(where)}"


def untrusted(models: Any) -> Iterator[Where]:
    """The settings of models by which code of others runs: arguments of engines, and clusters that recipes name."""
    for name, config in models.items() if isinstance(models, Mapping) else ():
        args = config.get("args") if isinstance(config, Mapping) else None
        for key, value in args.items() if isinstance(args, Mapping) else ():
            kernels = key == "attn_implementation" and isinstance(value, str) and re.search(r"[/:|]", value)
            if kernels or (_CODE.fullmatch(str(key)) and value not in (False, None, "mp", "uni", "ray")):
                yield ("models", name, "args", key)
        replicas = config.get("ray") if isinstance(config, Mapping) else None
        if isinstance(replicas, Mapping):
            if replicas.get("runtime_env"):
                yield ("models", name, "ray", "runtime_env")
            if replicas.get("address") not in _HERE:
                yield ("models", name, "ray", "address")


def _refused(where: Where, held: Any) -> str | None:
    """Why a key may not be in a recipe whatever it holds, as the end of a sentence; None where it may."""
    if where[0] != "models" or len(where) < 3:
        return None
    key = str(where[-1])
    named = key in _REQUEST or (isinstance(held, str) and is_secret_name(key))
    if where[2] == "args" and held not in (None, "") and named:
        return f"may hold a key, and a recipe goes out with its release; {_cure(where)}"
    if len(where) == 3 and key == "api_key_env":
        return _variable(held)
    if len(where) == 4 and where[2] == "headers_env":
        return _variable(held) if _HEADER.fullmatch(key) else "is no name of a header of HTTP"
    return None


def _variable(held: Any) -> str | None:
    if held is None or (isinstance(held, str) and VARIABLE.fullmatch(held)):
        return None
    name = (
        f"'{held}' is" if isinstance(held, str) and re.fullmatch(r"[A-Z][A-Z0-9_]{0,40}", held) else "it holds what is"
    )
    return (
        f"{name} no variable that a recipe may have sent to a server; name one that ends in API_KEY or begins with CURATE_, "
        "as in `export CURATE_LAB_KEY=…`"
    )


def _of_address(text: str) -> str | None:
    """A key in the addresses of a text: who uses one (`user:password@`), or a parameter that is named as one."""
    for word in text.split() if "://" in text else ():
        try:
            parts = urlsplit(word)
        except ValueError:
            continue
        if parts.password is not None or (parts.username and parts.scheme in {"http", "https"}):
            return "a user name or password in an address"
        if parts.netloc and any(value and is_secret_name(name) for name, value in parse_qsl(parts.query)):
            return "a key in the query of an address"
    return None


def _cure(where: Where) -> str:
    if where[0] == "models":
        return (
            "name a variable of the environment instead: `api_key_env: LAB_API_KEY`, or `headers_env: {X-Key: "
            "CURATE_LAB_KEY}` for another header"
        )
    if where[0] == "sources":
        return "give it to the driver by its own variables (AWS_ACCESS_KEY_ID, HF_TOKEN, …), or name a local copy"
    return "take it out"


def refused(head: Mapping[str, Any], steps: Iterable[tuple[str, Mapping[str, Any]]]) -> list[tuple[Where, str]]:
    """Every key of a recipe that may hold a secret, by its path."""
    found = [pair for key, value in head.items() for pair in secrets({key: value})]
    return found + [(("steps", name, *where), why) for name, section in steps for where, why in secrets(section, ())]
