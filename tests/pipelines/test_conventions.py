"""Conventions of an input are read at ingest, once: each value as published, whatever stands beside it, or it is told."""

import base64
import gzip
import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from filters.verify.verifier import verify
from pipelines.ingest.image_file import FORMATS
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.read import check_source, read_rows
from pipelines.sources.section import SourceSection
from pipelines.sources.values import read_answer, read_chat, read_images, read_options
from pipelines.store.media import MediaStore
from schemas.answer import load_answer
from schemas.errors import ConfigError
from schemas.split import Split


def png(colour: str = "red", size: tuple[int, int] = (40, 30), form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def taken(source: SourceSection, root: Path, config: IngestConfig | None = None) -> Split:
    parts = list(ingest([source], MediaStore(root / "media"), config))
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


def jsonl(root: Path, *rows: dict[str, Any], **options: Any) -> JsonlSource:
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return JsonlSource(name="t", path=str(root / "rows.jsonl"), **options)


def reasons(split: Split) -> list[str]:
    return [reason.removeprefix("ingest:") for reason in split.dropped["reason"]]


def golds(split: Split) -> list[Any]:
    return [load_answer(answer["parsed"]).model_dump() for answer in split.kept["answer"]]


# --- golds ----------------------------------------------------------------------------------------------------------


def test_a_list_of_one_is_that_one(tmp_path: Path) -> None:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    columns = {
        "image": pa.array([{"bytes": png(c), "path": None} for c in ("red", "blue", "green")], image),
        "query": pa.array(["How many bars?", "What gap?", "What share?"]),
        "label": pa.array([["3"], ["0.57"], ["41.5"]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    select = "SELECT query AS question, label AS answer, image, 'number' AS kind FROM raw"
    split = taken(ParquetSource(name="charts", path=str(tmp_path / "*.parquet"), select=select), tmp_path)
    assert split.dropped.is_empty()
    assert split.kept["answer"].struct["raw"].to_list() == ["3", "0.57", "41.5"]


@pytest.mark.parametrize(
    "answer", [["14"], '["14"]', "['14']", [14], "\\boxed{14}", "$\\boxed{14}$", "<answer>\\boxed{14}</answer>"]
)
@pytest.mark.parametrize("beside", [[], [{"question": "q", "answer": "4"}], [{"question": "q", "answer": 4}]])
@pytest.mark.parametrize("kind", ["text", "number", "expression"])
def test_a_gold_that_nobody_can_say_is_unwrapped(answer: Any, beside: list[Any], kind: str, tmp_path: Path) -> None:
    split = taken(jsonl(tmp_path, {"question": "Fourteen?", "answer": answer}, *beside, kind=kind), tmp_path)
    assert split.kept["answer"].struct["raw"][0] == "14"
    gold = load_answer(split.kept["answer"][0]["parsed"])
    assert verify("So it is \\boxed{14}.", gold).correct, "what the gold says can be said"


def test_a_list_of_several_is_told_where_one_is_said(tmp_path: Path) -> None:
    rows = [
        {"question": "1", "answer": ["a", "b"], "kind": "text"},
        {"question": "2", "answer": [1, 2], "kind": "number"},
        {"question": "3", "answer": [["a"]], "kind": "text"},
        {"question": "4", "answer": [], "kind": "text"},
        {"question": "5", "answer": [None], "kind": "text"},
        {"question": "5a", "answer": {"value": "14"}, "kind": "number"},
        {"question": "6", "answer": ["b", "c"], "kind": "choice", "options": ["a", "b", "c"]},
        {"question": "7", "answer": ["A", "C"], "kind": "choice", "options": ["a", "b", "c"]},
        {"question": "8", "answer": ["a", "b"], "kind": "set"},
        {"question": "9", "answer": ["a, b"], "kind": "set"},
        {"question": "10", "answer": "[14]", "kind": "text"},
        {"question": "11", "answer": [[1, 2, 3, 4]], "kind": "boxes"},
    ]
    split = taken(jsonl(tmp_path, *rows), tmp_path)
    assert reasons(split) == [*["gold_nested"] * 3, *["answer_missing"] * 2, "gold_nested"]
    assert "choose one in 'select', or set kind: set" in json.loads(split.dropped["evidence"][0])["error"]
    found = golds(split)
    assert [found[0]["letters"], found[1]["letters"]] == [("B", "C"), ("A", "C")]
    assert [found[2]["labels"], found[3]["labels"]] == [("a", "b"), ("a, b",)], "a set of one keeps its comma"
    assert found[4]["value"] == "[14]", "a list as a text can be said"
    assert len(found[5]["boxes"]) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("<answer> 145° </answer>", "145°"),
        ("<think>It is so.</think>\n<ANSWER>145°</ANSWER>", "145°"),
        ("<answer>1</answer> or <answer>2</answer>", "<answer>1</answer> or <answer>2</answer>"),
        ("145°", "145°"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{1} or \\boxed{2}", "\\boxed{1} or \\boxed{2}"),
        ("\\boxed{1", "\\boxed{1"),
    ],
)
def test_a_tagged_answer_is_what_it_holds(answer: str, said: str) -> None:
    assert read_answer(answer, None, "text") == said
    assert read_answer(answer, None, "code") == answer, "a program may print tags"


def test_places_of_options_become_letters_where_the_source_says_so(tmp_path: Path) -> None:
    rows = [
        {"question": "How many wheels has a bicycle?", "answer": 1, "options": ["1", "2", "3"]},
        {"question": "Which?", "answer": "0", "options": ["cat", "dog"]},
        {"question": "Far?", "answer": 3, "options": ["1", "2", "3"]},
        {"question": "What?", "answer": "dog", "options": ["cat", "dog"]},
    ]
    split = taken(jsonl(tmp_path, *rows, kind="choice", index_base=0), tmp_path)
    assert [gold["texts"] for gold in golds(split)] == [("2",), ("cat",)]
    assert reasons(split) == ["gold_outside_options"] * 2
    one = taken(jsonl(tmp_path, *rows[:1], kind="choice", index_base=1), tmp_path)
    assert golds(one)[0]["texts"] == ("1",)


@pytest.mark.parametrize("batch_rows", [1, 1024])
def test_a_place_among_numbers_is_told(batch_rows: int, tmp_path: Path) -> None:
    """ScienceQA and AI2D count options from 0; where the options are numbers, a place looks like a text."""
    config = IngestConfig(batch_rows=batch_rows)
    wheels = {"question": "How many wheels?", "answer": 1, "options": ["1", "2", "3"]}
    number = taken(jsonl(tmp_path, wheels, kind="choice"), tmp_path, config)
    assert reasons(number) == ["gold_ambiguous"], "published as a number"
    assert "index_base" in json.loads(number.dropped["evidence"][0])["error"]

    texts = [{"question": "Which?", "answer": "1", "options": ["cat", "dog"]}, {**wheels, "answer": "1"}]
    place = taken(jsonl(tmp_path, *texts, kind="choice"), tmp_path, config)
    assert reasons(place) == ["gold_outside_options", "gold_ambiguous"], "published beside a place"
    assert "index_base" in json.loads(place.dropped["evidence"][0])["error"]

    plain = taken(jsonl(tmp_path, {**wheels, "answer": "1"}, kind="choice"), tmp_path, config)
    assert golds(plain)[0]["texts"] == ("1",), "a text among texts, as MathVista has it"
    same = {"question": "Zero?", "answer": 1, "options": ["0", "1", "2"]}
    assert golds(taken(jsonl(tmp_path, same, kind="choice"), tmp_path, config))[0]["texts"] == ("1",)


# --- options and images, in every neighbourhood ------------------------------------------------------------------------

OPTIONS = [
    '["x", "y"]',
    ["x", "y"],
    "['x', 'y']",
    "['x' 'y']",
    {"A": "x", "B": "y"},
    '{"A": "x", "B": "y"}',
    "{'A': 'x', 'B': 'y'}",
    "A. x; B. y",
    "(A) x (B) y",
    "A. x\nB. y",
    [{"label": "A", "text": "x"}, {"label": "B", "text": "y"}],
]


@pytest.mark.parametrize("first", OPTIONS, ids=str)
@pytest.mark.parametrize("second", OPTIONS, ids=str)
def test_options_mean_the_same_beside_any_others(first: Any, second: Any, tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": "B", "options": o} for n, o in enumerate((first, second))]
    split = taken(jsonl(tmp_path, *rows, kind="choice"), tmp_path)
    assert split.dropped.is_empty()
    assert split.kept["options"].to_list() == [["x", "y"]] * 2


def test_options_in_structs_and_maps_of_parquet(tmp_path: Path) -> None:
    for options in (
        pa.array([{"A": "x", "B": "y", "C": None}], pa.struct([(k, pa.string()) for k in "ABC"])),
        pa.array([[("A", "x"), ("B", "y")]], pa.map_(pa.string(), pa.string())),
        pa.array(['["x", "y"]']),
    ):
        table = {"question": pa.array(["q"]), "answer": pa.array(["B"]), "options": options}
        pq.write_table(pa.table(table), tmp_path / "a.parquet")
        (rows,) = read_rows(ParquetSource(name="t", path=str(tmp_path / "a.parquet")))
        assert rows["options"].to_list() == [["x", "y"]]


@pytest.mark.parametrize(
    "text",
    [
        "x, y",
        "3",
        '["x", null]',
        "[['x'], ['y']]",
        '{"x": 1}',
        '{"A": "x", "C": "y"}',
        "A. x",
        "['\\theta', 'x']",
        "[1, f()]",
    ],
)
def test_options_that_cannot_be_read_are_shown(text: str, tmp_path: Path) -> None:
    assert read_options(text) is None
    split = taken(jsonl(tmp_path, {"question": "q", "answer": "A", "options": text}, kind="choice"), tmp_path)
    assert reasons(split) == ["options_unparseable"]
    assert json.loads(split.dropped["evidence"][0])["options"] == text


@pytest.mark.parametrize("text", ["", " ", "null", "[]", "None"])
def test_no_options_are_none(text: str, tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a", "options": text}
    assert taken(jsonl(tmp_path, row, {**row, "answer": "b"}), tmp_path).kept["options"].to_list() == [[], []]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=9))
def test_options_survive_json_and_python(options: list[str]) -> None:
    assert read_options(json.dumps(options)) == options
    assert read_options(json.dumps(dict(zip("ABCDEFGHI", options, strict=False)))) == options
    assert read_options(str(options)) == options


@given(st.text())
def test_any_text_is_options_or_none_and_never_an_error(text: str) -> None:
    for reader in (read_options, read_images, read_chat):
        reader(text)
        reader("[" + text)


IMAGES = ["a.png", ["a.png"], '["a.png"]', "['a.png']", {"path": "a.png"}, {"bytes": None, "path": "a.png"}, "file"]


@pytest.mark.parametrize("name", ["image", "images"])
@pytest.mark.parametrize("first", IMAGES, ids=str)
@pytest.mark.parametrize("second", IMAGES, ids=str)
def test_images_mean_the_same_under_each_name_beside_any_others(
    name: str, first: Any, second: Any, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png())
    address = f"file://{tmp_path}/a.png"
    rows = [
        {"question": f"{n}?", "answer": "a", name: address if shown == "file" else shown}
        for n, shown in enumerate((first, second))
    ]
    split = taken(jsonl(tmp_path, *rows), tmp_path)
    assert split.dropped.is_empty(), split.dropped["evidence"].to_list()
    assert split.kept["media"].list.len().to_list() == [1, 1]


def test_a_list_of_images_beside_a_path(tmp_path: Path) -> None:
    (tmp_path / "imgs").mkdir()
    for name in "12":
        (tmp_path / "imgs" / f"{name}.png").write_bytes(png())
    rows = [
        {
            "image": "imgs/1.png",
            "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "The box."}],
        },
        {
            "image": ["imgs/1.png", "imgs/2.png"],
            "conversations": [{"from": "human", "value": "r"}, {"from": "gpt", "value": "s"}],
        },
    ]
    select = "SELECT conversations[1].value AS question, conversations[2].value AS answer, image FROM raw"
    split = taken(jsonl(tmp_path, *rows, select=select), tmp_path)
    assert split.kept["media"].list.len().to_list() == [1, 2]


# --- images: spelling, form, size -----------------------------------------------------------------------------------------


def test_paths_as_other_systems_write_them(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    folder.mkdir()
    (folder / "ü 1.png").write_bytes(png())
    (tmp_path / "100%.png").write_bytes(png("blue"))
    here = str(tmp_path)
    paths = [
        "a b/ü 1.png",
        "a b\\ü 1.png",
        ".\\a b\\ü 1.png",
        "a%20b/%C3%BC%201.png",
        " a b/ü 1.png \n",
        f"file://{here}/a b/ü 1.png",
        f"file://{here}/a%20b/%C3%BC%201.png",
        f"file://localhost{here}/a b/ü 1.png",
        f"FILE://{here}/a b/ü 1.png",
        "100%.png",
    ]
    rows = [{"question": f"{n}?", "answer": "a", "image": path} for n, path in enumerate(paths)]
    split = taken(jsonl(tmp_path, *rows), tmp_path)
    assert split.dropped.is_empty(), split.dropped["evidence"].to_list()


def test_every_other_spelling_stays_inside_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "secret.png").write_bytes(png())
    paths = [
        "..\\secret.png",
        "%2e%2e/secret.png",
        "..%2Fsecret.png",
        " ../secret.png",
        f"file://{tmp_path}/secret.png",
        f"file://{tmp_path}/data/../secret.png",
    ]
    rows = [{"question": f"{n}?", "answer": "a", "image": path} for n, path in enumerate(paths)]
    split = taken(jsonl(tmp_path / "data", *rows), tmp_path)
    assert reasons(split) == ["image_outside"] * len(paths)


@pytest.mark.parametrize("address", ["http://x.org/a.png", "HTTPS://x.org/a.png", "s3://b/a.png", " ftp://x/a.png"])
def test_remote_images_are_told(address: str, tmp_path: Path) -> None:
    assert reasons(taken(jsonl(tmp_path, {"question": "q", "answer": "a", "image": address}), tmp_path)) == [
        "remote_image"
    ]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_base64_in_every_dress(form: str, tmp_path: Path) -> None:
    assert form in FORMATS
    data = png(form=form)
    bare = base64.b64encode(data).decode()
    forms = [
        bare,
        base64.encodebytes(data).decode(),
        f"data:image/png;base64,{bare}",
        f"DATA:image/jpg;name=x;BASE64,{bare}\n",
        "data:image/png;base64," + base64.urlsafe_b64encode(data).decode(),
        [bare],
        {"bytes": bare, "path": None},
    ]
    rows = [{"question": f"{n}?", "answer": "a", "image": shown} for n, shown in enumerate(forms)]
    split = taken(jsonl(tmp_path, *rows), tmp_path)
    assert split.dropped.is_empty(), split.dropped["evidence"].to_list()
    store = MediaStore(tmp_path / "media")
    assert {store.read(media[0]["sha256"]) for media in split.kept["media"].to_list()} == {data}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n", "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>404</html>", "HTML page"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "SVG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 90, "HEIC"),
        (b"\0\0\0\x18ftypisom" + b"\0" * 90, "video"),
        (b"%PDF-1.7", "PDF"),
        (b"PK\x03\x04rest", "packed"),
        (b"something else", "not an image of a known format"),
    ],
)
def test_what_stands_there_instead_of_an_image_is_said(data: bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    split = taken(jsonl(tmp_path, {"question": "q", "answer": "a", "image": "a.jpg"}), tmp_path)
    assert reasons(split) == ["image_broken"]
    assert words in json.loads(split.dropped["evidence"][0])["error"]


def test_what_no_processor_takes_is_no_row(tmp_path: Path) -> None:
    sizes = [(200, 1), (201, 1), (1, 201), (10, 2010), (27, 27)]
    for number, size in enumerate(sizes):
        (tmp_path / f"{number}.png").write_bytes(png(size=size))
    rows = [{"question": f"{n}?", "answer": "a", "image": f"{n}.png"} for n in range(len(sizes))]
    split = taken(jsonl(tmp_path, *rows), tmp_path)
    assert reasons(split) == ["image_too_long"] * 3
    assert json.loads(split.dropped["evidence"][0])["max_aspect"] == 200
    strict = taken(jsonl(tmp_path, *rows), tmp_path, IngestConfig(min_side=28, max_aspect=1000))
    assert reasons(strict) == ["image_too_small"] * 5


def test_the_limit_of_aspect_is_that_of_the_processor() -> None:
    transformers = pytest.importorskip("transformers")
    processor = transformers.Qwen2VLImageProcessor()
    limit = int(IngestConfig().max_aspect)
    processor(images=[Image.new("RGB", (limit, 1))], return_tensors="np")
    with pytest.raises(ValueError, match="aspect ratio"):
        processor(images=[Image.new("RGB", (limit + 1, 1))], return_tensors="np")


# --- files -----------------------------------------------------------------------------------------------------------

ROWS = [{"question": "Café?", "answer": "1"}, {"question": "Q2", "answer": "2"}]


def _answers(source: SourceSection) -> list[tuple[str, str]]:
    return [row for rows in read_rows(source) for row in rows.select("question", "answer").rows()]


PLAIN = [("Café?", "1"), ("Q2", "2")]


@pytest.mark.parametrize("type_", ["jsonl", "json"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(json.dumps(row) for row in ROWS),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "\r\n".join(json.dumps(row) for row in ROWS),
        "\r".join(json.dumps(row) for row in ROWS),
        "\n\n  " + json.dumps(ROWS),
    ],
)
def test_json_in_every_layout(text: str, type_: str, tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_bytes(text.encode())
    for path in (tmp_path / "rows.json", tmp_path):
        assert _answers(JsonlSource(type=type_, name="t", path=str(path))) == PLAIN
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.write(tmp_path / "rows.json", "inner/rows.json")
        archive.writestr("readme.txt", "hello")
    assert _answers(JsonlSource(name="t", path=str(tmp_path / "rows.zip"))) == PLAIN
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert _answers(JsonlSource(name="t", path=str(tmp_path / "rows.jsonl.gz"))) == PLAIN


@pytest.mark.parametrize(
    ("encoding", "given"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("utf-32", None),
        ("latin-1", "latin-1"),
        ("cp1252", "cp1252"),
        ("utf-16-le", "utf-16-le"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
    ],
)
def test_texts_in_every_encoding(encoding: str, given: str | None, tmp_path: Path) -> None:
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    assert _answers(JsonlSource(name="t", path=str(tmp_path / "a.jsonl"), encoding=given)) == PLAIN
    (tmp_path / "a.json").write_bytes(json.dumps(ROWS, ensure_ascii=False).encode(encoding))
    assert _answers(JsonlSource(name="t", path=str(tmp_path / "a.json"), encoding=given)) == PLAIN
    (tmp_path / "a.csv").write_bytes("question,answer\nCafé?,1\nQ2,2\n".encode(encoding))
    assert _answers(CsvSource(name="t", path=str(tmp_path / "a.csv"), encoding=given)) == PLAIN
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("question,answer\nCafé?,1\nQ2,2\n".encode(encoding)))
    assert _answers(CsvSource(name="t", path=str(tmp_path / "a.csv.gz"), encoding=given)) == PLAIN


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_another_encoding_is_told_with_its_cure(name: str, tmp_path: Path) -> None:
    kind = CsvSource if name.endswith("csv") else JsonlSource
    text = "question,answer\nCafé?,1\n" if name.endswith("csv") else json.dumps(ROWS[:1], ensure_ascii=False)
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=rf"'.*{name}' is not UTF-8 \(byte 0xe9 at \d+\); name its 'encoding'"):
        check_source(kind(name="t", path=str(tmp_path / name)))
    (tmp_path / name).write_bytes(text.encode("utf-16-le"))
    with pytest.raises(ConfigError, match="name its 'encoding', such as"):
        check_source(kind(name="t", path=str(tmp_path / name)))
    (tmp_path / name).write_bytes(text.encode("utf-8"))
    with pytest.raises(ConfigError, match=r"is not utf-16-le .*; name its own 'encoding'"):
        check_source(kind(name="t", path=str(tmp_path / name), encoding="utf-16-le"))


@pytest.mark.parametrize("encoding", ["latin-99", "rot13", "base64"])
def test_an_encoding_that_there_is_not(encoding: str) -> None:
    with pytest.raises(ValidationError, match=r"no encoding"):
        CsvSource(name="t", path="x", encoding=encoding)


def test_a_line_that_is_not_json_is_told_as_such(tmp_path: Path) -> None:
    good = json.dumps(ROWS[0]).encode() + b"\n"
    bad = b'{"question": "x", "answer"\n{"question": "caf\xe9", "answer": "1"}\n{}\n'
    (tmp_path / "a.jsonl").write_bytes(good * 500 + bad)
    split = taken(JsonlSource(name="t", path=str(tmp_path / "a.jsonl")), tmp_path)
    assert [r for r in reasons(split) if r != "copy"] == ["row_empty"] * 3


def test_csv_that_turns_into_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"question,answer\n" + b"q,a\n" * 300_000 + b"caf\xe9,1\n")
    with pytest.raises(ConfigError, match="is not UTF-8") as told:
        list(read_rows(CsvSource(name="t", path=str(tmp_path / "a.csv"))))
    assert "'encoding'" in str(told.value)
    assert "\n" not in str(told.value)


