"""Reinforcement learning of the reference model: GRPO with the image and the question read once for all completions.

Group relative policy optimisation (DeepSeekMath, arXiv 2402.03300, section 4.1): several completions of one prompt, and
the advantage of each is its reward against its group, in standard deviations. Each batch serves one update, so the ratio
of new to old policy is 1 and never clipped; there is no KL term; every token of the batch weighs the same (DAPO, arXiv
2503.14476, section 3.3). A group whose rewards agree teaches nothing.

TRL's `GRPOTrainer` runs the same model; it repeats image and prompt for every completion, which for replies of two tokens
is nearly all of the work.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import torch
from PIL import Image

from generators.reference.architecture import AROUND, ASSISTANT, END, GLOBAL, IMAGE, IMAGE_TOKENS, USER
from generators.reference.examples import Batch, to_pixels
from generators.reference.train import image_tokens, token_losses


class Prompt(NamedTuple):
    """What a reply follows: a conversation as the chat template writes it, with `<image>` where an image is, and its images,
    each (3, 64, 64)."""

    text: str
    images: tuple[torch.Tensor, ...] = ()


Reward = Callable[[Sequence[int], Sequence[str]], Sequence[float | None]]
"""Scores of replies: the prompt's place in the list of prompts, and the reply, one by one; None is unscored."""


@dataclass(frozen=True)
class GrpoConfig:
    """One run: `steps` updates, each on the next `prompts` prompts of a random order and `completions` replies to each."""

    steps: int = 60
    prompts: int = 16
    completions: int = 8
    rate: float = 1e-4
    warmup: int = 5
    temperature: float = 1.0
    tokens: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.steps, self.prompts, self.tokens) < 1 or self.completions < 2 or self.temperature <= 0:
            raise ValueError(f"a group needs two completions, and nothing may be below 1: {self}")


@dataclass(frozen=True)
class StepRecord:
    """What one update saw: mean reward, the share of groups whose rewards all agree, and the tokens that were drawn."""

    reward: float
    silent: float
    tokens: int


def asked(image: Image.Image, question: str) -> Prompt:
    """A question about one RGB image of 64 by 64 pixels, which comes first."""
    return Prompt(USER + IMAGE + question + END + ASSISTANT, (to_pixels([image])[0],))


@torch.no_grad()  # type: ignore[untyped-decorator]
def sample(
    model: Any, tokenizer: Any, prompts: Sequence[Prompt], *, number: int, temperature: float, tokens: int
) -> list[list[tuple[int, ...]]]:
    """Token ids of `number` replies to each prompt, with the end token where it was drawn; temperature 0 is greedy.

    Replies never hold the mark of an image. Chance is torch's. Prompts are filled up on the left, and the cache of each is
    copied for its replies.
    """
    ids, mask = _left_padded([_prompt_ids(tokenizer, prompt.text) for prompt in prompts])
    inner, pixels = model.model, _pixels(prompts)
    embedded = inner.text_model.embed_tokens(ids)
    if len(pixels):
        image = inner.connector(inner.vision_model(pixels).last_hidden_state)
        embedded = embedded.masked_scatter((ids == model.config.image_token_id).unsqueeze(-1), image)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    out = inner.text_model(inputs_embeds=embedded, attention_mask=mask, position_ids=positions, use_cache=True)
    cache = out.past_key_values
    cache.batch_repeat_interleave(number)
    logits = model.lm_head(out.last_hidden_state[:, -1]).repeat_interleave(number, 0)
    mask, position = mask.repeat_interleave(number, 0), positions[:, -1:].repeat_interleave(number, 0)
    end, drawn = tokenizer.eos_token_id, []
    ended = torch.zeros(len(logits), dtype=torch.bool)
    for _ in range(tokens):
        token = _choose(logits, temperature, model.config.image_token_id)
        drawn.append(torch.where(ended, end, token))
        ended = ended | (token == end)
        if bool(ended.all()):
            break
        mask, position = torch.cat([mask, mask.new_ones(len(mask), 1)], 1), position + 1
        out = inner.text_model(
            input_ids=drawn[-1].unsqueeze(1), attention_mask=mask, position_ids=position, past_key_values=cache,
            use_cache=True,
        )  # fmt: skip
        logits = model.lm_head(out.last_hidden_state[:, -1])
    rows = [_until(row, end) for row in torch.stack(drawn, 1).tolist()]
    return [rows[start : start + number] for start in range(0, len(rows), number)]


