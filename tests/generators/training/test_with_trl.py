"""TRL and the product's own loops are one training: the same loss and the same gradient on a batch."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from generators.embedded import reference_folder
from generators.reference.grpo import policy_loss
from generators.reference.sft import reply_ids, sft_loss
from generators.scenes import iter_scenes, questions, render
from generators.training.reference import ReferenceStudent
from generators.training.student import Question, RlBudget, SftBudget
from generators.training.with_trl import TrlStudent

pytestmark = pytest.mark.filterwarnings("ignore")  # of the libraries; ours are errors everywhere else

SYSTEM = ("system", "Think first.")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rows(number: int) -> tuple[list[Question], list[str]]:
    asked = [(render(scene), questions(scene)[0]) for scene in iter_scenes("curate", number, "trl", (1,))]
    put = [Question((SYSTEM, ("user", q.question)), (image,)) for image, q in asked]
    return put, [f"<think>It is {q.answer}.</think>\n<answer>{q.answer}</answer>" for _, q in asked]


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.fixture
def both() -> tuple[ReferenceStudent, TrlStudent]:
    return ReferenceStudent(), TrlStudent(str(reference_folder()))


def test_sft_has_the_same_loss_and_the_same_gradient(both: Any, tmp_path: Path) -> None:
    ours, theirs = both
    asked, replies = rows(4)
    trainer = theirs.sft_trainer(asked, replies, SftBudget(steps=1, batch=4), 0, str(tmp_path))
    batch = next(iter(trainer.get_train_dataloader()))
    loss = trainer.compute_loss(theirs.model, batch)
    loss.backward()
    tokenizer = ours._processor.tokenizer
    own = sft_loss(ours.model, tokenizer, ours.prompts(asked), [reply_ids(tokenizer, text) for text in replies])
    own.backward()  # type: ignore[no-untyped-call]
    assert float(own) == pytest.approx(float(loss), rel=1e-4)
    torch.testing.assert_close(gradient(ours.model), gradient(theirs.model), atol=1e-4, rtol=1e-3)


def test_grpo_has_the_same_gradient_on_the_same_replies_and_rewards(both: Any, tmp_path: Path) -> None:
    ours, theirs = both
    asked, _ = rows(2)
    seen: list[int] = []

    def reward(places: Any, texts: Any) -> list[float]:
        seen.extend(places)
        return [float(number % 3) for number, _ in enumerate(texts)]

    budget = RlBudget(steps=1, prompts=2, completions=4, temperature=1.0)
    trainer = theirs.rl_trainer(asked, reward, budget, 5, 0, str(tmp_path))
    inputs = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    theirs.model.zero_grad()
    trainer.compute_loss(theirs.model, inputs).backward()
    kept = zip(inputs["completion_ids"].tolist(), inputs["completion_mask"].tolist(), strict=True)
    drawn = [tuple(token for token, mask in zip(ids, mine, strict=True) if mask) for ids, mine in kept]
    prompts, tokenizer = ours.prompts(asked), ours._processor.tokenizer
    weights = inputs["advantages"].flatten().tolist()
    assert any(weights) and len(seen) == len(weights) == 8
    own = policy_loss(
        ours.model, tokenizer, [prompts[i] for i in seen], [[ids] for ids in drawn], [[w] for w in weights]
    )
    own.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(gradient(ours.model), gradient(theirs.model), atol=1e-4, rtol=1e-2)


def test_both_are_asked_and_answer_alike(both: Any) -> None:
    ours, theirs = both
    asked, replies = rows(5)
    asked = [*asked, Question((("user", "What is red?"),))]
    how = {"number": 1, "temperature": 0.0, "tokens": 6, "seed": 0}
    assert ours.reply(asked, **how) == theirs.reply(asked, **how)
    assert ours.length(replies) == theirs.length(replies)


@pytest.mark.slow
def test_trl_trains_saves_and_goes_on(both: Any, tmp_path: Path) -> None:
    _, student = both
    asked, replies = rows(4)
    first = student.sft(asked, replies, SftBudget(steps=8, batch=2, rate=3e-3, warmup=1), 0)
    assert len(first.curve) == 8 and first.tokens > 0
    student.save(tmp_path)
    learned = student.reply(asked, number=2, temperature=1.0, tokens=6, seed=1)
    student.load(None)
    assert student.reply(asked, number=2, temperature=1.0, tokens=6, seed=1) != learned
    student.load(tmp_path)
    assert student.reply(asked, number=2, temperature=1.0, tokens=6, seed=1) == learned
    found = student.rl(asked, lambda places, texts: [float(len(t)) for t in texts], RlBudget(steps=2, prompts=2), 5, 0)
    assert len(found.curve) == 2 and found.silent is not None and found.tokens > 0


def test_a_model_of_a_folder_is_known_by_what_lies_there_and_not_by_where(tmp_path: Path) -> None:
    here, there = tmp_path / "here" / "mine", tmp_path / "there" / "mine"
    for folder in (here, there):
        shutil.copytree(reference_folder(), folder)
    student = TrlStudent(str(here))
    first = student.identity()
    assert first["model"] == "mine" and str(tmp_path) not in str(first)
    assert TrlStudent(str(there)).identity() == first
    config = here / "config.json"
    config.write_text(config.read_text() + "\n")
    assert student.identity()["files"] != first["files"]
    with (there / "model.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    assert TrlStudent(str(there)).identity()["files"] != first["files"]
