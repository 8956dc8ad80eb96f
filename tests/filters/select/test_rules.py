"""Each published rule on a table small enough to work out by hand, and what holds for all of them."""

import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from filters.select.bands import BandConfig, difficulty_band
from filters.select.quota import QuotaConfig
from filters.select.rules.catalogue import RULES, RuleConfig
from filters.select.rules.kimi import KimiConfig
from filters.select.rules.mmr1_vas import MMR1VASConfig
from filters.select.rules.neura_ladder import NeuraLadderConfig
from filters.select.rules.temporal_r1 import TemporalR1Config
from filters.select.rules.time_r1 import TimeR1Config
from filters.select.rules.univg_r1 import UniVGR1Config
from filters.select.rules.variance import VarianceConfig
from filters.select.rules.vl_cogito import VLCogitoConfig
from filters.select.select import Selection, columns_read, control, select

Seen = dict[str, object]


def judged(config: RuleConfig, **columns: list[object]) -> pl.DataFrame:
    """The verdict of a rule on rows a, b, c, …"""
    rows = pl.DataFrame(columns)
    ids = pl.Series("id", [chr(ord("a") + i) for i in range(rows.height)])
    table = rows.with_columns(ids)
    assert set(RULES[type(config)].columns(config)) <= set(table.columns)
    verdict = RULES[type(config)].judge(table, config, 0)
    assert verdict["id"].to_list() == ids.to_list()
    return verdict


def causes(verdict: pl.DataFrame) -> list[str | None]:
    return verdict["cause"].to_list()


def test_vl_rethinker_keeps_what_is_right_once() -> None:
    verdict = judged(rule("vl_rethinker"), k=[0, 1, 8], n=[8, 8, 8])
    assert causes(verdict) == ["too_hard", None, None]


def test_what_never_failed_is_not_hard_however_few_of_its_rollouts_count() -> None:
    """One of four rollouts was cut: 3 of 3 is no row of `c <= 3 of 4`, for nothing was seen to fail."""
    verdict = judged(parsed({"type": "base_fails", "max_correct": 3}), k=[0, 3, 3, 4], n=[4, 4, 3, 4])
    assert causes(verdict) == [None, None, "too_easy", "too_easy"]
    assert verdict["value"].to_list() == [1.0, 0.25, 0.0, 0.0]
    assert causes(judged(parsed({"type": "base_fails", "max_correct": None}), k=[0, 7, 8], n=[8] * 3))[2] == "too_easy"


@pytest.mark.parametrize("confirmed", [[True, True, False], [2, 1, 0], [2.0, 1.0, 0.0]])
def test_hard_only_wants_a_teacher_who_is_right(confirmed: list[object]) -> None:
    verdict = judged(rule("hard_only"), k=[0, 1, 0], n=[4, 4, 4], confirmed=confirmed)
    assert causes(verdict) == [None, "too_easy", "disputed"]
    assert verdict["confirmed"].to_list() == confirmed


def test_where_no_teacher_could_tell_a_row_is_unmeasured() -> None:
    rows = pl.DataFrame({"id": ["a", "b"], "k": [0, 0], "n": [4, 4], "confirmed": [None, True]})
    chosen = select(rows, Selection(rule=rule("hard_only")), 0)
    assert chosen.kept["id"].to_list() == ["b"]
    assert chosen.dropped["reason"].to_list() == ["select:unmeasured"]


