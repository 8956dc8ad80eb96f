"""Decontamination: a planted evaluation question is found by each of its sides, and boilerplate is not a question."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.decontaminate.benchmarks import BENCHMARK, benchmark_sources, benchmark_table, known_benchmarks
from filters.decontaminate.contaminated import DecontaminateConfig, contaminated, drop_hits
from filters.decontaminate.ngrams import grams, shared_grams
from filters.dedup.content import question_texts
from filters.dedup.image_hash import HASHES
from filters.dedup.vectors import Vectors
from schemas.errors import ConfigError
from schemas.sample import SAMPLE
from schemas.split import DROPPED, Split

QUESTION = "A ladder leans on a wall so that its foot is a metre away and its top touches the sill of the upper window"
CHINESE = "如图所示，在三角形ABC中，AB等于五厘米，AC等于七厘米，求边BC的长度是多少厘米？"
HINT = "Hint: please answer the question and provide the correct option letter, for example A, B, C or D, at the end. "


def _rows(*given: dict[str, Any]) -> pl.DataFrame:
    rows = []
    for number, entry in enumerate(given):
        media = [{"kind": "image", "sha256": sha} for sha in entry.get("images", [])]
        source = {"dataset": "d", "row": entry.get("row")}
        row = dict.fromkeys(SAMPLE) | {"id": f"r{number}", "media": media, "source": source}
        rows.append(row | {"question": entry["question"], "options": entry.get("options", [])})
    return pl.DataFrame(rows, schema=SAMPLE)


def _hashes(**given: int) -> pl.DataFrame:
    entries = {
        "sha256": list(given),
        "phash": list(given.values()),
        "thumb": [bytes([h % 251] * 192) for h in given.values()],
    }
    return pl.DataFrame(entries, schema=HASHES)


THEIRS = _rows({"question": QUESTION, "row": "17", "images": ["b"]}, {"question": "How long is it?", "images": ["c"]})
HASHED = _hashes(a=2**50 + 0b111, b=2**50, c=2**63 - 1, d=2**40 - 1)
TABLE = benchmark_table("Ladders", THEIRS, HASHED)


def _found(rows: pl.DataFrame, **more: Any) -> set[tuple[str, str, str]]:
    hits = contaminated(rows, TABLE, DecontaminateConfig(), **more)
    return set(hits.select("id", "row", "by").rows())


def _dropped(rows: pl.DataFrame, exam: pl.DataFrame, config: DecontaminateConfig, hashes: pl.DataFrame) -> Split:
    return drop_hits(rows, contaminated(rows, exam, config, hashes), config)


def test_what_is_stored_of_an_evaluation_set() -> None:
    assert TABLE.schema == BENCHMARK
    assert TABLE["row"].to_list() == ["17", "r1"]
    assert TABLE["images"].list.len().to_list() == [1, 1]
    assert TABLE["key"].to_list() == question_texts(THEIRS)["key"].to_list()
    plain = benchmark_table("Plain", _rows({"question": "q"}), HASHED)
    assert plain["images"].to_list() == [[]]


def test_words_find_a_question_inside_another() -> None:
    rows = _rows(
        {"question": "Look: " + QUESTION.upper() + ". How long is the ladder?"}, {"question": "How long is it?"}
    )
    assert _found(rows) == {("r0", "17", "ngram13"), ("r0", "17", "ngram8")}


def test_a_few_common_words_are_no_hit() -> None:
    part = " ".join(QUESTION.split()[:10])
    assert _found(_rows({"question": part + " something else entirely follows here and goes on"})) == set()


def test_boilerplate_counts_for_nothing() -> None:
    many = [{"question": HINT + f"Question number {'xyzuvw'[i] * 3}"} for i in range(6)]
    table = benchmark_table("Hints", _rows(*many), HASHED)
    rows = _rows({"question": HINT + "Something new"})
    config = DecontaminateConfig(common=5)
    assert contaminated(rows, table, config).is_empty()
    assert not contaminated(rows, table, config.model_copy(update={"common": 6})).is_empty()


def test_the_same_image_is_a_hit_whatever_is_asked() -> None:
    rows = _rows(
        {"question": "x", "images": ["a"]}, {"question": "x", "images": ["d"]}, {"question": "x", "images": ["d", "b"]}
    )
    loose = {"image": {"max_level": 255}}
    config = DecontaminateConfig.model_validate(loose)
    hits = contaminated(rows, TABLE, config, hashes=HASHED)
    assert set(hits.select("id", "row", "by", "score").rows()) == {
        ("r0", "17", "image", 1 - 3 / 64),
        ("r2", "17", "image", 1.0),
    }


@pytest.mark.parametrize("plain", [0, 2**63])
def test_a_placeholder_of_one_colour_is_no_hit(plain: int) -> None:
    hashed = _hashes(ours=plain, theirs=plain)
    table = benchmark_table("Blank", _rows({"question": "x", "images": ["theirs"]}), hashed)
    rows = _rows({"question": "y", "images": ["ours"]}, {"question": "y", "images": ["theirs"]})
    assert contaminated(rows, table, DecontaminateConfig(), hashed).is_empty()


def test_an_image_that_cannot_be_decoded_is_known_by_its_bytes() -> None:
    broken = pl.DataFrame({"sha256": ["broken"], "phash": [None], "thumb": [None]}, schema=HASHES)
    table = benchmark_table("Broken", _rows({"question": "x", "images": ["broken"]}), broken)
    hits = contaminated(_rows({"question": "y", "images": ["broken"]}), table, DecontaminateConfig(), broken)
    assert hits["by"].to_list() == ["image"]


@pytest.mark.parametrize(
    ("theirs", "ours", "by"),
    [
        ({"question": r"Compute $\sin 0$."}, {"question": r"compute  $\sin 0$"}, {"text"}),
        ({"question": "What is shown?", "images": ["c"]}, {"question": "What is shown?", "images": ["d"]}, set()),
        ({"question": "Which?", "options": ["cat", "dog"]}, {"question": "Which?", "options": ["a cow", "dog"]}, set()),
        ({"question": ""}, {"question": ""}, set()),
        ({"question": CHINESE}, {"question": "请看图。" + CHINESE}, {"ngram13", "ngram8"}),
        ({"question": QUESTION}, {"question": "\u200b".join(QUESTION)}, {"text", "ngram13", "ngram8"}),
    ],
)
def test_short_questions_other_scripts_and_hidden_characters(
    theirs: dict[str, Any], ours: dict[str, Any], by: set[str]
) -> None:
    hits = contaminated(_rows(ours), benchmark_table("B", _rows(theirs), HASHED), DecontaminateConfig())
    assert set(hits["by"]) == by


@pytest.mark.parametrize("block", [1, 2_048])
def test_embeddings_need_a_near_image_too(block: int) -> None:
    ours = _rows(
        {"question": "What is its length?", "images": ["a"]},
        {"question": "What is its length?", "images": ["d"]},
        {"question": "What is its length?"},
    )
    bare = benchmark_table("Bare", _rows({"question": "How long is it?", "row": "bare"}), HASHED)
    table = pl.concat([TABLE, bare])
    texts = pl.concat([question_texts(ours), question_texts(THEIRS)]).unique("key", maintain_order=True)
    near = [[1.0, 0.0] if "long" in t or "length" in t else [0.0, 1.0] for t in texts["text"]]
    text = Vectors(texts["key"], np.array(near, dtype=np.float16))
    image = Vectors(pl.Series(["a", "c", "d"]), np.array([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]], dtype=np.float16))
    config = DecontaminateConfig.model_validate({"index": {"block": block}})
    hits = contaminated(ours, table, config, None, text, image)
    assert set(hits.select("id", "benchmark", "row").rows()) == {
        ("r0", "Ladders", "r1"),
        ("r0", "Bare", "bare"),
        ("r1", "Bare", "bare"),
        ("r2", "Bare", "bare"),
    }
    assert set(hits["by"]) == {"embedding"}


def test_dropped_rows_name_the_evaluation_set_and_its_row() -> None:
    rows = _rows({"question": "fine"}, {"question": QUESTION, "images": ["b"]}, {"question": "fine too"})
    result = _dropped(rows, TABLE, DecontaminateConfig(), HASHED)
    assert result.kept["id"].to_list() == ["r0", "r2"]
    assert result.dropped.schema == DROPPED
    assert result.dropped["reason"].to_list() == ["decontaminate:Ladders"]
    evidence = json.loads(result.dropped["evidence"][0])
    assert evidence == {"benchmark": "Ladders", "row": "17", "by": "image", "score": 1.0}


def test_empty_tables() -> None:
    rows = _rows({"question": "fine", "images": ["a"]})
    empty = pl.DataFrame(schema=BENCHMARK)
    assert _dropped(rows, empty, DecontaminateConfig(), HASHED).dropped.is_empty()
    assert _dropped(rows[:0], TABLE, DecontaminateConfig(), HASHED).kept.is_empty()


def test_grams_stay_inside_their_text() -> None:
    owner, gram = grams(pl.Series(["a b c d", "b c", None, "x, B. C d!"]), 3)
    assert owner.tolist() == [0, 0, 3, 3]
    assert gram[1] == gram[3] and gram[0] != gram[2]
    assert len(grams(pl.Series(["a"]), 3)[0]) == 0


@pytest.mark.parametrize(("text", "words"), [("三角形ABC中", 5), ("कितने सेब", 2), ("แมวกี่ตัว", 6), ("the 3rd cat", 3)])
def test_words_of_any_script(text: str, words: int) -> None:
    assert len(grams(pl.Series([text]), 1)[0]) == words


@pytest.mark.parametrize("block", [1, 100])
def test_shares_are_of_the_evaluation_question(block: int) -> None:
    rows = pl.Series(["n n n a b c d", "nothing at all here", "a b c d e a b c"])
    pairs = shared_grams(rows, pl.Series(["a b c d e"]), 3, 25, block)
    assert pairs.select("row", "entry", "shared").rows() == [(0, 0, 2), (2, 0, 3)]
    assert pairs["share"].to_list() == [pytest.approx(2 / 3), 1.0]


def test_ready_entries() -> None:
    for name in ("MathVista", "MathVerse", "MathVision", "MMMU", "We-Math", "LogicVista", "DynaMath"):
        assert name in known_benchmarks()
    assert len(benchmark_sources("MMMU")) == 90
    names = [source["name"] for name in known_benchmarks() for source in benchmark_sources(name)]
    assert len(set(names)) == len(names)
    with pytest.raises(ConfigError, match="did you mean 'MathVista'"):
        benchmark_sources("mathvista-mini")


def test_ready_entries_are_sources_of_a_recipe() -> None:
    huggingface = pytest.importorskip("pipelines.sources.huggingface")
    for name in known_benchmarks():
        for source in benchmark_sources(name):
            huggingface.HuggingFaceSource.model_validate(source)


@settings(max_examples=30, deadline=None)
@given(
    picked=st.lists(st.tuples(st.sampled_from(["fine", QUESTION, "Look: " + QUESTION, ""]), st.sampled_from("abcd"))),
    data=st.data(),
)
def test_nothing_vanishes_twice_is_once_and_order_is_nothing(
    picked: list[tuple[str, str]], data: st.DataObject
) -> None:
    rows = _rows(*[{"question": question, "images": [sha]} for question, sha in picked])
    config = DecontaminateConfig.model_validate({"image": {"max_level": 255}})
    kept, dropped = _dropped(rows, TABLE, config, HASHED)
    assert sorted([*kept["id"], *dropped["id"]]) == sorted(rows["id"])
    assert kept["id"].to_list() == [f"r{i}" for i, pick in enumerate(picked) if pick in (("fine", "d"), ("", "d"))]
    assert _dropped(kept, TABLE, config, HASHED).dropped.is_empty()
    shuffled = _dropped(rows[data.draw(st.permutations(range(len(rows))))], TABLE, config, HASHED)
    assert dict(shuffled.dropped.select("id", "evidence").rows()) == dict(dropped.select("id", "evidence").rows())
