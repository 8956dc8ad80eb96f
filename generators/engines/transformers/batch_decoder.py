"""The batch that a transformers model is decoding: sequences join after a prefill, leave when done, share a prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generators.engines.transformers.kv_cache import BatchCache
from generators.engines.transformers.prefix import EncodedPrompt, KnownPrefixes, States
from generators.engines.transformers.prompt_tensors import batch_extras, shape_of
from generators.engines.transformers.sequence import Sample
from generators.engines.transformers.token_sampling import SamplingRows, choose


@dataclass(frozen=True, slots=True)
class Arrival:
    """A prompt, and the samples wanted of it: they share one prefill."""

    prompt: EncodedPrompt
    samples: Sequence[Sample]


class BatchDecoder:
    """Holds the running batch of one model. Not safe for threads: one worker owns it."""

    def __init__(self, model: Any, pad: int, shares: bool, prefill_tokens: int) -> None:
        """`shares`: the model runs with `kv_cache.shared_attention`; `prefill_tokens`: most tokens of one prefill."""
        self._model = model
        self._pad = pad
        self._prefill_tokens = prefill_tokens
        self._known = KnownPrefixes(self._states_of)
        # Models such as Qwen-VL count positions along three axes, from the whole prompt: no part can be computed alone.
        self._multi_axis = hasattr(getattr(model, "model", None), "rope_deltas")
        self._shares = shares and not self._multi_axis
        self._clear()

    def _clear(self) -> None:
        self.samples: list[Sample] = []
        self.prefix: tuple[int, ...] = ()
        self._states: States = ()
        self._cache = BatchCache()
        self._mask: Any = None
        self._positions: Any = None
        self._logits: Any = None
        self._rows: SamplingRows | None = None
        self._seen: Any = None

    @property
    def running(self) -> int:
        """Sequences not done yet."""
        return sum(s.finish is None for s in self.samples)

    @property
    def width(self) -> int:
        """Own columns of the batch: what each new column costs is this many tokens for each sequence."""
        return self._cache.own_length

    def own_length(self, prompt: EncodedPrompt) -> int:
        """Columns that `prompt` would take in the running batch."""
        return len(prompt.ids) - (len(self.prefix) if self._fits(prompt) else 0)

    def _fits(self, prompt: EncodedPrompt) -> bool:
        size = len(self.prefix)
        return 0 < size <= prompt.sharable and prompt.ids[:size] == self.prefix

    def choose_prefix(self, prompts: Sequence[EncodedPrompt]) -> None:
        """Fix the shared prefix of the next batch, while none runs."""
        if self._shares and prompts:
            self.prefix, self._states = self._known.take(prompts)

    def admit(self, arrivals: Sequence[Arrival]) -> None:
        """Prefill `arrivals`, each prompt once, and add their samples to the running batch."""
        ordered = sorted(arrivals, key=lambda a: (shape_of(a.prompt), self.own_length(a.prompt)))
        group: list[Arrival] = []
        for arrival in ordered:
            if group and (
                shape_of(arrival.prompt) != shape_of(group[0].prompt)
                or (len(group) + 1) * self.own_length(arrival.prompt) > self._prefill_tokens
            ):
                self._prefill(group)
                group = []
            group.append(arrival)
        if group:
            self._prefill(group)
        self._refresh()

    def step(self) -> list[Sample]:
        """One more token for every sequence; returns the samples that it finished."""
        import torch

        assert self._rows is not None
        with torch.inference_mode():
            allowed, done = self._allowed()
            chances = [s.chance() for s in self.samples]
            tokens, logprobs = choose(self._logits, self._rows, chances, self._seen, allowed)
            for i, sample in enumerate(self.samples):
                if sample.finish is None:
                    sample.push(tokens[i], logprobs[i] if logprobs else None)
                    if sample.finish is not None:
                        done.append(sample)
            if self.running == 0:
                self._clear()
            else:
                self._forward(self._compact(tokens))
        return done

    def _allowed(self) -> tuple[Any, list[Sample]]:
        """The tokens that each sequence may go on with (None where no reply has a given form), and the sequences that end
        because none leads on."""
        import torch

        open_ = [s for s in self.samples if s.finish is None]
        masks = [s.allowed() for s in self.samples]
        done = [s for s in open_ if s.finish is not None]
        if all(mask is None for mask in masks):
            return None, done
        width = self._logits.shape[1]
        allowed = torch.ones((len(masks), width), dtype=torch.bool)
        for row, mask in zip(allowed, masks, strict=True):
            if mask is not None:
                known = torch.from_numpy(mask[:width])
                row[: len(known)] = known
                row[len(known) :] = False
        return allowed.to(self._logits.device), done

    def drop(self, samples: Sequence[Sample]) -> None:
        """Give up samples that nobody waits for any more."""
        for sample in samples:
            sample.finish = sample.finish or "length"
        if self.running == 0:
            self._clear()

    def _prefill(self, arrivals: Sequence[Arrival]) -> None:
        import torch

        device = self._model.device
        with torch.inference_mode():
            cache = BatchCache(self._states)
            shared = cache.shared_length
            fits = [self._fits(a.prompt) for a in arrivals]
            own = [a.prompt.ids[shared if fit else 0 :] for a, fit in zip(arrivals, fits, strict=True)]
            width = max(map(len, own))
            ids = torch.tensor([[self._pad] * (width - len(o)) + list(o) for o in own], device=device)
            mask = torch.tensor(
                [[int(fit)] * shared + [0] * (width - len(o)) + [1] * len(o) for o, fit in zip(own, fits, strict=True)],
                device=device,
            )
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, shared:]
            extras = batch_extras([a.prompt for a in arrivals], width, device, self._model.dtype)
            if self._multi_axis:
                self._model.model.rope_deltas = None
            given = None if self._multi_axis and extras else positions
            logits = self._call(ids, mask, given, cache, **extras)
            after = mask.sum(dim=1, keepdim=True)
            if self._multi_axis and extras:
                after = after + self._model.model.rope_deltas.to(device)
            self._join(arrivals, cache, mask, after, logits)

    def _join(self, arrivals: Sequence[Arrival], cache: BatchCache, mask: Any, after: Any, logits: Any) -> None:
        import torch

        copies = torch.tensor([i for i, a in enumerate(arrivals) for _ in a.samples], device=mask.device)
        if len(copies) != len(arrivals):
            cache.take(copies)
        mask, after, logits = (t.index_select(0, copies) for t in (mask, after, logits))
        samples = [s for a in arrivals for s in a.samples]
        if not self.samples:
            self._cache, self._mask, self._positions, self._logits, self.samples = cache, mask, after, logits, samples
            return
        shared = cache.shared_length
        self._cache.join(cache)
        width = self._cache.own_length
        self._mask = torch.cat([_widen(m, shared, width) for m in (self._mask, mask)])
        self._positions = torch.cat([self._positions, after])
        self._logits = torch.cat([self._logits, logits])
        self.samples = self.samples + samples

    def _compact(self, tokens: list[int]) -> list[int]:
        """Take finished sequences out once they are an eighth of the batch: each removal copies the cache."""
        import torch

        alive = [i for i, s in enumerate(self.samples) if s.finish is None]
        if len(self.samples) - len(alive) < max(1, len(self.samples) // 8):
            return tokens
        rows = torch.tensor(alive, device=self._mask.device)
        mask = self._mask.index_select(0, rows)
        shared = self._cache.shared_length
        left = int(mask[:, shared:].amax(dim=0).argmax())
        self._cache.take(rows, left)
        self._mask = torch.cat([mask[:, :shared], mask[:, shared + left :]], dim=1)
        self._positions = self._positions.index_select(0, rows)
        self.samples = [self.samples[i] for i in alive]
        self._refresh()
        return [tokens[i] for i in alive]

    def _refresh(self) -> None:
        """Rebuild what follows from the list of samples."""
        import torch

        self._rows = SamplingRows([s.sampling for s in self.samples], self._mask.device)
        self._seen = None
        if self._rows.any_penalty:
            self._seen = torch.zeros(
                (len(self.samples), self._logits.shape[1]), dtype=torch.bool, device=self._mask.device
            )
            for row, sample in zip(self._seen, self.samples, strict=True):
                row[torch.tensor([*sample.prompt, *sample.tokens], device=row.device)] = True

    def _forward(self, tokens: list[int]) -> None:
        import torch

        ids = torch.tensor(tokens, device=self._mask.device).unsqueeze(1)
        if self._seen is not None:
            self._seen.scatter_(1, ids, True)
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._logits = self._call(ids, self._mask, self._positions, self._cache)
        self._positions = self._positions + 1

    def _call(self, ids: Any, mask: Any, positions: Any, cache: BatchCache, **extras: Any) -> Any:
        """The logits after the last column, `(sequences, vocabulary)`."""
        if positions is not None and self._multi_axis:
            positions = positions.unsqueeze(0).expand(3, -1, -1)
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **extras,
        )
        return output.logits[:, -1]

    def _states_of(self, prefix: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """Keys and values of a prefix, by a pass over it alone."""
        import torch

        cache = BatchCache()
        with torch.inference_mode():
            ids = torch.tensor([prefix], device=self._model.device)
            places = torch.arange(len(prefix), device=ids.device).unsqueeze(0)
            self._call(ids, torch.ones_like(ids), places, cache)
        return cache.as_shared()


def _widen(mask: Any, shared: int, width: int) -> Any:
    """Pad a mask's own columns on the left up to `width`."""
    import torch

    missing = width - (mask.shape[1] - shared)
    own = torch.nn.functional.pad(mask[:, shared:], (missing, 0))
    return torch.cat([mask[:, :shared], own], dim=1)
