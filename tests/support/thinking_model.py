"""A tiny text model with a long context that thinks before it answers: trained here, in seconds, to one reply."""

from pathlib import Path

THOUGHTS = "There is a small red circle, and a large blue square."
ANSWER = "two"
POSITIONS = 40_960
"""Longer than what tests let an engine read, which is 32,768."""


def write_thinking_model(folder: Path) -> Path:
    """Write the model, which replies `<think>THOUGHTS</think>ANSWER` to whatever it is asked, likeliest tokens taken."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from generators.reference.architecture import CHAT_TEMPLATE, train_tokenizer

    tokenizer = train_tokenizer([THOUGHTS, "How many shapes are there?"], 400)
    tokenizer.chat_template = CHAT_TEMPLATE
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=POSITIONS,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    reply = f"<think>{THOUGHTS}</think>{ANSWER}{tokenizer.eos_token}"
    wanted = tokenizer(reply, add_special_tokens=False)["input_ids"]
    asked = ["How many shapes are there?", "", "What is 2 + 2?", "a small red circle. " * 20]
    prompts = [tokenizer(f"<|user|>{text}{tokenizer.eos_token}<|assistant|>")["input_ids"] for text in asked]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(400):
        # The reply alone is read, too, so that it does not hang on where in a text it begins.
        losses, right = [], True
        for prompt in prompts:
            logits = model(input_ids=torch.tensor([prompt + wanted])).logits[0, len(prompt) - 1 : -1]
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(wanted)))
            chosen = logits.softmax(-1).gather(1, torch.tensor(wanted).unsqueeze(1))
            right = right and bool((chosen > 0.9).all())
        if right:
            break
        optimizer.zero_grad()
        torch.stack(losses).mean().backward()
        optimizer.step()
    assert right, "the reply was not learnt"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
