"""From the name of a model in a recipe to its files and its identity, without loading it.

An identity is part of every completion's key, so it must be the same today and tomorrow, and cheap: `curate plan` asks
for it before torch is imported.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.embedded import (
    CONVERSION,
    EMBEDDED,
    REFERENCE_VLM,
    gguf_chat_template,
    reference_folder,
    smollm2_folder,
    smollm2_gguf,
)
from generators.fingerprint import model_files, remembered_hash
from generators.model_json import read_settings
from schemas.completion import ModelIdentity
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, nearest
from schemas.ids import content_id, hash_text

SPEED_ARGS = frozenset(
    {
        "async_scheduling",
        "attn_implementation",
        "block_size",
        "compilation_config",
        "cpu_offload_gb",
        "data_parallel_size",
        "device",
        "device_map",
        "disable_log_stats",
        "distributed_executor_backend",
        "download_dir",
        "dtype",
        "enable_chunked_prefill",
        "enable_prefix_caching",
        "enforce_eager",
        "gpu_memory_utilization",
        "limit_mm_per_prompt",
        "load_format",
        "max_model_len",
        "max_num_batched_tokens",
        "max_num_seqs",
        "mm_processor_cache_gb",
        "offload_folder",
        "pipeline_parallel_size",
        "seed",
        "speculative_config",
        "swap_space",
        "tensor_parallel_size",
        "trust_remote_code",
    }
)
"""Engine arguments that decide how fast a model answers, not what it answers. All others are part of its identity."""

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""What a hub model's name looks like."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a library loads: a local folder or a hub id, and the commit to load (hub only)."""

    path_or_id: str
    revision: str | None = None


def resolve(config: ModelConfig) -> ResolvedModel:
    """Find the weights that `config` names. The first use of `smollm2-135m-instruct` converts it (half a minute).

    Raises:
        ConfigError: no such model, or an embedded model is not installed.
    """
    folder = _folder(config.model)
    if config.model in EMBEDDED and folder is None:
        return ResolvedModel(str(smollm2_folder()))
    if folder is not None:
        return ResolvedModel(str(folder))
    return ResolvedModel(config.model, _hub_commit(config))


def pinned(config: ModelConfig) -> ModelConfig:
    """The same model by the hub's commit, so that another machine, whose cache may hold an older one, loads this one."""
    if config.engine == "openai" or config.model in EMBEDDED or _folder(config.model) is not None:
        return config
    return config.model_copy(update={"revision": _hub_commit(config)})


def identify(config: ModelConfig) -> ModelIdentity:
    """Name, revision and chat template of a model, without torch and without loading it.

    The revision is the hub commit, the hash of a local folder, or for a server the recipe's `revision`; engine
    arguments that decide answers (quantisation, adapters, template options) are appended as a hash.

    Raises:
        ConfigError: no such model; or a hub model that is neither in the local cache nor reachable.
    """
    revision, template = _weights_identity(config)
    given = config.args.get("chat_template")
    if given is not None:
        template = hash_text(chat_template_text(str(given)))
    deciding = {k: v for k, v in config.args.items() if k not in SPEED_ARGS and k != "chat_template"}
    if deciding:
        revision = f"{revision}+{content_id(_plain(deciding))[:12]}"
    return ModelIdentity(config.model, revision, template)


def reads_images(config: ModelConfig) -> bool | None:
    """Whether a model takes images, by its name and its `config.json`; None where neither tells.

    A text model says nothing of images there; one that reads them names its vision tower, a processor or an image token.
    """
    if config.engine == "openai":
        return None
    try:
        folder = _folder(config.model)
    except ConfigError:
        return None
    if folder is None:
        return False if config.model in EMBEDDED else None
    settings = read_settings(folder / "config.json")
    if settings is None:
        return None
    architectures = settings.get("architectures")
    architectures = architectures if isinstance(architectures, list) else []
    if any(_SIGHT.search(key) for key in settings) or not all(str(a).endswith("ForCausalLM") for a in architectures):
        return True
    return False if architectures else None


_SIGHT = re.compile("vision|visual|image|img|mm_", re.IGNORECASE)


def chat_template_text(given: str) -> str:
    """A recipe's `args.chat_template`: the template itself, or the path of a file that holds it."""
    if not is_template_file(given):
        return given
    return _template_text(Path(given).expanduser())


def _template_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"The chat template {path} cannot be read.") from error


