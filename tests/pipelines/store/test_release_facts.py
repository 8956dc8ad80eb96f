"""A manifest that says what no release says is a sentence to whoever reads it."""

import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from proven import proven
from sealing import resealed, signed

from flows.push import pack
from pipelines.export.rows import open_release
from pipelines.release.card import publish_card
from pipelines.release.verify import verify_release
from pipelines.release.versions import diff, list_releases
from pipelines.report.origin import find_origin
from pipelines.report.write import write_report
from pipelines.store.release_facts import unlike
from pipelines.store.release_seal import read_manifest
from schemas.errors import ConfigError

ODD: tuple[Any, ...] = (
    None, 7, -1, True, 1e308, 10**400, "x", "../../etc/passwd", "\x1b]52;c;AAAA\x07", "\u202egpj", [], {}, [None], ["x"],
    {"a": None}, {"x": {"y": 1}},
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return proven(tmp_path_factory.mktemp("made"))


@pytest.fixture
def release(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "out" / "releases" / "proven" / "v1"
    shutil.copytree(made, copy)
    return copy


def put(manifest: dict[str, Any], place: tuple[Any, ...], value: Any) -> None:
    held: Any = manifest
    for key in place[:-1]:
        held = held[key]
    held[place[-1]] = value


def places(found: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a manifest; of lists the first two items."""
    if place:
        yield place
    items = found.items() if isinstance(found, dict) else enumerate(found[:2]) if isinstance(found, list) else ()
    for key, inner in items:
        yield from places(inner, (*place, key))


def test_what_a_release_says_is_what_it_may_say(release: Path) -> None:
    assert unlike(read_manifest(release)) is None


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("statistics", "configs", "rl", "rows"), "many", r"statistics\.configs\.rl\.rows: input should be"),
        (("statistics", "configs", "rl", "rows"), True, r"statistics\.configs\.rl\.rows"),
        (("statistics", "configs", "rl", "rows"), 10**400, r"statistics\.configs\.rl\.rows"),
        (("statistics",), [], r"statistics"),
        (("steps", 0, "in"), -1, r"steps\.0\.in"),
        (("steps", 0, "notes", "retired"), "all", r"steps\.0\.notes\.retired"),
        (("recipe", "sources", 0, "name"), ["x"], r"recipe\.sources\.0\.name"),
        (("recipe", "steps", 0), "release", r"recipe\.steps\.0"),
        (("configs", "rl", "holds"), "everything", r"configs\.rl\.holds"),
        (("models",), {"vlm": None}, r"models\.vlm"),
        (("examples", 0, "images"), 7, r"examples\.0\.images"),
        (("files", 0, "bytes"), -1, r"damaged or of another version of curate\."),
        (("files", 0, "rows"), 10**400, r"damaged or of another version of curate\."),
        (("selection",), [{"figure": "k", "value": None, "candidates": float("nan")}], "damaged"),
    ],
)
def test_an_odd_fact_is_named_by_its_place(release: Path, place: tuple[Any, ...], value: Any, words: str) -> None:
    resealed(release, lambda manifest: put(manifest, place, value), truly=False)
    assert not verify_release(release).holds
    with pytest.raises(ConfigError, match=words) as caught:
        open_release(str(release), release)
    assert len(str(caught.value)) < 1_000


def check_odd_facts(release: Path, elsewhere: Path, rounds: int, seed: int) -> None:
    """Put an odd value in a place of the manifest, seal it, and let everybody read it: nothing but sentences."""
    whole, chance = json.loads((release / "manifest.json").read_text()), random.Random(seed)
    everywhere = list(places(whole))
    for _ in range(rounds):
        place, value = chance.choice(everywhere), chance.choice(ODD)
        manifest = json.loads(json.dumps(whole))
        put(manifest, place, value)
        signed(release, manifest)
        verify_release(release)
        for read in (
            lambda: list_releases(release.parents[2]),
            lambda: write_report(find_origin(str(release), elsewhere), elsewhere / "page.html"),
            lambda: publish_card(release, elsewhere / "cards"),
            lambda: diff(release, release),
            lambda: pack(release, "lab/sums"),
        ):
            try:
                read()
            except ConfigError:
                continue
            except Exception as error:
                raise AssertionError((place, value)) from error


def test_odd_facts_anywhere_are_a_sentence(release: Path, tmp_path: Path) -> None:
    check_odd_facts(release, tmp_path / "elsewhere", rounds=8, seed=0)


@pytest.mark.slow
def test_many_odd_facts_anywhere_are_a_sentence(release: Path, tmp_path: Path) -> None:
    check_odd_facts(release, tmp_path / "elsewhere", rounds=60, seed=1)


def test_bands_that_are_none_are_a_sentence(release: Path, tmp_path: Path) -> None:
    def edit(manifest: dict[str, Any]) -> None:
        next(step for step in manifest["recipe"]["steps"] if "select" in step)["select"]["bands"] = 7

    resealed(release, edit, truly=False)
    with pytest.raises(ConfigError, match="has bands in its recipe that are none"):
        write_report(find_origin(str(release), tmp_path), tmp_path / "page.html")


def test_a_card_shows_images_that_are_there(release: Path, tmp_path: Path) -> None:
    resealed(release, lambda manifest: manifest["examples"][0].update(images=[f"{'0' * 64}.png"]), truly=False)
    with pytest.raises(ConfigError, match=r"names the image 0+\.png for its card, which card_images does not hold"):
        publish_card(release, tmp_path / "cards")
