"""Choosing the next token of every sequence in a batch, each with its own parameters and its own stream of chance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from schemas.completion import Sampling

if TYPE_CHECKING:
    from torch import Tensor

SORTED_TOKENS = 1024
"""Top-p sorts this many candidates first; only where they hold too little mass is the whole vocabulary sorted."""

_BELOW_ONE = 1 - 2**-20


class SamplingRows:
    """Parameters of a batch as columns. Order of operations as in vLLM: penalty, temperature, min-p, top-k, top-p."""

    def __init__(self, rows: Sequence[Sampling], device: "str | Tensor") -> None:
        import torch

        def column(values: list[float]) -> "Tensor":
            return torch.tensor(values, dtype=torch.float32, device=device).unsqueeze(1)

        self.temperature = column([s.temperature for s in rows])
        self.top_p = column([s.top_p for s in rows])
        self.top_k = column([float(s.top_k) for s in rows])
        self.min_p = column([s.min_p for s in rows])
        self.penalty = column([s.repetition_penalty for s in rows])
        self.all_greedy = all(s.temperature == 0 for s in rows)
        self.any_min_p = any(s.min_p > 0 for s in rows)
        self.any_top = any(s.top_p < 1 or s.top_k > 0 for s in rows)
        self.any_penalty = any(s.repetition_penalty != 1 for s in rows)
        self.any_logprobs = any(s.logprobs for s in rows)


def choose(
    logits: "Tensor",
    rows: SamplingRows,
    uniforms: Sequence[float],
    seen: "Tensor | None",
    allowed: "Tensor | None" = None,
) -> tuple[list[int], list[float] | None]:
    """The next token of each sequence, and the log-probability that the bare model gave it (where any row wants it).

    Args:
        logits: `(sequences, vocabulary)`.
        rows: the parameters of the same sequences.
        uniforms: one number in [0, 1) a sequence; the token is where the cumulative distribution passes it, so a
            sequence's text depends on its own numbers only, not on which others share the batch.
        seen: `(sequences, vocabulary)`, true for tokens of prompt and reply so far; only needed with a penalty.
        allowed: `(sequences, vocabulary)`, true for tokens that the form of the reply allows; at least one a row. The others
            are out before top-k and top-p look; the log-probability stays that of all tokens.
    """
    raw = logits.float()
    scores = raw
    if rows.any_penalty and seen is not None:
        scores = scores.where(~seen, (scores / rows.penalty).where(scores > 0, scores * rows.penalty))
    if allowed is not None:
        scores = scores.where(allowed, float("-inf"))
    chosen = scores.argmax(dim=-1)
    if not rows.all_greedy:
        chosen = chosen.where(rows.temperature.squeeze(1) == 0, _draw(scores, rows, uniforms))
    logprobs = None
    if rows.any_logprobs:
        logprobs = (raw.gather(1, chosen.unsqueeze(1)).squeeze(1) - raw.logsumexp(dim=-1)).tolist()
    return chosen.tolist(), logprobs


def _draw(scores: "Tensor", rows: SamplingRows, uniforms: Sequence[float]) -> "Tensor":
    import torch

    probabilities = (scores / rows.temperature.clamp(min=1e-5)).softmax(dim=-1)
    if rows.any_min_p:
        floor = rows.min_p * probabilities.amax(dim=-1, keepdim=True)
        probabilities = probabilities.where(probabilities >= floor, 0.0)
    if rows.any_top:
        probabilities = _top(probabilities, rows)
    cumulative = probabilities.cumsum(dim=-1)
    chance = torch.tensor([min(u, _BELOW_ONE) for u in uniforms], dtype=cumulative.dtype, device=cumulative.device)
    target = chance.unsqueeze(1) * cumulative[:, -1:]
    index = torch.searchsorted(cumulative, target, right=True).squeeze(1)
    return index.clamp(max=scores.shape[1] - 1)


def _top(probabilities: "Tensor", rows: SamplingRows) -> "Tensor":
    """Zero what top-k and then top-p leave out; top-p is a share of the mass that top-k kept."""
    import torch

    vocabulary = probabilities.shape[1]
    free = (rows.top_p >= 1) & (rows.top_k <= 0)
    limit = rows.top_k.where(rows.top_k > 0, float(vocabulary))
    for size in (min(SORTED_TOKENS, vocabulary), vocabulary):
        ordered, index = probabilities.topk(size, dim=-1)
        rank = torch.arange(size, device=probabilities.device).unsqueeze(0)
        total = probabilities.sum(dim=-1, keepdim=True)
        inside = ordered.where(rank < limit, 0.0)
        mass = inside.sum(dim=-1, keepdim=True).where(limit <= size, total) * rows.top_p
        enough = free | (limit <= size) | ((rows.top_k <= 0) & (inside.sum(dim=-1, keepdim=True) >= mass))
        if size == vocabulary or bool(enough.all()):
            break
    before = inside.cumsum(dim=-1) - inside
    kept = inside.where((before < mass) | (rank == 0), 0.0)
    return probabilities.where(free, torch.zeros_like(probabilities).scatter(1, index, kept))
