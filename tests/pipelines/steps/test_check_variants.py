"""How variants are put: the turns of the row's own rollouts, with what a check changes in them."""

from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter

from generators.asking.config import AskConfig
from generators.checks.catalogue import CheckConfig
from generators.checks.check import Setting
from pipelines.steps.check_variants import make_variants
from schemas.answer import ChoiceAnswer, dump_answer
from schemas.ids import canonical_json
from schemas.split import Split

GOLD = ChoiceAnswer(raw="B", letters=("B",), texts=("blue",))
ROW = {
    "id": "s",
    "question": "Which colour?",
    "options": ["red", "blue"],
    "media": [{"kind": "image", "sha256": "ab" * 32, "position": None}],
    "hint": "Look well.",
    "check:caption": "A blue ball.",
    "check:meta": None,
    "check:others": None,
    "gold:answer": {"kind": "choice", "raw": "B", "parsed": dump_answer(GOLD)},
    "gold:verifier": {"id": "choice", "params": "{}"},
}
OWN = AskConfig(model="vlm", makes="rollout", n=2, prompt="{{ hint }} {{ question }}", system="You see.")


def made(rows: pl.DataFrame, check: dict[str, Any], own: AskConfig = OWN) -> Split:
    checks: Any = [TypeAdapter(CheckConfig).validate_python(check)]
    return make_variants(rows, {}, checks, Setting(own, images=None))  # type: ignore[arg-type]


def asked(check: dict[str, Any], own: AskConfig = OWN) -> str:
    """The turns of a check's first variant, as JSON."""
    return str(made(pl.DataFrame([ROW]), check, own).kept["messages"][0])


def turns(text: str, *, image: bool) -> str:
    content = [*([{"image": "ab" * 32}] if image else []), {"text": text}]
    system = {"role": "system", "content": [{"text": "You see."}]}
    return canonical_json([system, {"role": "user", "content": content}])


CLAIM = "Look well. Which colour?\nIs the answer 'blue'? Answer yes or no."
OPTIONS = "Which colour?\nA) red B) blue"


@pytest.mark.parametrize(
    ("check", "text", "image"),
    [
        ({"type": "guess"}, f"{OPTIONS}\nGive only the final answer.", True),
        ({"type": "guess", "prompt": "Quick: {{ question }}"}, f"Quick: {OPTIONS}", True),
        ({"type": "drop_cot"}, f"{OPTIONS}\nGive only the final answer.", True),
        ({"type": "text_only"}, f"Look well. {OPTIONS}", False),
        ({"type": "caption_only"}, f"Description: A blue ball.\nQuestion: {OPTIONS}", False),
        ({"type": "question_form"}, "Look well. Which colour?", True),
        ({"type": "question_form", "forms": ["yes_no"]}, CLAIM, True),
    ],
)  # fmt: skip
def test_what_a_check_leaves_out_is_as_the_rollouts_were_asked(check: dict[str, Any], text: str, image: bool) -> None:
    """To the byte: these are what the log knows answers by."""
    assert asked(check) == turns(text, image=image)


def test_students_that_see_nothing_are_shown_nothing() -> None:
    assert "ab" * 32 not in asked({"type": "guess"}, OWN.model_copy(update={"sees": "nothing"}))


def test_a_row_without_a_gold_has_no_variants() -> None:
    rows = pl.DataFrame([ROW]).with_columns(pl.lit(None, pl.Struct({"kind": pl.String})).alias("gold:answer"))
    found = made(rows, {"type": "guess"})
    assert (found.kept.height, found.dropped.height) == (0, 0)
