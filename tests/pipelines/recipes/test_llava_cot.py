"""LLaVA-CoT built whole: replies in four sections by a teacher that is shown the gold, checked by a judge."""

import pytest
from small_recipe import Built, build_small, compiled, shapes

from schemas.tags import TAG_SCHEMAS, parse_tags

NAME = "llava_cot"
OPTIONS = {
    "question": "What is the shape?",
    "options": ["circle", "triangle", "rectangle"],
    "kind": "choice",
    "answer": "A",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(NAME)
    asked = [("Is there a {colour} {shape} in the image?", "yes"), ("What is the color of the {shape}?", "{colour}")]
    rows = [{"question": question, "answer": answer} for question, answer in asked]
    sources = [shapes(folder, "chartqa", rows * 3), shapes(folder, "ai2d", [OPTIONS, *rows], seed=1)]
    return build_small(NAME, folder / "out", sources, {"distill": 120, "judge": 8})


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    teacher = steps["distill"].config
    assert (teacher.reply.tags, teacher.tries) == ("staged", 3)
    assert steps["distill"].gold_visible
    assert steps["judge"].config.reply.choice == ("yes", "no")
    assert set(steps["judge"].sources) == {"answer", "final"}


def test_the_judge_keeps_and_drops(built: Built) -> None:
    assert built.separated("drop")
    assert list(built.records["drop"]["dropped"]) == ["drop:invalid"]
    assert built.records["distill"]["kept"] > 6


def test_sections_go_out_as_they_came_and_the_prompt_does_not_show_the_gold(built: Built) -> None:
    rows = built.config("sft")
    assert len(rows) == built.records["drop"]["kept"]
    for row in rows:
        parsed = parse_tags(row["completion"][0]["content"], TAG_SCHEMAS["staged"])
        assert parsed.violation is None
        assert (parsed.sections["caption"], parsed.sections["summary"]) == (row["caption"], row["summary"])
        assert row["gold_visible"]
        assert row["tags"] == "staged"
        assert "Reference answer" not in row["prompt"][0]["content"]
        assert row["k"] is None
        assert row["n"] is None
