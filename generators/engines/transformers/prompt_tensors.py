"""Encoded prompts as tensors of a batch: token ids and the tensors of images, made by the model's own processor."""

from collections.abc import Sequence
from typing import Any

from generators.engines.transformers.model_loading import LoadedModel
from generators.engines.transformers.prefix import EncodedPrompt
from schemas.completion import Request
from schemas.errors import PermanentEngineError


def encode_prompt(request: Request, loaded: LoadedModel, images: Sequence[Any]) -> EncodedPrompt:
    """Token ids and image tensors of a request whose decoded images are `images`.

    Raises:
        PermanentEngineError: empty, too long, or refused by the chat template or the processor.
    """
    prompts = loaded.prompts
    text = prompts.text(request)
    if not images:
        ids = tuple(prompts.tokenizer(text, add_special_tokens=False)["input_ids"])
        return _checked(EncodedPrompt(ids, len(ids) - 1), loaded.context)
    try:
        found = prompts.processor(text=[text], images=[list(images)], add_special_tokens=False, return_tensors="pt")
    except Exception as error:
        raise PermanentEngineError(f"the processor refuses the request: {error}") from error
    batch = dict(found)
    ids = tuple(batch.pop("input_ids")[0].tolist())
    batch.pop("attention_mask", None)
    image_token = getattr(prompts.config, "image_token_id", None)
    # Up to its first image a prompt may be like others; where models number positions by the image, nothing is.
    first = ids.index(image_token) if image_token in ids and "mm_token_type_ids" not in batch else 0
    return _checked(EncodedPrompt(ids, min(first, len(ids) - 1), batch), loaded.context)


def shape_of(prompt: EncodedPrompt) -> str:
    """Prompts of one shape can be computed together: the same kinds of image tensors, alike but for their number."""
    return str(sorted((name, tuple(t.shape[1:])) for name, t in prompt.extras.items() if not _per_token(prompt, t)))


def batch_extras(prompts: Sequence[EncodedPrompt], width: int, device: Any, dtype: Any) -> dict[str, Any]:
    """The image tensors of several prompts as one batch; what has one value a token is padded like the ids."""
    import torch

    batch = {}
    for name in prompts[0].extras:
        tensors = [p.extras[name] for p in prompts]
        if all(_per_token(p, t) for p, t in zip(prompts, tensors, strict=True)):
            tensors = [torch.nn.functional.pad(t[:, -width:], (width - min(width, t.shape[1]), 0)) for t in tensors]
        joined = torch.cat(tensors).to(device)
        batch[name] = joined.to(dtype) if joined.is_floating_point() else joined
    return batch


def with_reply(prompt: EncodedPrompt, reply: Sequence[int]) -> EncodedPrompt:
    """The prompt and a reply behind it, as one sequence; a reply holds no image."""
    import torch

    extras = {
        name: torch.nn.functional.pad(t, (0, len(reply))) if _per_token(prompt, t) else t
        for name, t in prompt.extras.items()
    }
    return EncodedPrompt((*prompt.ids, *reply), prompt.sharable, extras)


def _per_token(prompt: EncodedPrompt, tensor: Any) -> bool:
    return tuple(tensor.shape) == (1, len(prompt.ids))


def _checked(prompt: EncodedPrompt, context: int) -> EncodedPrompt:
    if not prompt.ids:
        raise PermanentEngineError("the prompt is empty")
    if len(prompt.ids) >= context:
        raise PermanentEngineError(
            f"the prompt has {len(prompt.ids)} tokens and leaves no room in a context of {context}"
        )
    return prompt