def known_template(config: ModelConfig) -> str | None:
    """The chat template of a model as far as this machine knows it, by the recipe, the model's folder or the local cache of
    the hub; None where it does not, as for a server. Asks nobody."""
    given = config.args.get("chat_template")
    if given is not None:
        return chat_template_text(str(given))
    if config.engine == "openai":
        return None
    if config.model in EMBEDDED and config.model != REFERENCE_VLM:
        return gguf_chat_template(smollm2_gguf())
    folder = _folder(config.model) or _cached_snapshot(config)
    found = None if folder is None else _template_in(folder)
    return found if found is None or isinstance(found, str) else json.dumps(found)


def _cached_snapshot(config: ModelConfig) -> Path | None:
    """Where the local cache of the hub holds a model, if it does."""
    home = _hub_cache() / f"models--{config.model.replace('/', '--')}"
    revision = config.revision or "main"
    ref = home / "refs" / revision
    return home / "snapshots" / (ref.read_text().strip() if ref.is_file() else revision)


def is_template_file(given: str) -> bool:
    """Whether `args.chat_template` names a file, rather than being the template."""
    return "\n" not in given and "{" not in given


def _weights_identity(config: ModelConfig) -> tuple[str, str]:
    if config.engine == "openai":
        return config.revision or "unversioned", "server"
    folder = _folder(config.model)
    if folder is not None:
        files = model_files(folder)
        if not any(f.suffix in {".safetensors", ".bin", ".gguf"} for f in files):
            raise ConfigError(
                f"the model folder {folder} holds no weights (*.safetensors, pytorch_model*.bin or *.gguf)"
            )
        return remembered_hash(files), _folder_template(folder)
    if config.model in EMBEDDED:
        gguf = smollm2_gguf()
        return f"{remembered_hash([gguf])}-v{CONVERSION}", hash_text(gguf_chat_template(gguf))
    commit = _hub_commit(config)
    return commit, _hub_template(config.model, commit)


def _folder(name: str) -> Path | None:
    """The local folder that `name` means; None for a hub id and for the embedded model that has to be converted."""
    if name == REFERENCE_VLM:
        return reference_folder()
    if name in EMBEDDED:
        return None
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if HUB_ID.fullmatch(name):
        return None
    raise ConfigError(
        f"there is no model '{name}': it is not a local folder, not a hub id (organisation/name) and not one of the "
        f"embedded models ({', '.join(EMBEDDED)}).{nearest(name, EMBEDDED, 0.4)}"
    )


def _template_in(folder: Path) -> Any:
    """The chat template of a model folder, looked up in the order in which transformers does; None without one."""
    for name in _TEMPLATE_FILES:
        path = folder / name
        if not path.is_file():
            continue
        is_text = path.suffix == ".jinja"
        template = _template_text(path) if is_text else (read_settings(path) or {}).get("chat_template")
        if template:
            return template
    return None


def _folder_template(folder: Path) -> str:
    template = _template_in(folder)
    if template is None:
        return "none"
    return hash_text(template) if isinstance(template, str) else content_id(template)


def _hub_commit(config: ModelConfig) -> str:
    """The commit of a hub model: from the local cache, else from the hub, else the text in the recipe."""
    revision = config.revision or "main"
    if _COMMIT.fullmatch(revision):
        return revision
    ref = _hub_cache() / f"models--{config.model.replace('/', '--')}" / "refs" / revision
    if ref.is_file():
        return ref.read_text().strip()
    try:
        from huggingface_hub import HfApi

        sha = HfApi().model_info(config.model, revision=revision, timeout=10).sha
    except Exception as error:
        if config.revision:
            return config.revision
        raise ConfigError(_unreachable(config.model, error)) from error
    return sha or revision


def _hub_template(model: str, commit: str) -> str:
    snapshot = _hub_cache() / f"models--{model.replace('/', '--')}" / "snapshots" / commit
    if not (snapshot / "tokenizer_config.json").exists():
        try:
            from huggingface_hub import snapshot_download

            snapshot = Path(snapshot_download(model, revision=commit, allow_patterns=list(_TEMPLATE_FILES)))
        except Exception as error:
            raise ConfigError(_unreachable(model, error)) from error
    return _folder_template(snapshot)


def _hub_cache() -> Path:
    """The hub library's cache folder, by the environment variables that it documents."""
    home = Path(
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    )
    return Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()


def _unreachable(model: str, error: Exception) -> str:
    return (
        f"the hub model '{model}' is not in the local cache and the hub gave no answer ({type(error).__name__}). "
        "Check the name and the network, set HF_TOKEN for a gated model, or give a local folder as the model."
    )


def _plain(value: Any) -> Any:
    """`value` as JSON can say it (YAML also has dates)."""
    return json.loads(json.dumps(value, default=str, sort_keys=True))
