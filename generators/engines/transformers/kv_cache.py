"""The key-value cache of a changing batch: sequences join, leave, and share the prefix that they have in common.

Three things make batched decoding slow on few cores, and each has its answer here: copying the whole cache when columns or
sequences are added (both are written in place, into buffers with room), repeating keys for grouped heads (the groups are
folded into the query), and reading the same few-shot prefix once per sequence (its keys are stored once, and all queries
meet them in one matrix product, as in cascade inference: Ye et al., FlashInfer, arXiv:2501.01005, section 3.1.2).

Layout of a batch, in columns: `[ shared prefix | padding, then each sequence's own tokens, right-aligned ]`.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from generators.engines.transformers.prefix_tree import States

ROOM = 64
"""Columns added when a buffer is full."""

ATTENTION = "curate_shared_prefix"
"""The name under which `shared_attention` is registered with transformers."""


class Columns:
    """One layer's own keys or values, `(sequences, heads, columns, dim)`, inside a buffer with room on three sides:
    sequences join below, columns are added on the right, and those that nobody needs any more are left behind on the left.
    """

    def __init__(self) -> None:
        self.buffer: Tensor | None = None
        self.rows = 0
        self.first = 0
        self.end = 0

    @property
    def used(self) -> int:
        """Columns that are filled."""
        return self.end - self.first

    @property
    def filled(self) -> "Tensor":
        assert self.buffer is not None
        return self.buffer[: self.rows, :, self.first : self.end]

    def append(self, states: "Tensor") -> "Tensor":
        """Write `(sequences, heads, new, dim)` behind what is there, and return all filled columns."""
        new = states.shape[2]
        if self.buffer is None:
            rows, heads, _, dim = states.shape
            self.buffer, self.rows = states.new_empty((rows, heads, new + ROOM, dim)), rows
        elif self.end + new > self.buffer.shape[2]:
            self._move(self.buffer.shape[0], 0, self.used + new + ROOM)
        self.buffer[: self.rows, :, self.end : self.end + new] = states
        self.end += new
        return self.filled

    def take(self, rows: "Tensor") -> None:
        """Keep `rows`, an index; repeats allowed."""
        kept = self.filled.index_select(0, rows)
        self.buffer, self.rows, self.first, self.end = None, 0, 0, 0
        self.append(kept)

    def close_up(self, gaps: "Tensor", last: "Tensor", rows: int, left: int) -> None:
        """Keep the first `rows` sequences, after those of `last` moved to the places `gaps`, without `left` columns."""
        assert self.buffer is not None
        self.first += left
        self.rows = rows
        if len(gaps):
            self.buffer[gaps, :, self.first : self.end] = self.buffer[last, :, self.first : self.end]

    def join(self, other: "Columns") -> None:
        """Add the sequences of `other` below; the shorter side is padded on the left with zeros."""
        assert self.buffer is not None
        width, rows, added = max(self.used, other.used), self.rows, other.rows
        if rows + added > self.buffer.shape[0] or width > self.end:
            # Twice the rows, so that sequences that join a few at a time seldom make the batch move.
            space = self.buffer.shape[0] if rows + added <= self.buffer.shape[0] else 2 * (rows + added)
            self._move(space, width - self.used, width + ROOM)
        start = self.end - width
        self.buffer[:rows, :, start : self.first] = 0
        self.buffer[rows : rows + added, :, start : self.end - other.used] = 0
        self.buffer[rows : rows + added, :, self.end - other.used : self.end] = other.filled
        self.first, self.rows = start, rows + added

    def _move(self, rows: int, first: int, columns: int) -> None:
        """Into a new buffer of that size, from column `first` on."""
        old = self.filled
        self.buffer = old.new_empty((rows, old.shape[1], columns, old.shape[3]))
        self.buffer[: self.rows, :, first : first + old.shape[2]] = old
        self.first, self.end = first, first + old.shape[2]


class BatchCache:
    """A cache as transformers' models call it (`update`, `get_seq_length`, `get_mask_sizes`), over `Columns`."""

    is_compileable = False

    def __init__(self, shared: Sequence[tuple["Tensor", "Tensor"]] = ()) -> None:
        """`shared` holds keys and values of the common prefix per layer, each `(1, heads, prefix, dim)`."""
        self.shared = shared
        self.layers: list[tuple[Columns, Columns]] = []

    @property
    def shared_length(self) -> int:
        return int(self.shared[0][0].shape[2]) if self.shared else 0

    @property
    def own_length(self) -> int:
        return self.layers[0][0].used if self.layers else 0

    @property
    def is_sliding(self) -> list[bool]:
        return [False] * max(1, len(self.layers))

    def __len__(self) -> int:
        return len(self.layers)

    def update(self, keys: "Tensor", values: "Tensor", layer_idx: int, *_: Any, **__: Any) -> tuple["Tensor", "Tensor"]:
        while len(self.layers) <= layer_idx:
            self.layers.append((Columns(), Columns()))
        own_keys, own_values = (c.append(s) for c, s in zip(self.layers[layer_idx], (keys, values), strict=True))
        if self.shared:
            # The attention function sees only tensors, so the prefix travels on the one that it is given.
            own_keys.shared_prefix = self.shared[layer_idx]
        return own_keys, own_values

    def get_seq_length(self, layer_idx: int = 0) -> int:
        own = self.layers[layer_idx][0].used if layer_idx < len(self.layers) else 0
        return self.shared_length + own

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self.get_seq_length(layer_idx)

    def get_mask_sizes(self, query_length: int, layer_idx: int = 0) -> tuple[int, int]:
        return self.get_seq_length(layer_idx) + query_length, 0

    def get_max_length(self, layer_idx: int | None = None) -> int:
        return -1

    def take(self, rows: "Tensor") -> None:
        """Keep the sequences `rows`, an index; repeats allowed."""
        for columns in self._columns():
            columns.take(rows)

    def close_up(self, order: "Tensor", left: int) -> None:
        """Keep the sequences `order`, each in its place or moved up, without their first `left` own columns."""
        import torch

        moved = order != torch.arange(len(order), device=order.device)
        gaps = moved.nonzero().squeeze(1)
        for columns in self._columns():
            columns.close_up(gaps, order[gaps], len(order), left)

    def _columns(self) -> Iterator[Columns]:
        return (columns for layer in self.layers for columns in layer)

    def join(self, other: "BatchCache") -> None:
        """Add the sequences of `other`, which has the same shared prefix."""
        for mine, theirs in zip(self.layers, other.layers, strict=True):
            for ours, added in zip(mine, theirs, strict=True):
                ours.join(added)

    def load(self, rows: "Sequence[States]", width: int) -> None:
        """Begin with states of sequences that were computed before, on the right of `width` columns; the rest is zero."""
        like = next(states for states in rows if states)
        rows = [states or [(k[:, :, :0], v[:, :, :0]) for k, v in like] for states in rows]
        for layer in zip(*rows, strict=True):
            pair = Columns(), Columns()
            for columns, states in zip(pair, zip(*layer, strict=True), strict=True):
                columns.append(_beside(states, width))
            self.layers.append(pair)

    def states(self, row: int, last: int) -> "States":
        """Keys and values per layer of the last `last` columns of a sequence, each `(1, heads, last, dim)`."""
        return [
            (keys.filled[row : row + 1, :, keys.used - last :], values.filled[row : row + 1, :, values.used - last :])
            for keys, values in self.layers
        ]