@pytest.mark.parametrize(
    ("config", "of_16"),
    [
        ({"type": "variance", "min_correct": 2, "min_wrong": 3}, (2, 13)),
        ({"type": "vl_rethinker"}, (1, 16)),
        ({"type": "base_fails"}, (0, 0)),
        ({"type": "base_fails", "max_correct": 3}, (0, 3)),
        ({"type": "base_fails", "max_correct": None}, (0, 15)),
        ({"type": "hard_only"}, (0, 0)),
        ({"type": "hard_only", "max_correct": 3}, (0, 3)),
        ({"type": "vl_cogito"}, (0, 8)),
        ({"type": "mm_eureka"}, (2, 14)),
        ({"type": "mm_eureka", "variant": "offline"}, (1, 15)),
        ({"type": "general_reasoner"}, (1, 15)),
        ({"type": "temporal_r1"}, (1, 15)),
        ({"type": "kimi"}, (0, 15)),
        ({"type": "kimi", "drop_trivial": False}, (0, 16)),
        ({"type": "univg_r1"}, (0, 16)),
    ],
)
def test_a_window_is_what_a_rule_lets_pass(config: dict[str, object], of_16: tuple[int, int]) -> None:
    found_rule = parsed(config)
    window = RULES[type(found_rule)].window
    assert window(found_rule, 16) == of_16
    for n in (3, 8, 10):
        ks: list[object] = list(range(n + 1))
        more: dict[str, list[object]] = {"kind": ["number"] * len(ks), "score_std": [0.0] * len(ks)}
        more["confirmed"] = [True] * len(ks)
        verdict = judged(found_rule, k=ks, n=[n] * len(ks), mean_score=[0.5] * len(ks), **more)
        passes = [k for k, cause in enumerate(causes(verdict)) if cause is None]
        found = window(found_rule, n)
        assert found is not None
        assert passes == list(range(found[0], found[1] + 1))


@pytest.mark.parametrize("name", ["variance", "temporal_r1", "mmr1_vas"])
def test_variances_of_unequal_n_are_compared_as_equals(name: str) -> None:
    """p(1-p) of n draws falls short of the true one by (n-1)/n on average, which must not rank the rows."""
    config = rule(name) if name != "mmr1_vas" else MMR1VASConfig(beta=0, scale="raw", alpha=1)
    more: dict[str, list[object]] = {"kind": ["number"] * 4, "score_std": [0.5] * 4}
    value = judged(config, k=[1, 4, 1, 8], n=[2, 8, 3, 16], **more)["value"].to_list()
    assert value == pytest.approx([15 / 32, 15 / 56, 5 / 16, 1 / 4])  # k(n-k)/(n(n-1)) * 15/16
    equal = judged(config, k=[1, 4, 5, 8], n=[8] * 4, **more)["value"].to_list()
    assert equal == [7 / 64, 16 / 64, 15 / 64, 0.0], "to the bit, where n is one number"


@pytest.mark.parametrize("name", ["variance", "mmr1_vas"])
def test_one_reply_shows_no_variance(name: str) -> None:
    config = VarianceConfig(min_correct=0, min_wrong=0) if name == "variance" else MMR1VASConfig(beta=0)
    assert judged(config, k=[1, 0], n=[1, 1])["value"].to_list() == [0.0, 0.0]


def test_in_band_takes_the_decision_and_values_by_the_posterior() -> None:
    """Jeffreys' prior, 1 of 2 right: Beta(1.5, 1.5), E[p(1-p)] = 1.5 · 1.5 / (3 · 4); 8 of 16 is worth more, being sure."""
    verdict = judged(rule("in_band"), k=[1, 8, 0], n=[2, 16, 13], in_band=[True, True, False])
    assert causes(verdict) == [None, None, "out_of_band"]
    assert verdict["value"].to_list()[:2] == pytest.approx([2.25 / 12, 72.25 / (17 * 18)])


def test_general_reasoner_drops_both_ends() -> None:
    verdict = judged(rule("general_reasoner"), k=[0, 1, 7, 8], n=[8, 8, 8, 8])
    assert causes(verdict) == ["too_hard", None, None, "too_easy"]


def test_temporal_r1_knows_degrees_from_right_and_wrong() -> None:
    columns = {
        "k": [0, 3, 8, 0, 0, 1],
        "n": [8, 8, 8, 8, 8, 1],
        "score_std": [0.0, 0.4841, 0.0, 0.2, 0.05, 0.0],
        "kind": ["choice", "choice", "choice", "spans", "spans", "choice"],
    }
    verdict = judged(TemporalR1Config(std_min=0.1), **columns)  # type: ignore[arg-type]
    assert causes(verdict) == ["too_hard", None, "too_easy", None, "no_spread", "too_few_rollouts"]
    # p(1-p) = 3/8 * 5/8; the grounding row, never "right", is worth its 0.2 squared: the same scale.
    assert verdict["value"].to_list()[1] == pytest.approx(0.234375)
    assert verdict["value"].to_list()[3] == pytest.approx(0.04)
    # Without a cut-off any spread will do, but rounding is none.
    columns["score_std"] = [0.0, 0.5, 0.0, 1e-17, 0.05, 0.0]
    assert causes(judged(TemporalR1Config(), **columns))[3:5] == ["no_spread", None]  # type: ignore[arg-type]


