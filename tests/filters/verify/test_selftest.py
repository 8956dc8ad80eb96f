import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from filters.verify import selftest as selftest_module
from filters.verify.gold import parse_gold
from filters.verify.pool import VerifierPool
from filters.verify.selftest import CHECKS, checks, report, selftest
from schemas.answer import dump_answer
from schemas.sample import SAMPLE


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
    gold = parse_gold(kind, raw, options=options)
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


def test_sound_rows_are_kept_in_their_order(pool: VerifierPool) -> None:
    rows = table(GOOD)
    parted = selftest(rows, 0, pool)
    assert parted.kept["id"].to_list() == rows["id"].to_list()
    assert parted.dropped.height == 0


def test_kept_and_dropped_are_the_input(pool: VerifierPool) -> None:
    rows = table(
        [*GOOD, sample("bad", "number", "7", verifier="nonsense"), sample("bad2", "text", "x", verifier="boxes")]
    )
    parted = selftest(rows, 0, pool)
    assert set(parted.dropped["id"]) == {"bad", "bad2"}
    assert set(parted.kept["id"]) | set(parted.dropped["id"]) == set(rows["id"])
    assert parted.kept.height + parted.dropped.height == rows.height
    assert set(parted.dropped["reason"]) == {"verify:selftest"}
    evidence = json.loads(parted.dropped["evidence"][0])
    assert evidence["check"] == "gold"
    assert "nonsense" in evidence["explanation"]


def test_a_tolerance_that_takes_any_year_for_any_other_is_found(pool: VerifierPool) -> None:
    rows = [sample(f"y{i}", "number", str(1990 + i), params={"rel_tol": 0.05}) for i in range(20)]
    parted = selftest(table(rows), 0, pool)
    assert parted.kept.height == 0
    assert json.loads(parted.dropped["evidence"][0])["check"] == "other"
    tried = report(checks(table(rows), 0, pool)).filter(pl.col("check") == "other")
    assert tried["share"].item() == 0.0


def test_one_pair_of_equal_golds_in_a_large_source_drops_nothing(pool: VerifierPool) -> None:
    rows = [sample(f"n{i}", "expression", str(i)) for i in range(100, 160)]
    rows += [sample("half", "expression", "\\frac{1}{2}"), sample("point", "expression", "\\frac{2}{4}")]
    assert selftest(table(rows), 0, pool).dropped.height == 0


def test_a_gold_that_its_verifier_cannot_read_is_dropped(pool: VerifierPool) -> None:
    parted = selftest(table([sample("w", "text", "several", verifier="number")]), 0, pool)
    assert json.loads(parted.dropped["evidence"][0])["check"] == "gold"


def test_a_lenient_verifier_that_pays_for_nothing_is_found(pool: VerifierPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest_module, "REFUSALS", ("five",))
    parted = selftest(table([sample("t", "text", "five"), sample("u", "text", "six")]), 0, pool)
    assert parted.dropped["id"].to_list() == ["t"]
    assert json.loads(parted.dropped["evidence"][0])["check"] == "refusal"


def test_checks_name_all_that_was_tried(pool: VerifierPool) -> None:
    tried = checks(table(GOOD), 0, pool)
    assert dict(tried.schema) == dict(CHECKS)
    of = {kind: set(tried.filter(pl.col("kind") == kind)["check"]) for kind in tried["kind"].unique()}
    assert of["choice"] == {"self", "other", "empty", "refusal", "all_options"}
    assert of["abstain"] == {"self", "empty"}
    assert "open" not in of
    assert tried.filter(pl.col("check") == "other").group_by("id").len()["len"].max() == 2


def test_the_same_seed_draws_the_same_golds(pool: VerifierPool) -> None:
    rows = table(GOOD)
    assert checks(rows, 1, pool).equals(checks(rows, 1, pool))
    assert not checks(rows, 1, pool).equals(checks(rows, 2, pool))


def test_rows_in_another_order_give_the_same_checks(pool: VerifierPool) -> None:
    one, other = (checks(table(rows), 0, pool) for rows in (GOOD[9:18], GOOD[9:18][::-1]))
    assert one.filter(pl.col("check") != "all_options").height == other.filter(pl.col("check") != "all_options").height
    assert one["passed"].all()
    assert other["passed"].all()


def test_an_empty_table(pool: VerifierPool) -> None:
    parted = selftest(table([]), 0, pool)
    assert parted.kept.height == parted.dropped.height == 0
    assert report(checks(table([]), 0, pool)).height == 0
