"""MMFineReason built whole: questions are cleaned, a teacher and a judge check the gold, and only what is hard goes out.

`short` drops below 2 words here, not 100, because replies have 44 tokens.
"""

import pytest
from small_recipe import Built, build_small, compiled, shapes

NAME = "mmfinereason_123k"
PROOF = {"question": 'Is it so? {{"error_types": ["proof"]}}', "answer": "yes"}
SEEN = {"question": "Is there a {colour} {shape} in the image?", "answer": "yes"}
ODD = {**SEEN, "answer": "a"}  # the teacher says so where it is held to a form, the student never does


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(NAME)
    sources = [
        shapes(folder, "mmr1", [PROOF, *[ODD] * 5]),
        shapes(folder, "geometry3k", [SEEN] * 7, seed=1),
    ]
    tokens = {"clean": 128, "distill": 44, "rollout": 8, "judge": 8}
    overrides = ["steps.short.if={words: words < 2}", "steps.distill.sampling.seed=3"]
    return build_small(NAME, folder / "out", sources, tokens, overrides)


def test_it_compiles_as_published() -> None:
    steps = compiled(NAME)
    assert (steps["rollout"].config.n, steps["rollout"].config.sampling.temperature) == (4, 1.0)
    teacher = steps["distill"].config
    assert (teacher.n, teacher.tries, teacher.sampling.top_p, teacher.sampling.max_tokens) == (1, 2, 0.95, 16384)
    assert steps["clean"].config.sampling.temperature == 0.0
    assert steps["select"].config.rule.max_correct == 0


def test_every_gate_keeps_and_drops(built: Built) -> None:
    assert [
        step for step in ("unusable", "short", "inconsistent", "disputed", "select") if not built.separated(step)
    ] == []
    assert built.records["unusable"]["dropped"] == {"unusable:non_answer": 1}
    assert built.records["judge"]["passed"] > 0  # right answers need no judge


def test_what_goes_out_is_hard_for_the_student_and_right_by_the_teacher(built: Built) -> None:
    rows = built.config("sft")
    assert len(rows) > 0
    assert {(row["k"], row["n"]) for row in rows} == {(0, 4)}
    assert {row["teacher"] for row in rows} == {"teacher"}
    assert all(row["completion"][0]["content"].startswith("<think>") for row in rows)
    assert all(row["caption"] for row in rows)
    assert {len(built.config(name)) > 0 for name in ("control", "unfiltered", "rollouts")} == {True}
    assert {row["k"] for row in built.config("unfiltered")} != {0}
