"""What is read from earlier releases, of any config that they have."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from sealing import sealed

from pipelines.steps.earlier import latest_rows, latest_section, released_sides
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError


@pytest.fixture
def build(tmp_path: Path) -> Any:
    return SimpleNamespace(workspace=Workspace(tmp_path), recipe=SimpleNamespace(name="tiny"))


def write(build: Any, version: str, manifest: Any, **configs: pl.DataFrame) -> None:
    folder = build.workspace.releases("tiny") / version
    for config, rows in configs.items():
        (folder / config).mkdir(parents=True)
        rows.write_parquet(folder / config / "part-00000.parquet")
    sealed(folder, manifest)


def test_nothing_was_given_away_before_the_first_release(build: Any) -> None:
    assert (
        released_sides(build, ["rl"]) is None and latest_rows(build) is None and latest_section(build, "dedup") is None
    )


def test_a_sample_keeps_its_oldest_side(build: Any) -> None:
    traces = pl.DataFrame({"id": ["t1", "t2"], "sample_id": ["a", "b"]})
    write(build, "v1", {}, sft=traces, unfiltered=pl.DataFrame({"id": ["c", "d"], "side": ["rl", "eval"]}))
    write(build, "v2", {}, rl=pl.DataFrame({"id": ["a", "e"]}), control=pl.DataFrame({"id": ["z"]}))
    found = released_sides(build, ["sft", "rl"])
    assert found is not None and dict(found.rows()) == {"a": "sft", "b": "sft", "c": "rl", "e": "rl"}
    latest = latest_rows(build)
    assert latest is not None and sorted(latest["id"]) == ["a", "e"]


def test_the_oldest_release_comes_first_also_past_ten(build: Any) -> None:
    for version, side in (("v10", "rl"), ("v9", "sft")):
        write(build, version, {}, **{side: pl.DataFrame({"id": ["a"]})})
    found = released_sides(build, ["sft", "rl"])
    assert found is not None and found.rows() == [("a", "sft")]


@pytest.mark.parametrize(
    ("steps", "section"),
    [
        ([{"dedup": {"near": None}}], {"near": None}),
        ([{"dedup": {"as": "first"}}, {"dedup": {"as": "dedup"}}], {"as": "dedup"}),
        (["dedup"], {}),
        ([{"dedup": None}], {}),
        (["verify", {"split": {}}], None),
        (None, None),
    ],
)
def test_the_section_of_a_step_is_found_by_its_name(build: Any, steps: Any, section: Any) -> None:
    write(build, "v1", {"recipe": {"steps": steps}}, rl=pl.DataFrame({"id": ["a"]}))
    assert latest_section(build, "dedup") == section


def test_a_manifest_that_was_damaged_gives_no_section(build: Any) -> None:
    write(build, "v1", {"recipe": {"steps": [{"dedup": {"near": 8}}]}})
    path = build.workspace.releases("tiny") / "v1" / "manifest.json"
    path.write_text(path.read_text().replace('"near": 8', '"near": 9'))
    with pytest.raises(ConfigError, match=r"manifest.json is damaged"):
        latest_section(build, "dedup")
