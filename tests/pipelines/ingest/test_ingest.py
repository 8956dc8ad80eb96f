"""Ingest: content ids, one reason for every kind of bad row, nothing lost, nothing decoded twice."""

import hashlib
import json
from base64 import b64encode
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pipelines.ingest.image_loader
from pipelines.ingest.image_file import ImageLimits, UsableImage, read_image
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources.easy_vqa import EasyVqaSource
from pipelines.sources.files import JsonlSource, ParquetSource
from pipelines.sources.scenes import ScenesSource
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore
from schemas.answer import load_answer
from schemas.errors import ConfigError, StoreError
from schemas.sample import SAMPLE
from schemas.split import DROPPED, Split


def _png(colour: str = "red", size: tuple[int, int] = (8, 6)) -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def _ingest(
    source: SourceSection | list[SourceSection], root: Path, config: IngestConfig | None = None, **options: Any
) -> Split:
    sources = source if isinstance(source, list) else [source]
    parts = list(ingest(sources, MediaStore(root / "media"), config, **options))
    for part in parts:
        assert part.kept.schema == SAMPLE
        assert part.dropped.schema == DROPPED
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


def _source(root: Path, *rows: dict[str, Any], name: str = "t", **options: Any) -> JsonlSource:
    path = root / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"question": None, "answer": None, **row}) + "\n" for row in rows))
    return JsonlSource(name=name, path=str(path), **options)


def _reasons(split: Split) -> list[str]:
    return [reason.removeprefix("ingest:") for reason in split.dropped["reason"]]


HALF = chr(92) + "ud800"
"""Half of a surrogate pair, as JSON spells it."""


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"meta": f'{{"a": "{HALF}"}}'}, "meta_unparseable"),
        ({"verifier_params": f'{{"{HALF}": 1}}'}, "gold_unparseable|params_unparseable"),
        ({"kind": "json", "answer": f'{{"a": "{HALF}"}}'}, "gold_unparseable"),
        ({"kind": "json", "answer": f'["{HALF}"]'}, "gold_unparseable"),
        ({"kind": "order", "answer": f'["{HALF}", "b"]'}, "gold_unparseable"),
        ({"kind": "action", "answer": f'{{"action": "{HALF}"}}'}, "gold_unparseable"),
        ({"kind": "choice", "answer": "a", "options": f'["a", "{HALF}"]'}, "options_unparseable"),
        ({"kind": "choice", "answer": "a", "options": f"['a', '{HALF}']"}, "options_unparseable"),
        ({"images": f'["{HALF}.png"]'}, "image_missing|image_broken"),
        ({"kind": "choice", "answer": "9" * 5000, "options": ["a", "b"]}, "gold_outside_options"),
        ({"kind": "choice", "answer": "a", "options": f'{{"{"9" * 5000}": "a"}}'}, "options_unparseable"),
    ],
)
def test_what_no_table_can_hold_costs_its_row_only(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    odd = {"question": "odd?", "answer": "4", "kind": "number", **row}
    split = _ingest(_source(tmp_path, odd, {"question": "fine?", "answer": "4", "kind": "number"}), tmp_path)
    assert split.kept["question"].to_list() == ["fine?"]
    assert _reasons(split)[0] in reason.split("|")


def test_a_chat_that_no_table_can_hold_costs_its_row_only(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "fine?"}, {"from": "gpt", "value": "4"}]
    lines = [json.dumps({"conversations": json.dumps(turns).replace("fine", word)}) for word in (HALF, "fine")]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    source = JsonlSource(name="t", path=str(tmp_path / "t.jsonl"), schema="llava", kind="number")
    split = _ingest(source, tmp_path)
    assert (split.kept["question"].to_list(), _reasons(split)) == (["fine?"], ["conversation_unparseable"])


