"""Questions about the images of others: whose images they get, what the gold says, and that groups stay small."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from filters.groups import group_ids
from filters.swap_images import READ, STEP, SwapImagesConfig, swap_images
from filters.verify.catalogue import VERIFIERS
from filters.verify.verifiers import VerifyItem
from schemas.answer import load_answer
from schemas.ids import canonical_json, content_id
from schemas.sample import MEDIA, SAMPLE
from schemas.step import Out, Tables

FIELDS = dict.fromkeys(f.name for f in MEDIA.fields)


def row(place: int, *shas: str, question: str | None = None, dataset: str = "docs", **more: Any) -> dict[str, Any]:
    media = [FIELDS | {"kind": "image", "sha256": sha, "position": i} for i, sha in enumerate(shas)]
    source = {"dataset": dataset, "split": None, "row": str(place), "license": "MIT", "url": None}
    own = {"id": content_id(place), "source": source, "group_id": shas[0] if shas else f"none{place}", "media": media}
    return (
        own | {"question": question or f"What is in cell {place}?", "options": [], "lang": "en", "domain": None} | more
    )


def table(rows: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {"id": pl.String(), **{name: SAMPLE[name] for name in READ}}
    return pl.DataFrame(rows, schema=schema, orient="row")


def run(rows: list[dict[str, Any]], **config: Any) -> Out:
    context = SimpleNamespace(name="swapped", seed=0)
    section = SwapImagesConfig(**{"share": 1.0, **config})
    out = STEP.body(Tables(table(rows), {}, pl.DataFrame()), section, context)  # type: ignore[arg-type]
    assert out.rows is not None
    assert out.rows.schema == SAMPLE
    return out


def images(sample: dict[str, Any]) -> list[str]:
    return [item["sha256"] for item in sample["media"]]


def test_two_questions_swap_their_images_and_the_gold_is_to_say_so() -> None:
    rows = [row(1, "a", options=["x", "y"]), row(2, "b", domain="charts")]
    out = run(rows)
    assert out.rows is not None and out.drops.is_empty()
    found = {sample["parent_id"]: sample for sample in out.rows.to_dicts()}
    one, two = (found[content_id(place)] for place in (1, 2))
    assert images(one) == ["b"] and images(two) == ["a"]
    assert one["question"] == "What is in cell 1?" and one["options"] == ["x", "y"] and two["domain"] == "charts"
    assert one["group_id"] == "a" and one["variant"] == "swapped"
    assert one["meta"] == canonical_json({"images_of": content_id(2)})
    assert one["answer"]["kind"] == one["verifier"]["id"] == "abstain"


@pytest.mark.parametrize("answer", ["cannot be determined", "It is not on this page."])
def test_who_says_so_is_right_and_who_answers_is_wrong(answer: str) -> None:
    out = run([row(1, "a"), row(2, "b")], answer=answer)
    assert out.rows is not None
    sample = out.rows.to_dicts()[0]
    gold, verifier = load_answer(sample["answer"]["parsed"]), sample["verifier"]
    item = VerifyItem("", gold, verifier=verifier["id"], params=json.loads(verifier["params"]))
    said = (f"<answer>{text}</answer>" for text in (answer, "42"))
    assert [VERIFIERS.verify(replace(item, response=text)).correct for text in said] == [True, False]


@pytest.mark.parametrize(
    ("rows", "made"),
    [
        ([row(1, "a"), row(2, "b", question="what is in cell 1")], 0),  # the same is asked of the other image
        ([row(1, "a"), row(2, "b", dataset="photos")], 0),
        ([row(1, "a"), row(2, "b", "c")], 0),  # its question is about one image
        ([row(1, "a"), row(2, "a")], 0),  # one group
        ([row(1, "a"), row(2, "b", "a"), row(3, "c", "a", group_id="g")], 0),  # a group of its own, and a shared image
        ([row(1), row(2)], 0),  # nothing to swap
        ([row(1, "a", "b"), row(2, "c", "d")], 2),
        ([row(1, "a"), row(2, "b"), row(3, "c")], 3),  # the odd one takes of the last pair
    ],
)
def test_what_makes_a_sample_and_what_does_not(rows: list[dict[str, Any]], made: int) -> None:
    out = run(rows)
    assert out.rows is not None and out.rows.height == made
    lost = sum(bool(r["media"]) for r in rows) - made
    assert out.drops["reason"].to_list() == ["swapped:no_other_image"] * lost
    assert {*out.drops["parent_id"]}.isdisjoint(out.rows["parent_id"])


@pytest.mark.parametrize("answer", ["", " ", "\n"])
def test_a_gold_of_no_words_is_refused(answer: str) -> None:
    """Before the build, and not as a fault of its rows."""
    with pytest.raises(ValidationError, match="answer"):
        SwapImagesConfig(of="sample", answer=answer)


def test_images_take_the_places_that_the_questions_own_had() -> None:
    first = row(1, "a", "b")
    for item, place in zip(first["media"], (4, 9), strict=True):
        item["position"] = place
    out = run([first, row(2, "c", "d")])
    assert out.rows is not None
    sample = next(s for s in out.rows.to_dicts() if s["parent_id"] == content_id(1))
    assert [(m["sha256"], m["position"]) for m in sample["media"]] == [("c", 4), ("d", 9)]


ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), st.sampled_from(["docs", "photos"])), max_size=40)


@settings(max_examples=40)
@given(drawn=ROWS, share=st.sampled_from([0.2, 1.0]), seed=st.integers(0, 3))
def test_laws(drawn: list[tuple[int, int, str]], share: float, seed: int) -> None:
    """Images are of another group of the dataset, of which nobody asks the same; order does not count; a split unites three
    groups at most."""
    rows = [row(i, f"{d}{g}", question=f"Q{q}?", dataset=d) for i, (g, q, d) in enumerate(drawn)]
    config = SwapImagesConfig(share=share)
    out = swap_images(table(rows), config, "s", seed)
    again = swap_images(table(rows[::-1]), config, "s", seed)
    assert out.rows is not None and again.rows is not None
    assert out.rows.sort("id").equals(again.rows.sort("id")) and out.drops.sort("id").equals(again.drops.sort("id"))
    asked = {(r["media"][0]["sha256"], r["question"]) for r in rows}
    for sample in out.rows.to_dicts():
        assert images(sample)[0] != sample["group_id"]
        assert images(sample)[0].startswith(sample["source"]["dataset"])
        assert (images(sample)[0], sample["question"]) not in asked
    before = table(rows).with_columns(parent_id=pl.lit(None, pl.String))
    tied = ["id", "parent_id", "group_id", "media"]
    united = group_ids(pl.concat([before.select(tied), out.rows.select(tied)]))
    first = united.join(before.select("id", "group_id"), on="id").group_by("group").agg(pl.col("group_id").n_unique())
    assert first["group_id"].max() is None or first["group_id"].max() <= 3  # type: ignore[operator]
    parents = united.join(out.rows.select("id", "parent_id"), on="id").join(united, left_on="parent_id", right_on="id")
    assert (parents["group"] == parents["group_right"]).all()


def test_an_empty_table_stays_one() -> None:
    out = run([])
    assert out.rows is not None and out.rows.is_empty() and out.drops.is_empty()


def test_a_share_is_drawn_by_each_rows_own_id() -> None:
    rows = [row(i, f"i{i}") for i in range(300)]
    some, more = run(rows, share=0.1), run([*rows, row(999, "new")], share=0.1)
    assert some.rows is not None and more.rows is not None
    assert 15 <= some.rows.height <= 45
    assert {*some.rows["parent_id"]} <= {*more.rows["parent_id"]}
