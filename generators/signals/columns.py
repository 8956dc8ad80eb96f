"""How long each token of a reply keeps being attended to: products down the columns of an attention matrix, as logs.

RAP's attention-confidence estimator ("Truth in the Few", arXiv 2506.04755, section on ACE) takes the penalty of OPERA
(arXiv 2311.17911, section 3.2): psi_j(A) = prod over i = j..L of sigma * A_ij, where A is the self-attention of the final
layer among the L tokens of a reply. A product of hundreds of numbers below one leaves the range of floats, so what is
kept is sum_i log A_ij, in 32 bits; sigma comes in later (`log psi_j = sum + factors * log sigma`).

How RAP brings the heads together is not published, so all four ways are computed at once:

- `max`: the largest attention of any head, then the product;
- `opera`: the same, each row then scaled to sum to 1 over all that it sees (shikiw/OPERA,
  transformers-4.29.2/src/transformers/generation/utils.py);
- `mean`: the heads' mean, then the product;
- `each`: the product in each head, then the largest.
"""

import math
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Heads = Literal["max", "opera", "mean", "each"]
HEADS: tuple[Heads, ...] = ("max", "opera", "mean", "each")

WORKING_SET = {"cpu": 1 << 24, "gpu": 1 << 27}
"""Attention weights held at once (32 bits each): 64 MB, 512 MB."""


class ColumnSums:
    """Adds up log-attention down the columns, a block of rows at a time.

    One for each batch: `lengths` are the tokens of the replies, right-aligned in `max(lengths)` columns, and `window` is
    the most factors of a product (None: to the end of the reply).
    """

    def __init__(self, lengths: "Tensor", window: int | None = None) -> None:
        self.width = int(lengths.max())
        self._start = self.width - lengths
        self._window = window
        self._sums: dict[Heads, Tensor] = {}

    def add(self, log_attention: "Tensor", first: int) -> None:
        """Rows `first`, `first + 1`, … of the replies: `(batch, heads, rows, keys)`, float32 logs over all keys.

        The last `width` keys are the replies' own tokens.
        """
        import torch

        rows = torch.arange(first, first + log_attention.shape[2], device=log_attention.device)[:, None]
        columns = torch.arange(self.width, device=log_attention.device)[None, :]
        counts = (columns <= rows) & (columns >= self._start[:, None, None])
        if self._window is not None:
            counts = counts & (rows - columns < self._window)
        highest = log_attention.amax(dim=1)
        scale = highest.logsumexp(dim=-1, keepdim=True)
        mean = log_attention.logsumexp(dim=1) - math.log(log_attention.shape[1])
        own = slice(-self.width, None)
        self._add("max", highest[..., own], counts)
        self._add("opera", (highest - scale)[..., own], counts)
        self._add("mean", mean[..., own], counts)
        self._add("each", log_attention[..., own], counts[:, None])

    def _add(self, heads: Heads, block: "Tensor", counts: "Tensor") -> None:
        found = block.masked_fill(~counts, 0.0).sum(dim=-2)
        self._sums[heads] = self._sums[heads] + found if heads in self._sums else found

    def rows(self) -> list[dict[str, list[float]]]:
        """For each reply, by way of bringing heads together: one sum of logs a token, first token first."""
        found = {heads: (sums.amax(dim=1) if heads == "each" else sums).tolist() for heads, sums in self._sums.items()}
        return [{heads: found[heads][i][start:] for heads in HEADS} for i, start in enumerate(self._start.tolist())]


def add_attention(sums: ColumnSums, query: "Tensor", key: "Tensor", mask: "Tensor", scale: float) -> None:
    """Add the attention of the replies' tokens to `sums`.

    `query` is `(batch, heads, tokens, dim)`, `key` `(batch, key heads, tokens, dim)`, `mask` is true, or zero, where a
    query may look. Only the replies' rows are computed, in 32 bits and in blocks, whatever the model runs in.
    """
    import torch

    batch, heads, tokens, dim = query.shape
    kind = "cpu" if query.device.type == "cpu" else "gpu"
    block = max(1, WORKING_SET[kind] // (batch * heads * tokens))
    keys = key.float()[:, :, None].transpose(-1, -2)
    may = mask if mask.dtype == torch.bool else mask == 0
    for first in range(0, sums.width, block):
        rows = slice(tokens - sums.width + first, tokens - sums.width + min(first + block, sums.width))
        asked = query[:, :, rows].float().view(batch, key.shape[1], heads // key.shape[1], -1, dim)
        scores = (asked @ keys).view(batch, heads, -1, tokens) * scale
        scores = scores.masked_fill(~may[:, :, rows, :tokens], -torch.inf)
        # A padding row may see nothing at all; it is not counted, and must not spoil the others.
        sums.add(scores.log_softmax(dim=-1).nan_to_num(nan=0.0, neginf=-torch.inf), first)


def watch_attention(
    module: Any, query: "Tensor", key: "Tensor", value: "Tensor", attention_mask: Any, **kwargs: Any
) -> Any:
    """Attention as transformers calls it; where `module.curate_sums` is set, the weights are added up on the way.

    The output is the library's own, so that looking changes nothing.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    sums = getattr(module, "curate_sums", None)
    if sums is not None:
        scale = kwargs.get("scaling")
        add_attention(sums, query, key, attention_mask, scale if scale is not None else query.shape[-1] ** -0.5)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


def register_watch() -> str:
    """Make `watch_attention` known to transformers, with masks that are never left out; returns its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*args: Any, **kwargs: Any) -> Any:
        return sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})

    AttentionInterface.register(WATCH, watch_attention)
    AttentionMaskInterface.register(WATCH, mask)
    return WATCH


WATCH = "curate_watch"
"""The name under which `watch_attention` is registered with transformers."""
