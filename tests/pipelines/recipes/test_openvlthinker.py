"""OpenVLThinker, two rounds: the second reads what the first released."""

from pathlib import Path

import demo
import pytest

from pipelines.job import compile_recipe, open_job
from schemas.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")

ROWS = [
    {"question": "Is there a circle in the image?", "answer": answer, "kind": "boolean"}
    for answer in ("yes", "no", "yes", "yes")
]


def test_it_compiles_as_published() -> None:
    recipe = compile_recipe("openvlthinker_1")
    distill = recipe.pipeline.step("distill").config
    assert (distill.n, distill.sampling.temperature) == (4, 0.6)
    assert recipe.pipeline.step("pick").config.take == "shortest"
    assert compile_recipe("openvlthinker_2").pipeline.unread == recipe.pipeline.unread == ()


def test_the_second_round_needs_the_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        open_job(compile_recipe("openvlthinker_2"), tmp_path)
    assert "openvlthinker_2.yaml:" in str(error.value)
    assert str(error.value).endswith(
        "Source 'openvlthinker-1': there is no release 'openvlthinker-1@v1'. There is none here yet; "
        "build the earlier recipe."
    )


def test_a_second_round_goes_on_from_the_release_of_the_first(tmp_path: Path) -> None:
    first = demo.run("openvlthinker_1", tmp_path / "out", demo.shown(tmp_path, "asked", ROWS), caption=32, distill=24)
    counts = demo.counts(first)
    assert counts["distill"] == (16, 0)
    assert min(counts["drop"]) >= 1
    assert min(counts["pick"]) >= 1
    asked = demo.loaded(first, "next", tmp_path / "cache")
    assert len(asked) >= 1
    assert len(demo.loaded(first, "sft", tmp_path / "cache")) == counts["pick"][0]
    assert all(1 <= row["right_of_4"] <= 3 for row in demo.loaded(first, "rl", tmp_path / "cache"))

    card = " ".join((first.release / "README.md").read_text().split()) if first.release else ""
    ids = {name: set(demo.loaded(first, name, tmp_path / "cache")["id"]) for name in ("sft", "rl", "next")}
    for one, other in (("sft", "rl"), ("rl", "next")):
        assert f"`{one}` and `{other}`: samples in common {len(ids[one] & ids[other])}, groups in common" in card
    assert "no group is on two sides" not in card

    second = demo.run("openvlthinker_2", tmp_path / "out")
    counts = demo.counts(second)
    assert counts["ingest"] == (len(asked), 0)
    assert counts["own_traces"] == (4 * len(asked), 0)
    assert min(counts["drop"]) >= 1
    sft = demo.loaded(second, "sft", tmp_path / "cache")
    assert len(sft) >= 1
    assert all(row["tags"] == "think_answer" and "</think>" in row["completion"][0]["content"] for row in sft)
    assert {row["source_row"] for row in sft} <= set(asked["id"])
    rl = demo.loaded(second, "rl", tmp_path / "cache")
    put = {row["id"]: row["prompt"] for row in sft}
    assert {row["id"] for row in rl} <= put.keys()
    assert all(row["prompt"] == put[row["id"]] for row in rl)  # RL goes on from what SFT was taught
    assert len(rl) >= 1
