"""Licences of sources, as the Hub and a reader of the card need them."""

import pytest

from pipelines.release.licences import is_non_commercial, licences


def sources(**stated: str | None) -> list[dict[str, str | None]]:
    return [{"name": name, "license": licence} for name, licence in stated.items()]


def test_several_licences_are_a_list_each_once() -> None:
    told = licences(sources(a="CC0-1.0", b="mit", c="MIT", d=None, e="Ours, see LICENSE"))
    assert told["license"] == ["cc0-1.0", "mit", "other"]
    assert told["license_name"] == ["Ours, see LICENSE"]
    assert told["unstated"] == ["d"]
    assert told["non_commercial"] == []


def test_one_source_that_forbids_it_makes_the_release_non_commercial() -> None:
    assert licences(sources(a="CC-BY-NC-4.0", b="cc0-1.0"))["non_commercial"] == ["a"]


@pytest.mark.parametrize(
    "licence",
    [
        "cc-by-nc-sa-4.0",
        "CC BY-NC 4.0",
        "Non-Commercial",
        "for noncommercial use",
        "Research only",
        "research purposes only",
    ],
)
def test_names_that_forbid_commercial_use(licence: str) -> None:
    assert is_non_commercial(licence)


@pytest.mark.parametrize(
    "licence", ["cc-by-4.0", "apache-2.0", "NCSA", "mit", "ncl", "commercial", "open-data-commons"]
)
def test_names_that_do_not(licence: str) -> None:
    assert not is_non_commercial(licence)
