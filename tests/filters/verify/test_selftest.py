import json
from collections.abc import Iterator
from random import Random
from typing import Any

import polars as pl
import pytest

from filters.verify import selftest as selftest_module
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.selftest import COUNTS, OtherGolds, Trial, add_up, selftest
from schemas.answer import dump_answer
from schemas.sample import SAMPLE
from schemas.split import Split


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(workers=1, budget_s=2.0) as running:
        yield running


def sample(
    id_: str,
    kind: str,
    raw: str,
    *,
    options: tuple[str, ...] = (),
    verifier: str | None = None,
    params: dict[str, Any] | None = None,
    dataset: str = "d",
) -> dict[str, Any]:
    gold = parse_gold(kind, raw, options=options, params=params if params and verifier is None else {})
    return {
        "id": id_,
        "source": {"dataset": dataset, "split": "train", "row": id_, "license": "", "url": ""},
        "options": list(options),
        "answer": {"kind": kind, "raw": raw, "parsed": dump_answer(gold)},
        "verifier": {"id": verifier or kind, "params": json.dumps(params or {})},
    }


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SAMPLE) if rows else pl.DataFrame(schema=SAMPLE)


PETS = ("cat", "dog", "fish")
GOOD = [
    *(sample(f"c{i}", "choice", "ABC"[i % 3], options=PETS) for i in range(9)),
    *(sample(f"n{i}", "number", str(i)) for i in range(9)),
    *(sample(f"b{i}", "boolean", ("yes", "no")[i % 2]) for i in range(8)),
    *(sample(f"t{i}", "text", f"word {i}") for i in range(5)),
    *(sample(f"x{i}", "boxes", f"[{30 * i},0,{30 * i + 20},20]") for i in range(5)),
    *(sample(f"s{i}", "set", ("a, b", "none", "c")[i % 3]) for i in range(6)),
    *(sample(f"a{i}", "abstain", "unknown") for i in range(2)),
    *(sample(f"o{i}", "open", f"prose {i}") for i in range(2)),
]


def try_out(rows: pl.DataFrame, pool: VerifierPool, seed: int = 0, batch: int = 1000) -> Trial:
    """The self-test as a build runs it: other golds of the whole table, rows in batches."""
    others = OtherGolds(seed)
    for piece in rows.iter_slices(batch):
        others.add(piece)
    found = [selftest(piece, others, seed, pool) for piece in rows.iter_slices(batch)] or [
        selftest(rows, others, seed, pool)
    ]
    kept, dropped = (pl.concat([getattr(one.split, half) for one in found]) for half in ("kept", "dropped"))
    return Trial(Split(kept, dropped), add_up(one.counts for one in found))


def share(told: Trial, check: str) -> float:
    """Of a check: passed / tried."""
    tried, passed = told.counts.filter(check=check).select("tried", "passed").sum().row(0)
    return float(passed / tried)


def test_sound_rows_are_kept_in_their_order(pool: VerifierPool) -> None:
    rows = table(GOOD)
    parted = try_out(rows, pool).split
    assert parted.kept["id"].to_list() == rows["id"].to_list()
    assert parted.dropped.height == 0


def test_kept_and_dropped_are_the_input(pool: VerifierPool) -> None:
    rows = table(
        [*GOOD, sample("bad", "number", "7", verifier="nonsense"), sample("bad2", "text", "x", verifier="boxes")]
    )
    parted = try_out(rows, pool).split
    assert parted.dropped["id"].to_list() == ["bad", "bad2"]
    assert set(parted.kept["id"]) | set(parted.dropped["id"]) == set(rows["id"])
    assert parted.kept.height + parted.dropped.height == rows.height
    assert set(parted.dropped["reason"]) == {"selftest:gold"}
    evidence = json.loads(parted.dropped["evidence"][0])
    assert evidence["check"] == "gold"
    assert "nonsense" in evidence["explanation"]


@pytest.mark.parametrize(("low", "high"), [(0.05, 0.3), (0.1, 0.5), (0.2, 0.7), (0.4, 0.9)])
@pytest.mark.parametrize("space", ["pixel", "norm1000"])
def test_right_boxes_may_overlap(low: float, high: float, space: str, pool: VerifierPool) -> None:
    chance, rows = Random(7), []
    for i in range(400):
        w, h = (round(1000 * chance.uniform(low, high)) for _ in range(2))
        x, y = chance.randrange(1000 - w), chance.randrange(1000 - h)
        rows.append(sample(f"b{i}", "boxes", f"[{x},{y},{x + w},{y + h}]", params={"space": space}))
    told = try_out(table(rows), pool)
    assert told.split.kept.height == 400
    assert share(told, "self") == 1.0
    assert share(told, "other") < 1.0, "what neighbours score is told"


@pytest.mark.parametrize(("shortest", "longest", "clip"), [(3, 15, 120), (3, 15, 60), (3, 15, 30), (8, 25, 30)])
def test_right_spans_may_overlap(shortest: float, longest: float, clip: float, pool: VerifierPool) -> None:
    chance, rows = Random(7), []
    for i in range(400):
        length = chance.uniform(shortest, longest)
        start = chance.uniform(0, clip - length)
        rows.append(sample(f"s{i}", "spans", f"[{start:.1f}, {start + length:.1f}]", params={"duration": clip}))
    told = try_out(table(rows), pool)
    assert told.split.kept.height == 400
    assert share(told, "other") < 1.0


