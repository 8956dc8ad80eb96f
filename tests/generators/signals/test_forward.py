"""A model of Qwen2.5-VL's make, whose positions run along three axes: a padded batch against one sequence at a time."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from generators.engines.transformers.model_loading import LoadedModel
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.prompt_tensors import with_reply
from generators.signals.columns import HEADS, ColumnSums, Heads, register_watch
from generators.signals.forward import final_attention, forward
from schemas.errors import ConfigError

Literal = Callable[[list[torch.Tensor], Heads, int | None], list[float]]
VISION_START, IMAGE, VISION_END = 90, 91, 92


def with_image(rows: int, columns: int, before: list[int], reply: list[int]) -> tuple[EncodedPrompt, int]:
    """A prompt with an image of `rows` by `columns` patches and a reply behind it, and the reply's length."""
    ids = (*before, VISION_START, *[IMAGE] * (rows * columns // 4), VISION_END, 7, 8)
    extras = {
        "pixel_values": torch.randn(rows * columns, 3 * 2 * 4 * 4, generator=torch.Generator().manual_seed(rows)),
        "image_grid_thw": torch.tensor([[1, rows, columns]]),
        "mm_token_type_ids": torch.tensor([[int(i == IMAGE) for i in ids]], dtype=torch.int32),
    }
    return with_reply(EncodedPrompt(ids, 0, extras), reply), len(reply)


def plain(ids: list[int], reply: list[int]) -> tuple[EncodedPrompt, int]:
    return with_reply(EncodedPrompt(tuple(ids), len(ids) - 1), reply), len(reply)


IMAGE_PROMPTS = [
    with_image(4, 4, [5, 6], [9, 10, 11, 12]),
    with_image(8, 4, [5], [30]),
    with_image(4, 12, [], [31, 32, 33]),
]
PLAIN = [plain([40, 41, 42, 43], [44, 45]), plain([46], [47, 48, 49, 50, 51])]


@pytest.mark.parametrize("batch", [IMAGE_PROMPTS, PLAIN], ids=["images", "text"])
def test_a_padded_batch_is_its_sequences(
    literal: Literal, batch: list[tuple[EncodedPrompt, int]], tiny_qwen: Callable[[float], Any]
) -> None:
    model = tiny_qwen(0.3)
    loaded = LoadedModel(model, SimpleNamespace(config=model.config), 256, frozenset(), 1, False)  # type: ignore[arg-type]
    expected = []
    for whole, length in batch:
        model.set_attn_implementation("eager")
        model.model.rope_deltas = None
        with torch.inference_mode():
            out = model(input_ids=torch.tensor([whole.ids]), output_attentions=True, **dict(whole.extras))
        weights = out.attentions[-1][0]
        expected.append((out.logits[0, -length - 1 :], [weights[:, i] for i in range(-length, 0)]))
    model.set_attn_implementation(register_watch())
    final = final_attention(loaded)
    final.curate_sums = sums = ColumnSums(torch.tensor([length for _, length in batch]))
    logits = forward(loaded, [whole for whole, _ in batch], max(length for _, length in batch) + 1)
    for place, (found, (wanted, rows)) in enumerate(zip(sums.rows(), expected, strict=True)):
        torch.testing.assert_close(logits[place, -len(wanted) :], wanted, rtol=1e-3, atol=1e-3)
        for heads in HEADS:
            log = torch.tensor(literal(rows, heads, None)).log().tolist()
            assert found[heads] == pytest.approx(log, rel=1e-3, abs=1e-3)


def test_capped_scores_are_refused(tiny_qwen: Callable[[float], Any]) -> None:
    model = tiny_qwen(0.3)
    model.config.get_text_config().attn_logit_softcapping = 50.0
    loaded = LoadedModel(model, SimpleNamespace(config=model.config), 256, frozenset(), 1, False)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be read"):
        final_attention(loaded)
