from typing import Any

import torch

from generators.engines.transformers.known_starts import KnownStarts
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.prefix_tree import States

SHOTS = tuple(range(100))


def prompt(*ids: int) -> EncodedPrompt:
    return EncodedPrompt(ids, len(ids) - 1)


class Computed:
    """Stands for the model: what it was asked to compute, as (tokens, of which known)."""

    def __init__(self) -> None:
        self.passes: list[tuple[int, int]] = []
        self.starts = KnownStarts(self.states, 1 << 20)

    def states(self, start: tuple[int, ...], before: States, known: int) -> States:
        assert sum(k.shape[2] for k, _ in before) == known
        self.passes.append((len(start), known))
        keys = torch.tensor(start[known:], dtype=torch.float32).view(1, 1, -1, 1)
        return [(keys, -keys)]


def test_each_start_that_several_share_is_computed_once() -> None:
    model = Computed()
    one = [prompt(*SHOTS, *[200] * 20, 300 + i, 7) for i in range(6)]
    other = [prompt(*SHOTS, *[201] * 20, 300 + i, 7) for i in range(6)]
    alone = prompt(*[9] * 50)
    model.starts.compute_shared([*one, alone, *other])
    assert model.passes == [(100, 0), (120, 100), (120, 100)]
    assert [model.starts.known(p) for p in (one[0], other[0], alone)] == [120, 120, 0]
    model.starts.compute_shared([*one, *other])
    assert len(model.passes) == 3


def test_what_saves_less_than_a_pass_is_not_computed() -> None:
    model = Computed()
    model.starts.compute_shared([prompt(*range(40), 100 + i, 1) for i in range(2)])
    model.starts.compute_shared([prompt(i, i) for i in range(90)])
    assert model.passes == []


def test_a_batch_shares_the_start_that_saves_most() -> None:
    model = Computed()
    prompts = [*(prompt(*SHOTS, i % 2, *[i] * 3) for i in range(9)), *(prompt(*[5] * 150, i, 1) for i in range(4))]
    model.starts.compute_shared(prompts)
    prefix, ((keys, values),) = model.starts.choose(prompts)
    assert prefix == SHOTS
    assert keys.flatten().tolist() == list(range(100))
    assert torch.equal(values, -keys)
    again, _ = model.starts.choose([prompts[0]])
    assert again == SHOTS
    assert model.starts.choose([prompt(400, 401)]) == ((), ())
    assert model.starts.choose([]) == ((), ())


def test_a_reply_is_kept_behind_its_prompt_and_not_without_it() -> None:
    model = Computed()
    asked, reply = prompt(*range(50)), (*range(50), 90, 91)
    assert model.starts.new_of_reply(reply, 50) == 0

    def states(last: int) -> Any:
        return [(torch.ones(1, 1, last, 1), torch.ones(1, 1, last, 1))]

    model.starts.keep_prompt(asked, 0, states(50))
    assert model.starts.new_of_reply(reply, 50) == 2
    model.starts.keep_reply(reply, states(2))
    assert model.starts.known(prompt(*reply, 92, 93)) == 52
    with_image = EncodedPrompt((1, 2, 3, 4, 5), 2, {"pixel_values": torch.ones(1)})
    model.starts.keep_prompt(with_image, 0, states(5))
    assert model.starts.known(EncodedPrompt((1, 2, 3, 4, 5), 4)) == 2
