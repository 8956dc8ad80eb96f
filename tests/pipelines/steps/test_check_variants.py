"""How variants are put: the turns of the row's own rollouts, with what a check changes in them."""

from typing import Any

import polars as pl
import pytest

from generators.asking.config import AskConfig
from generators.checks.catalogue import ChecksConfig
from pipelines.steps.check_variants import make_variants, rollouts_of
from schemas.answer import ChoiceAnswer, dump_answer
from schemas.ids import canonical_json

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


def asked(check: dict[str, Any], own: AskConfig = OWN) -> str:
    """The turns of a check's first variant, as JSON."""
    config = ChecksConfig.model_validate({"checks": [check], "rollouts": rollouts_of(own, "vlm", 2)})
    made = make_variants(pl.DataFrame([ROW]), {}, config, own, pictures=None, seed=0)  # type: ignore[arg-type]
    return str(made.kept["messages"][0])


def turns(text: str, *, image: bool) -> str:
    content = [*([{"image": "ab" * 32}] if image else []), {"text": text}]
    system = {"role": "system", "content": [{"text": "You see."}]}
    return canonical_json([system, {"role": "user", "content": content}])


@pytest.mark.parametrize(
    ("check", "start", "image"),
    [
        ({"type": "guess"}, "Which colour?", True),
        ({"type": "guess", "prompt": "Quick: {{ question }}"}, "Quick: Which colour?", True),
        ({"type": "guess", "prompt": "Quick: {question}"}, "Quick: Which colour?", True),
        ({"type": "text_only"}, "Look well. Which colour?", False),
        ({"type": "caption_only"}, "Description: A blue ball.\nQuestion: Which colour?", False),
    ],
)
def test_what_a_check_leaves_out_is_as_the_rollouts_were_asked(check: dict[str, Any], start: str, image: bool) -> None:
    found = asked(check)
    begin = turns(start, image=image)[: -len('"}],"role":"user"}]')]
    assert found.startswith(begin), found
    assert ("ab" * 32 in found) == image


def test_students_that_see_nothing_are_shown_nothing() -> None:
    assert "ab" * 32 not in asked({"type": "guess"}, OWN.model_copy(update={"sees": "nothing"}))


def test_a_row_without_a_gold_has_no_variants() -> None:
    config = ChecksConfig.model_validate({"checks": [{"type": "guess"}], "rollouts": rollouts_of(OWN, "vlm", 2)})
    rows = pl.DataFrame([ROW]).with_columns(pl.lit(None, pl.Struct({"kind": pl.String})).alias("gold:answer"))
    made = make_variants(rows, {}, config, OWN, pictures=None, seed=0)  # type: ignore[arg-type]
    assert (made.kept.height, made.dropped.height) == (0, 0)