def test_mmr1_vas_puts_both_parts_on_one_scale() -> None:
    table = {"k": [4, 2, 0], "n": [8, 8, 8], "distinct_3": [0.2, 0.9, 0.5]}
    unit = judged(MMR1VASConfig(), **table)  # type: ignore[arg-type]
    # 0.8 * 4 * 0.25 + 0.2 * 0.2 = 0.84; 0.8 * 4 * 0.1875 + 0.2 * 0.9 = 0.78; 0.2 * 0.5 = 0.1.
    assert unit["value"].to_list() == pytest.approx([0.84, 0.78, 0.1])
    raw = judged(MMR1VASConfig(scale="raw"), **table)  # type: ignore[arg-type]
    # As printed, 0.8 * 0.25 + 0.04 = 0.24 loses to 0.8 * 0.1875 + 0.18 = 0.33: diversity decides.
    assert raw["value"].to_list() == pytest.approx([0.24, 0.33, 0.1])
    # The code then takes min-max over the candidates: the least is never drawn by value.
    code = judged(MMR1VASConfig(variant="code"), **table)  # type: ignore[arg-type]
    assert code["value"].to_list() == pytest.approx([(0.24 - 0.1) / 0.23, 1.0, 0.0])


def test_mmr1_vas_turns_self_bleu_round_unless_told_not_to() -> None:
    table = {"k": [4, 4], "n": [8, 8], "self_bleu_diversity": [0.9, 0.1]}
    paper = judged(MMR1VASConfig(diversity="self_bleu_123"), **table)  # type: ignore[arg-type]
    assert paper["value"].to_list() == pytest.approx([0.98, 0.82])
    code = judged(MMR1VASConfig(diversity="self_bleu_123", variant="code"), **table)  # type: ignore[arg-type]
    assert code["value"].to_list() == pytest.approx([0.0, 1.0])
    # 0.8 * 0.25 + 0.2 * 3 and 0.8 * 0.1875 + 0.2 * 13: as the code adds words, the longer differences decide.
    words = judged(MMR1VASConfig(diversity="edit_distance", variant="code"), k=[4, 2], n=[8, 8], edit_words=[3.0, 13.0])
    assert words["tds"].to_list() == [3.0, 13.0]
    assert words["value"].to_list() == pytest.approx([0.0, 1.0])
    alone = judged(MMR1VASConfig(beta=0), k=[4, 2], n=[8, 8])
    assert alone["value"].to_list() == pytest.approx([0.8, 0.6])


def test_neura_ladder_drops_the_short_hard_ones() -> None:
    table = {"k": [0, 0, 1, 8], "n": [8, 8, 8, 8], "tokens": [23.0, 56.0, 23.0, 2.0]}
    verdict = judged(NeuraLadderConfig(), **table)  # type: ignore[arg-type]
    assert causes(verdict) == ["short_and_hard", None, None, None]
    assert verdict["difficulty"].to_list() == [1.0, 1.0, 0.875, 0.0]
    # 4 * 1.8 * 7/8 * 1/8
    assert verdict["weight"].to_list() == pytest.approx([0.0, 0.0, 0.7875, 0.0])
    wider = judged(NeuraLadderConfig(hard="7/8", drop_guessed=True), **table, k_guess=[0, 1, 0, 0])  # type: ignore[arg-type]
    assert causes(wider) == ["short_and_hard", "guessed", "short_and_hard", None]


