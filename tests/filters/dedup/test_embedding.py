"""Near duplicates by embedding: the joint rule, keep-best, and the laws that every search must obey."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.dedup import embedding
from filters.dedup.embedding import NearConfig, drop_near, near_pairs
from filters.dedup.index import IndexConfig
from filters.dedup.shards import EVERYTHING, Room
from filters.dedup.vectors import Vectors
from schemas.errors import StepError

MakeRows = Callable[..., pl.DataFrame]
TextVectors = Callable[[pl.DataFrame, Any], Vectors]
Unit = Callable[[float], list[float]]

CONFIG = NearConfig(text_threshold=0.95, same_words_threshold=0.95, text_only_threshold=0.95, image_threshold=0.95)
NEAR, FAR = 15.0, 25.0
"""Degrees apart: cos 15° = 0.966 is within 0.95, cos 25° = 0.906 is not."""


def _partners(dropped: pl.DataFrame) -> dict[str, str]:
    return {row["id"]: json.loads(row["evidence"])["kept"] for row in dropped.to_dicts()}


def _texts(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"question": f"question {'abcdefghijklmnopqrstuvwxyz'[i]}{'zz' * (i + 1)}", **more} for i in range(count)]


def test_a_chain_keeps_its_ends(make_rows: MakeRows, text_vectors: TextVectors, unit: Unit) -> None:
    rows = make_rows(*_texts(3))
    rows = rows.with_columns(n_correct=pl.Series([3, 1, 2]))
    result = drop_near(rows, text_vectors(rows, [unit(0), unit(NEAR), unit(2 * NEAR)]), None, CONFIG)
    assert result.kept["id"].to_list() == ["r0000", "r0002"]
    assert _partners(result.dropped) == {"r0001": "r0000"}
    evidence = json.loads(result.dropped["evidence"][0])
    assert evidence["similarity"] == evidence["text"] == pytest.approx(np.cos(np.radians(NEAR)), abs=1e-5)
    assert result.kept.columns == rows.columns


def test_a_chain_whose_middle_is_best_keeps_the_middle(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit
) -> None:
    rows = make_rows(*_texts(3)).with_columns(n_correct=pl.Series([1, 3, 2]))
    result = drop_near(rows, text_vectors(rows, [unit(0), unit(NEAR), unit(2 * NEAR)]), None, CONFIG)
    assert result.kept["id"].to_list() == ["r0001"]


@pytest.mark.parametrize(("text", "image", "dropped"), [(NEAR, NEAR, 1), (NEAR, FAR, 0), (FAR, NEAR, 0), (0, FAR, 0)])
def test_question_and_image_must_both_be_near(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit, text: float, image: float, dropped: int
) -> None:
    questions = _texts(2)
    rows = make_rows(questions[0] | {"images": ["a"]}, questions[1] | {"images": ["b"]})
    images = Vectors(pl.Series(["a", "b"]), np.array([unit(0), unit(image)], dtype=np.float32))
    result = drop_near(rows, text_vectors(rows, [unit(0), unit(text)]), images, CONFIG)
    assert len(result.dropped) == dropped


@pytest.mark.parametrize(
    ("first", "second", "dropped"),
    [(["a", "c"], ["b", "c"], 1), (["a", "c"], ["c", "a"], 0), (["a", "c"], ["a"], 0), (["a"], [], 0)],
)
def test_several_images_are_compared_in_order(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit, first: list[str], second: list[str], dropped: int
) -> None:
    questions = _texts(2)
    rows = make_rows(questions[0] | {"images": first}, questions[1] | {"images": second})
    images = Vectors(pl.Series(["a", "b", "c"]), np.array([unit(0), unit(NEAR), unit(90)], dtype=np.float32))
    result = drop_near(rows, text_vectors(rows, [unit(0), unit(0)]), images, CONFIG)
    assert len(result.dropped) == dropped


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"question": "Add 3 and 5"}, {"question": "Add 3 and 6"}),
        ({"question": "How many?", "answer": "3"}, {"question": "How many??", "answer": "4"}),
        ({"question": "How many?", "options": ["3", "4"]}, {"question": "How many?", "options": ["3", "5"]}),
        ({"question": "Is it red?"}, {"question": "Is it blue?"}),
    ],
)
def test_a_changed_fact_is_never_a_duplicate(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit, one: dict[str, Any], other: dict[str, Any]
) -> None:
    rows = make_rows(one, other)
    assert drop_near(rows, text_vectors(rows, [unit(0), unit(0)]), None, CONFIG).dropped.is_empty()


def test_other_media_must_be_the_same_bytes(make_rows: MakeRows, text_vectors: TextVectors, unit: Unit) -> None:
    def video(sha: str) -> list[dict[str, Any]]:
        return [{"kind": "video", "sha256": sha}]

    questions = [q | {"media": video(sha)} for q, sha in zip(_texts(3), "aab", strict=True)]
    rows = make_rows(*questions)
    result = drop_near(rows, text_vectors(rows, [unit(0)] * 3), None, CONFIG)
    assert _partners(result.dropped) == {"r0001": "r0000"}


def test_a_missing_vector_is_an_error_not_a_kept_row(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit
) -> None:
    rows = make_rows(*_texts(2))
    with pytest.raises(StepError, match="text vector for 1 of 2"):
        drop_near(rows, text_vectors(rows[:1], [unit(0)]), None, CONFIG)
    with_images = make_rows(*_texts(2, images=["a"]))
    with pytest.raises(StepError, match="an encoder of images beside"):
        drop_near(with_images, text_vectors(with_images, [unit(0)] * 2), None, CONFIG)


def test_former_rows_win(make_rows: MakeRows, text_vectors: TextVectors, unit: Unit) -> None:
    rows = make_rows(*_texts(3)).with_columns(n_correct=pl.Series([9, 1, 1]))
    vectors = text_vectors(rows, [unit(0), unit(NEAR), unit(90)])
    result = drop_near(rows[[0, 2]], vectors, None, CONFIG, former=rows[1:2])
    assert _partners(result.dropped) == {"r0000": "r0001"}
    assert result.kept["id"].to_list() == ["r0002"]
    again = drop_near(rows, vectors, None, CONFIG, former=rows[:2])
    assert again.dropped.is_empty()


def test_an_empty_table(make_rows: MakeRows, text_vectors: TextVectors) -> None:
    rows = make_rows(*_texts(1))[:0]
    empty = Vectors(pl.Series([], dtype=pl.String), np.empty((0, 2), dtype=np.float32))
    result = drop_near(rows, empty, None, CONFIG)
    assert result.kept.is_empty() and result.dropped.is_empty()


@st.composite
def _clusters(draw: st.DrawFn) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], list[int], list[int]]:
    size = draw(st.integers(1, 40))
    degrees = st.integers(0, 40).map(float)
    texts = np.array(draw(st.lists(degrees, min_size=size, max_size=size)))
    images = np.array(draw(st.lists(degrees, min_size=size, max_size=size)))
    quality = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    order = draw(st.permutations(range(size)))
    return texts, images, quality, order


def _planar(degrees: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float16)


@pytest.mark.parametrize(
    ("small", "room"),
    [(2_048, EVERYTHING), (0, EVERYTHING), (0, Room(bytes=200))],
    ids=["one-product", "faiss", "shards"],
)
@settings(max_examples=60, deadline=None)
@given(data=_clusters())
def test_laws_of_exact_search(
    make_rows: MakeRows, text_vectors: TextVectors, small: int, room: Room, data: Any
) -> None:
    texts, images, quality, order = data
    letters = ["".join("abcdefghij"[int(d)] * 2 for d in str(i)) for i in range(len(texts))]
    rows = make_rows(*[{"question": f"about {w}", "images": [w]} for w in letters])
    rows = rows.with_columns(n_correct=pl.Series(quality))
    vectors = text_vectors(rows, _planar(texts)), Vectors(pl.Series(letters), _planar(images))
    config = CONFIG.model_copy(update={"index": IndexConfig(kind="exact", block=7, gpu=False)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "SMALL", small)
        kept, dropped = drop_near(rows, *vectors, config, room=room)
        again = drop_near(kept, *vectors, config, room=room)
        shuffled = drop_near(rows[order], *vectors, config, room=room)
    assert sorted([*kept["id"], *dropped["id"]]) == rows["id"].to_list()
    assert again.dropped.is_empty()
    assert dict(dropped.select("id", "evidence").rows()) == dict(shuffled.dropped.select("id", "evidence").rows())
    place = {row: i for i, row in enumerate(rows["id"])}
    both = np.minimum(*(_cosines(matrix) for matrix in (texts, images)))
    for gone, partner in _partners(dropped).items():
        assert partner in set(kept["id"])
        assert both[place[gone], place[partner]] >= 0.95 - 1e-3
        assert quality[place[partner]] >= quality[place[gone]]
    staying = [place[row] for row in kept["id"]]
    among = both[np.ix_(staying, staying)] - np.eye(len(staying))
    assert (among < 0.95 + 1e-3).all()


def _cosines(degrees: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    vectors = _planar(degrees).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors @ vectors.T)


def test_near_pairs_link_a_whole_chain(make_rows: MakeRows, text_vectors: TextVectors, unit: Unit) -> None:
    rows = make_rows(*_texts(5))
    angles = [0, NEAR, 2 * NEAR, 90, 90]
    pairs = near_pairs(rows, text_vectors(rows, [unit(a) for a in angles]), None, CONFIG)
    linked = {frozenset(p) for p in pairs.select("id", "other").rows()}
    assert linked == {frozenset(p) for p in [("r0000", "r0001"), ("r0001", "r0002"), ("r0003", "r0004")]}


@pytest.mark.parametrize(
    ("one", "other", "dropped"),
    [
        ("How many stars are there?", "Count the stars in the image.", 1),
        ("What is the car doing?", "What is the truck doing?", 0),
        ("What is this?", "What can be seen here?", 0),
    ],
)
def test_what_questions_are_about_decides_how_near_they_must_be(
    make_rows: MakeRows, text_vectors: TextVectors, unit: Unit, one: str, other: str, dropped: int
) -> None:
    rows = make_rows({"question": one, "images": ["a"]}, {"question": other, "images": ["a"]})
    images = Vectors(pl.Series(["a"]), np.array([unit(0)], dtype=np.float32))
    result = drop_near(rows, text_vectors(rows, [unit(0), unit(40)]), images, NearConfig())
    assert len(result.dropped) == dropped
