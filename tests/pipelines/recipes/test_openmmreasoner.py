"""OpenMMReasoner built whole: a seeing teacher answers eight times, and a rule and a judge decide."""

from collections import Counter

import pytest
from small_recipe import Built, build_small, compiled, shapes

NAME = "openmmreasoner"
SEEN = {"question": "Is there a {colour} {shape} in the image? Answer with a single word.", "answer": "yes"}
LETTER = {"question": "What is the first letter?", "answer": "a"}
ZERO = {"question": "How many stars are there?", "answer": "0", "kind": "number"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(NAME)
    rows = {
        "llava_cot": [SEEN, LETTER],
        "openvlthinker": [SEEN, LETTER],
        "we_math2": [{**SEEN, "answer": "no"}],
        "virl39k": [ZERO, SEEN],
        "mmk12": [LETTER],
    }
    sources = [shapes(folder, name, asked, seed=n) for n, (name, asked) in enumerate(rows.items())]
    sources.append(shapes(folder, "copies", rows["llava_cot"]))  # the images and questions of the first
    encoders = ["steps.dedup.image={model: reference-vlm}"]
    return build_small(NAME, folder / "out", sources, {"distill": 44, "judge": 4}, encoders)


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    teacher = steps["distill"].config
    assert (teacher.n, teacher.tries, teacher.sampling.temperature, teacher.sampling.max_tokens) == (8, 3, 1.0, 16384)
    assert (steps["dedup"].config.near.text_threshold, steps["dedup"].config.near.image_threshold) == (0.99, 0.99)
    assert list(steps["drop"].config.if_) == ["by_rule", "by_judge"]


def test_tails_that_ask_for_one_word_are_cut(built: Built) -> None:
    texts = built.rows("sample", "question")["question"]
    assert texts.str.ends_with("in the image?").any()
    assert not texts.str.contains("single word").any()


def test_eight_answers_a_question_and_every_gate_keeps_and_drops(built: Built) -> None:
    asked = built.records["distill"]
    assert asked["kept"] + sum(asked["dropped"].values()) == 8 * asked["in"]
    assert asked["passed"] == 3  # questions of RL
    assert [step for step in ("dedup", "drop") if not built.separated(step)] == []
    traces = built.rows("distill", "correct", "judge")
    assert traces["correct"].all()
    assert (traces["judge"] == "1").all()


def test_each_side_has_rows(built: Built) -> None:
    sft, rl = built.config("sft"), built.config("rl")
    assert {row["dataset"] for row in rl} <= {"virl39k", "mmk12"}
    assert len(rl) > 0
    assert not {"virl39k", "mmk12"} & {row["dataset"] for row in sft}
    assert max(Counter(row["id"] for row in sft).values()) > 1
    assert {row["side"] for row in sft} == {"sft"}
