"""What recipes select, by hand: counts of right rollouts in, which of them stay and what they weigh out, as published."""

import math
from typing import Any

import polars as pl
import pytest

from filters.select.quota import allot
from filters.select.rules.catalogue import RULES
from pipelines.compiler.pipeline import Step
from pipelines.job import compile_recipe


def selecting(recipe: str) -> tuple[int, Step]:
    """How many rollouts the recipe asks for of a sample and student, and its step `select`."""
    pipeline = compile_recipe(recipe).pipeline
    select = pipeline.step("select")
    measured = pipeline.step(select.config.k or "difficulty")
    [counted] = measured.beside.values()
    [maker] = counted.node.makers
    return int(pipeline.step(maker).config.n), select


def judged(recipe: str, **columns: Any) -> pl.DataFrame:
    """The verdicts of the recipe's own rule; `k` right of its own number of rollouts, unless `n` says another."""
    asked, select = selecting(recipe)
    rule = select.config.rule
    rows = pl.DataFrame(columns)
    rows = rows if "n" in rows.columns else rows.with_columns(n=pl.lit(asked))
    wanted = RULES[type(rule)].columns(rule)
    return RULES[type(rule)].judge(rows.select(*wanted, id=pl.int_range(rows.height).cast(pl.String)), rule, 0)


WINDOWS = [
    ("mm_eureka", 8, range(1, 8)),  # 0.1 <= p <= 0.9
    ("mm_eureka_v1", 8, range(1, 8)),  # 0 < p < 1
    ("vl_rethinker", 8, range(1, 9)),  # initial pass rate of 8 not 0
    ("vl_cogito", 8, range(5)),  # pass@8 above 50 % goes
    ("deepvision", 8, range(1, 8)),
    ("skywork_r1v3", 8, range(1, 8)),
    ("tricks_or_traps", 16, range(1, 16)),  # three bands between never and always
    ("gthinker", 16, range(1, 17)),  # what is always wrong goes
    ("papo", 5, range(1, 5)),  # 0.01 <= p <= 0.99
    ("apo_view_r1", 8, range(9)),  # all stay; the order counts
]


@pytest.mark.parametrize(("recipe", "n", "passing"), WINDOWS)
def test_the_counts_that_stay(recipe: str, n: int, passing: range) -> None:
    assert selecting(recipe)[0] == n
    counts = list(range(n + 1))
    bands = ["never", *["medium"] * (n - 1), "always"]
    found = judged(recipe, k=counts, band=bands)
    assert found.filter(pl.col("cause").is_null())["id"].to_list() == [str(k) for k in passing]


@pytest.mark.parametrize(
    ("recipe", "weights"),
    [
        # arXiv 2507.22607, c of 8 for c = 0, 2, 4: the easy stage weighs by the cosine up to one half, …
        ("vl_cogito", [0.0, math.cos(-math.pi / 4), 1.0]),
        ("vl_cogito_medium", [0.0, math.cos(-math.pi / 4), 1.0]),
        (
            "vl_cogito_hard",
            [0.25, 1.0, 1.0],
        ),  # … the hard one takes all of them whole, and a quarter of what is never right
    ],
)
def test_the_weights_of_the_stages_of_vl_cogito(recipe: str, weights: list[float]) -> None:
    assert judged(recipe, k=[0, 2, 4])["weight"].to_list() == pytest.approx(weights)


def test_observe_r1_drops_what_is_short_and_hard_and_what_a_small_model_guesses() -> None:
    """Its figure removes lengths of 2 and 23 at the hardest step and keeps 56."""
    found = judged(
        "observe_r1", k=[0, 0, 0, 4, 4], tokens=[2.0, 23.0, 56.0, 2.0, 56.0], guessed=[False, False, False, False, True],
        k_guess=[0, 0, 0, 0, 1],
    )  # fmt: skip
    assert found["cause"].is_null().to_list() == [False, False, True, True, False]
    # w = 4 sigma d (1 - d) with sigma = 1.8, d = 1/2
    assert found["weight"].to_list()[3] == pytest.approx(1.8)