def reply(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    *,
    number: int,
    temperature: float,
    tokens: int,
    batch: int = 256,
) -> list[list[str]]:
    """Texts of `number` replies to each prompt, about `batch` replies at a time, prompts of like length together."""
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].text))
    size, texts = max(1, batch // number), dict[int, list[str]]()
    for start in range(0, len(order), size):
        chunk = order[start : start + size]
        drawn = sample(
            model, tokenizer, [prompts[i] for i in chunk], number=number, temperature=temperature, tokens=tokens
        )
        for i, replies in zip(chunk, drawn, strict=True):
            texts[i] = _decoded(tokenizer, replies)
    return [texts[i] for i in range(len(prompts))]


def advantages(rewards: Sequence[Sequence[float | None]]) -> list[list[float]]:
    """Each reward against its group, in standard deviations (plus 1e-4); unscored replies count for nothing."""
    return [_advantages(group) for group in rewards]


def _advantages(group: Sequence[float | None]) -> list[float]:
    scored = [score for score in group if score is not None]
    mean = sum(scored) / len(scored) if scored else 0.0
    deviation = (sum((score - mean) ** 2 for score in scored) / max(1, len(scored) - 1)) ** 0.5
    return [0.0 if score is None else (score - mean) / (deviation + 1e-4) for score in group]


def policy_loss(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    replies: Sequence[Sequence[tuple[int, ...]]],
    weights: Sequence[Sequence[float]],
) -> torch.Tensor:
    """Mean over all reply tokens of weight times negative log-likelihood; with advantages for weights, GRPO's loss."""
    batch = packed(tokenizer, prompts, replies, weights)
    each, weight = token_losses(model, image_tokens(model, batch), batch)
    return (each * weight).sum() / len(each)


def grpo(model: Any, tokenizer: Any, prompts: Sequence[Prompt], reward: Reward, config: GrpoConfig) -> list[StepRecord]:
    """Train `model` in place on `prompts`; every prompt is seen once before any is seen again. Chance follows the seed."""
    torch.manual_seed(config.seed)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=config.rate, betas=(0.9, 0.95), weight_decay=0.0)
    order, records = turns(len(prompts), config.seed), []
    for step in range(config.steps):
        chosen = [next(order) for _ in range(config.prompts)]
        asked = [prompts[i] for i in chosen]
        model.eval()
        drawn = sample(
            model, tokenizer, asked, number=config.completions, temperature=config.temperature, tokens=config.tokens
        )
        places = [i for i in chosen for _ in range(config.completions)]
        flat = reward(places, _decoded(tokenizer, [ids for group in drawn for ids in group]))
        scores = [flat[k : k + config.completions] for k in range(0, len(flat), config.completions)]
        for group in optimizer.param_groups:
            group["lr"] = config.rate * min(1.0, (step + 1) / config.warmup)
        optimizer.zero_grad(set_to_none=True)
        policy_loss(model, tokenizer, asked, drawn, advantages(scores)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        records.append(_record(scores, sum(len(ids) for group in drawn for ids in group)))
    return records


def _record(scores: Sequence[Sequence[float | None]], tokens: int) -> StepRecord:
    flat = [score for group in scores for score in group if score is not None]
    silent = [len({score for score in group if score is not None}) < 2 for group in scores]
    return StepRecord(sum(flat) / max(1, len(flat)), sum(silent) / len(silent), tokens)


def turns(number: int, seed: int) -> Iterator[int]:
    """Places of the prompts, in a new random order each time round. Raises ValueError where there are none."""
    if number < 1:
        raise ValueError("there is no prompt to learn from")
    rng, order = Random(f"{seed}:turns"), list(range(number))
    while True:
        rng.shuffle(order)
        yield from order


def _choose(logits: torch.Tensor, temperature: float, mark: int) -> torch.Tensor:
    """The next token of each row, never the mark that stands for an image: a reply holds none."""
    logits = logits.index_fill(-1, torch.tensor([mark]), float("-inf"))
    if temperature == 0:
        return logits.argmax(-1)
    return torch.multinomial((logits.float() / temperature).softmax(-1), 1).squeeze(1)


def _until(row: list[int], end: int) -> tuple[int, ...]:
    return tuple(row[: row.index(end) + 1] if end in row else row)


def _decoded(tokenizer: Any, replies: Sequence[tuple[int, ...]]) -> list[str]:
    return [str(tokenizer.decode(ids, skip_special_tokens=True)).strip() for ids in replies]


def _prompt_ids(tokenizer: Any, text: str) -> list[int]:
    whole = text.replace(IMAGE, AROUND + GLOBAL + IMAGE * IMAGE_TOKENS + AROUND)
    return list(tokenizer(whole, add_special_tokens=False)["input_ids"])


def _pixels(prompts: Sequence[Prompt]) -> torch.Tensor:
    """All images in the order in which their marks come: (images, 3, 64, 64)."""
    images = [image for prompt in prompts for image in prompt.images]
    return torch.stack(images) if images else torch.empty(0, 3, 64, 64)


def _left_padded(rows: Sequence[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(map(len, rows))
    ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return ids, mask


def packed(
    tokenizer: Any,
    prompts: Sequence[Prompt],
    replies: Sequence[Sequence[tuple[int, ...]]],
    weights: Sequence[Sequence[float]],
) -> Batch:
    """Lay all replies behind their prompt, hidden from each other; each repeats the token that opens the reply."""
    rows = []
    for prompt, group, heavy in zip(prompts, replies, weights, strict=True):
        *prefix, opening = _prompt_ids(tokenizer, prompt.text)
        start = len(prefix)
        row: tuple[list[Any], ...] = (list(prefix), list(range(start)), [0] * start, [-100] * start, [0.0] * start)
        for number, (reply_ids, w) in enumerate(zip(group, heavy, strict=True), start=1):
            length = len(reply_ids)
            more: tuple[Iterable[Any], ...] = (
                [opening, *reply_ids[:-1]],
                range(start, start + length),
                [number] * length,
                reply_ids,
                [w] * length,
            )
            for column, values in zip(row, more, strict=True):
                column.extend(values)
        rows.append(row)
    longest = max(len(row[0]) for row in rows)
    ids, positions, segments, labels, weight = (
        torch.tensor([[*row[k], *[fill] * (longest - len(row[k]))] for row in rows])
        for k, fill in enumerate((0, 0, -1, -100, 0.0))
    )
    pixels = _pixels(prompts)
    seen = torch.ones(len(pixels), dtype=torch.bool)
    unknown = torch.empty(len(prompts), 0, 0)
    return Batch(pixels, seen, ids, positions, segments, labels, weight, unknown)
