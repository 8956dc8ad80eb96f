"""What a trial comes to at another size."""

from dataclasses import replace

import pytest
from pytest import approx

from pipelines.projection.hours import Measured, Spent, project
from pipelines.projection.watched import Asked


def asked(**more: object) -> Asked:
    """Two hundred answers, 100 at a time, of a second each: a hundred a second. The driver took a tenth of a core."""
    facts: dict[str, object] = {"window": 100, "calls": [(1.0, 1, 1)] * 200, "wall_s": 2.0, "cpu_s": 0.2}
    facts |= {"prompt_tokens": 2000, "completion_tokens": 20_000}
    return Asked("rollout", "m", **{**facts, **more})  # type: ignore[arg-type]


def measured(one: Asked, **more: object) -> Measured:
    found = Measured(
        samples=25,
        asked=[one],
        wanted={("rollout", "m"): 200},
        pure=Spent(25, 0.7),
        least=Spent(1, 0.22),
        log_bytes=200_000,
        table_bytes=25_000,
        disk_rate=1e8,
        priced={"m": (1.0, 10.0)},
    )
    return replace(found, **more)


def test_each_resource_by_what_it_took_and_a_sample_without_what_a_step_costs_by_itself() -> None:
    found = project(measured(asked()), 1_000_000)
    assert found.answers == 8_000_000
    assert found.hours == approx(
        {
            "models": 8e6 / 100 / 3600,
            "driver": 8e6 * 0.001 / 3600,
            "disk": (2 * 8e6 * 1000 + 1e6 * 1000) / 1e8 / 3600,
            "pure steps": 0.02 * 1e6 / 3600,
        }
    )
    assert found.dollars == approx((2000 * 1.0 + 20_000 * 10.0) / 1e6 / 200 * 8e6)
    assert (found.limit, found.at_most) == ("models", False)


def test_steps_that_ask_nothing_divide_by_the_processes_of_a_build() -> None:
    assert project(measured(asked(), processes=4), 3_600_000).hours["pure steps"] == approx(0.02 * 1000 / 4)


def test_the_driver_divides_by_the_processes_that_ask() -> None:
    assert project(measured(asked(), askers=4), 450_000).hours["driver"] == approx(0.25)


def test_a_driver_that_other_work_of_the_machine_starves_is_as_full_as_without() -> None:
    assert asked(cpu_s=0.9, wall_s=10.0, starved_s=9.0).busy == approx(0.9)


def test_a_driver_whose_core_is_full_is_the_limit_however_slow_the_models_seem() -> None:
    found = project(measured(asked(cpu_s=1.8)), 1_000_000)
    assert found.at_most
    assert found.hours["models"] > found.hours["driver"]
    assert found.limit == "driver"


@pytest.mark.parametrize(
    ("more", "limit"),
    [({"disk_rate": 1e4}, "disk"), ({"pure": Spent(25, 70.0)}, "pure steps")],
)
def test_whatever_takes_longest_is_the_limit(more: dict[str, object], limit: str) -> None:
    assert project(measured(asked(), **more), 1_000_000).limit == limit


def test_what_the_log_held_already_is_asked_of_the_others_all_the_same() -> None:
    found = project(measured(asked(calls=[(1.0, 1, 1)] * 100)), 25)
    assert found.answers == 200


def test_failed_calls_hold_places_and_answer_nothing() -> None:
    calls = [(1.0, 1, 1)] * 100 + [(1.0, 1, 0)] * 100
    assert asked(calls=calls).rate == approx(50)


def test_a_call_for_several_samples_holds_as_many_places() -> None:
    assert asked(calls=[(2.0, 8, 8)] * 50).rate == approx(50)


def test_few_calls_say_what_so_few_at_once_give() -> None:
    assert asked(calls=[(1.0, 1, 1)] * 10).rate == approx(10)


def test_a_cost_is_unknown_where_a_price_or_a_count_is() -> None:
    assert project(measured(asked(), priced={"m": None}), 10).dollars is None
    assert project(measured(asked(prompt_tokens=None)), 10).dollars is None


def test_nothing_is_projected_from_no_answer() -> None:
    with pytest.raises(ValueError, match="no model answered"):
        project(measured(asked(calls=[])), 10)
