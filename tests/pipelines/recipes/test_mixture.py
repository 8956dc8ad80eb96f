"""Two releases about the same images become one: so much of each, and no image on two sides."""

from pathlib import Path

import polars as pl
import pytest
import yaml

from pipelines.job import Job, compile_recipe, open_job

ASKED = "turns[{turn}].question AS question, turns[{turn}].answer AS answer, 'text' AS kind"
TURN = f"SELECT image, {ASKED} FROM task WHERE len(turns) > 1"


def released(folder: Path, name: str, turn: int) -> Job:
    """The release of one question of each image; which question it is says `turn`."""
    source = {
        "type": "tasks",
        "name": "scenes",
        "task": "open",
        "n": 40,
        "levels": [2, 3],
        "raw": TURN.format(turn=turn),
    }
    steps = [{"release": {"rl": {"of": "sample", "prompt": "{{ question }}"}}}]
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({"name": name, "sources": [source], "steps": steps}))
    return built(folder, str(folder / f"{name}.yaml"))


def built(folder: Path, recipe: str, *overrides: str) -> Job:
    job = open_job(compile_recipe(recipe, overrides), folder / "out")
    job.run()
    return job


def mixed(folder: Path) -> Job:
    encoder = "{model: reference-vlm}"
    return built(
        folder, "mixture", "sources.one.path=first@v1", "sources.other.path=second@v1", f"steps.dedup.image={encoder}",
        "steps.split={rl: 0.6, holdout: 0.4}",
    )  # fmt: skip


@pytest.mark.recipes
@pytest.mark.filterwarnings("ignore")
def test_shares_hold_and_no_image_is_on_two_sides(tmp_path: Path) -> None:
    for turn, name in enumerate(("first", "second"), start=1):
        released(tmp_path, name, turn)
    job = mixed(tmp_path)
    assert job.release is not None
    sides = {side: pl.read_parquet(job.release / side / "*.parquet") for side in ("rl", "holdout")}
    shown = {
        side: set(rows.select(pl.col("images").list.first().struct.field("bytes").hash())["bytes"])
        for side, rows in sides.items()
    }
    assert all(shown.values()) and not shown["rl"] & shown["holdout"]
    both = pl.concat(
        [rows.select(pl.col("images").list.first().struct.field("bytes").hash(), "dataset") for rows in sides.values()]
    )
    assert both.unique().group_by("bytes").len()["len"].max() == 2  # there are images of which both releases ask
    counts = dict(sides["rl"]["dataset"].value_counts().iter_rows())
    share = counts["one"] / (counts["one"] + counts["other"])
    assert share == pytest.approx(0.6, abs=0.03)
    again = mixed(tmp_path)
    assert again.release == job.release
