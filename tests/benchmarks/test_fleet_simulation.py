"""The simulation of a cluster, with the real driver and servers on loopback, at a small size."""

from fleet_simulation import case, outages_of, place_seconds
from loopback import Load
from pytest import approx

NEVER = float("inf")


def test_every_request_is_answered_while_servers_fail_die_and_come_back() -> None:
    row = case("all", [f"question {i}" for i in range(200)], 4, 4, Load(0.05, 0.01, 0.1))
    assert (row["answered"], row["unanswered"]) == (200, 0)
    assert row["retries"] and row["server"]["given"] >= 200
    assert sum(row["places"].values()) == approx(1.0)
    assert 0 < row["ratio"] <= 1.05


def test_servers_die_at_different_times_and_the_last_stays_away() -> None:
    assert outages_of(32, 100.0) == {0: approx((10, 20)), 1: approx((30, 40)), 2: (approx(50), NEVER)}


def test_idle_places_are_told_apart_by_why() -> None:
    held = [(0.0, [2, 2]), (1.0, [2, 0]), (2.0, [2, 0]), (3.0, [2, 2]), (4.0, [1, 0])]
    found = place_seconds(held, 2, {1: (0.5, 1.5)}, 5.0)
    shares = {"at work": 13, "away": 2, "back, not asked": 2, "tail": 3, "between requests": 0}
    assert found == approx({name: count / 20 for name, count in shares.items()})
