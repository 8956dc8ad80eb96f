"""A text put into a model's mouth: one forward pass over prompt and reply, as in training (teacher forcing).

The log holds texts, not token ids, so a reply is tokenised again. Where a model had sampled an unusual division into
tokens, the signal is that of the usual one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generators.checks.masks import patch_mask
from generators.engines.prompting import ImageCache
from generators.engines.transformers.model_loading import load_model
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.prompt_tensors import encode_prompt, shape_of, with_reply
from generators.signals.columns import HEADS, ColumnSums, register_watch
from generators.signals.forward import final_attention, forward
from generators.signals.patches import PatchConfig
from schemas.completion import Request
from schemas.engine import MediaReader, ModelConfig
from schemas.errors import ConfigError, PermanentEngineError

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH_TOKENS = {"cpu": 8192, "gpu": 65536}
"""Most tokens of one forward pass, padding counted."""

BATCH_LOGITS = 1 << 29
"""Most logits of one forward pass: replies' tokens times the vocabulary."""


@dataclass(frozen=True, slots=True)
class Forced:
    """A reply's text behind a request's messages (and its `prefix`), with or without patches of its images masked."""

    request: Request
    text: str
    patches: PatchConfig | None = None


@dataclass(frozen=True, slots=True)
class _Pass:
    """One sequence of a forward pass."""

    place: int
    whole: EncodedPrompt
    reply: int


class ForcedModel:
    """A transformers model that reads texts it did not (or did) say. Not safe for threads.

    `config` is a model of a recipe; its engine does not matter, as long as transformers can load the weights.
    """

    def __init__(self, config: ModelConfig, media: MediaReader) -> None:
        """Load the model.

        Raises:
            MissingDependencyError: torch or transformers is missing.
            ConfigError: a server's model, or one whose attention cannot be watched.
        """
        check_signals(config)
        self._loaded = load_model(config, register_watch())
        self._images = ImageCache(media)
        self._kind = "cpu" if self._loaded.model.device.type == "cpu" else "gpu"
        self._final = final_attention(self._loaded)

    def attention(self, texts: Sequence[Forced], window: int | None) -> list[dict[str, list[float]] | str]:
        """For each text its sums of log-attention by column (see `generators.signals.columns`), or why there are none."""
        import torch

        found: list[Any] = [{heads: [] for heads in HEADS} for _ in texts]
        for batch in self._batches(texts, found):
            sums = ColumnSums(torch.tensor([p.reply for p in batch], device=self._loaded.model.device), window)
            self._final.curate_sums = sums
            try:
                forward(self._loaded, [p.whole for p in batch], 1)
            finally:
                self._final.curate_sums = None
            for item, row in zip(batch, sums.rows(), strict=True):
                found[item.place] = row
        return found

    def likelihood(self, texts: Sequence[Forced], *, end: bool) -> list[list[float] | str]:
        """For each text the log-probabilities of its tokens (and of the end of the reply), or why there are none."""
        ends = (min(self._loaded.ends),) if end and self._loaded.ends else ()
        found: list[Any] = [[] for _ in texts]
        for batch in self._batches(texts, found, ends):
            longest = max(p.reply for p in batch)
            logits = forward(self._loaded, [p.whole for p in batch], longest + 1)
            for item, row in zip(batch, logits, strict=True):
                found[item.place] = _chosen(row[-item.reply - 1 : -1], item.whole.ids[-item.reply :])
        return found

    def _batches(self, texts: Sequence[Forced], found: list[Any], ends: tuple[int, ...] = ()) -> Iterator[list[_Pass]]:
        """Sequences of like shape and length together; an empty text is passed over, what cannot be encoded leaves its
        sentence in `found`."""
        ready: list[_Pass] = []
        for place, text in enumerate(texts):
            try:
                item = self._encode(place, text, ends)
            except PermanentEngineError as error:
                found[place] = str(error)
                continue
            if item.reply > len(ends):
                ready.append(item)
        vocabulary = self._loaded.prompts.config.get_text_config().vocab_size
        group: list[_Pass] = []
        longest = 0
        for item in sorted(ready, key=lambda p: (shape_of(p.whole), len(p.whole.ids), p.place)):
            longest = max(longest, item.reply)
            if group and (
                shape_of(item.whole) != shape_of(group[0].whole)
                or (len(group) + 1) * len(item.whole.ids) > BATCH_TOKENS[self._kind]
                or (len(group) + 1) * longest * vocabulary > BATCH_LOGITS
            ):
                yield group
                group, longest = [], item.reply
            group.append(item)
        if group:
            yield group

    def _encode(self, place: int, text: Forced, ends: tuple[int, ...]) -> _Pass:
        prompt = encode_prompt(text.request, self._loaded, self._shown(text))
        reply = (*self._loaded.prompts.tokenizer(text.text, add_special_tokens=False)["input_ids"], *ends)
        if len(prompt.ids) + len(reply) > self._loaded.context:
            raise PermanentEngineError(
                f"prompt and text have {len(prompt.ids) + len(reply)} tokens; the context has {self._loaded.context}"
            )
        return _Pass(place, with_reply(prompt, reply), len(reply))

    def _shown(self, text: Forced) -> "list[Image]":
        images = [self._images.load(sha) for sha in text.request.images]
        mask = text.patches
        if mask is None:
            return images
        shas = text.request.images
        return [patch_mask(p, mask.patch, mask.p, f"{mask.seed}:{sha}") for p, sha in zip(images, shas, strict=True)]


def check_signals(config: ModelConfig) -> None:
    """Raise ConfigError for a model whose insides cannot be seen from here: one behind a server, or on a cluster."""
    if config.engine == "openai":
        raise ConfigError(
            f"the model '{config.model}' is behind a server, which shows neither attentions nor the "
            "likelihood of a given text. Name the same weights as a model with engine: transformers."
        )
    if config.engine == "ray":
        raise ConfigError(
            f"the insides of the model '{config.model}' are read in this process, not by replicas on a cluster. Name the "
            "same weights as a model with engine: transformers."
        )


def _chosen(logits: Any, tokens: Sequence[int]) -> list[float]:
    """Log-probability of each token, by the row of logits before it; 32 bits."""
    import torch

    picked = torch.tensor(tokens, device=logits.device).unsqueeze(1)
    return logits.float().log_softmax(dim=-1).gather(1, picked).squeeze(1).tolist()  # type: ignore[no-any-return]
