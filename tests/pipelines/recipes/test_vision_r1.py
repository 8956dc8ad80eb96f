"""Vision-R1 built whole: two looks at the image become a description, from which a blind reasoner answers.

Questions tell the reasoner, which has 135M parameters, what to say; so traces are right, wrong and inconsistent.
"""

import pytest
from small_recipe import Built, build_small, compiled, saying, shapes

NAME = "vision_r1"
RL = ("geometry3k", "we_math")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(NAME)
    asked = "Is the {shape} {colour}?"
    plain = saying(asked, "The {shape} is {colour}. The answer is yes.", "yes")
    wrong = saying(asked, "The {shape} is small. The answer is no.", "yes")
    told = saying("Does the description say {colour}?", "The description says {colour}, so the answer is yes.", "yes")
    counted = {"question": "How many shapes are there?", "answer": "1", "kind": "number"}
    sources = [
        shapes(folder, "llava_cot", [plain, plain, plain, wrong]),
        shapes(folder, "mulberry", [told, told, wrong], seed=1),
        shapes(folder, "geometry3k", [counted, counted], seed=2),
        shapes(folder, "we_math", [counted], seed=3),
    ]
    return build_small(NAME, folder / "out", sources, {"pseudo": 72, "description": 24, "distill": 32})


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    assert steps["pseudo"].gold_visible
    assert steps["distill"].gold_visible  # what it reads was written by who had seen the gold
    assert steps["distill"].config.shown == ()
    assert steps["description"].config.model == steps["pseudo"].config.model


def test_only_cold_start_questions_are_described(built: Built) -> None:
    assert built.records["pseudo"]["passed"] == 3
    notes = built.rows("sample", "dataset", "pseudo_caption", "pseudo_reasoning", "description")
    described = notes.filter(~notes["dataset"].is_in(RL))
    assert described.null_count().select("pseudo_caption", "pseudo_reasoning", "description").row(0) == (0, 0, 0)
    assert set(notes.filter(notes["dataset"].is_in(RL))["description"]) == {None}


def test_wrong_and_inconsistent_traces_go(built: Built) -> None:
    assert built.separated("drop")
    assert "drop:wrong" in built.records["drop"]["dropped"]
    assert not built.rows("trace", "reasoning")["reasoning"].str.contains("(?i)description says").any()


def test_each_side_has_rows(built: Built) -> None:
    sft, rl = built.config("sft"), built.config("rl")
    assert len(sft) > 0
    assert len(rl) == 3
    assert {row["dataset"] for row in rl} == set(RL)
    assert all(row["gold_visible"] for row in sft)
    assert all("Description of an image" not in str(row["prompt"]) for row in sft)
    assert all(row["completion"][0]["content"].startswith("<think>") for row in sft)
