from collections.abc import Callable
from typing import Any

import pytest

from generators.engines.transformers.batch_decoder import Arrival, BatchDecoder
from generators.engines.transformers.kv_cache import register_attention
from generators.engines.transformers.prefix import EncodedPrompt, KnownPrefixes, common_prefix
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


def test_the_common_prefix_is_what_half_the_prompts_share() -> None:
    shots = list(range(100))
    many = [prompt([*shots, 200 + i, 7]) for i in range(6)]
    assert common_prefix(many) == tuple(shots)
    assert common_prefix(many[:3]) == ()
    assert common_prefix([prompt([5, i, 9]) for i in range(6)]) == ()
    strangers = [prompt([300 + i] * 50) for i in range(4)]
    assert common_prefix([strangers[0], *many, *strangers[1:]]) == tuple(shots)
    assert common_prefix([*many[:2], *strangers]) == ()
    assert len(common_prefix([prompt(shots, sharable=40) for _ in range(4)])) == 40


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
    decoder = BatchDecoder(model, 1, True, 4096)
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


def test_known_prefixes_serve_shorter_ones_and_the_oldest_is_forgotten() -> None:
    import torch

    computed = []

    def states(prefix: tuple[int, ...]) -> list[tuple[Any, Any]]:
        computed.append(len(prefix))
        keys = torch.tensor(prefix, dtype=torch.float32).view(1, 1, -1, 1)
        return [(keys, -keys)]

    known = KnownPrefixes(states)
    prefix, (pair,) = known.take([prompt([*range(100), 200 + i, 1]) for i in range(5)])
    assert (len(prefix), pair[0].shape[2]) == (100, 100)
    shorter, (pair,) = known.take([prompt([*range(90), 300 + i, 1]) for i in range(5)])
    assert (len(shorter), pair[0].shape[2], computed) == (90, 90, [100])
    alone, _ = known.take([prompt([*range(95), 7])])
    assert (len(alone), computed) == (95, [100])
    for start in range(1000, 6000, 1000):
        known.take([prompt([*range(start, start + 40), i, 1]) for i in range(5)])
    assert len(known) == 4
    known.take([prompt([*range(100), 200 + i, 1]) for i in range(5)])
    assert computed[-1] == 100
    assert known.take([prompt([i]) for i in range(5)]) == ((), ())