def test_folders_and_archives_say_what_they_hold(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png())
    with pytest.raises(ConfigError, match=r"the folder '.*' holds no \.jsonl, .*\.json.* file; it holds \.png"):
        check_source(JsonlSource(name="t", path=str(tmp_path)))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(ConfigError, match=r"'.*x\.zip' holds no \.csv or .* file; it holds a\.txt"):
        check_source(CsvSource(name="t", path=str(tmp_path / "x.zip")))
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(ConfigError, match=r"'.*x\.zip' cannot be unpacked"):
        check_source(CsvSource(name="t", path=str(tmp_path / "x.zip")))


def test_json_lines_are_taken_before_other_json(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROWS[0]))
    (tmp_path / "dataset_info.json").write_text("{}")
    assert _answers(JsonlSource(name="t", path=str(tmp_path))) == PLAIN[:1]


def test_files_of_two_layouts_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "b.json").write_text("\n".join(json.dumps(row) for row in ROWS))
    with pytest.raises(
        ConfigError, match=r"a\.json' holds one list and '.*b\.json' one object a line; name them as two"
    ):
        check_source(JsonlSource(name="t", path=str(tmp_path)))


@pytest.mark.parametrize(("text", "where"), [('["a", "b"]', " in its list"), ('"a"\n"b"', ", one a line")])
def test_json_without_objects_is_one_sentence(text: str, where: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ConfigError, match=f"holds no JSON objects{where}"):
        check_source(JsonlSource(name="t", path=str(tmp_path / "a.json")))


def test_copies_are_gone_when_a_source_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import tempfile

    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "a.csv").write_bytes("question,answer\nCafé?,1\n".encode("utf-16"))
    assert _answers(CsvSource(name="t", path=str(tmp_path / "a.csv"))) == PLAIN[:1]
    assert not list((tmp_path / "scratch").iterdir())
