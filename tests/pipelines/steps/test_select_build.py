"""A selection in a whole build: rollouts that decide, clusters and coverage by real vectors, and the control beside it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import tiny

from generators import encoders
from pipelines.job import Job

ENCODERS = {"text": {"model": "all-minilm-l6-v2"}, "image": {"model": "reference-vlm"}}


def edit(recipe: dict[str, Any]) -> None:
    """No captions and traces; duplicates, groups and candidates are all compared by the same two encoders."""
    tiny.without("caption", "distill", "verify", "drop", "quality", "pair")(recipe)
    tiny.section(recipe, "rollout")["n"] = 2
    tiny.section(recipe, "difficulty").update(truncated="wrong", no_answer="wrong")
    tiny.section(recipe, "dedup").update(**ENCODERS, near={"image_threshold": 1})
    split = tiny.section(recipe, "split")
    split.update(sft=0.1, rl=0.8, holdout=0.1, **ENCODERS)
    tiny.section(recipe, "select").update(
        rule="univg_r1", budget=5, coverage={"value_weight": 0}, clusters={"clusters": 3}, vectors=ENCODERS,
        quotas={"by": ["cluster"], "shares": "equal"},
    )  # fmt: skip
    release = tiny.section(recipe, "release")
    release.clear()
    release.update({"rl": {"of": "sample"}, "holdout": {"of": "sample"}, "allow_empty": ["holdout"]})


class Encoded:
    """What encoders are given, item by item."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.items: Counter[tuple[str, str]] = Counter()
        for name, kind in (("text", encoders._TextEncoder), ("image", encoders._ImageEncoder)):
            patch.setattr(kind, "encode", self._counting(name, kind.encode))

    def _counting(self, name: str, encode: Any) -> Any:
        def counted(own: Any, items: Sequence[Any]) -> Any:
            self.items.update((name, str(item)) for item in items)
            return encode(own, items)

        return counted


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Encoded]:
    folder = tmp_path_factory.mktemp("selected")
    tiny.write_source(folder, 16)
    with pytest.MonkeyPatch.context() as patch:
        encoded = Encoded(patch)
        return tiny.built(folder, edit=edit), encoded


@pytest.fixture
def finished(build: tuple[Job, Encoded]) -> Job:
    return build[0]


def chosen(job: Job) -> pl.DataFrame:
    """The samples that were selected; those of other sides pass without a value."""
    return tiny.rows(job, "select").drop_nulls("value")


def beside(job: Job, table: str) -> pl.DataFrame:
    return pl.read_parquet(job.build.folder / "select" / f"{table}.parquet")


def test_a_selection_covers_its_clusters_and_so_does_the_control(finished: Job) -> None:
    clusters, kept, control = beside(finished, "clusters"), chosen(finished), beside(finished, "control")
    assert clusters["cluster"].n_unique() == 3
    assert kept.height == control.height == 5
    sizes = dict(clusters.group_by("cluster").len().iter_rows())
    seats, random = (dict(ids.join(clusters, on="id").group_by("cluster").len().iter_rows()) for ids in (kept, control))
    assert seats == random
    assert all(seats[c] == sizes[c] or seats[c] >= max(seats.values()) - 1 for c in sizes)


def test_who_gave_way_says_so_and_the_selection_is_nearer_to_the_candidates_than_chance(finished: Job) -> None:
    candidates = beside(finished, "clusters").height
    (search,) = beside(finished, "searches").to_dicts()
    assert (search["index"], search["rows"], search["recall"]) == ("exact", candidates, None)
    near = beside(finished, "comparison").filter(figure="mean nearness").row(0, named=True)
    assert near["candidates"] == 1
    assert 0 < near["control"] < near["selected"] < 1
    dropped = tiny.dropped(finished, "select")
    reasons = set(dropped["reason"])
    assert "select:covered" in reasons and reasons <= {"select:covered", "select:quota", "select:budget"}
    assert dropped.height + 5 == candidates


def test_what_decided_is_what_the_rollouts_come_to(finished: Job) -> None:
    verdicts = tiny.rows(finished, "rollout").join(tiny.rows(finished, "scored").select("id", "verdict"), on="id")
    right = verdicts.group_by("parent_id").agg(k=(pl.col("verdict") == "right").sum(), n=pl.len())
    rates = {id_: k / n for id_, k, n in right.iter_rows()}
    told = pl.concat([table.select("id", "evidence") for table in (chosen(finished), tiny.dropped(finished, "select"))])
    assert all(json.loads(evidence)["mean_score"] == rates[id_] for id_, evidence in told.iter_rows())
    assert len({rates[id_] for id_ in told["id"]}) > 1
    sides = dict(tiny.rows(finished, "split").select("id", "side").iter_rows())
    assert {sides[id_] for id_ in told["id"]} == {"rl"}
    assert set(tiny.config(finished, "rl")["id"]) == set(chosen(finished)["id"])


def test_manifest_and_card_hold_the_selection_against_its_control(finished: Job) -> None:
    compared = beside(finished, "comparison")
    assert tiny.manifest(finished)["selection"] == compared.to_dicts()
    assert compared.row(0) == ("rows", None, float(beside(finished, "clusters").height), 5.0, 5.0)
    assert compared.filter(figure="share of source")["candidates"].sum() == pytest.approx(1)
    card = (tiny.release(finished) / "README.md").read_text()
    assert "## Selection against chance" in card and "| mean nearness |" in card


def test_what_three_steps_compare_is_encoded_once(build: tuple[Job, Encoded]) -> None:
    job, encoded = build
    questions = tiny.rows(job, "ingest")["question"]
    assert set(encoded.items.values()) == {1}
    assert Counter(kind for kind, _ in encoded.items) == {"text": questions.n_unique(), "image": 16}
    assert [one["model"] for one in tiny.manifest(job)["encoders"]] == ["all-minilm-l6-v2", "reference-vlm"]


def test_other_vectors_are_another_selection_and_no_other_step(finished: Job) -> None:
    folder = Path(finished.build.workspace.root).parent
    assert not tiny.job(folder, edit=edit).runner.stale()
    other = tiny.job(folder, "steps.select.vectors.text=null", edit=edit)
    assert {step.name for step in other.runner.stale()} == {"select"}