def test_a_sample_is_complete(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    row: dict[str, Any] = {
        "question": "Which?",
        "answer": "B",
        "options": ["cat", "dog"],
        "kind": " Choice ",
        "image": "a.png",
    }
    row |= {
        "group": "g",
        "domain": "d",
        "lang": "en",
        "meta": {"k": 1},
        "row": "r7",
        "verifier_params": {"ordered": True},
    }
    split = _ingest(_source(tmp_path, row, split="dev", license="MIT", url="http://x"), tmp_path)
    assert split.dropped.is_empty()
    (sample,) = split.kept.to_dicts()
    (media,) = sample["media"]
    assert sample["source"] == {"dataset": "t", "split": "dev", "row": "r7", "license": "MIT", "url": "http://x"}
    assert (sample["group_id"], sample["variant"], sample["parent_id"]) == ("g", "orig", None)
    assert (sample["domain"], sample["lang"], sample["meta"]) == ("d", "en", '{"k":1}')
    assert sample["options"] == ["cat", "dog"]
    assert sample["verifier"] == {"id": "choice", "params": '{"ordered":true}'}
    assert sample["answer"]["raw"] == "B"
    assert load_answer(sample["answer"]["parsed"]).model_dump()["texts"] == ("dog",)
    assert (media["kind"], media["width"], media["height"], media["derived_from"]) == ("image", 8, 6, None)
    assert MediaStore(tmp_path / "media").read(media["sha256"]) == _png()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"question": None}, "question_empty"),
        ({"question": " \n"}, "question_empty"),
        ({"answer": None}, "answer_missing"),
        ({"answer": "  "}, "answer_missing"),
        ({"options": "x, y"}, "options_unparseable"),
        ({"options": ["x", None]}, "options_unparseable"),
        ({"verifier_params": "{"}, "params_unparseable"),
        ({"verifier_params": "[1]"}, "params_unparseable"),
        ({"meta": "{'a': 1}"}, "meta_unparseable"),
        ({"meta": "[NaN]"}, "meta_unparseable"),
        ({"kind": "riddle"}, "kind_unknown"),
        ({"kind": "number", "answer": "many"}, "gold_unparseable"),
        ({"kind": "number", "answer": "3", "verifier_params": {"no_such": 1}}, "gold_unparseable"),
        ({"kind": "choice", "answer": "E", "options": ["x", "y"]}, "gold_outside_options"),
        ({"image": "http://example.org/a.png"}, "remote_image"),
        ({"image": "data:image/png;base64,@@@"}, "image_broken"),
        ({"image": "data:image/png;base64,aGVsbG8="}, "image_broken"),
        ({"image": "none.png"}, "image_missing"),
        ({"image": "folder"}, "image_missing"),
        ({"image": "a\0b.png"}, "image_missing"),
        ({"images": ["good.png", None]}, "image_missing"),
        ({"image": "empty.png"}, "image_empty"),
        ({"image": "wide.png"}, "image_too_large"),
        ({"image": "heavy.png"}, "image_too_large"),
        ({"image": "half.png"}, "image_truncated"),
        ({"image": "text.png"}, "image_broken"),
        ({"images": ["good.png", "text.png"]}, "image_broken"),
    ],
)
def test_every_bad_row_has_its_reason_and_the_build_goes_on(tmp_path: Path, row: dict[str, Any], reason: str) -> None:
    (tmp_path / "folder").mkdir()
    files = {
        "good": _png(),
        "empty": b"",
        "wide": _png(size=(101, 100)),
        "heavy": _png() + b"\0" * 10_000,
        "half": _png(size=(60, 50))[:60],
        "text": b"hello",
    }
    for name, data in files.items():
        (tmp_path / f"{name}.png").write_bytes(data)
    good = {"question": "q", "answer": "a"}
    config = IngestConfig(max_pixels=10_000, max_bytes=9_000)
    split = _ingest(_source(tmp_path, good, {**good, **row}, {**good, "answer": "b"}), tmp_path, config)
    assert _reasons(split) == [reason]
    assert split.kept["answer"].struct["raw"].to_list() == ["a", "b"]
    evidence = json.loads(split.dropped["evidence"][0])
    assert (evidence["source"], evidence["row"]) == ("t", "1")


