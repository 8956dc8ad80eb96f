"""The embedded VLM learns what it is shown, the same from the same seed, and asks in the words of its own template."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from generators.training.reference import ReferenceStudent, parts
from generators.training.student import Question, SftBudget

RED, BLUE = (Image.new("RGB", (64, 64), colour) for colour in ("red", "blue"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_question_is_laid_out_as_the_model_reads_it() -> None:
    student = ReferenceStudent()
    first = Question((("system", "Look."), ("user", "Same?")), (RED, BLUE))
    among = Question((("user", "Is or darker?"),), (RED, BLUE), (3, 6))
    end = "<end_of_utterance>"
    assert student.prompts([first])[0].text == f"<|system|>Look.{end}<|user|><image><image>Same?{end}<|assistant|>"
    assert student.prompts([among])[0].text == f"<|user|>Is <image>or <image>darker?{end}<|assistant|>"
    assert [part.get("text", "image") for part in parts(among)] == ["Is ", "image", "or ", "image", "darker?"]
    shown = student.prompts([first])[0].images
    assert [tuple(one.shape) for one in shown] == [(3, 64, 64)] * 2 and not torch.equal(*shown)
    wide = student.prompts([Question((("user", "?"),), (Image.new("L", (300, 40)),))])[0].images
    assert tuple(wide[0].shape) == (3, 64, 64)


def test_it_learns_what_it_is_shown_and_a_seed_repeats(tmp_path: Path) -> None:
    student, asked = ReferenceStudent(), [Question((("user", "Which?"),), (image,)) for image in (RED, BLUE)]
    budget = SftBudget(steps=14, batch=2, rate=4e-3, warmup=1)
    how = {"number": 1, "temperature": 0.0, "tokens": 4, "seed": 0}
    before = student.reply(asked, **how)  # type: ignore[arg-type]
    first = student.sft(asked, ["one", "two"], budget, 3)
    assert student.reply(asked, **how) == [["one"], ["two"]] != before  # type: ignore[arg-type]
    assert first.curve[-1] < 0.1 * first.curve[0]
    student.save(tmp_path)
    student.load(None)
    assert student.reply(asked, **how) == before  # type: ignore[arg-type]
    short = [student.sft(asked, ["one", "two"], SftBudget(steps=2, batch=1), 3)]
    student.load(None)
    assert short == [student.sft(asked, ["one", "two"], SftBudget(steps=2, batch=1), 3)]
    student.load(tmp_path)
    assert student.reply(asked, **how) == [["one"], ["two"]]  # type: ignore[arg-type]