def test_right_points_may_be_near_each_other(pool: VerifierPool) -> None:
    chance = Random(7)
    rows = [sample(f"p{i}", "points", f"({chance.randrange(100)}, {chance.randrange(100)})") for i in range(400)]
    told = try_out(table(rows), pool)
    assert told.split.kept.height == 400
    assert share(told, "other") < 0.9


def test_right_numbers_may_be_near_each_other_and_it_is_told(pool: VerifierPool) -> None:
    told = try_out(table([sample(f"y{i}", "number", str(1990 + i), params={"rel_tol": 0.05}) for i in range(20)]), pool)
    assert told.split.kept.height == 20
    assert share(told, "other") == 0.0


def test_a_row_is_dropped_where_the_whole_picture_scores_though_it_is_little_of_it(pool: VerifierPool) -> None:
    lenient, strict = {"space": "norm1000", "threshold": 0.05}, {"space": "norm1000"}
    rows = [sample(f"l{i}", "boxes", f"[{i},0,{i + 300},300]", params=lenient) for i in range(3)]
    rows += [sample(f"s{i}", "boxes", f"[{i},0,{i + 300},300]", params=strict) for i in range(3)]
    rows += [sample(f"w{i}", "boxes", f"[{i},0,{i + 990},990]", params=strict) for i in range(3)]
    told = try_out(table(rows), pool)
    assert told.split.kept["id"].to_list() == ["s0", "s1", "s2", "w0", "w1", "w2"]
    assert {json.loads(text)["check"] for text in told.split.dropped["evidence"]} == {"everything"}


def test_a_row_is_dropped_where_the_whole_video_scores_though_it_is_little_of_it(pool: VerifierPool) -> None:
    rows = [sample("short", "spans", "[3, 9]", params={"duration": 60, "threshold": 0.05})]
    rows += [sample("fine", "spans", "[3, 9]", params={"duration": 60}), sample("unknown", "spans", "[3, 9]")]
    assert try_out(table(rows), pool).split.dropped["id"].to_list() == ["short"]


def test_one_pair_of_equal_golds_in_a_large_source_drops_nothing(pool: VerifierPool) -> None:
    rows = [sample(f"n{i}", "expression", str(i)) for i in range(100, 160)]
    rows += [sample("half", "expression", "\\frac{1}{2}"), sample("point", "expression", "\\frac{2}{4}")]
    assert try_out(table(rows), pool).split.dropped.height == 0


def test_a_gold_that_its_verifier_cannot_read_is_dropped(pool: VerifierPool) -> None:
    dropped = try_out(table([sample("w", "text", "several", verifier="number")]), pool).split.dropped
    assert json.loads(dropped["evidence"][0])["check"] == "gold"


def test_a_lenient_verifier_that_pays_for_nothing_is_found(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest_module, "REFUSALS", ("five",))
    dropped = try_out(table([sample("t", "text", "five"), sample("u", "text", "six")]), pool).split.dropped
    assert dropped["id"].to_list() == ["t"]
    assert json.loads(dropped["evidence"][0])["check"] == "refusal"


def test_counts_name_all_that_was_tried(pool: VerifierPool) -> None:
    counts = try_out(table(GOOD), pool).counts
    assert counts.schema == COUNTS
    of = {kind: dict(rows.select("check", "tried").iter_rows()) for (kind,), rows in counts.group_by("kind")}
    assert of["choice"] == {"gold": 9, "self": 9, "other": 18, "empty": 9, "refusal": 18, "everything": 18}
    assert of["abstain"] == {"gold": 2, "self": 2, "empty": 2}
    assert of["open"] == {"gold": 2}


def test_the_same_seed_draws_the_same_golds_in_any_batches_and_order(pool: VerifierPool) -> None:
    years = [sample(f"y{i}", "number", str(1990 + i), params={"rel_tol": 0.005}) for i in range(60)]
    one = try_out(table(years), pool, seed=1).counts
    assert 0 < one.filter(check="other")["passed"].item() < 120
    assert try_out(table(years), pool, seed=1, batch=7).counts.equals(one)
    assert try_out(table(years[::-1]), pool, seed=1, batch=7).counts.equals(one)
    assert not try_out(table(years), pool, seed=2).counts.equals(one)


def test_an_empty_table(pool: VerifierPool) -> None:
    told = try_out(table([]), pool)
    assert told.split.kept.height == told.split.dropped.height == told.counts.height == 0


def test_a_gold_that_no_answer_can_be_compared_with_in_time_is_dropped() -> None:
    """Its own words are right at once, so `self` passes, but an equal answer in other words would spend the budget."""
    golds = [("tower", "3^{9^{9^{9}}}"), ("sum", "x+1"), ("seven", "7")]
    with VerifierPool(workers=1, budget_s=0.3) as pool:
        told = try_out(table([sample(i, "expression", raw) for i, raw in golds]), pool)
    assert told.split.kept["id"].to_list() == ["sum", "seven"]
    evidence = json.loads(told.split.dropped["evidence"].item())
    assert (evidence["check"], evidence["tier"]) == ("time", "timeout")
