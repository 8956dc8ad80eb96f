"""The report's numbers, worked out by hand or against the release's own."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.report import charts, figures
from pipelines.report.choice import choose
from pipelines.report.details import cut, samples
from pipelines.report.duplicates import duplicates
from pipelines.report.fates import FATES, census, fates
from pipelines.report.origin import Origin


def test_every_sample_has_one_fate(origin: Origin) -> None:
    rows = fates(origin)
    assert rows["id"].is_unique().all() and rows.schema == FATES
    ends = Counter(rows["outcome"])
    configs = origin.manifest["statistics"]["configs"]
    assert {name: ends[name] for name in ("sft", "rl", "holdout")} == {
        name: configs[name]["samples"] for name in ("sft", "rl", "holdout")
    }
    lost = [sum(s["dropped"].values()) for s in origin.manifest["steps"] if s["unit"] == "sample"]
    assert ends["dropped"] == sum(lost)


def test_reasons_of_samples_are_counted_as_in_the_funnel(origin: Origin) -> None:
    """Each made-up sample has one trace, so a reason drops it or its trace at most once."""
    lines = Counter(line for drops in fates(origin)["drops"] for line in drops.split("\n") if line)
    counted = {f"{s['step']} {r}": n for s in origin.manifest["steps"] for r, n in s["dropped"].items()}
    assert lines == counted
    assert {line.split()[0] for line in lines} == {"drop", "dedup", "select", "release"}


def test_the_census_counts_everything_once(origin: Origin) -> None:
    rows = fates(origin)
    told = census(rows)
    assert told["samples"].sum() == rows.height
    assert told.select("outcome", "source", "band", "drops").is_unique().all()
    hard = told.filter(pl.col("band") == "hard")["samples"].sum()
    assert hard == rows.filter(pl.col("k").is_between(1, 2)).height > 0


def test_facts_are_known_with_and_without_the_build(origin: Origin) -> None:
    rows = fates(origin)
    alone = fates(replace(origin, build=None))
    assert set(rows["source"]) == {"charts", "maps"}
    both = rows.join(alone, on=["id", "outcome", "drops"])
    assert both.height == rows.height
    known = both.filter(pl.col("source_right") != "unknown")
    assert (known["source"] == known["source_right"]).all() and (known["band"] == known["band_right"]).all()
    assert (both.filter(pl.col("source_right") == "unknown")["outcome"] == "dropped").all()


def _rows(outcomes: list[str], drops: list[str]) -> pl.DataFrame:
    n = len(outcomes)
    columns = {"id": [f"{i:032x}" for i in range(n)], "outcome": outcomes, "drops": drops, "source": ["a"] * n}
    return pl.DataFrame(columns | {"band": ["easy"] * n, "k": [7] * n, "n": [8] * n}, schema=FATES)


NOBODY = pl.Series("id", dtype=pl.String)


def test_a_rare_reason_is_never_left_out() -> None:
    rows = _rows(["dropped"] * 1000 + ["rl"] * 1000, ["s s:rare"] * 3 + ["s s:common"] * 997 + [""] * 1000)
    chosen = choose(rows, 50, NOBODY)
    found = Counter(chosen["drops"])
    assert chosen.height == 50 and found["s s:rare"] == 3 and found["s s:common"] > 3 and found[""] > 3


def test_wanted_rows_come_first() -> None:
    rows = _rows(["rl"] * 100, [""] * 100)
    wanted = rows["id"][40:50]
    assert set(wanted) <= set(choose(rows, 20, wanted)["id"])


@given(st.lists(st.sampled_from(["sft", "rl", "dropped"]), min_size=1, max_size=60), st.integers(1, 80), st.randoms())
def test_choosing_keeps_to_the_limit_and_to_the_ids(outcomes: list[str], limit: int, random: object) -> None:
    rows = _rows(outcomes, ["s s:x" if o == "dropped" else "" for o in outcomes])
    chosen = choose(rows, limit, NOBODY)
    assert chosen.height == min(limit, rows.height) and chosen["id"].is_unique().all()
    labels = rows["outcome"].n_unique() + 2 + int("dropped" in outcomes)
    if limit >= 2 * labels:
        assert set(chosen["outcome"]) == set(outcomes)
    assert choose(rows.reverse(), limit, NOBODY).equals(chosen), "order of rows does not matter"


def test_duplicates_come_with_what_was_kept_instead(origin: Origin) -> None:
    told = duplicates(origin, 10)
    assert told.height == 10 and set(told["reason"]) == {"dedup:exact"} and set(told["step"]) == {"dedup"}
    drops = origin.dropped().filter(step="dedup").collect()
    evidence = dict(drops.select("id", "evidence").iter_rows())
    assert all(f'"kept":"{row["kept"]}"' in evidence[row["id"]] for row in told.iter_rows(named=True))
    assert duplicates(origin, 10_000).height == drops.height


def test_pass_rates_are_the_release_s_own(origin: Origin) -> None:
    told = figures.pass_rates(origin)
    own = origin.manifest["statistics"]["pass_rates"]["vlm"]
    assert told.select("n", "k", "samples").to_dicts() == own
    assert dict(told.select("k", "band").iter_rows())[8] == "always"


def test_lengths_count_every_row(origin: Origin) -> None:
    told = figures.lengths(origin)
    sums = dict(told.group_by("what").agg(pl.col("rows").sum()).iter_rows())
    configs = origin.manifest["statistics"]["configs"]
    assert sums["question, characters"] == sums["caption, characters"] == 400
    assert sums["rollout, characters"] == 3200
    assert "rollout, tokens" not in sums, "nobody counted those of given replies"
    assert sums["completion, characters"] == configs["sft"]["rows"]
    steps = {s["step"]: s for s in origin.manifest["steps"]}
    traces = dict(told.filter(what="trace, characters").group_by("part").agg(pl.col("rows").sum()).iter_rows())
    assert traces == {"kept": steps["drop"]["kept"], "dropped": steps["drop"]["dropped"]["drop:wrong"]}
    right = told.filter(what="rollout, characters", part="right")["rows"].sum()
    assert right == pl.concat(origin.tables("difficulty")).select(pl.col("k").sum()).collect().item()


@pytest.mark.parametrize(
    ("length", "low", "high"), [(0, 0, 1), (1, 1, 1.41), (2, 2, 2.83), (3, 2.83, 4), (8, 8, 11.31)]
)
def test_bins_double_every_second_step(length: int, low: float, high: float) -> None:
    table = pl.LazyFrame({"length": [length], "part": ["all"]})
    assert figures._histogram("x", table).rows() == [("x", "all", low, high, 1)]


def test_vision_gain_by_hand() -> None:
    """Two samples gain 4/8 - 2/8, one loses 1/8: (0.25 + 0.25 - 0.125) / 3."""
    counts = pl.DataFrame({"k": [4, 0], "n": [8, 8], "k_text": [2, 1], "n_text": [8, 8], "samples": [2, 1]})
    assert figures.mean_gain(counts) == pytest.approx(0.125)
    assert figures.mean_gain(counts.head(0)) is None


def test_vision_gain_is_read_from_what_was_counted_without_images(origin: Origin) -> None:
    found = figures.vision_gain(origin)
    counted = pl.concat(origin.tables("difficulty")).group_by("k", "n").len("samples").collect().sort("k")
    wanted = counted.select("k", "n", (pl.col("k") - 2).clip(0).alias("k_text"), pl.col("n").alias("n_text"), "samples")
    assert found.rows() == wanted.rows()
    without = replace(origin, build=None)
    assert not figures.vision_gain(without).height, "a release without its build says nothing"


def test_lengths_of_one_bin_have_round_ends_and_say_whole_numbers() -> None:
    bin_ = {"what": "caption, characters", "part": "all", "low": 181.02, "high": 256.0, "rows": 9}
    spec = charts._lengths(pl.DataFrame([bin_]), "caption, characters")
    x = spec["encoding"]["x"]
    assert x["scale"]["domain"] == x["axis"]["values"] == [128, 256]
    assert spec["data"]["values"][0]["shown"] == "182 to 255"


def test_bands_have_colours_of_their_own_from_hard_to_easy() -> None:
    bands = ["never", "hard", "medium", "easy", "always"]
    told = charts._band_colours(bands)
    brightness = [sum(int(told[band][i : i + 2], 16) for i in (1, 3, 5)) for band in bands]
    assert brightness == sorted(set(brightness)) and not set(told.values()) & set(charts._OUTCOMES.values())


def test_selection_is_compared_with_its_control(origin: Origin) -> None:
    told = figures.selection(origin)
    rows = told.filter(pl.col("figure") == "rows").row(0, named=True)
    configs = origin.manifest["statistics"]["configs"]
    assert rows["selected"] == configs["rl"]["rows"] and rows["control"] == configs["control"]["rows"]
    assert rows["candidates"] > rows["selected"]
    assert told.to_dicts() == origin.manifest["selection"]
    for set_ in ("candidates", "selected", "control"):
        shares = told.filter(pl.col("figure") == "share of band")[set_].sum()
        assert shares == pytest.approx(1.0)


def test_a_huge_answer_and_many_options_are_cut(tmp_path: Path, origin: Origin) -> None:
    build = tmp_path / "large"
    shutil.copytree(origin.build, build)  # type: ignore[arg-type]
    path = build / "ingest" / "rows-0000.parquet"
    table = pl.read_parquet(path)
    huge = pl.struct(kind=pl.lit("mask"), raw=pl.lit("7" * 100_000), parsed=pl.lit("{}"))
    options = pl.lit(["x" * 10_000] * 50, pl.List(pl.String))
    table.with_columns(answer=huge, options=options).write_parquet(path)
    made = replace(origin, build=build)
    chosen = fates(origin).filter(pl.col("id") == table["id"][0])
    (sample,) = next(samples(made, chosen, 16))
    assert len(sample["answer"]) < 700 and len(sample["options"]) == 26 and len(sample["options"][0]) == 300


def test_results_of_checks_are_shown_with_their_sample(tmp_path: Path, origin: Origin) -> None:
    build = tmp_path / "large"
    shutil.copytree(origin.build, build)  # type: ignore[arg-type]
    (build / "asked_otherwise").mkdir()
    chosen = fates(origin).filter(outcome="rl").head(2)
    results = chosen.select("id", check=pl.lit("text_only"), model=pl.lit("vlm"), k=pl.lit(1), n=pl.lit(8))
    results.write_parquet(build / "asked_otherwise" / "results.parquet")
    step = {"step": "asked_otherwise", "type": "checks", "unit": "sample"}
    made = replace(origin, build=build, manifest={**origin.manifest, "steps": [*origin.manifest["steps"], step]})
    shown = next(samples(made, chosen, 16))
    assert [one["checks"] for one in shown] == [[{"check": "text_only", "model": "vlm", "k": 1, "n": 8}]] * 2


def test_long_texts_are_cut_in_the_middle() -> None:
    rows = pl.DataFrame({"text": ["abcdefghij" * 10, "short", None]})
    told = rows.select(cut("text", 30))["text"].to_list()
    assert told[0] == "abcdefghijabcdefghij […70 characters…] abcdefghij"
    assert told[1:] == ["short", None]
