"""How two recipes differ, by the names of their parts."""

from pathlib import Path
from typing import Any

import recipe_build

from pipelines.explain.recipe_diff import Change, recipe_changes, text_changes
from pipelines.recipe.document import Document, load_document

CAPTION: dict[str, Any] = {"caption": {"model": "a"}}
DISTILL: dict[str, Any] = {"distill": {"model": "a", "n": 4, "sampling": {"temperature": 0.6, "max_tokens": 8}}}


def made(folder: Path, steps: list[Any], **head: Any) -> Document:
    models = {"a": {"model": "smollm2-135m-instruct"}}
    path = recipe_build.write_recipe(folder, steps, recipe_build.sums(1), **{"models": models, **head})
    return load_document(str(path), [f"sources.sums.path={folder.parent / 'rows.jsonl'}"])


def test_a_recipe_does_not_differ_from_itself_under_another_name(tmp_path: Path) -> None:
    one = made(tmp_path / "one", [CAPTION, DISTILL])
    two = made(tmp_path / "two", [CAPTION, DISTILL], name="other", about={"paper": "arXiv 1"}, description="mine")
    assert recipe_changes(one, two) == []


def test_steps_come_go_move_and_change_by_their_names(tmp_path: Path) -> None:
    one = made(tmp_path / "one", [CAPTION, DISTILL, "verify", "quality"])
    other = {"distill": {"model": "a", "n": 8, "sampling": {"temperature": 1.0, "max_tokens": 8}}}
    two = made(
        tmp_path / "two",
        [CAPTION, other, "quality", "verify", {"drop": {"of": "trace", "if": {"wrong": "NOT correct"}}}],
    )
    found = recipe_changes(one, two)
    assert Change("steps", "distill.n", "changed", 4, 8) in found
    assert Change("steps", "distill.sampling.temperature", "changed", 0.6, 1.0) in found
    [moved] = [change for change in found if change.how == "moved"]
    assert (moved.name, moved.before, moved.after) in {
        ("quality", "after verify", "after distill"), ("verify", "after distill", "after quality"),
    }  # fmt: skip
    [came] = [change for change in found if change.how == "only second"]
    assert came.name == "drop" and came.after["type"] == "drop"
    assert {change.name for change in recipe_changes(two, one) if change.how == "only first"} == {"drop"}


def test_models_sources_and_the_head_are_compared(tmp_path: Path) -> None:
    one = made(tmp_path / "one", [CAPTION], seed=1)
    models = {"a": {"model": "reference-vlm"}, "b": {"model": "reference-vlm"}}
    two = made(tmp_path / "two", [CAPTION], models=models, seed=2)
    assert [(change.place, change.name, change.how) for change in recipe_changes(one, two)] == [
        ("models", "a.model", "changed"), ("models", "b", "only second"), ("seed", "seed", "changed"),
    ]  # fmt: skip


def test_long_texts_are_compared_by_lines() -> None:
    assert text_changes("a\nb\nc", "a\nB\nc") == [" a", "-b", "+B", " c"]


def test_long_texts_of_lines_that_come_again_are_compared_at_once() -> None:
    """Line by line it took hours."""
    one, two = ([str(i * i * k % 149) for i in range(100_000)] for k in (1, 2))
    found = text_changes("\n".join(["head", *one, "end"]), "\n".join(["head", *two, "end"]))
    assert found[0] == f"-{one[1]}" and found[-1] == f"+{two[-1]}" and len(found) == 2 * 99_999
    assert text_changes("\n".join(one), "\n".join([*one[:70], "new", *one[70:]])) == ["+new"]
