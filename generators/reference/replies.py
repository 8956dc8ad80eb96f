"""Ask a saved reference model many things at once with `transformers` alone, for measuring it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

Query = tuple[Image.Image | None, str]


class Reader:
    """A loaded model that answers queries in batches; sampling follows torch's seed."""

    def __init__(self, folder: Path, *, batch: int = 128) -> None:
        self.processor: Any = AutoProcessor.from_pretrained(folder)
        self.model: Any = AutoModelForImageTextToText.from_pretrained(folder).eval()
        self.batch = batch

    def reply(
        self,
        queries: Sequence[Query],
        *,
        samples: int = 1,
        temperature: float = 0.0,
        tokens: int = 6,
        system: str = "",
    ) -> list[list[str]]:
        """Return `samples` replies to each query, in its order; temperature 0 is greedy. `system` is a turn before each."""
        order = sorted(range(len(queries)), key=lambda i: (queries[i][0] is None, len(queries[i][1])))
        replies: list[list[str]] = [[] for _ in queries]
        size = max(1, self.batch // samples)
        for start in range(0, len(order), size):
            chunk = order[start : start + size]
            for shown in (True, False):  # one call takes images for all of its queries or for none
                part = [i for i in chunk if (queries[i][0] is not None) == shown]
                if part:
                    texts = self._generate([queries[i] for i in part], samples, temperature, tokens, system)
                    for place, i in enumerate(part):
                        replies[i] = texts[place * samples : (place + 1) * samples]
        return replies

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _generate(
        self, queries: Sequence[Query], samples: int, temperature: float, tokens: int, system: str
    ) -> list[str]:
        prompts = [self._prompt(text, image is not None, system) for image, text in queries]
        images = [[image] for image, _ in queries if image is not None] or None
        inputs = self.processor(text=prompts, images=images, padding=True, return_tensors="pt")
        choice = {"do_sample": True, "temperature": temperature, "top_k": 0} if temperature else {"do_sample": False}
        out = self.model.generate(**inputs, max_new_tokens=tokens, num_return_sequences=samples, **choice)
        texts = self.processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [text.strip() for text in texts]

    def _prompt(self, text: str, shown: bool, system: str = "") -> str:
        content = [*([{"type": "image"}] if shown else []), {"type": "text", "text": text}]
        before = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
        messages = [*before, {"role": "user", "content": content}]
        return str(self.processor.apply_chat_template(messages, add_generation_prompt=True))