def test_rap_keeps_what_needs_the_image_and_takes_the_hardest_for_what_is_easy() -> None:
    """M = 5. Only D = p_img - p_txt of 3/5 and more passes; 5 of 5 goes, and as many come in as went, the hardest first."""
    found = judged(
        "rap", k=[5, 4, 4, 1, 0], k_text=[0, 1, 2, 1, 0], n_text=[5] * 5, log_psi=[-9.0, -9.0, -9.0, -9.0, -9.0]
    )  # fmt: skip
    kept = found.filter(pl.col("cause").is_null())["id"].to_list()
    assert kept == ["1", "3"]  # 4 - 1 = 3 passes; 5 of 5 is replaced by the one that is right once, never by 0 of 5


def test_rap_as_its_code_counts_what_is_right_and_has_the_form() -> None:
    """Mrshenshen/RAP, select/selection.py, M = 5: b = 3/5, so 4/5 is near (s = 1 - 1/4) and 1/5 is not (s = 0)."""
    found = judged(
        "rap_code",
        k=[4, 4, 3, 5, 4, 1, 4],
        k_formed=[4, 1, 3, 5, 4, 0, 4],  # the second is right four times, and has the form once
        k_text=[1, 1, 2, 2, 3, 0, 3],
        k_text_formed=[1, 1, 2, 2, 3, 0, 1],  # the last one's guesses have the form once in three
        n_text=[5] * 7,
    )
    # gaps of those that are near: 3/5, 1/5, 1/5 (0.8 - 0.6 is above 0.2 of floats, so that theirs would keep it), 3/5
    causes = [None, "closeness", "gap", "closeness", "gap", "closeness", None]
    assert found["cause"].to_list() == causes


def test_mmfinereason_keeps_what_only_the_teacher_solves() -> None:
    columns = {"k": [0, 1, 3, 4, 0], "confirmed": [1, 1, 1, 1, 0]}
    assert judged("mmfinereason_123k", **columns)["cause"].is_null().to_list() == [True, False, False, False, False]
    assert judged("mmfinereason_586k", **columns)["cause"].is_null().to_list() == [True, True, True, False, False]


def test_llava_onevision_keeps_what_it_can_do_and_seldom_does() -> None:
    found = judged("llava_onevision_rl", k=[0, 1, 4, 5, 8], mean_score=[0.0, 0.125, 0.5, 0.625, 1.0])
    assert found["cause"].is_null().to_list() == [False, True, True, False, False]
    assert found["value"].to_list()[1] == pytest.approx(1 - 1 / 8)


def test_univg_r1_weighs_boxes_by_how_badly_they_overlap() -> None:
    """`miou_adjust` of its code: exp(1 - m), m the mean IoU of the student's boxes; nothing is dropped."""
    found = judged("univg_r1", mean_score=[0.0, 0.25, 0.5, 1.0])
    assert found["weight"].to_list() == pytest.approx([2.7183, 2.1170, 1.6487, 1.0], abs=1e-4)
    assert found["cause"].null_count() == 4


def test_ui_r1_takes_136_tasks_that_the_base_model_fails_evenly_over_five_actions() -> None:
    found = judged("ui_r1", k=[0, 1])
    assert found["cause"].is_null().to_list() == [True, False]
    config = selecting("ui_r1")[1].config
    actions = ["click", "input_text", "navigate_back", "open_app", "scroll"]
    rows = pl.DataFrame({"domain": actions, "available": [900, 60, 40, 30, 200]})
    seats = allot(rows, config.budget, config.quotas)["quota"].to_list()
    assert sum(seats) == 136
    assert sorted(seats) == [27, 27, 27, 27, 28]


def test_tricks_or_traps_writes_as_many_rows_of_each_band() -> None:
    config = selecting("tricks_or_traps")[1].config
    rows = pl.DataFrame({"band": ["easy", "hard", "medium"], "available": [50, 8, 30]})
    assert allot(rows, 88, config.quotas)["quota"].to_list() == [8, 8, 8]


def test_papo_leaves_out_what_black_patches_do_not_move() -> None:
    config = selecting("papo")[1].config
    assert config.without == ("unmoved",)
    [mask] = compile_recipe("papo").pipeline.step("checks").config.checks
    assert (mask.type, mask.patch, mask.p, mask.n) == ("patch_mask", 14, 0.6, 5)
