"""One forward pass over whole sequences, of unequal length and with images, and the module whose attention is watched."""

from collections.abc import Sequence
from typing import Any

from generators.engines.transformers.model_loading import LoadedModel
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.prompt_tensors import batch_extras
from schemas.errors import ConfigError


def forward(loaded: LoadedModel, wholes: Sequence[EncodedPrompt], keep: int) -> Any:
    """The logits of the last `keep` columns, `(sequences, columns, vocabulary)`; sequences are right-aligned."""
    import torch

    model, pad = loaded.model, loaded.pad
    width = max(len(w.ids) for w in wholes)
    ids = torch.tensor([[pad] * (width - len(w.ids)) + list(w.ids) for w in wholes], device=model.device)
    mask = torch.tensor([[0] * (width - len(w.ids)) + [1] * len(w.ids) for w in wholes], device=model.device)
    extras = batch_extras(wholes, width, model.device, model.dtype)
    with torch.inference_mode():
        positions = _positions(model, mask, images=bool(extras))
        return model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            use_cache=False,
            logits_to_keep=keep,
            **extras,
        ).logits


def _positions(model: Any, mask: Any, *, images: bool) -> Any:
    """Positions that start with each sequence; None where the model has to number a image's axes by itself."""
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    if not hasattr(getattr(model, "model", None), "rope_deltas"):
        return positions
    model.model.rope_deltas = None
    return None if images else positions.unsqueeze(0).expand(3, -1, -1)


def final_attention(loaded: LoadedModel) -> Any:
    """The attention module of the text model's last layer; `curate_sums`, once set on it, is what it adds to.

    Raises ConfigError for a model that has no such module, or caps its scores.
    """
    text = loaded.prompts.config.get_text_config()
    last = text.num_hidden_layers - 1
    found = [
        module
        for module in loaded.model.modules()
        if getattr(module, "layer_idx", None) == last and getattr(module, "is_causal", False)
    ]
    if len(found) != 1 or getattr(text, "attn_logit_softcapping", None):
        raise ConfigError(
            f"signals: the attention of the last layer of a '{text.model_type}' model cannot be read; use another model "
            "for signals.attention, or leave the section out."
        )
    found[0].curate_sums = None
    return found[0]
