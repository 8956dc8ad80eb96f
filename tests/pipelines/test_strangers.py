# ruff: noqa: E501  (a sentence is exact and stays on its line)
"""Recipes and rows that were written to do harm: each ends in a sentence, or in dropped rows, and nothing else happens."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from pipelines.ingest.ingest import ingest
from pipelines.job import compile_recipe, open_job
from pipelines.preflight import check
from pipelines.sources.files import JsonlSource
from pipelines.store.media import MediaStore
from schemas.errors import ConfigError

SOURCE = "sources:\n  - {type: jsonl, name: q, path: q.jsonl}\n"
BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 7)
)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """What `validate` says of a recipe in a folder of its own, which it leaves as it was."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "private.txt").write_text("my-secret\n")
    (home / "q.jsonl").write_text('{"question":"What is 1 plus 1?","answer":"2"}\n')
    monkeypatch.chdir(home)

    def say(text: str) -> str:
        (home / "r.yaml").write_text(text)
        with pytest.raises(ConfigError) as caught:
            check(open_job(compile_recipe("r.yaml"), tmp_path / "out"))
        assert {path.name for path in home.iterdir()} == {"q.jsonl", "r.yaml"} and not (tmp_path / "out").exists()
        said = str(caught.value)
        assert "my-secret" not in said and "S3cret" not in said and "root:" not in said
        return said

    return say


def test_a_select_does_not_leave_its_parentheses(refused: Callable[[str], str]) -> None:
    select = (
        "SELECT 1); COPY (SELECT 'evil line' AS x) TO 'written.txt' (FORMAT csv, HEADER false); DESCRIBE SELECT * FROM "
        "(SELECT question, answer FROM raw"
    )
    said = refused(
        f'name: sqli\nsources:\n  - {{type: jsonl, name: q, path: q.jsonl, select: "{select}"}}\nsteps: [dedup]\n'
    )
    assert said.startswith("Source 'q': 'select' does not work")


@pytest.mark.parametrize("path", ["/etc/passwd", "../private.txt"])
def test_a_select_reads_no_file(path: str, refused: Callable[[str], str]) -> None:
    select = f"SELECT content AS question, 'x' AS answer FROM read_text('{path}')"
    text = f'name: read\nsources:\n  - {{type: jsonl, name: q, path: q.jsonl, select: "{select}"}}\nsteps:\n  - release: {{rl: {{of: sample}}}}\n'
    assert refused(text) == "Source 'q': 'select' calls read_text(), which reads more than raw."


@pytest.mark.parametrize("path", ["/etc/passwd", "../private.txt", "sub/../../private.txt"])
def test_a_card_lies_beside_its_recipe(path: str, refused: Callable[[str], str]) -> None:
    said = refused(f"name: cardfile\n{SOURCE}steps:\n  - release: {{card: {path}, rl: {{of: sample}}}}\n")
    assert f"card: '{path}' lies outside the recipe's folder" in said


def test_a_model_line_with_keys(refused: Callable[[str], str]) -> None:
    model = (
        'm: {model: fake, engine: openai, base_urls: ["http://alice:S3cretUserinfo@127.0.0.1:1/v1"], '
        'args: {extra_headers: {Authorization: "Bearer sk-S3cretHeader123456"}, extra_query: {api_key: S3cretQuery}}}'
    )
    said = refused(f"name: keys\nmodels:\n  {model}\n{SOURCE}steps: [dedup]\n").splitlines()
    assert [line.partition("'")[2].partition("'")[0] for line in said] == [
        "models.m.base_urls.0", "models.m.args.extra_headers", "models.m.args.extra_query",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name: loop\ndescription: &a [*a]\nsources: []\n", "an alias holds itself"),
        (f"name: bomb\n{BOMB}", "more than 100,000 keys and items once aliases are written out"),
        (f"name: deep\ndescription: {'[' * 3000}{']' * 3000}\n", "nested too deeply"),
        (
            "name: x\ndescription: !!python/object/apply:os.system [id]\n",
            "the tag !!python/object/apply:os.system is not read",
        ),
    ],
)
def test_yaml_that_grows_or_runs(text: str, sentence: str, refused: Callable[[str], str]) -> None:
    assert sentence in refused(text)


def test_a_row_names_no_image_of_the_disk(tmp_path: Path) -> None:
    for folder in ("data", "private"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "private" / "passport.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "data" / "own.png")
    (tmp_path / "data" / "link.png").symlink_to("../private/passport.png")
    private = str(tmp_path / "private" / "passport.png")
    images = [
        "../private/passport.png",
        private,
        "link.png",
        f"file://{private}",
        "..\\private\\passport.png",
        "own.png",
    ]
    images += [
        "data/../../private/passport.png",
        "own.png/../../private/passport.png",
        "~/passport.png",
        "%2e%2e/private/passport.png",
    ]
    rows = [{"question": f"{n}?", "answer": "2", "image": image} for n, image in enumerate(images)]
    (tmp_path / "data" / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (part,) = ingest([JsonlSource(name="q", path=str(tmp_path / "data" / "q.jsonl"))], MediaStore(tmp_path / "media"))
    assert part.kept["question"].to_list() == ["5?"]
    assert len(part.dropped) == len(images) - 1
    assert len([path for path in (tmp_path / "media").rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "raw", ["x" + "^x" * 400, "\\sqrt{" * 500 + "2" + "}" * 500, "1e999999999", "9**9**9**9", "(" * 5000]
)
def test_a_gold_that_is_hard_to_read_costs_its_row(raw: str, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"question": "a?", "answer": "x+1"},
        {"question": "b?", "answer": raw},
        {"question": "c?", "answer": "2"},
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = JsonlSource(name="q", path=str(tmp_path / "q.jsonl"), kind="expression")
    parts = list(ingest([source], MediaStore(tmp_path / "media")))
    kept = pl.concat([part.kept for part in parts])["question"].to_list()
    gone = pl.concat([part.dropped for part in parts])["reason"].to_list()
    assert {"a?", "c?"} <= set(kept) and len(kept) + len(gone) == 3 and set(gone) <= {"ingest:gold_unparseable"}
