"""Loading a transformers model for decoding: where to, in which number format, and whether it can share a prefix."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from generators.engines.prompting import ChatPrompts
from generators.engines.torch_build import broken_torchvision
from generators.engines.transformers.kv_cache import register_attention
from generators.kept import once
from generators.models import resolve
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, MissingDependencyError

logger = logging.getLogger(__name__)

HALF_PRECISION_BYTES = 100_000_000
"""On a CPU with bfloat16 instructions, weights above this size run in bfloat16 (see `_choose_dtype`)."""

OWN_ARGS = frozenset({"chat_template", "chat_template_kwargs", "device", "dtype", "max_model_len"})
VLLM_ARGS = frozenset(
    {
        "enforce_eager",
        "enable_prefix_caching",
        "gpu_memory_utilization",
        "limit_mm_per_prompt",
        "max_num_batched_tokens",
        "max_num_seqs",
        "mm_processor_cache_gb",
        "swap_space",
        "tensor_parallel_size",
    }
)
"""Arguments of vLLM without meaning here, passed over so that one `engine: auto` recipe runs on both."""


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to decode, with what its settings say about prompts and replies."""

    model: Any
    prompts: ChatPrompts
    context: int
    ends: frozenset[int]
    pad: int
    shares_prefix: bool


def load_model(config: ModelConfig, attention: str | None = None) -> LoadedModel:
    """Load weights, processor and chat template, or take what is kept (`generators.kept`). `attention` names a registered
    attention function to run with.

    Raises:
        MissingDependencyError: torch or transformers is missing.
        ConfigError: the model or an argument does not exist, or the model needs more than a key-value cache.
    """
    key = (config.model, config.revision, json.dumps(config.args, sort_keys=True, default=str), attention)
    return once(key, lambda: _load(config, attention))


def _load(config: ModelConfig, attention: str | None) -> LoadedModel:
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
    except (ImportError, RuntimeError) as error:
        cure = broken_torchvision(error)
        raise cure or MissingDependencyError("transformers", "cpu", "engine: transformers") from error
    args = config.args
    where = resolve(config)
    prompts = ChatPrompts(where, args)
    device = str(args.get("device") or _best_device())
    passed = {k: v for k, v in args.items() if k not in OWN_ARGS | VLLM_ARGS}
    shares = _can_share(prompts.config) and "attn_implementation" not in passed
    if attention is not None:
        passed["attn_implementation"] = attention
    elif shares:
        passed["attn_implementation"] = register_attention()
    loader = AutoModelForImageTextToText if prompts.sees_images else AutoModelForCausalLM
    dtype = args.get("dtype") or _choose_dtype(device, where.path_or_id)
    try:
        model = loader.from_pretrained(where.path_or_id, revision=where.revision, dtype=dtype, **passed)
    except Exception as error:
        raise ConfigError(f"transformers cannot load the model '{config.model}': {error}") from error
    model = (model if "device_map" in passed else model.to(device)).eval()
    logger.info("%s on %s in %s, %d threads", config.model, model.device, model.dtype, torch.get_num_threads())
    ends = _end_tokens(model, prompts.tokenizer)
    pad = next((t for t in (prompts.tokenizer.pad_token_id, *sorted(ends)) if t is not None), 0)
    return LoadedModel(model, prompts, _context_length(prompts.config, args), ends, pad, shares and attention is None)


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _choose_dtype(device: str, path: str) -> str:
    """The weights' own type on a GPU; on a CPU bfloat16 where the processor multiplies it natively, else float32.

    Measured on one core with AVX512-BF16, SmolLM2-135M: prefill of 16 x 50 tokens 1,400 tokens/s in bfloat16 and 370
    in float32, decoding 64 sequences 870 and 230. Small models (below `HALF_PRECISION_BYTES`) are fast enough in
    float32 and keep its exactness.
    """
    if not device.startswith("cpu"):
        return "auto"
    folder = Path(path)
    size = sum(f.stat().st_size for f in folder.glob("*.safetensors")) if folder.is_dir() else HALF_PRECISION_BYTES + 1
    return "bfloat16" if size > HALF_PRECISION_BYTES and _has_bfloat16() else "float32"


def _has_bfloat16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return any(name in flags.split() for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _can_share(config: Any) -> bool:
    """Whether `kv_cache.shared_attention` computes this model's attention: plain softmax over all that came before."""
    text = config.get_text_config()
    layers = set(getattr(text, "layer_types", None) or ["full_attention"])
    windowed = getattr(text, "sliding_window", None) and getattr(text, "use_sliding_window", True)
    if layers - {"full_attention", "sliding_attention"}:
        raise ConfigError(
            f"the transformers engine decodes models with a plain key-value cache; '{text.model_type}' has layers of "
            f"type {', '.join(sorted(layers))}. Use engine: vllm or openai for it."
        )
    return layers == {"full_attention"} and not windowed and not getattr(text, "attn_logit_softcapping", None)


def _context_length(config: Any, args: dict[str, Any]) -> int:
    limit = getattr(config.get_text_config(), "max_position_embeddings", None) or 1 << 20
    return min(int(limit), int(args.get("max_model_len") or limit))


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every token that ends a reply, by the model's generation settings and by its tokenizer."""
    named = getattr(model.generation_config, "eos_token_id", None)
    ends = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    return frozenset(int(t) for t in ends if t is not None)
