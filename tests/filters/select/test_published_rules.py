"""Every published rule on its source's own numbers: which counts pass, out of how many, and what they are worth."""

import math
from typing import Any

import polars as pl
import pytest
from pydantic import TypeAdapter, ValidationError

from filters.select.rules.catalogue import RULES, RuleConfig
from filters.select.select import Selection, columns_read, control, select


def judged(config: dict[str, Any], **columns: list[Any]) -> pl.DataFrame:
    """The verdict of a rule on rows a, b, c, … that have just the columns it reads."""
    rule: RuleConfig = TypeAdapter(RuleConfig).validate_python(config)
    rows = pl.DataFrame(columns)
    assert {*columns} == {*RULES[type(rule)].columns(rule)}
    return RULES[type(rule)].judge(rows.with_columns(id=pl.int_range(rows.height).cast(pl.String)), rule, 0)


def causes(config: dict[str, Any], **columns: list[Any]) -> list[str | None]:
    return judged(config, **columns)["cause"].to_list()


WINDOWS: list[tuple[str, dict[str, Any], int, range]] = [
    ("MM-EUREKA online, .1 to .9", {"type": "mm_eureka"}, 8, range(1, 8)),
    ("MM-EUREKA v1 offline, neither 0 nor 1", {"type": "mm_eureka", "variant": "offline"}, 8, range(1, 8)),
    ("PAPO, .01 to .99", {"type": "mm_eureka", "low": "1/100", "high": "99/100"}, 8, range(1, 8)),
    ("a band of .2 to .8 out of 16", {"type": "mm_eureka", "low": 0.2, "high": 0.8}, 16, range(4, 13)),
    ("MMR1, easy from .8 on", {"type": "mm_eureka", "low": 0, "high": "7999/10000"}, 10, range(0, 8)),
    ("VL-Cogito, pass@8 up to 50 %", {"type": "vl_cogito"}, 8, range(0, 5)),
    ("General-Reasoner, neither 0/8 nor 8/8", {"type": "general_reasoner"}, 8, range(1, 8)),
    ("VL-Rethinker, pass rate not 0", {"type": "vl_rethinker"}, 8, range(1, 9)),
    ("GThinker, not always wrong of 16", {"type": "vl_rethinker"}, 16, range(1, 17)),
    ("k1.5, trivial ones go, of 10", {"type": "kimi"}, 10, range(0, 10)),
    ("UI-R1, what the base model fails", {"type": "base_fails"}, 8, range(0, 1)),
    ("UnifiedReward-Think, judged wrongly in one try", {"type": "base_fails"}, 1, range(0, 1)),
    ("not yet solved by the student", {"type": "base_fails", "max_correct": None}, 8, range(0, 8)),
    ("VAS, learnable", {"type": "variance"}, 8, range(1, 8)),
]


@pytest.mark.parametrize(("name", "config", "n", "passing"), WINDOWS, ids=[name for name, *_ in WINDOWS])
def test_the_counts_that_pass_are_those_that_were_published(
    name: str, config: dict[str, Any], n: int, passing: range
) -> None:
    found = causes(config, k=list(range(n + 1)), n=[n] * (n + 1))
    assert [k for k, cause in enumerate(found) if cause is None] == list(passing)


@pytest.mark.parametrize(
    ("config", "passing"), [({}, [0]), ({"max_correct": 3}, [0, 1, 2, 3]), ({"max_correct": None}, [0, 1, 2, 3])]
)
def test_mmfinereason_123k_and_586k(config: dict[str, Any], passing: list[int]) -> None:
    """G and c = 0 of 4, and G and c <= 3 of 4: nothing passes without the teacher."""
    table: dict[str, list[Any]] = {"k": [*range(5)] * 2, "n": [4] * 10, "confirmed": [True] * 5 + [False] * 5}
    found = causes({"type": "hard_only", **config}, **table)
    assert [k for k, cause in enumerate(found[:5]) if cause is None] == passing
    assert found[5:] == ["disputed"] * 5


def test_discrepancy_wants_several_tries_and_a_medium_reward() -> None:
    """pass@8 of 8 rollouts is 1 from one right on; pass@1 is k/8; what is left has a mean reward of .1 to .9."""
    found = judged(
        {"type": "discrepancy"},
        k=[0, 1, 4, 5, 8, 2, 2],
        n=[8] * 7,
        mean_score=[0.0, 0.125, 0.5, 0.625, 1.0, 0.05, 0.95],
    )
    assert found["cause"].to_list() == ["too_hard", None, None, "too_easy", "too_easy", "reward_low", "reward_high"]
    assert found["pass_at_n"].to_list() == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert found["value"].to_list()[1:3] == [1 - 1 / 8, 1 - 4 / 8]


