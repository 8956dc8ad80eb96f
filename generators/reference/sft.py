"""Supervised fine-tuning of the reference model: the loss of a reply's tokens alone, its end among them.

Every token of a batch weighs the same, as in TRL's `SFTTrainer` on rows of `prompt` and `completion`, and the learning rate
rises and then falls in a straight line, as there by default.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from generators.reference.grpo import Prompt, policy_loss, turns


def reply_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """The tokens of a reply with the one that ends it."""
    return (*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id)


def sft_loss(model: Any, tokenizer: Any, prompts: Sequence[Prompt], replies: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """Mean negative log-likelihood of the tokens of one reply to each prompt."""
    return policy_loss(model, tokenizer, prompts, [[ids] for ids in replies], [[1.0]] * len(replies))


def sft(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    replies: Sequence[tuple[int, ...]],
    *,
    steps: int,
    batch: int,
    rate: float,
    warmup: int,
    seed: int,
) -> list[float]:
    """Train `model` in place and return the loss of each step; every row is seen once before any is seen again."""
    torch.manual_seed(seed)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
    order, losses = turns(len(prompts), seed), []
    model.train()
    for step in range(steps):
        chosen = [next(order) for _ in range(batch)]
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / warmup, (steps - step) / max(1, steps - warmup + 1))
        optimizer.zero_grad(set_to_none=True)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernel's backward pass costs more on a CPU
            loss = sft_loss(model, tokenizer, [prompts[i] for i in chosen], [replies[i] for i in chosen])
            loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
