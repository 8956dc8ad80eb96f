"""The batch that a transformers model is decoding: sequences join after a prefill, leave when done, share what they can.

What prompts begin with alike is computed once: a prompt goes on from the longest start in the `PrefixTree`, which keeps
prompts and replies (a later turn begins with both). One prefix is also read once for the whole batch in each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from generators.engines.transformers.known_starts import KnownStarts
from generators.engines.transformers.kv_cache import BatchCache
from generators.engines.transformers.prefill import columns, groups
from generators.engines.transformers.prefix import EncodedPrompt, agreement
from generators.engines.transformers.prefix_tree import States
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

    def __init__(self, model: Any, pad: int, shares: bool, prefill_tokens: int, kept_bytes: int) -> None:
        """`shares`: the model runs with `kv_cache.shared_attention`; `prefill_tokens`: most tokens of one prefill;
        `kept_bytes`: most bytes of keys and values that are kept for prompts to come."""
        self._model = model
        self._pad = pad
        self._prefill_tokens = prefill_tokens
        self._starts = KnownStarts(self._states_of, kept_bytes)
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
        self._texts: set[int] = set()

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
        return len(prompt.ids) - agreement(self.prefix, prompt.start)

    def choose_prefix(self, prompts: Sequence[EncodedPrompt]) -> None:
        """Fix the shared prefix of the next batch, while none runs."""
        if self._shares:
            self._starts.compute_shared(prompts)
            self.prefix, self._states = self._starts.choose(prompts)

    def admit(self, arrivals: Sequence[Arrival]) -> None:
        """Prefill `arrivals`, each prompt once, and add their samples to the running batch."""
        prompts = [a.prompt for a in arrivals]
        if self._shares:
            self._starts.compute_shared(prompts)
        sizes = [(shape_of(p), len(p.ids) - self._known(p)) for p in prompts]
        for group in groups(sizes, self._prefill_tokens):
            self._prefill([arrivals[i] for i in group])
        self._refresh()

    def _known(self, prompt: EncodedPrompt) -> int:
        """How many of the first tokens need not be computed."""
        return max(agreement(self.prefix, prompt.start), self._starts.known(prompt)) if self._shares else 0

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
                        self._keep_reply(i, sample)
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
        """Columns of the pass: `[ shared prefix | padding, more of the start from the tree | padding, new tokens ]`."""
        import torch

        device = self._model.device
        with torch.inference_mode():
            cache = BatchCache(self._states)
            shared, prompts = cache.shared_length, [a.prompt for a in arrivals]
            agreed = [agreement(self.prefix, p.start) for p in prompts]
            known = [self._known(p) for p in prompts]
            new = [p.ids[k:] for p, k in zip(prompts, known, strict=True)]
            width, more = max(map(len, new)), max(k - a for k, a in zip(known, agreed, strict=True))
            if more:
                cache.load(
                    [self._starts.states(p.start[:k], a) for p, k, a in zip(prompts, known, agreed, strict=True)], more
                )
            ids = torch.tensor([[self._pad] * (width - len(n)) + list(n) for n in new], device=device)
            mask = torch.tensor(
                [columns(shared, a, more, k, width, len(n)) for a, k, n in zip(agreed, known, new, strict=True)],
                device=device,
            )
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -width:]
            extras = batch_extras(prompts, width, device, self._model.dtype)
            if self._multi_axis:
                self._model.model.rope_deltas = None
            given = None if self._multi_axis and extras else positions
            logits = self._call(ids, mask, given, cache, **extras)
            after = mask.sum(dim=1, keepdim=True)
            if self._multi_axis and extras:
                after = after + self._model.model.rope_deltas.to(device)
            self._keep_prompts(arrivals, known, cache)
            self._join(arrivals, cache, mask, after, logits)

    def _keep_prompts(self, arrivals: Sequence[Arrival], known: Sequence[int], cache: BatchCache) -> None:
        if not self._shares:
            return
        for row, (arrival, count) in enumerate(zip(arrivals, known, strict=True)):
            new = len(arrival.prompt.ids) - count
            self._starts.keep_prompt(arrival.prompt, count, cache.states(row, new))
            if not arrival.prompt.extras:
                self._texts.update(map(id, arrival.samples))

    def _keep_reply(self, row: int, sample: Sample) -> None:
        """Keep a reply for later turns; its last token was never put through the model."""
        if id(sample) in self._texts:
            ids = (*sample.prompt, *sample.tokens[:-1])
            new = self._starts.new_of_reply(ids, len(sample.prompt))
            if new:
                self._starts.keep_reply(ids, self._cache.states(row, new))

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
        """Take finished sequences out; the last ones move into their places."""
        import torch

        alive = [i for i, s in enumerate(self.samples) if s.finish is None]
        if len(alive) == len(self.samples):
            return tokens
        movers = [i for i in alive if i >= len(alive)]
        order = [i if self.samples[i].finish is None else movers.pop() for i in range(len(alive))]
        rows = torch.tensor(order, device=self._mask.device)
        mask = self._mask.index_select(0, rows)
        shared = self._cache.shared_length
        left = int(mask[:, shared:].amax(dim=0).argmax())
        self._cache.close_up(rows, left)
        self._mask = torch.cat([mask[:, :shared], mask[:, shared + left :]], dim=1)
        self._positions = self._positions.index_select(0, rows)
        self.samples = [self.samples[i] for i in order]
        self._refresh()
        return [tokens[i] for i in order]

    def _refresh(self) -> None:
        """Rebuild what follows from the list of samples."""
        import torch

        self._texts &= set(map(id, self.samples))
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

    def _states_of(self, start: tuple[int, ...], before: States, known: int) -> States:
        """Keys and values of `start[known:]`, by a pass over it alone, behind those `before` it."""
        import torch

        cache = BatchCache(before)
        with torch.inference_mode():
            ids = torch.tensor([start[known:]], device=self._model.device)
            places = torch.arange(known, len(start), device=ids.device).unsqueeze(0)
            self._call(ids, torch.ones((1, len(start)), dtype=torch.long, device=ids.device), places, cache)
        return cache.states(0, len(start) - known)


def _widen(mask: Any, shared: int, width: int) -> Any:
    """Pad a mask's own columns on the left up to `width`."""
    import torch

    missing = width - (mask.shape[1] - shared)
    own = torch.nn.functional.pad(mask[:, shared:], (missing, 0))
    return torch.cat([mask[:, :shared], own], dim=1)
