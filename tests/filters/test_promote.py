"""Rows with a question and its answer become samples, each with the media and the group of the one that it comes from."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from filters.promote import STEP, PromoteConfig
from filters.verify.pool import VerifierPool
from schemas.sample import MEDIA, SAMPLE
from schemas.step import Out, Tables

IMAGE = dict.fromkeys(f.name for f in MEDIA.fields) | {"kind": "image", "sha256": "f" * 64}
SOURCE = {"dataset": "shapes", "split": "test", "row": "3", "license": "MIT", "url": None}
Known = Any


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    with VerifierPool(1, 5.0) as made:
        yield made


def draft(id_: str, question: str | None, answer: str | None, **more: Any) -> dict[str, Any]:
    row = {
        "id": id_,
        "sample_id": "s1",
        "parent_id": "s1",
        "made_by": "written",
        "question": question,
        "answer": answer,
    }
    inherited = {
        "media": [IMAGE],
        "source": SOURCE,
        "group_id": "g",
        "lang": "en",
        "domain": "shapes",
        "asked": "What?",
    }
    return row | inherited | more


def run(pool: VerifierPool, *drafts: dict[str, Any], **config: Any) -> Out:
    texts = ("id", "sample_id", "parent_id", "made_by", "question", "answer", "group_id", "lang", "domain", "asked")
    schema = dict.fromkeys(texts, pl.String()) | {"media": SAMPLE["media"], "source": SAMPLE["source"]}
    if "options" in config:
        schema["options"] = pl.List(pl.String())
    rows = pl.DataFrame(list(drafts), schema=schema)
    context = SimpleNamespace(name="qa", seed=0, verifiers=lambda: pool)
    out = STEP.body(Tables(rows, {}, pl.DataFrame()), PromoteConfig(of="written", **config), context)
    assert out.rows is not None
    assert out.rows.schema == SAMPLE
    assert sorted([*out.rows["parent_id"], *out.drops["parent_id"]]) == sorted(rows["id"])
    return out


def known(unit: str = "draft") -> Known:
    return SimpleNamespace(unit=lambda of: unit)


def test_a_row_becomes_a_sample_of_the_same_group_and_media(pool: VerifierPool) -> None:
    out = run(pool, draft("d1", "How many balls?", "2"), kind="number")
    assert out.rows is not None
    (sample,) = out.rows.to_dicts()
    assert sample["parent_id"] == "d1" and sample["group_id"] == "g" and sample["variant"] == "qa"
    assert sample["media"] == [IMAGE] and sample["source"] == SOURCE and sample["options"] == []
    assert sample["answer"] == {
        "kind": "number",
        "raw": "2",
        "parsed": '{"kind":"number","percent":false,"raw":"2","value":"2"}',
    }
    assert sample["verifier"] == {"id": "number", "params": "{}"}
    assert len(sample["id"]) == 32


def test_rows_without_a_usable_gold_drop_with_their_cause_and_evidence(pool: VerifierPool) -> None:
    out = run(
        pool,
        draft("a", "How many?", "2"),
        draft("b", "How many?", "plenty"),
        draft("c", None, "2"),
        draft("d", "How many?", None),
        draft("e", "How many?", "2"),
        draft("f", "How many?", "3"),
        draft("g", "How many?", "2", sample_id="s2"),
        kind="number",
    )
    assert out.rows is not None and out.rows["parent_id"].to_list() == ["a", "f", "g"]
    assert dict(out.drops.select("parent_id", "reason").rows()) == {
        "b": "qa:unparsable_gold",
        "c": "qa:no_question",
        "d": "qa:no_answer",
        "e": "qa:copy",
    }
    evidence = dict(out.drops.select("parent_id", "evidence").rows())
    assert evidence["e"] == '{"of":"a"}' and '"answer": "plenty"' in evidence["b"]
    assert pl.concat([out.rows["id"], out.drops["id"]]).n_unique() == 7


def test_options_come_from_a_column(pool: VerifierPool) -> None:
    out = run(pool, draft("a", "Which?", "dog", options=["cat", "dog"]), kind="choice", options="choices")
    assert out.rows is not None and out.rows["options"].to_list() == [["cat", "dog"]]
    assert '"letters":["B"]' in out.rows["answer"][0]["parsed"]


@pytest.mark.parametrize(
    ("question", "asked", "position", "text", "placed"),
    [
        ("In <image> how many?", "What?", None, "In  how many?", 3),
        ("<image> how many?", "See it: what?", 4, "how many?", None),
        ("See it: how many?", "See it: what?", 4, "See it: how many?", 4),
        ("How many?", "See it: what?", 4, "How many?", None),
        ("<image> or <image>?", "What?", None, "[image] or [image]?", None),
    ],
)
def test_images_stand_where_the_new_question_shows_them(
    pool: VerifierPool, question: str, asked: str, position: int | None, text: str, placed: int | None
) -> None:
    image = IMAGE | {"position": position}
    out = run(pool, draft("a", question, "two", media=[image], asked=asked))
    assert out.rows is not None
    assert out.rows["question"].to_list() == [text]
    assert [item["position"] for item in out.rows["media"][0]] == [placed]


def test_samples_without_media_are_made_where_that_is_wished(pool: VerifierPool) -> None:
    out = run(pool, draft("a", "How many?", "two"), media="nothing")
    assert out.rows is not None and out.rows["media"].to_list() == [[]]
    assert out.rows["group_id"].to_list() == ["g"]


def test_parents_retire_only_where_a_sample_was_made_of_them(pool: VerifierPool) -> None:
    drafts = [draft("a", "Q?", "two"), draft("b", "P?", "two"), draft("c", "Q?", None, sample_id="s2")]
    assert run(pool, *drafts).tables == {}
    retired = run(pool, *drafts, parents="retire").tables["retired"]
    assert retired.rows() == [("s1", "qa:retired", '{"samples":2}')]


def test_an_empty_table_stays_one(pool: VerifierPool) -> None:
    out = run(pool, options="choices", kind="choice")
    assert out.rows is not None and out.rows.is_empty() and out.drops.is_empty()


def test_it_reads_the_columns_that_it_is_told_of_and_gives_a_sample() -> None:
    config = PromoteConfig(of="written", question="draft_question", answer="drafts.answer", kind_from="form")
    reads = {name: ".".join(column.ref) for name, column in STEP.reads(config, known()).rows.items()}
    assert reads == {
        "question": "draft_question",
        "answer": "drafts.answer",
        "kind": "form",
        **{name: f"sample.{name}" for name in ("source", "group_id", "media", "lang", "domain")},
        "asked": "sample.question",
    }
    assert STEP.reads(config, known("sample")).rows["media"].ref == ("media",)
    gives = STEP.gives(config, known())
    assert gives.makes == "sample" and {*gives.columns} == {*SAMPLE} - {"id", "parent_id"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "name the rows"),
        ({"of": "written", "kind": "numbr"}, "Did you mean 'number'"),
        ({"of": "written", "params": {"tolerance": 1}}, "parameter tolerance of text"),
    ],
)
def test_a_mistake_is_one_sentence(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PromoteConfig(**config)