def test_vl_cogito_cuts_at_a_half_and_weighs_by_stage() -> None:
    table = {"k": [0, 2, 4, 5, 8], "n": [8] * 5}
    assert causes(judged(VLCogitoConfig(), **table)) == [None, None, None, "too_easy", "too_easy"]  # type: ignore[arg-type]
    # cos(pi (a - 1/2)) = sin(pi a): 1/4 gives 0.7071, 1/2 gives 1, 5/8 gives 0.9239, 1 gives 0.
    expected = {
        "easy": [0.0, 0.7071, 1.0, 1.0, 1.0],
        "medium": [0.0, 0.7071, 1.0, 0.9239, 0.0],
        "hard": [0.25, 1.0, 1.0, 0.9239, 0.0],
    }
    for stage, weights in expected.items():
        verdict = judged(VLCogitoConfig(stage=stage), **table)  # type: ignore[arg-type]
        assert verdict["weight"].to_list() == pytest.approx(weights, abs=1e-4)
    binary = {"easy": [0, 0, 1, 1, 1], "medium": [0, 1, 1, 1, 0], "hard": [0, 1, 1, 0, 0]}
    for stage, inside in binary.items():
        verdict = judged(VLCogitoConfig(stage=stage, form="binary"), **table)  # type: ignore[arg-type]
        assert verdict["weight"].to_list() == inside


def test_time_r1_is_a_gaussian_around_a_third_of_the_way() -> None:
    scores = [0.0, 0.3, 0.5, 0.71]
    paper = judged(TimeR1Config(), mean_score=scores)  # type: ignore[arg-type]
    # exp(-0.09 / 0.08), 1, exp(-0.04 / 0.08)
    assert paper["value"].to_list()[:3] == pytest.approx([math.exp(-1.125), 1.0, math.exp(-0.5)])
    assert causes(paper) == [None, None, None, "too_easy"]
    assert causes(judged(TimeR1Config(variant="code"), mean_score=scores)) == ["too_hard", None, None, None]  # type: ignore[arg-type]


def test_univg_r1_weighs_the_worse_more() -> None:
    expected = {
        "exp": [math.e, math.exp(0.5), 1.0],
        "power": [1.05, 0.55, 0.05],
        "log": [-math.log(0.02), -math.log(0.52), 0],
    }
    for form, weights in expected.items():
        verdict = judged(UniVGR1Config(form=form), mean_score=[0.0, 0.5, 1.0])  # type: ignore[arg-type]
        assert verdict["weight"].to_list() == pytest.approx(weights)


def test_kimi_prefers_what_fails() -> None:
    verdict = judged(KimiConfig(drop_guessed=True), k=[0, 4, 8, 4], n=[8] * 4, k_guess=[0, 0, 0, 3])
    assert verdict["value"].to_list() == [1.0, 0.5, 0.0, 0.5]
    assert causes(verdict) == [None, None, "too_easy", "guessed"]


NEEDED: dict[str, dict[str, object]] = {
    "bands": {"keep": ["never", "hard", "medium"]},
    "column": {"by": "mean_score"},
    "students": {"rules": {"small": "base_fails", "large": "vl_rethinker"}},
}
"""What the rules need that do nothing by default."""


def parsed(config: dict[str, object]) -> RuleConfig:
    return TypeAdapter(RuleConfig).validate_python(config)


def rule(name: str) -> RuleConfig:
    return parsed({"type": name, **NEEDED.get(name, {})})


NAMES = [config.model_fields["type"].default for config in RULES]
"""Every rule that the catalogue lists."""


def test_the_catalogue_is_whole() -> None:
    assert len(set(NAMES)) == len(RULES)
    for name in NAMES:
        assert type(rule(name)) in RULES
    with pytest.raises(ValidationError, match="no quotas"):
        Selection(rule=rule("mmr1_vas"), quotas=QuotaConfig())


WHOLE = {"mmr1_vas", "rap"}
"""Rules that look at all candidates at once: a draw with replacement of a given size, and a replacement of the easy."""

ROW = st.fixed_dictionaries(
    {
        "k": st.integers(0, 8),
        "score_std": st.sampled_from([0.0, 0.1, 0.3]),
        "mean_score": st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]),
        "tokens": st.sampled_from([5.0, 50.0, 500.0]),
        "kind": st.sampled_from(["choice", "spans", "boolean"]),
        "source": st.sampled_from(["x", "y"]),
    }
)