def test_discrepancy_estimates_pass_at_n_from_more_rollouts_than_n() -> None:
    """1 - C(6,4)/C(8,4) = 1 - 15/70 = 11/14, and 1 - C(7,4)/C(8,4) = 1 - 35/70 = 1/2, which is just enough."""
    found = judged({"type": "discrepancy", "tries": 4}, k=[2, 1, 1], n=[8, 8, 3], mean_score=[0.25, 0.125, 1 / 3])
    assert found["pass_at_n"].to_list() == [11 / 14, 1 / 2, None]
    assert found["cause"].to_list() == [None, None, "too_few_rollouts"]
    assert causes({"type": "discrepancy", "tries": 4, "solved": "8/15"}, k=[1], n=[8], mean_score=[0.2]) == ["too_hard"]


def test_thyme_leaves_5384_of_12000() -> None:
    """8 of 8: 2,495; 0 of 8: 476; solved without the tool in 5 of 8 or more: 3,645. Five is enough, four is not."""
    table = {
        "k": [8] * 2495 + [0] * 476 + [4] * 3645 + [1, 7] * 2692,
        "n": [8] * 12000,
        "k_direct": [8] * 2495 + [0] * 476 + [5] * 3645 + [4] * 5384,
        "n_direct": [8] * 12000,
    }
    found = pl.Series(causes({"type": "thyme"}, **table)).fill_null("kept").value_counts()
    assert dict(found.iter_rows()) == {"too_easy": 2495, "too_hard": 476, "tool_free": 3645, "kept": 5384}


def test_rita_has_buckets_and_a_spread() -> None:
    """Of 8, gamma_h = 1/4 and gamma_e = 3/4: hard 0 to 2, medium 3 to 5, easy from 6. Var of a std of .2 is .04."""
    table: dict[str, list[Any]] = {"k": [0, 2, 3, 5, 6, 8, 3], "n": [8] * 7, "score_std": [0.2] * 6 + [0.0]}
    found = judged({"type": "rita"}, **table)
    assert found["bucket"].to_list() == ["hard", "hard", "medium", "medium", "easy", "easy", "medium"]
    assert found["cause"].to_list() == [None, None, None, None, "too_easy", "too_easy", "no_spread"]
    assert found["value"].to_list()[:6] == pytest.approx([0.04] * 6)
    only = causes({"type": "rita", "keep": ["medium"], "variance_min": 0.05}, **table)
    assert only == ["too_hard", "too_hard", "no_spread", "no_spread", "too_easy", "too_easy", "no_spread"]
    with pytest.raises(ValidationError, match="easy begins above"):
        judged({"type": "rita", "hard": "3/4"}, **table)


def test_bands_are_files_of_one_difficulty() -> None:
    table: dict[str, list[Any]] = {
        "k": [0, 1, 4, 7, 8],
        "n": [8] * 5,
        "band": ["never", "hard", "medium", "easy", "always"],
    }
    assert causes({"type": "bands", "keep": ["easy"]}, **table) == ["other_band"] * 3 + [None, "other_band"]
    with pytest.raises(ValidationError, match=r"no band 'esy'.*Did you mean 'easy'"):
        Selection.model_validate({"rule": {"type": "bands", "keep": ["esy"]}})


def test_curr_reft_weighs_by_the_form_of_the_answer() -> None:
    found = judged({"type": "curr_reft"}, form=["binary", "choice", "open"])
    assert found["weight"].to_list() == pytest.approx([1 / 3, 2 / 3, 1])
    assert found["cause"].to_list() == [None] * 3
    mine = judged({"type": "curr_reft", "weights": {"open": 2.0}}, form=["binary", "choice", "open"])
    assert mine["weight"].to_list() == [1.0, 1.0, 2.0]


