"""Every source type gives the same columns; every mistake in a source is one sentence that names the cure."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from generators.prompts import question_text
from pipelines.sources.columns import ROW
from pipelines.sources.easy_vqa import EasyVqaSource
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.huggingface import HuggingFaceSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.read import check_source, fingerprint, read_rows
from pipelines.sources.scenes import ScenesSource
from pipelines.sources.section import SourceSection
from pipelines.sources.source import Source
from schemas.errors import ConfigError


def _read(source: SourceSection, **options: Any) -> pl.DataFrame:
    batches = list(read_rows(source, **options))
    return pl.concat(batches) if batches else pl.DataFrame(schema=ROW)


def _parquet(path: Path, **columns: Any) -> ParquetSource:
    pl.DataFrame(columns).write_parquet(path)
    return ParquetSource(name="t", path=str(path))


def _jsonl(path: Path, *lines: Any) -> JsonlSource:
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return JsonlSource(name="t", path=str(path))


def _images(rows: pl.DataFrame) -> list[list[str | bytes | None] | None]:
    return [
        None if images is None else [i["bytes"] if i["bytes"] is not None else i["path"] for i in images]
        for images in rows["images"].to_list()
    ]


# --- the SELECT ---------------------------------------------------------------------------------------------------


def test_select_names_the_columns(tmp_path: Path) -> None:
    source = _parquet(tmp_path / "a.parquet", q=["1 + 1?", "2 + 2?"], a=[2, 4], extra=[0, 0])
    source = source.model_copy(update={"select": "SELECT q AS question, a AS answer, 'x' || a AS \"row\" FROM raw;"})
    rows = _read(source)
    assert rows.schema == ROW
    assert rows.select("question", "answer", "row").rows() == [("1 + 1?", "2", "x2"), ("2 + 2?", "4", "x4")]


def test_without_select_columns_are_taken_as_named_in_any_case(tmp_path: Path) -> None:
    rows = _read(_parquet(tmp_path / "a.parquet", Question=["q"], ANSWER=[True], Options=[["a", "b"]]))
    assert rows["answer"].to_list() == ["true"]
    assert rows["options"].to_list() == [["a", "b"]]


def test_rows_that_name_themselves_not_are_counted(tmp_path: Path) -> None:
    assert _read(_parquet(tmp_path / "a.parquet", question=["a", "b"], answer=["1", "2"]))["row"].to_list() == [
        "0",
        "1",
    ]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("SELECT q AS question FROM raw", r"Source 't': no column 'answer'.*'select'"),
        ("SELECT qq AS question, a AS answer FROM raw", r"no column 'qq' in raw; the nearest columns are 'q'"),
        ("SELEC q FROM raw", r"must be a DuckDB SELECT, not 'SELEC q FROM raw'"),
        ("SELECT q, FROM WHERE", r"'select' does not work: Parser Error"),
        ("SELECT * FROM nowhere", r"'select' reads nowhere, and there is raw only"),
        (
            "SELECT q AS question, a AS answer, q AS optoins FROM raw",
            r"gives a column 'optoins'; did you mean 'options'",
        ),
        ("SELECT q AS question, a AS answer, 3.5::DOUBLE AS options FROM raw", r"'options' is DOUBLE where a list"),
        ("SELECT q AS question, a AS answer, 3.5::DOUBLE AS image FROM raw", r"'image' is DOUBLE; wanted: a path"),
        ("SELECT q AS question, 'x'::BLOB AS answer FROM raw", r"'answer' holds bytes"),
        ("SELECT q AS question, a AS answer, q AS image, [q] AS images FROM raw", r"not both"),
    ],
)
def test_a_broken_select_is_one_sentence(tmp_path: Path, select: str, message: str) -> None:
    source = _parquet(tmp_path / "a.parquet", q=["x"], a=["y"]).model_copy(update={"select": select})
    with pytest.raises(ConfigError, match=message) as caught:
        check_source(source)
    assert "\n" not in str(caught.value)


def test_a_failing_expression_is_one_sentence(tmp_path: Path) -> None:
    source = _parquet(tmp_path / "a.parquet", question=["x"], answer=["y"])
    source = source.model_copy(update={"select": "SELECT question, CAST(answer AS INT) AS answer FROM raw"})
    check_source(source)
    with pytest.raises(ConfigError, match=r"Source 't' cannot be read: Conversion Error"):
        _read(source)


def test_nothing_of_this_program_is_seen_by_a_select(tmp_path: Path) -> None:
    source = _parquet(tmp_path / "a.parquet", question=["x"], answer=["y"])
    columns = pl.DataFrame({"question": ["leaked"], "answer": ["leaked"]})
    with pytest.raises(ConfigError, match="reads columns, and there is raw only"):
        check_source(source.model_copy(update={"select": "SELECT * FROM columns"}))
    assert columns.height == 1


# --- column types -------------------------------------------------------------------------------------------------


def test_images_in_every_form(tmp_path: Path) -> None:
    both = pl.Series(
        [{"bytes": b"x", "path": "x.png"}, {"bytes": None, "path": "y.png"}, {"bytes": None, "path": None}]
    )
    forms: dict[str, Any] = {
        "paths": pl.Series(["a.png", None, ""]),
        "bytes": pl.Series([b"a", None, b""]),
        "structs": both,
        "lists": pl.Series([["a.png", "b.png"], [], None], dtype=pl.List(pl.String)),
        "struct_lists": pl.Series([[both[0], both[1]], [], None], dtype=pl.List(both.dtype)),
    }
    expected: dict[str, list[list[str | bytes | None] | None]] = {
        "paths": [["a.png"], None, None],
        "bytes": [[b"a"], None, [b""]],
        "structs": [[b"x"], ["y.png"], None],
        "lists": [["a.png", "b.png"], [], None],
        "struct_lists": [[b"x", "y.png"], [], None],
    }
    for form, values in forms.items():
        name = "images" if "list" in form else "image"
        source = _parquet(tmp_path / f"{form}.parquet", question=["q"] * 3, answer=["a"] * 3, **{name: values})
        assert _images(_read(source)) == expected[form], form


def test_options_given_and_unreadable_are_told_from_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('question,answer,options\nq,a,"[""x"", ""y""]"\nq,a,\nq,a,"x, y"\n')
    rows = _read(CsvSource(name="t", path=str(path)))
    assert rows["options"].to_list() == [["x", "y"], None, None]
    assert rows["options_ok"].to_list() == [True, True, False]


def test_options_of_mixed_types_are_texts(tmp_path: Path) -> None:
    lines = ({"question": "q", "answer": "a", "options": options} for options in (["two", 2], [2.5, None], "x"))
    rows = _read(_jsonl(tmp_path / "a.jsonl", *lines))
    assert rows["options"].to_list() == [["two", "2"], None, None]
    assert rows["options_ok"].to_list() == [True, False, False]
    lines = ({"question": "q", "answer": "a", "options": options} for options in (["two", 2], [2.5, None]))
    assert _read(_jsonl(tmp_path / "b.jsonl", *lines))["options"].to_list() == [["two", "2"], None]


def test_columns_without_a_value_are_null(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("image", "options", "meta", "kind", "verifier_params"))
    untyped = pl.DataFrame({"question": ["q"], "answer": ["a"], **{name: [None] for name in nothing}})
    untyped.write_parquet(tmp_path / "a.parquet")
    lines = {"question": "q", "answer": "a", **nothing}
    nulls = "SELECT question, answer, NULL AS image, NULL AS options, [] AS meta FROM raw"
    for source in (
        ParquetSource(name="t", path=str(tmp_path / "a.parquet")),
        ParquetSource(name="t", path=str(tmp_path / "a.parquet"), select=nulls),
        _jsonl(tmp_path / "a.jsonl", lines),
        _jsonl(tmp_path / "b.jsonl", {**lines, "image": [], "options": []}),
    ):
        rows = _read(source)
        assert rows.schema == ROW
        assert not any(rows["options"].to_list()[0] or [])
        assert not any(rows["images"].to_list()[0] or [])
        assert rows["options_ok"].to_list() == [True]


def test_an_integer_for_an_image_or_options_is_not_taken_for_nothing(tmp_path: Path) -> None:
    source = _parquet(tmp_path / "a.parquet", question=["q"], answer=["a"])
    rows = _read(source.model_copy(update={"select": "SELECT *, 3::INT AS image, 4::INT AS options FROM raw"}))
    assert _images(rows) == [["3"]]
    assert rows["options_ok"].to_list() == [False]


def test_nested_answers_and_params_become_json(tmp_path: Path) -> None:
    source = _jsonl(
        tmp_path / "a.jsonl",
        {"question": "q", "answer": [1.5, 2], "verifier_params": {"tol": 0.1}, "meta": None},
        {"question": "q", "answer": [3, 4], "verifier_params": None, "meta": '{"a":1}'},
    )
    rows = _read(source)
    assert [json.loads(a) for a in rows["answer"]] == [[1.5, 2.0], [3.0, 4.0]]
    assert [json.loads(p) if p else None for p in rows["verifier_params"]] == [{"tol": 0.1}, None]
    assert rows["meta"].to_list() == [None, '{"a":1}']


# --- JSON lines and CSV -------------------------------------------------------------------------------------------


def test_json_types_may_change_late_and_texts_stay_as_published(tmp_path: Path) -> None:
    lines: list[Any] = [{"question": "q", "answer": i} for i in range(3000)]
    lines += [{"question": "q", "answer": "ten"}, {"question": "q", "answer": None}]
    answers = _read(_jsonl(tmp_path / "a.jsonl", *lines))["answer"].to_list()
    assert answers == [*map(str, range(3000)), "ten", None]
    dates = ["2024-01-05T00:00:00", "2024-01-05 00:00:00", "2024-01-06T10:00:00"]
    rows = _read(_jsonl(tmp_path / "b.jsonl", *({"question": "when?", "answer": date} for date in dates)))
    assert rows["answer"].to_list() == dates


def test_lines_that_are_not_json_stay_in_the_count(tmp_path: Path) -> None:
    good = {"question": "q", "answer": "a"}
    rows = _read(_jsonl(tmp_path / "a.jsonl", good, "{broken", good, '{"question": "\\ud800", "answer": "a"}', good))
    assert rows["question"].to_list() == ["q", None, "q", None, "q"]


def test_csv_cells_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('question,answer\n"two\nlines, one cell",007\nq,1.50\nq,2024-01-05\n')
    rows = _read(CsvSource(name="t", path=str(path)))
    assert rows["answer"].to_list() == ["007", "1.50", "2024-01-05"]
    assert rows["question"][0] == "two\nlines, one cell"


# --- files --------------------------------------------------------------------------------------------------------


def test_folders_globs_and_lists(tmp_path: Path) -> None:
    for name in ("b", "a"):
        _parquet(tmp_path / f"{name}.parquet", question=[name], answer=["x"])
    (tmp_path / "notes.txt").write_text("not data")
    paths = str(tmp_path), str(tmp_path / "*.parquet"), (str(tmp_path / "b.parquet"), str(tmp_path / "a.parquet"))
    found = [_read(ParquetSource(name="t", path=path))["question"].to_list() for path in paths]
    assert found == [["a", "b"], ["a", "b"], ["b", "a"]]


def test_a_file_whose_name_is_a_pattern_is_that_file(tmp_path: Path) -> None:
    for name, answer in (("rows[1]", "right"), ("rows1", "wrong")):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"question": "q", "answer": answer}) + "\n")
        pl.DataFrame({"question": ["q"], "answer": [answer]}).write_parquet(tmp_path / f"{name}.parquet")
        (tmp_path / f"{name}.csv").write_bytes(f"question,answer\nq,{answer} \u20ac\n".encode("cp1252"))
    sources = [
        JsonlSource(name="a", path=str(tmp_path / "rows[1].jsonl"), kind="text"),
        ParquetSource(name="a", path=str(tmp_path / "rows[1].parquet"), kind="text"),
        CsvSource(name="a", path=str(tmp_path / "rows[1].csv"), kind="text", encoding="cp1252"),
    ]
    assert [_read(source)["answer"].to_list() for source in sources] == [["right"], ["right"], ["right \u20ac"]]


def test_fsspec_addresses(tmp_path: Path) -> None:
    import fsspec

    pl.DataFrame({"question": ["far"], "answer": ["away"]}).write_parquet(tmp_path / "a.parquet")
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/a.parquet", (tmp_path / "a.parquet").read_bytes())
    source = ParquetSource(name="t", path="memory://bucket/*.parquet")
    assert _read(source)["question"].to_list() == ["far"]
    assert fingerprint(source) == fingerprint(source)
    with pytest.raises(ConfigError, match="unknown protocol"):
        check_source(ParquetSource(name="t", path="nowhere://x.parquet"))


@pytest.mark.parametrize("kind", [ParquetSource, JsonlSource, CsvSource])
def test_missing_and_damaged_files_are_one_sentence(tmp_path: Path, kind: type[Any]) -> None:
    with pytest.raises(ConfigError, match="no file matches"):
        check_source(kind(name="t", path=str(tmp_path / "none.*")))
    (tmp_path / "bad.x").write_bytes(b"\x00\xff\x80garbage")
    with pytest.raises(ConfigError, match="Source 't'"):
        check_source(kind(name="t", path=str(tmp_path / "bad.x")))


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _parquet(tmp_path / "a.parquet", question=["q"], answer=["a"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    for path in (source.path, str(tmp_path)):
        with pytest.raises(ConfigError, match="permission denied"):
            check_source(ParquetSource(name="t", path=path))


def test_relative_images_start_from_the_folder_of_the_data(tmp_path: Path) -> None:
    assert ParquetSource(name="t", path=str(tmp_path / "x" / "*.parquet")).image_folders == (tmp_path / "x",)
    assert ParquetSource(name="t", path=str(tmp_path / "*" / "y.parquet")).image_folders == (tmp_path,)
    assert ParquetSource(name="t", path=str(tmp_path)).image_folders == (tmp_path,)
    assert ParquetSource(name="t", path="a.parquet", image_root=str(tmp_path)).image_folders == (tmp_path,)


# --- fingerprints and limits --------------------------------------------------------------------------------------


def test_fingerprint_follows_data_and_section(tmp_path: Path) -> None:
    source = _parquet(tmp_path / "a.parquet", question=["q"], answer=["a"])
    first = fingerprint(source)
    assert fingerprint(ParquetSource(name="t", path=source.path)) == first
    assert fingerprint(source.model_copy(update={"limit": 3})) != first
    os.utime(tmp_path / "a.parquet", ns=(1, 1))
    assert fingerprint(source) != first


def test_a_limit_takes_rows_by_content_wherever_they_stand(tmp_path: Path) -> None:
    questions = [f"question {i}" for i in range(200)]
    forward = _parquet(tmp_path / "a.parquet", question=questions, answer=["a"] * 200)
    backward = _parquet(tmp_path / "b.parquet", question=questions[::-1], answer=["a"] * 200)
    taken = _read(forward, limit=20)["question"].to_list()
    assert taken == sorted(taken, key=questions.index), "the source's order is kept"
    assert set(taken) == set(_read(backward, limit=20)["question"])
    assert set(taken) != set(_read(forward, limit=20, seed=1)["question"])
    assert set(taken) > set(_read(forward, limit=10)["question"]), "a larger limit only adds rows"
    assert len({*taken} & {*questions[:20]}) < 10


def test_big_sources_give_their_first_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _parquet(tmp_path / "a.parquet", question=[f"q{i}" for i in range(50)], answer=["a"] * 50)
    monkeypatch.setattr(ParquetSource, "is_small", lambda self: False)
    assert _read(source, limit=3)["question"].to_list() == ["q0", "q1", "q2"]


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(0, 60), batch=st.integers(1, 40), own=st.none() | st.integers(1, 70))
def test_batches_hold_every_row_once(rows: int, batch: int, own: int | None, tmp_path_factory: Any) -> None:
    names = [f"q{i}" for i in range(rows)]
    source = _parquet(
        tmp_path_factory.mktemp("s") / "a.parquet", question=pl.Series(names, dtype=pl.String), answer=names
    )
    source = source.model_copy(update={"limit": own})
    parts = list(read_rows(source, batch=batch))
    assert all(0 < part.height <= batch for part in parts)
    read = [q for part in parts for q in part["question"]]
    assert len(read) == min(rows, own or rows)
    assert read == [q for q in names if q in set(read)]


# --- the other types ----------------------------------------------------------------------------------------------


def test_easy_vqa_is_whole() -> None:
    source = EasyVqaSource(split="test")
    rows = _read(source)
    assert rows.height == 9673
    assert rows.filter(pl.col("kind") == "boolean")["answer"].unique().sort().to_list() == ["no", "yes"]
    assert all((source.image_folders[0] / images[0]["path"]).is_file() for images in rows["images"].head(50))


def test_scenes_are_the_same_each_time_and_obey_their_parameters() -> None:
    source = ScenesSource(n=12, tasks=("count", "color"), levels=(1, 3), per_scene=2)
    rows = _read(source)
    assert rows.equals(_read(source))
    assert rows.group_by("group").len()["len"].max() == 2
    assert {json.loads(m)["task"] for m in rows["meta"]} == {"count", "color"}
    assert {json.loads(m)["level"] for m in rows["meta"]} == {1, 3}
    assert not rows.equals(_read(source.model_copy(update={"seed": 1})))


def test_scenes_come_with_thoughts_that_lead_to_the_answer_and_puzzles_where_they_are_named() -> None:
    plain = list(ScenesSource(n=12)._rows())
    assert not {"either", "gap", "most", "alike", "extreme"} & {row["task"] for row in plain}
    source = ScenesSource(n=12, tasks=("count", "either", "gap"), levels=(2,))
    puzzles = list(source._rows())
    assert {row["task"] for row in puzzles} == {"count", "either", "gap"}
    assert source.length() == len(puzzles) == len(_read(source))
    assert all(row["thought"].endswith(f"So the answer is {row['answer']}.") for row in (*plain, *puzzles))


def test_scenes_leave_their_options_to_the_prompt() -> None:
    rows = _read(ScenesSource(n=12, tasks=("odd", "shape"))).filter(pl.col("kind") == "choice")
    assert rows.height
    for question, options in rows.select("question", "options").iter_rows():
        assert question_text(question, options).count("A) ") == 1


def test_image_folder_with_metadata_and_split(tmp_path: Path) -> None:
    inner = tmp_path / "train"
    inner.mkdir()
    (inner / "metadata.csv").write_text("file_name,question,answer\na.png,q,x\n")
    source = ImageFolderSource(name="t", path=str(tmp_path))
    assert source.root == inner
    assert _images(_read(source)) == [["a.png"]]
    (inner / "metadata.csv").write_text("picture,question,answer\na.png,q,x\n")
    with pytest.raises(ConfigError, match="no column 'file_name'"):
        check_source(source)


def test_image_folder_of_labels(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "1.PNG").touch()
    (tmp_path / "cat" / "notes.txt").touch()
    select = "SELECT 'Which animal?' AS question, label AS answer, image FROM raw"
    source = ImageFolderSource(name="t", path=str(tmp_path), select=select)
    first = fingerprint(source)
    rows = _read(source)
    assert rows["answer"].to_list() == ["cat", "dog"]
    assert _images(rows) == [["cat/1.PNG"], ["dog/1.PNG"]]
    (tmp_path / "dog" / "2.png").touch()
    assert fingerprint(source) != first
    with pytest.raises(ConfigError, match="there is no folder"):
        check_source(ImageFolderSource(name="t", path=str(tmp_path / "none")))


def test_hugging_face_folders(tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {
            "question": datasets.Value("string"),
            "answer": datasets.ClassLabel(names=["cat", "dog"]),
            "image": datasets.Image(),
        }
    )
    data = {"question": ["a", "b", "c"], "answer": [1, 0, -1], "image": [{"bytes": b"x", "path": None}] * 3}
    saved = datasets.Dataset.from_dict(data, features=features)
    saved.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"test": saved.select([2, 0])}).save_to_disk(tmp_path / "two")
    rows = _read(HuggingFaceSource(name="t", path=str(tmp_path / "one")))
    assert rows["answer"].to_list() == ["dog", "cat", None]
    assert _images(rows) == [[b"x"]] * 3
    assert _read(HuggingFaceSource(name="t", path=str(tmp_path / "two"), split="test"))["question"].to_list() == [
        "c",
        "a",
    ]
    with pytest.raises(ConfigError, match=r"no split 'train' in .*; it has \['test'\]"):
        check_source(HuggingFaceSource(name="t", path=str(tmp_path / "two")))
    with pytest.raises(ConfigError, match="there is no folder"):
        check_source(HuggingFaceSource(name="t", path="./none"))


def test_the_type_of_a_section_chooses_the_source() -> None:
    sources: TypeAdapter[Any] = TypeAdapter(Source)
    assert isinstance(sources.validate_python({"type": "easy_vqa"}), EasyVqaSource)
    for wrong in ({"type": "easy_vqa", "splt": "test"}, {"type": "csv", "name": "t"}, {"type": "excel"}):
        with pytest.raises(ValidationError):
            sources.validate_python(wrong)
    with pytest.raises(ValidationError, match="did you mean 'boolean'"):
        sources.validate_python({"type": "csv", "name": "t", "path": "x", "kind": "bolean"})