def _beside(states: "Sequence[Tensor]", width: int) -> "Tensor":
    """Sequences of different length as one tensor, right-aligned."""
    _, heads, _, dim = states[0].shape
    whole = states[0].new_zeros((len(states), heads, width, dim))
    for row, one in zip(whole, states, strict=True):
        row[:, width - one.shape[2] :] = one[0]
    return whole


def shared_attention(
    module: Any,
    query: "Tensor",
    key: "Tensor",
    value: "Tensor",
    attention_mask: "Tensor | None",
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple["Tensor", None]:
    """Attention over a shared prefix and own columns, as transformers calls it: `(batch, queries, heads, dim)`, None.

    One query a sequence (decoding) takes the short way; more (prefill, vision towers) take the library's.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    shared = getattr(key, "shared_prefix", None)
    if query.shape[2] == 1 and attention_mask is not None:
        scale = scaling if scaling is not None else query.shape[-1] ** -0.5
        return _decode(query, key, value, attention_mask, scale, shared), None
    if shared is not None:
        import torch

        rows = key.shape[0]
        key = torch.cat([shared[0].expand(rows, -1, -1, -1), key], dim=2)
        value = torch.cat([shared[1].expand(rows, -1, -1, -1), value], dim=2)
    output: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
    )
    return output


def _decode(
    query: "Tensor",
    key: "Tensor",
    value: "Tensor",
    mask: "Tensor",
    scale: float,
    shared: tuple["Tensor", "Tensor"] | None,
) -> "Tensor":
    """One query a sequence: `(B, H, 1, D)` against own `(B, K, T, D)` and shared `(1, K, P, D)`, `H = K · groups`."""
    import torch

    rows, heads, _, dim = query.shape
    kv_heads = key.shape[1]
    grouped = query.view(rows, kv_heads, heads // kv_heads, dim)
    if shared is None:
        out = torch.nn.functional.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scale)
        return out.reshape(rows, 1, heads, value.shape[-1])
    prefix_keys, prefix_values = shared[0][0], shared[1][0]
    width = prefix_keys.shape[1]
    scaled = grouped * scale
    together = scaled.transpose(0, 1).reshape(kv_heads, -1, dim)
    far = torch.matmul(together, prefix_keys.transpose(1, 2)).view(kv_heads, rows, -1, width).transpose(0, 1)
    near = torch.matmul(scaled, key.transpose(2, 3))
    scores = torch.cat([far, near], dim=-1).masked_fill_(~mask, float("-inf"))
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(value.dtype)
    far_weights = weights[..., :width].transpose(0, 1).reshape(kv_heads, -1, width)
    far_out = torch.matmul(far_weights, prefix_values).view(kv_heads, rows, -1, value.shape[-1]).transpose(0, 1)
    out = far_out + torch.matmul(weights[..., width:], value)
    return out.reshape(rows, 1, heads, value.shape[-1])


def register_attention() -> str:
    """Make `shared_attention` known to transformers, with masks that are never left out; returns its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*args: Any, **kwargs: Any) -> Any:
        # A left-out mask would hide from `shared_attention` that prefix and own columns are two tensors.
        return sdpa_mask(*args, **{**kwargs, "allow_is_causal_skip": False})

    AttentionInterface.register(ATTENTION, shared_attention)
    AttentionMaskInterface.register(ATTENTION, mask)
    return ATTENTION