def test_a_column_ranks_by_its_number_and_drops_beyond_its_ends() -> None:
    """VisNec: loss without the image minus loss with it; below 0 the image misleads, near 0 it says nothing."""
    found = judged({"type": "column", "by": "gain", "low": 0}, gain=[-0.2, 0.0, 0.7, math.nan])
    assert found["cause"].to_list() == ["too_low", None, None, "unmeasured"]
    assert found["value"].to_list()[:3] == [-0.2, 0.0, 0.7]
    least = judged({"type": "column", "by": "ppl", "take": "least", "high": 9}, ppl=[3, 9, 10])
    assert least["value"].to_list() == [-3.0, -9.0, -10.0]
    assert least["cause"].to_list() == [None, None, "too_high"]
    with pytest.raises(ValidationError, match="no number is at least 2 and at most 1"):
        judged({"type": "column", "by": "x", "low": 2, "high": 1}, x=[1])


SPLIT = {"type": "students", "rules": {"small": "base_fails", "large": {"type": "vl_rethinker", "min_correct": 4}}}


def test_right_for_the_large_one_and_wrong_for_the_small_one() -> None:
    found = judged(SPLIT, k_small=[0, 0, 1, 8], n_small=[8] * 4, k_large=[8, 3, 8, 0], n_large=[8] * 4)
    assert found["cause"].to_list() == [None, "large_too_hard", "small_too_easy", "small_too_easy"]
    assert found["value"].to_list() == [1.0, 1.0, 0.875, 0.0]
    assert judged(SPLIT | {"value": "large"}, k_small=[0], n_small=[8], k_large=[8], n_large=[8])["value"].item() == 1.0


def test_any_rule_reads_the_numbers_of_each_student() -> None:
    """What a row has whoever answers it (its kind, its teacher) keeps its name."""
    rules = {"small": "temporal_r1", "large": {"type": "mm_eureka", "low": 0.5, "high": 1}, "teacher": "hard_only"}
    config = Selection.model_validate({"rule": {"type": "students", "rules": rules}})
    mine = (
        "k_small",
        "n_small",
        "score_std_small",
        "kind",
        "k_large",
        "n_large",
        "k_teacher",
        "n_teacher",
        "confirmed",
    )
    assert columns_read(config) == mine
    with pytest.raises(ValidationError, match="'medium' is none of the students small, large"):
        TypeAdapter(RuleConfig).validate_python(SPLIT | {"value": "medium"})
    with pytest.raises(ValidationError, match="rap"):  # it looks at all rows of one student at once
        TypeAdapter(RuleConfig).validate_python({"type": "students", "rules": {"a": "rap", "b": "variance"}})


def test_all_needs_no_evidence_and_fills_quotas_by_chance() -> None:
    config = Selection.model_validate({"rule": "all", "budget": 4, "quotas": {"by": ["source"], "shares": "equal"}})
    assert columns_read(config) == ("source",)
    rows = pl.DataFrame({"id": [f"r{n}" for n in range(12)], "source": ["a"] * 9 + ["b"] * 3})
    chosen = select(rows, config, 0)
    assert dict(chosen.kept.group_by("source").len().iter_rows()) == {"a": 2, "b": 2}
    assert {*chosen.dropped["reason"]} <= {"select:budget", "select:quota"}
    assert control(rows, chosen.kept, config, 0).height == 4
    whole = select(rows.select("id"), Selection.model_validate({"rule": "all"}), 0)
    assert whole.kept.height == 12 and whole.kept["value"].to_list() == [1.0] * 12


def test_visnec_takes_the_top_of_each_cluster() -> None:
    """arXiv 2603.01195 by hand: loss without the image less that with it; below 0 is misaligned; then of two clusters with 3
    and 2 rows that pass, a budget of 3 of 6 gives 3 x 3/5 and 3 x 2/5 seats, which is 2 and 1."""
    losses = {"a": (2.5, 0.5), "b": (2.0, 0.5), "c": (1.5, 0.5), "d": (0.5, 1.0), "e": (0.6, 0.3), "f": (0.4, 0.2)}
    rows = pl.DataFrame(
        {
            "id": list(losses),
            "visnec": [without - seen for without, seen in losses.values()],
            "cluster": [0, 0, 0, 0, 1, 1],
        }
    )
    section = {"rule": {"type": "column", "by": "visnec", "low": 0}, "budget": 0.5, "quotas": {"by": ["cluster"]}}
    found = select(rows, Selection.model_validate(section), 0)
    assert found.kept["id"].to_list() == ["a", "b", "e"]
    reasons = dict(found.dropped.select("id", "reason").rows())
    assert reasons == {"c": "select:quota", "d": "select:too_low", "f": "select:budget"}
