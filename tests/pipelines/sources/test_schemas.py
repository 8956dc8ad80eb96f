"""Public datasets in the shape in which they are published: each is read by its schema's name, without SQL."""

import base64
import csv
import json
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import ValidationError

from pipelines.ingest.ingest import ingest
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.huggingface import HuggingFaceSource
from pipelines.sources.read import check_source
from pipelines.sources.schemas import SCHEMAS
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore
from schemas.answer import load_answer
from schemas.errors import ConfigError
from schemas.split import Split

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""As the Hub stores a feature of type Image."""
TEXTS = pa.list_(pa.string())


class Read(NamedTuple):
    """What a test looks at of a sample."""

    question: str
    kind: str
    answer: str
    options: list[str]
    images: int


def png(colour: str = "red") -> bytes:
    file = BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def image(colour: str = "red") -> dict[str, Any]:
    return {"bytes": png(colour), "path": None}


def taken(source: SourceSection, root: Path) -> Split:
    parts = list(ingest([source], MediaStore(root / "media")))
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


def read(source: SourceSection, root: Path) -> list[Read]:
    split = taken(source, root)
    assert split.dropped.is_empty(), split.dropped.to_dicts()
    return [
        Read(row["question"], row["answer"]["kind"], row["answer"]["raw"], row["options"], len(row["media"]))
        for row in split.kept.to_dicts()
    ]


def parquet(root: Path, schema: str, rows: list[dict[str, Any]], **types: Any) -> ParquetSource:
    table = pa.Table.from_pylist(rows, pa.schema([(name.replace("__", " "), kind) for name, kind in types.items()]))
    pq.write_table(table, root / "train-00000-of-00001.parquet")
    return ParquetSource(name="t", path=str(root), schema=schema)


def test_chartqa(tmp_path: Path) -> None:
    rows = [
        {"image": image("red"), "query": "How many bars?", "label": ["14"], "human_or_machine": 0},
        {"image": image("blue"), "query": "Which is tallest?", "label": ["Bulgaria"], "human_or_machine": 1},
        {"image": image("green"), "query": "What share?", "label": ["41.5%"], "human_or_machine": 0},
    ]
    source = parquet(
        tmp_path, "chartqa", rows, image=IMAGE, query=pa.string(), label=TEXTS, human_or_machine=pa.int64()
    )
    assert read(source, tmp_path) == [
        ("How many bars?", "number", "14", [], 1),
        ("Which is tallest?", "text", "Bulgaria", [], 1),
        ("What share?", "number", "41.5%", [], 1),
    ]


def test_chartqa_of_its_repository(tmp_path: Path) -> None:
    (tmp_path / "png").mkdir()
    (tmp_path / "png" / "a.png").write_bytes(png())
    rows = [
        {"imgname": "a.png", "query": "How many?", "label": "3"},
        {"imgname": "a.png", "query": "Yes?", "label": "Yes"},
    ]
    (tmp_path / "train_human.json").write_text(json.dumps(rows, indent=1))
    source = JsonlSource(
        name="t", path=str(tmp_path / "train_human.json"), schema="chartqa", image_root=str(tmp_path / "png")
    )
    assert [(r.answer, r.kind) for r in read(source, tmp_path)] == [("3", "number"), ("Yes", "text")]


def test_mmmu(tmp_path: Path) -> None:
    images = {f"image_{n}": None for n in range(1, 8)}
    one = {"id": "validation_Art_1", "question": "What is in <image 1>?", "explanation": "", "topic_difficulty": "Easy"}
    rows = [
        {**images, **one, "options": "['Theme', \"It's late\", 'a, b']", "answer": "B"}
        | {"question_type": "multiple-choice", "image_1": image(), "image_3": image("blue")},
        {**images, **one, "id": "o", "options": "[]", "answer": "12.5", "question_type": "open", "image_1": image()},
        {**images, **one, "id": "c", "options": "['<image 1>', '<image 2>']", "answer": "A"}
        | {"question_type": "multiple-choice", "image_1": image(), "image_2": image("blue")},
    ]
    texts = ("id", "question", "options", "explanation", "answer", "topic_difficulty", "question_type")
    types = dict.fromkeys(texts, pa.string()) | dict.fromkeys(images, IMAGE)
    assert read(parquet(tmp_path, "mmmu", rows, **types), tmp_path) == [
        ("What is in <image 1>?", "choice", "B", ["Theme", "It's late", "a, b"], 2),
        ("What is in <image 1>?", "number", "12.5", [], 1),
        ("What is in <image 1>?", "choice", "A", ["<image 1>", "<image 2>"], 2),
    ]


def test_mmmu_pro(tmp_path: Path) -> None:
    images = {f"image_{n}": None for n in range(1, 8)}
    row = {**images, "id": "t", "question": "q <image 1>", "options": "['a', 'b']", "answer": "A", "image_1": image()}
    types = dict.fromkeys(("id", "question", "options", "answer"), pa.string()) | dict.fromkeys(images, IMAGE)
    assert read(parquet(tmp_path, "mmmu", [row], **types), tmp_path)[0][1:] == ("choice", "A", ["a", "b"], 1)


def test_mathvista(tmp_path: Path) -> None:
    facts = {"category": "math-targeted-vqa", "context": "scientific figure", "img_height": 30, "language": "english"}
    base = {"image": "images/1.jpg", "decoded_image": image(), "unit": None, "precision": None, "query": "Hint: …"}
    base |= {"metadata": facts}
    rows = [
        base | {"pid": "1", "question": "2 at which x?", "choices": None, "answer": "3", "precision": 1.0}
        | {"question_type": "free_form", "answer_type": "float"},
        base | {"pid": "2", "question": "How many?", "choices": ["1", "2", "3"], "answer": "2"}
        | {"question_type": "multi_choice", "answer_type": "text"},
        base | {"pid": "3", "question": "Larger?", "choices": ["Yes", "No"], "answer": "No"}
        | {"question_type": "multi_choice", "answer_type": "text"},
        base | {"pid": "4", "question": "Both?", "choices": None, "answer": "[0, 8]"}
        | {"question_type": "free_form", "answer_type": "list"},
    ]  # fmt: skip
    texts = ("pid", "question", "image", "answer", "unit", "question_type", "answer_type", "query")
    struct = pa.struct([(k, pa.int64() if k == "img_height" else pa.string()) for k in facts])
    types = dict.fromkeys(texts, pa.string())
    types |= {"decoded_image": IMAGE, "choices": TEXTS, "precision": pa.float64(), "metadata": struct}
    source = parquet(tmp_path, "mathvista", rows, **types)
    split = taken(source, tmp_path)
    assert [tuple(r)[1:] for r in read(source, tmp_path)] == [
        ("number", "3", [], 1),
        ("choice", "2", ["1", "2", "3"], 1),
        ("choice", "No", ["Yes", "No"], 1),
        ("text", "[0, 8]", [], 1),
    ]
    assert split.kept["source"].struct["row"].to_list() == ["1", "2", "3", "4"]
    golds = [load_answer(a["parsed"]).model_dump() for a in split.kept["answer"]]
    assert [golds[1]["letters"], golds[2]["letters"]] == [("B",), ("B",)]


def test_scienceqa(tmp_path: Path) -> None:
    base = {"image": None, "hint": "", "task": "closed choice", "subject": "natural science"}
    rows = [
        base | {"question": "Which is farthest?", "choices": ["WV", "LA", "AZ", "OK"], "answer": 2, "image": image()},
        base | {"question": "How many legs?", "choices": ["1", "2", "0"], "answer": 1, "hint": "A person stands."},
        base | {"question": "First?", "choices": ["a", "b"], "answer": 0},
    ]
    types = {"image": IMAGE, "question": pa.string(), "choices": TEXTS, "answer": pa.int8(), "hint": pa.string()}
    types |= {"task": pa.string(), "subject": pa.string()}
    assert read(parquet(tmp_path, "scienceqa", rows, **types), tmp_path) == [
        ("Which is farthest?", "choice", "C", ["WV", "LA", "AZ", "OK"], 1),
        ("A person stands.\nHow many legs?", "choice", "B", ["1", "2", "0"], 0),
        ("First?", "choice", "A", ["a", "b"], 0),
    ]


def test_ai2d(tmp_path: Path) -> None:
    rows = [
        {"question": "What is A?", "options": ["ears", "nose", "mouth", "face"], "answer": "3", "image": image()},
        {"question": "How many?", "options": ["1", "2", "3"], "answer": "0", "image": image()},
        {"question": "How many now?", "options": ["1", "2", "3"], "answer": "1", "image": image()},
    ]
    types = {"question": pa.string(), "options": TEXTS, "answer": pa.string(), "image": IMAGE}
    assert [r.answer for r in read(parquet(tmp_path, "ai2d", rows, **types), tmp_path)] == ["D", "A", "B"]


def test_geometry3k_of_easyr1(tmp_path: Path) -> None:
    rows = [
        {"images": [image()], "problem": "<image>Find x.", "answer": "2 \\sqrt { 221 }"},
        {"images": [image("blue")], "problem": "<image>Find y.", "answer": "3"},
    ]
    source = parquet(tmp_path, "geometry3k", rows, images=pa.list_(IMAGE), problem=pa.string(), answer=pa.string())
    assert read(source, tmp_path) == [
        ("Find x.", "expression", "2 \\sqrt { 221 }", [], 1),
        ("Find y.", "expression", "3", [], 1),
    ]


@pytest.mark.parametrize("schema", ["geoqa_r1v", "clevr_cogent"])
def test_problems_and_solutions_of_r1v(schema: str, tmp_path: Path) -> None:
    rows = [
        {"image": image(), "problem": "Find the angle.", "solution": "<answer> 145° </answer>"},
        {"image": image(), "problem": "Find the length.", "solution": "<answer> 2√3 </answer>"},
        {"image": image(), "problem": "How many items?", "solution": "<answer> 3 </answer>"},
    ]
    source = parquet(tmp_path, schema, rows, image=IMAGE, problem=pa.string(), solution=pa.string())
    assert [(r.kind, r.answer) for r in read(source, tmp_path)] == [
        ("number", "145°"),
        ("expression", "2√3"),
        ("number", "3"),
    ]


def test_we_math(tmp_path: Path) -> None:
    row = {"ID": "1", "split": "testmini", "knowledge concept": "Area", "question": "What is the area?"}
    row |= {"option": "A. 12; B. 17; C. 26; D. 30; E. No correct answer", "answer": "C", "key": "one_step"}
    types = dict.fromkeys(("ID", "split", "knowledge__concept", "question", "option", "answer", "key"), pa.string())
    source = parquet(tmp_path, "we_math", [row | {"image_path": image()}], **types, image_path=IMAGE)
    assert read(source, tmp_path) == [
        ("What is the area?", "choice", "C", ["12", "17", "26", "30", "No correct answer"], 1)
    ]


def _chats() -> list[dict[str, Any]]:
    turns = [{"from": "human", "value": "<image>\nWhat colour?"}, {"from": "gpt", "value": "It is red."}]
    later = [{"from": "human", "value": "And now?"}, {"from": "gpt", "value": "Blue."}]
    two = [{"from": "human", "value": "<image><image>\nWhich?"}, {"from": "gpt", "value": "second"}]
    return [
        {"id": "000001", "image": "imgs/1.png", "conversations": [*turns, *later]},
        {"id": 2, "image": ["imgs/1.png", "imgs/2.png"], "conversations": two},
        {"id": "3", "conversations": [{"from": "human", "value": "1 + 1?"}, {"from": "gpt", "value": "2"}]},
    ]


@pytest.mark.parametrize("layout", ["array", "indented", "lines"])
def test_llava(layout: str, tmp_path: Path) -> None:
    (tmp_path / "imgs").mkdir()
    for name in "12":
        (tmp_path / "imgs" / f"{name}.png").write_bytes(png())
    rows = _chats()
    text = {
        "array": json.dumps(rows),
        "indented": json.dumps(rows, indent=2),
        "lines": "\n".join(json.dumps(row) for row in rows),
    }[layout]
    (tmp_path / "a.json").write_text(text)
    source = JsonlSource(name="t", path=str(tmp_path / "a.json"), schema="llava")
    assert read(source, tmp_path) == [
        ("What colour?", "text", "It is red.", [], 1),
        ("Which?", "text", "second", [], 2),
        ("1 + 1?", "text", "2", [], 0),
    ]


def test_sharegpt_with_a_system_turn_and_tags(tmp_path: Path) -> None:
    turns = [
        {"from": "system", "value": "Think."},
        {"from": "human", "value": "Which?"},
        {"from": "gpt", "value": "<think>It is B.</think><answer> B </answer>"},
    ]
    (tmp_path / "a.jsonl").write_text(json.dumps({"conversations": turns, "images": []}))
    source = JsonlSource(name="t", path=str(tmp_path / "a.jsonl"), schema="sharegpt")
    assert read(source, tmp_path) == [("Which?", "text", "B", [], 0)]


def test_messages_of_ms_swift(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png())
    user = {"role": "user", "content": "<image>How many?"}
    parts = [{"type": "image", "image": "1.png"}, {"type": "text", "text": "How many now?"}]
    address = "data:image/png;base64," + base64.b64encode(png("blue")).decode()
    openai = [{"type": "text", "text": "And here?"}, {"type": "image_url", "image_url": {"url": address}}]
    three, four = {"role": "assistant", "content": "3"}, [{"type": "text", "text": "4"}]
    rows = [
        {"messages": [user, three], "images": ["1.png"]},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": parts}, three]},
        {
            "messages": [
                {"role": "user", "content": openai},
                {"role": "assistant", "content": four},
            ]
        },
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    source = JsonlSource(name="t", path=str(tmp_path / "a.jsonl"), schema="ms_swift", kind="number")
    assert read(source, tmp_path) == [
        ("How many?", "number", "3", [], 1),
        ("How many now?", "number", "3", [], 1),
        ("And here?", "number", "4", [], 1),
    ]


def test_messages_with_a_gold_of_their_own_and_older_rows(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png())
    rows = [
        {
            "messages": [{"role": "user", "content": "q?"}],
            "images": [{"path": "1.png"}],
            "solution": "<answer>7</answer>",
        }
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    source = JsonlSource(name="t", path=str(tmp_path / "a.jsonl"), schema="ms_swift")
    assert read(source, tmp_path) == [("q?", "text", "7", [], 1)]
    (tmp_path / "b.jsonl").write_text(json.dumps({"query": "q?", "response": "r", "images": ["1.png"]}))
    source = JsonlSource(name="t", path=str(tmp_path / "b.jsonl"), schema="ms_swift")
    assert read(source, tmp_path) == [("q?", "text", "r", [], 1)]


def test_what_is_no_chat_is_told(tmp_path: Path) -> None:
    rows: list[Any] = [
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        {"conversations": "no chat"},
        {"conversations": [{"from": "gpt", "value": "a"}]},
        {"conversations": [{"from": "human", "value": "q"}]},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    split = taken(JsonlSource(name="t", path=str(tmp_path / "a.jsonl"), schema="llava"), tmp_path)
    assert split.dropped["reason"].to_list() == [
        "ingest:conversation_unparseable",
        "ingest:conversation_unparseable",
        "ingest:answer_missing",
    ]
    assert json.loads(split.dropped["evidence"][0])["conversation"] == "no chat"


def test_vlmevalkit(tmp_path: Path) -> None:
    def noise(seed: int) -> bytes:
        file = BytesIO()
        Image.effect_noise((60, 40), seed).save(file, "JPEG")
        return file.getvalue()

    one, two = (base64.b64encode(noise(seed)).decode() for seed in (10, 90))
    rows = [
        {
            "index": 1,
            "question": "What?",
            "hint": "Look.",
            "A": "cat",
            "B": "dog",
            "C": "",
            "answer": "B",
            "image": one,
        },
        {
            "index": 2,
            "question": "Same?",
            "hint": "",
            "A": "no",
            "B": "yes",
            "C": "maybe",
            "answer": "B",
            "image": "1",
        },
        {"index": 3, "question": "How many?", "hint": "", "A": "", "B": "", "C": "", "answer": "12", "image": two},
        {
            "index": 4,
            "question": "Two?",
            "hint": "",
            "A": "x",
            "B": "y",
            "C": "",
            "answer": "A",
            "image": str([one, two]),
        },
    ]
    with (tmp_path / "MMBench.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    source = CsvSource(name="t", path=str(tmp_path / "MMBench.tsv"), schema="vlmevalkit")
    assert sorted(read(source, tmp_path)) == [
        ("How many?", "number", "12", [], 1),
        ("Look.\nWhat?", "choice", "B", ["cat", "dog"], 1),
        ("Same?", "choice", "B", ["no", "yes", "maybe"], 1),
        ("Two?", "choice", "A", ["x", "y"], 2),
    ]
    kept = taken(source, tmp_path).kept
    shown = dict(zip(kept["source"].struct["row"], kept["media"].to_list(), strict=True))
    assert shown["1"] == shown["2"], "row 2 names the image of row 1"


def test_vlmevalkit_with_images_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "b.png").write_bytes(png("blue"))
    (tmp_path / "x.tsv").write_text(
        "index\tquestion\tanswer\timage_path\n1\tq\tfoo\t\"['a.png', 'b.png']\"\n2\tq\tbar\ta.png\n"
    )
    source = CsvSource(name="t", path=str(tmp_path / "x.tsv"), schema="vlmevalkit")
    assert [(r.answer, r.images) for r in read(source, tmp_path)] == [("foo", 2), ("bar", 1)]


def test_a_long_line_of_base64_is_read(tmp_path: Path) -> None:
    file = BytesIO()
    Image.new("RGB", (1000, 800), "red").save(file, "BMP")
    row = f"1\tq\tfoo\t{base64.b64encode(file.getvalue()).decode()}\n"
    assert len(row) > 2**21, "longer than DuckDB takes by itself"
    (tmp_path / "x.tsv").write_text("index\tquestion\tanswer\timage\n" + row)
    assert read(CsvSource(name="t", path=str(tmp_path / "x.tsv"), schema="vlmevalkit"), tmp_path)[0].images == 1


# --- what is told ---------------------------------------------------------------------------------------------------


def test_a_schema_that_there_is_not_names_those_that_there_are() -> None:
    with pytest.raises(
        ValidationError, match=r"no schema 'chartQA'. Did you mean 'chartqa'\? Schemas: ai2d, chartqa"
    ) as told:
        JsonlSource(name="t", path="x", schema="chartQA")
    assert all(name in str(told.value) for name in SCHEMAS)
    with pytest.raises(ValidationError, match="give 'schema' or 'select', not both"):
        JsonlSource(name="t", path="x", schema="chartqa", select="FROM raw")


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_columns_of_another_dataset_are_one_sentence(schema: str, tmp_path: Path) -> None:
    source = parquet(tmp_path, schema, [{"a": "x"}], a=pa.string())
    with pytest.raises(ConfigError, match=rf"schema '{schema}' \(.*\) has the columns .*; here are a\."):
        check_source(source)


def test_a_source_that_is_read_once_takes_no_schema_that_reads_twice(tmp_path: Path) -> None:
    table = {"index": ["1"], "question": ["q"], "answer": ["a"], "image": ["x"]}
    pl.DataFrame(table).write_parquet(tmp_path / "train.parquet")
    with pytest.raises(ConfigError, match="schema 'vlmevalkit' reads its table twice; give it as a file"):
        check_source(HuggingFaceSource(name="t", path=str(tmp_path), schema="vlmevalkit"))


def test_a_hugging_face_source_takes_a_schema(tmp_path: Path) -> None:
    rows = [{"image": image(), "query": "How many bars?", "label": ["14"]}]
    parquet(tmp_path, "chartqa", rows, image=IMAGE, query=pa.string(), label=TEXTS)
    source = HuggingFaceSource(name="t", path=str(tmp_path), schema="chartqa")
    assert read(source, tmp_path / "out") == [("How many bars?", "number", "14", [], 1)]


def test_the_docs_list_every_schema() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sources.md").read_text()
    for name, schema in SCHEMAS.items():
        assert f"| `{name}` | {schema.published} |" in text
