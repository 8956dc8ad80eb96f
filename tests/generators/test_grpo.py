"""The batched sampler says what the plain one says, packing changes no loss, and only disagreeing groups teach."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from PIL import Image

from generators.reference.evaluate import WEIGHTS
from generators.reference.grpo import GrpoConfig, Prompt, advantages, asked, grpo, policy_loss, reply, sample, turns
from generators.reference.replies import Reader
from generators.scenes import iter_scenes, questions, render


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def reader() -> Reader:
    return Reader(WEIGHTS)


def _queries(number: int) -> list[tuple[Image.Image, str]]:
    return [(render(s), q.question) for s in iter_scenes("curate", 3, "grpo") for q in questions(s)][:number]


def _prompts(number: int) -> list[Prompt]:
    return [asked(image, question) for image, question in _queries(number)]


def test_nothing_to_learn_from_is_an_error_and_no_endless_wait() -> None:
    assert sorted(next(order) for order in [turns(3, 0)] for _ in range(3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="there is no prompt to learn from"):
        next(turns(0, 0))


def test_advantages_are_standard_deviations_from_the_mean_of_the_group() -> None:
    split, agreed, unscored, empty = advantages([[1, 0, 0, 1], [1, 1, 1, 1], [1, None, 0], [None, None]])
    assert split == pytest.approx([0.8659, -0.8659, -0.8659, 0.8659], abs=1e-4)  # 0.5 / (0.57735 + 0.0001)
    assert agreed == [0, 0, 0, 0]
    assert unscored == pytest.approx([0.7070, 0.0, -0.7070], abs=1e-4)  # 0.5 / (0.70711 + 0.0001)
    assert empty == [0, 0]


def test_greedy_replies_are_those_of_the_plain_reader(reader: Reader) -> None:
    ours = reply(reader.model, reader.processor.tokenizer, _prompts(20), number=1, temperature=0, tokens=6, batch=7)
    assert ours == reader.reply(_queries(20))


def test_samples_differ_follow_the_seed_and_stop_at_the_end(reader: Reader) -> None:
    tokenizer, drawn = reader.processor.tokenizer, []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        drawn.append(sample(reader.model, tokenizer, _prompts(4), number=8, temperature=1.5, tokens=4))
    assert drawn[0] == drawn[1] != drawn[2]
    assert [len(group) for group in drawn[0]] == [8] * 4
    for ids in (ids for group in drawn[0] for ids in group):
        assert 1 <= len(ids) <= 4
        assert tokenizer.eos_token_id not in ids[:-1]
        assert ids[-1] == tokenizer.eos_token_id or len(ids) == 4


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_reply_never_holds_an_image_token(reader: Reader, temperature: float) -> None:
    """However likely the model finds it: a mark without an image would stop the update."""
    model, tokenizer, prompts = reader.model, reader.processor.tokenizer, _prompts(2)
    mark = model.config.image_token_id
    before = model.lm_head.forward
    model.lm_head.forward = lambda hidden: before(hidden).index_fill(-1, torch.tensor([mark]), 1e4)
    drawn = sample(model, tokenizer, prompts, number=3, temperature=temperature, tokens=6)
    model.lm_head.forward = before
    assert all(mark not in ids for group in drawn for ids in group)
    policy_loss(model, tokenizer, prompts, drawn, [[1.0, 0.0, -1.0]] * 2).backward()


def test_packed_loss_is_that_of_separate_conversations(reader: Reader) -> None:
    tokenizer, queries, prompts = reader.processor.tokenizer, _queries(3), _prompts(3)
    texts = [["yes", "two"], ["red", "blue"], ["A", "7"]]
    weights = [[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]]
    ids = [[(*tokenizer(t)["input_ids"], tokenizer.eos_token_id) for t in group] for group in texts]
    with torch.no_grad():
        packed = policy_loss(reader.model, tokenizer, prompts, ids, weights)
        total, tokens = 0.0, 0
        for query, group, heavy in zip(queries, ids, weights, strict=True):
            for said, weight in zip(group, heavy, strict=True):
                total += weight * _alone(reader, query, said)
                tokens += len(said)
    assert float(packed) == pytest.approx(total / tokens, abs=1e-4)


def _alone(reader: Reader, query: tuple[Image.Image, str], said: Sequence[int]) -> float:
    """Negative log-likelihood of one reply, through the processor and the model's own forward pass."""
    image, text = query
    inputs: Any = reader.processor(text=[reader._prompt(text, True)], images=[[image]], return_tensors="pt")
    opening = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([said])], 1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    likely = reader.model(**inputs).logits[0].log_softmax(-1)
    return -sum(float(likely[opening + i - 1, token]) for i, token in enumerate(said))


def test_groups_that_agree_change_nothing(reader: Reader) -> None:
    before = {name: tensor.clone() for name, tensor in reader.model.state_dict().items()}
    config = GrpoConfig(steps=2, prompts=2, completions=4)
    records = grpo(reader.model, reader.processor.tokenizer, _prompts(3), lambda at, texts: [1.0] * len(texts), config)
    assert all(torch.equal(before[name], tensor) for name, tensor in reader.model.state_dict().items())
    assert [(r.reward, r.silent) for r in records] == [(1.0, 1.0)] * 2


def test_rewarded_replies_become_likelier_and_a_seed_repeats(reader: Reader) -> None:
    prompts, tokenizer = [p for p in _prompts(60) if "How many" in p.text][:4], reader.processor.tokenizer
    config = GrpoConfig(steps=12, prompts=4, completions=8, rate=3e-4, temperature=1.5)

    def longing_for_two(at: Sequence[int], texts: Sequence[str]) -> list[float]:
        assert set(at) <= set(range(4))
        return [float(text == "2") for text in texts]

    def share(model: Any) -> float:
        torch.manual_seed(0)
        drawn = reply(model, tokenizer, prompts, number=32, temperature=1.5, tokens=4)
        return sum(text == "2" for group in drawn for text in group) / 128

    other, before = Reader(WEIGHTS), share(reader.model)
    first = grpo(reader.model, tokenizer, prompts, longing_for_two, config)
    assert share(reader.model) > before + 0.2
    assert grpo(other.model, tokenizer, prompts, longing_for_two, config) == first


def test_every_prompt_comes_once_before_any_comes_again(reader: Reader) -> None:
    seen: list[int] = []

    def noting(at: Sequence[int], texts: Sequence[str]) -> list[float]:
        seen.extend(at[::2])
        return [0.0] * len(texts)

    config = GrpoConfig(steps=4, prompts=2, completions=2)
    grpo(reader.model, reader.processor.tokenizer, _prompts(4), noting, config)
    assert sorted(seen[:4]) == sorted(seen[4:]) == [0, 1, 2, 3]


@pytest.mark.parametrize("wrong", [{"completions": 1}, {"steps": 0}, {"temperature": 0.0}])
def test_a_configuration_without_groups_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="two completions"):
        GrpoConfig(**wrong)
