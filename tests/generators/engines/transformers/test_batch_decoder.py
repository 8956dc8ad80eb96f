from collections.abc import Callable
from typing import Any

import pytest

from generators.engines.transformers.batch_decoder import Arrival, BatchDecoder
from generators.engines.transformers.kv_cache import register_attention
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.sequence import Sample
from schemas.completion import Sampling

pytestmark = pytest.mark.filterwarnings("ignore")

VISION_START, IMAGE, VISION_END = 90, 91, 92


class Numbers:
    """A tokenizer whose text is the tokens' numbers."""

    def decode(self, tokens: list[int], skip_special_tokens: bool) -> str:
        return " ".join(map(str, tokens))


def prompt(ids: Any, sharable: int | None = None) -> EncodedPrompt:
    ids = tuple(ids)
    return EncodedPrompt(ids, len(ids) - 1 if sharable is None else sharable)


def image_prompt(rows: int, columns: int, before: list[int], after: list[int]) -> EncodedPrompt:
    """An image of `rows` by `columns` patches inside a prompt, as Qwen's processor gives it."""
    import torch

    tokens = rows * columns // 4
    ids = (*before, VISION_START, *[IMAGE] * tokens, VISION_END, *after)
    kinds = torch.tensor([[int(i == IMAGE) for i in ids]], dtype=torch.int32)
    extras = {
        "pixel_values": torch.randn(rows * columns, 3 * 2 * 4 * 4),
        "image_grid_thw": torch.tensor([[1, rows, columns]]),
        "mm_token_type_ids": kinds,
    }
    return EncodedPrompt(ids, 0, extras)


def test_positions_along_three_axes_survive_batching(tiny_qwen: Callable[[float], Any]) -> None:
    import torch

    model = tiny_qwen(0.5)
    prompts = [
        image_prompt(4, 4, [5, 6], [7, 8, 9]),
        image_prompt(8, 4, [5], [7, 8, 9, 10, 11, 12]),
        image_prompt(4, 12, [], [30]),
        prompt([40, 41, 42, 43]),
    ]
    expected = []
    for one in prompts:
        ids = torch.tensor([one.ids])
        with torch.inference_mode():
            model.model.rope_deltas = None
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False, **dict(one.extras)
            )
        expected.append(tuple(whole[0, len(one.ids) :].tolist()))
    model.set_attn_implementation(register_attention())
    decoder = BatchDecoder(model, 1, True, 4096, 1 << 20)
    greedy = Sampling(temperature=0)
    samples = [[Sample(i, p.ids, greedy, 12, Numbers(), frozenset()) for i in range(2)] for p in prompts]
    decoder.choose_prefix(prompts)
    decoder.admit([Arrival(p, s) for p, s in zip(prompts[:3], samples[:3], strict=True)])
    for _ in range(4):
        decoder.step()
    decoder.admit([Arrival(prompts[3], samples[3])])
    while decoder.running:
        decoder.step()
    assert [tuple(s.tokens) for pair in samples for s in pair] == [e for e in expected for _ in range(2)]