def test_copies_are_dropped_and_name_what_they_copy(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a"}
    split = _ingest(_source(tmp_path, row, {**row, "row": "other"}, row), tmp_path, IngestConfig(batch_rows=2))
    assert _reasons(split) == ["copy", "copy"]
    assert {json.loads(e)["of"] for e in split.dropped["evidence"]} == {split.kept["id"][0]}
    assert split.dropped["id"].n_unique() == 2
    assert not {*split.dropped["id"]} & {*split.kept["id"]}


def test_the_same_content_in_two_sources_is_two_samples(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a"}
    sources: list[SourceSection] = [_source(tmp_path, row, name="one"), _source(tmp_path, row, name="two")]
    split = _ingest(sources, tmp_path)
    assert split.kept["id"].n_unique() == 2
    with pytest.raises(ConfigError, match="Two sources are named 'one'"):
        _ingest([sources[0], sources[0]], tmp_path)


def test_id_is_content_and_nothing_else(tmp_path: Path) -> None:
    for colour in ("red", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(_png(colour))
    (tmp_path / "copy.png").write_bytes(_png("red"))
    base = {"question": "q", "answer": "a", "options": ["a", "b"], "kind": "choice", "image": "red.png"}

    def id_of(**change: Any) -> str:
        return str(_ingest(_source(tmp_path, {**base, **change}), tmp_path).kept["id"][0])

    same = id_of()
    assert same == id_of(row="elsewhere", meta={"k": 1}, domain="x", group="g", image="copy.png")
    changes: list[dict[str, Any]] = [
        {"question": "Q"}, {"answer": "b"}, {"options": ["a", "c"]}, {"kind": "text"}, {"image": "blue.png"},
        {"image": None},
    ]  # fmt: skip
    assert len({same, *(id_of(**change) for change in changes)}) == len(changes) + 1


def test_groups_are_the_given_one_or_the_first_image_or_the_question(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    rows: list[dict[str, Any]] = [
        {"question": "1", "answer": "x", "image": "a.png", "group": "given"},
        {"question": "2", "answer": "x", "image": "a.png"},
        {"question": "3", "answer": "x", "image": "a.png"},
        {"question": "4", "answer": "x"},
        {"question": "4", "answer": "y"},
    ]
    groups = _ingest(_source(tmp_path, *rows), tmp_path).kept["group_id"].to_list()
    assert groups[0] == "given"
    assert groups[1] == groups[2]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3


def test_an_image_of_many_rows_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[bytes] = Counter()

    def count(data: bytes, limits: ImageLimits, *room: Any) -> UsableImage:
        decoded[data] += 1
        return read_image(data, limits)

    monkeypatch.setattr(pipelines.ingest.image_loader, "read_image", count)
    (tmp_path / "a.png").write_bytes(_png())
    (tmp_path / "bad.png").write_bytes(b"bad")
    rows = [{"question": str(i), "answer": "x", "image": "a.png" if i % 2 else "bad.png"} for i in range(40)]
    split = _ingest(_source(tmp_path, *rows), tmp_path, IngestConfig(batch_rows=7))
    assert (split.kept.height, split.dropped.height) == (20, 20)
    assert decoded == {_png(): 1, b"bad": 1}
    decoded.clear()
    path = tmp_path / "bytes.parquet"
    pl.DataFrame({"question": ["1", "2", "3"], "answer": ["x"] * 3, "image": [_png()] * 3}).write_parquet(path)
    assert _ingest(ParquetSource(name="b", path=str(path)), tmp_path).kept.height == 3
    assert decoded == {_png(): 1}


def test_images_inside_their_address(tmp_path: Path) -> None:
    address = "data:image/png;base64," + b64encode(_png(size=(300, 200))).decode()
    assert len(address) > 500
    rows = [{"question": str(i), "answer": "a", "image": address} for i in range(2)]
    kept = _ingest(_source(tmp_path, *rows), tmp_path).kept
    assert [m[0]["width"] for m in kept["media"]] == [300, 300]
    (tmp_path / "a.png").write_bytes(_png(size=(300, 200)))
    same = _ingest(_source(tmp_path, {**rows[0], "image": "a.png"}), tmp_path).kept
    assert same["id"][0] == kept["id"][0]


def test_a_turned_image_keeps_the_id_of_its_source_bytes(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 6), "red").save(tmp_path / "a.jpg", exif=exif)
    split = _ingest(_source(tmp_path, {"question": "q", "answer": "a", "image": "a.jpg"}), tmp_path)
    (media,) = split.kept["media"][0]
    change = json.loads(media["derived_from"])
    assert (media["width"], media["height"]) == (6, 8)
    assert (change["op"], change["params"]) == ("exif_transpose", {"orientation": 6})
    assert change["media"] != media["sha256"]
    with Image.open(MediaStore(tmp_path / "media").path(media["sha256"])) as stored:
        assert stored.size == (6, 8)


def test_a_flattened_image_says_so_and_keeps_the_id_of_its_source_bytes(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 6), (0, 0, 0, 0)).save(tmp_path / "a.png")
    (media,) = _ingest(_source(tmp_path, {"question": "q", "answer": "a", "image": "a.png"}), tmp_path).kept["media"][0]
    change = json.loads(media["derived_from"])
    assert (change["op"], change["params"]) == ("rgb", {})
    assert change["media"] == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_batches_and_threads_change_nothing(tmp_path: Path) -> None:
    source = ScenesSource(n=10, per_scene=3)
    first = _ingest(source, tmp_path, IngestConfig(batch_rows=4, threads=3))
    second = _ingest(source, tmp_path, IngestConfig(threads=1))
    assert first.kept.equals(second.kept)
    assert first.dropped.equals(second.dropped)
    assert first.dropped.is_empty()


def test_adding_rows_keeps_the_ids_of_the_old_ones(tmp_path: Path) -> None:
    rows = [{"question": f"q{i}", "answer": "a"} for i in range(20)]
    before = _ingest(_source(tmp_path, *rows), tmp_path).kept
    new = [{"question": f"new{i}", "answer": "a"} for i in range(10)]
    after = _ingest(_source(tmp_path, *new[:5], *rows, *new[5:]), tmp_path).kept
    assert {*before["id"]} < {*after["id"]}
    assert after.height == 30


@pytest.mark.parametrize(("limit", "counts"), [(None, [9, 2, 9]), (1, [1]), (7, [3, 2, 2]), (100, [9, 2, 9])])
def test_a_limit_is_spread_over_the_sources(tmp_path: Path, limit: int | None, counts: list[int]) -> None:
    rows = [{"question": f"q{i}", "answer": "a"} for i in range(9)]
    sources: list[SourceSection] = [
        _source(tmp_path, *rows[:n], name=name) for name, n in (("a", 9), ("b", 2), ("c", 9))
    ]
    split = _ingest(sources, tmp_path, limit=limit)
    found = Counter(split.kept["source"].struct["dataset"])
    assert [found[name] for name in sorted(found)] == counts


def test_an_empty_source_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"
    pl.DataFrame(schema={"question": pl.String, "answer": pl.String}).write_parquet(path)
    with pytest.raises(ConfigError, match=r"^Source 't' gives no rows\.$"):
        list(ingest([ParquetSource(name="t", path=str(path))], MediaStore(tmp_path / "media")))


def test_a_store_that_cannot_be_written_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "media").write_text("in the way")
    with pytest.raises(StoreError):
        _ingest(EasyVqaSource(split="test", limit=3), tmp_path)


def test_no_media_are_stored_for_rows_that_fail_before(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_png())
    split = _ingest(_source(tmp_path, {"question": "q", "answer": None, "image": "a.png"}), tmp_path)
    assert split.kept.is_empty()
    assert not (tmp_path / "media").exists()


_TEXT = st.none() | st.text(max_size=4) | st.sampled_from(["", " ", "yes", "3", "A", "1/0", "{}", "null"])
_IMAGE = st.none() | st.fixed_dictionaries(
    {
        "bytes": st.none() | st.sampled_from([_png(), _png()[:40], b"", b"x"]),
        "path": st.none() | st.sampled_from(["", "none.png", "http://x/y.png"]),
    }
)
_ROW = st.fixed_dictionaries(
    {
        "question": _TEXT, "answer": _TEXT, "group": _TEXT, "meta": _TEXT, "verifier_params": _TEXT,
        "kind": st.sampled_from([None, "choice", "number", "boolean", "text", "expression", "set", "boxes", "?"]),
        "options": st.none() | st.lists(_TEXT, max_size=3),
        "images": st.none() | st.lists(_IMAGE, max_size=2),
    }
)  # fmt: skip
_SCHEMA: dict[str, Any] = {
    **dict.fromkeys(("question", "answer", "group", "meta", "verifier_params", "kind"), pl.String),
    "options": pl.List(pl.String),
    "images": pl.List(pl.Struct({"bytes": pl.Binary, "path": pl.String})),
}


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(_ROW, min_size=1, max_size=12), batch=st.integers(1, 12))
def test_kept_and_dropped_are_all_rows(rows: list[dict[str, Any]], batch: int, tmp_path_factory: Any) -> None:
    root = tmp_path_factory.mktemp("ingest")
    pl.DataFrame(rows, schema=_SCHEMA).write_parquet(root / "a.parquet")
    source = ParquetSource(name="t", path=str(root / "a.parquet"))
    split = _ingest(source, root, IngestConfig(batch_rows=batch))
    again = _ingest(source, root)
    ids = [*split.kept["id"], *split.dropped["id"]]
    assert len(ids) == len(set(ids)) == len(rows)
    assert split.dropped["reason"].str.starts_with("ingest:").all()
    assert all(isinstance(json.loads(evidence), dict) for evidence in split.dropped["evidence"])
    assert split.kept.equals(again.kept)
    assert split.dropped.equals(again.dropped)