def table(rows: list[Seen], prefix: str = "r") -> pl.DataFrame:
    schema = {"k": pl.Int32, "kind": pl.String, "source": pl.String, "tokens": pl.Float64, "score_std": pl.Float64}
    made = pl.DataFrame(rows, schema={**schema, "mean_score": pl.Float64})
    known = {"k_text": pl.col("k") // 2, "n_text": pl.lit(8, pl.Int32), "log_psi": pl.col("tokens") - 60}
    known["in_band"] = pl.col("k").is_between(1, 7)
    known |= {"k_direct": pl.col("k") // 2, "n_direct": pl.lit(8, pl.Int32), "confirmed": pl.col("k") % 2}
    known |= {"form": pl.lit("choice"), "band": difficulty_band(pl.col("k"), pl.lit(8), BandConfig())}
    known |= {"k_small": pl.col("k"), "k_large": 8 - pl.col("k")} | dict.fromkeys(("n_small", "n_large"), pl.lit(8))
    spread = pl.col("mean_score").alias("distinct_3")
    ids = pl.Series("id", [f"{prefix}{i:03d}" for i in range(made.height)], dtype=pl.String)
    return made.with_columns(ids, spread, n=pl.lit(8, pl.Int32), **known)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(
    rows=st.lists(ROW, max_size=25),
    more=st.lists(ROW, max_size=5),
    budget=st.integers(1, 12),
    seed=st.integers(0, 3),
)
def test_laws(name: str, rows: list[Seen], more: list[Seen], budget: int, seed: int) -> None:
    config = Selection(rule=rule(name), budget=budget)
    candidates = table(rows)
    parted = select(candidates, config, seed)
    kept, dropped = set(parted.kept["id"]), set(parted.dropped["id"])
    assert kept | dropped == set(candidates["id"])
    assert not kept & dropped
    assert len(kept) <= budget
    shuffled = select(candidates.sample(fraction=1, shuffle=True, seed=1), config, seed)
    assert shuffled.kept["id"].to_list() == parted.kept["id"].to_list()
    beside = control(candidates, parted.kept, config, seed)
    assert beside["id"].n_unique() == parted.kept.height
    if name not in WHOLE:
        # Rows added may take places; they bring in none that stood outside, and change no cause.
        with_more = select(pl.concat([candidates, table(more, "s")]), config, seed)
        assert set(with_more.kept["id"]) & set(candidates["id"]) <= kept
        gated = dict(parted.dropped.filter(pl.col("reason") != "select:budget").select("id", "reason").iter_rows())
        again = dict(with_more.dropped.select("id", "reason").iter_rows())
        assert all(again[id_] == reason for id_, reason in gated.items())


@pytest.mark.parametrize("name", [n for n in NAMES if n != "mmr1_vas"])
@settings(max_examples=40)
@given(rows=st.lists(ROW, max_size=25), budget=st.integers(1, 12), seed=st.integers(0, 3))
def test_quotas_are_met_and_the_control_has_them_too(name: str, rows: list[Seen], budget: int, seed: int) -> None:
    config = Selection(rule=rule(name), budget=budget, quotas=QuotaConfig(shares="equal"))
    assert "source" in columns_read(config)
    candidates = table(rows)
    parted = select(candidates, config, seed)
    gates = parted.dropped.filter(~pl.col("reason").is_in(["select:budget", "select:quota"]))["id"]
    passing = candidates.filter(~pl.col("id").is_in(gates.implode()))
    room = dict(passing.group_by("source").len().iter_rows())
    got = dict(parted.kept.group_by("source").len().iter_rows())
    assert sum(got.values()) == min(budget, passing.height)
    for source, count in got.items():
        # Nobody has more than half but for what the other could not fill.
        others = sum(n for s, n in room.items() if s != source)
        assert count <= max(math.ceil(budget / 2), budget - others)
    beside = candidates.join(control(candidates, parted.kept, config, seed), on="id")
    assert dict(beside.group_by("source").len().iter_rows()) == got
