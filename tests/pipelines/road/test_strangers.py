"""Somebody else's recipe, rows and release: what they may name, read and write on this machine."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from flows.push import pack
from pipelines.build import run_build
from pipelines.explain.query import run_query
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.preflight import check
from pipelines.recipe.load import load_recipe
from pipelines.release.versions import find_release
from pipelines.road.stage import Build
from pipelines.sources.files import CsvSource, JsonlSource, ParquetSource
from pipelines.sources.image_folder import ImageFolderSource
from pipelines.sources.read import check_source, read_rows
from pipelines.sources.scenes import ScenesSource
from pipelines.sources.section import SourceSection
from pipelines.store.media import MediaStore
from pipelines.store.read_only_sql import connect, lock
from pipelines.store.workspace import Workspace
from schemas.errors import ConfigError
from schemas.split import Split

# --- SQL of a recipe ----------------------------------------------------------------------------------------------

ROW = {"question": "1 + 1?", "answer": "2"}

HOSTILE = [
    "SELECT 1); COPY (SELECT 'x') TO 'OUT'; DESCRIBE SELECT * FROM (SELECT question, answer FROM raw",
    "SELECT question, answer FROM raw; COPY (SELECT 'x') TO 'OUT'",
    "SELECT * FROM raw) TO 'OUT' --",
    "WITH x AS (SELECT 1) INSERT INTO raw SELECT 1, 2",
    "SELECT content AS question, 'a' AS answer FROM read_text('SECRET')",
    "SELECT content AS question, 'a' AS answer FROM read_blob('SECRET')",
    "SELECT file AS question, 'a' AS answer FROM glob('FOLDER/*')",
    "SELECT column0 AS question, 'a' AS answer FROM read_csv('SECRET')",
    "FROM 'SECRET'",
    "SELECT question, (SELECT content FROM read_text('SECRET')) AS answer FROM raw",
    "FROM query('SELECT content AS question, content AS answer FROM read_text(''SECRET'')')",
]


def _sources(root: Path) -> list[SourceSection]:
    (root / "data").mkdir(exist_ok=True)
    (root / "data" / "q.jsonl").write_text(json.dumps(ROW) + "\n")
    (root / "data" / "metadata.csv").write_text("question,answer,file_name\n1 + 1?,2,a.png\n")
    pl.DataFrame([ROW]).write_parquet(root / "data" / "q.parquet")
    data = str(root / "data")
    return [
        JsonlSource(name="t", path=f"{data}/q.jsonl"),
        ParquetSource(name="t", path=f"{data}/*.parquet"),
        CsvSource(name="t", path=f"{data}/metadata.csv"),
        ImageFolderSource(name="t", path=data),
        ScenesSource(name="t", n=1),
    ]


@pytest.mark.parametrize("select", HOSTILE)
def test_a_select_of_a_recipe_only_reads_its_own_source(select: str, tmp_path: Path) -> None:
    secret, out = tmp_path / "secret.csv", tmp_path / "written"
    secret.write_text("token\nmy-secret\n")
    for name, path in {"SECRET": secret, "OUT": out, "FOLDER": tmp_path}.items():
        select = select.replace(name, str(path))
    for source in _sources(tmp_path):
        hostile = source.model_copy(update={"select": select})
        with pytest.raises(ConfigError, match=r"^Source 't'") as caught:
            check_source(hostile)
        assert "my-secret" not in str(caught.value)
        with pytest.raises(ConfigError):
            list(read_rows(hostile))
        assert not out.exists()


def test_validate_runs_no_statement_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps(ROW) + "\n")
    out = tmp_path / "written"
    source = {"type": "jsonl", "name": "q", "path": str(tmp_path / "q.jsonl")}
    evil = {**source, "name": "e", "select": HOSTILE[0].replace("OUT", str(out))}
    recipes: list[dict[str, Any]] = [
        {"sources": [evil]},
        {"sources": [source], "decontaminate": {"sources": [evil], "embeddings": False}},
    ]
    for recipe in recipes:
        path = tmp_path / "r.yaml"
        path.write_text(json.dumps({"name": "r", **recipe}))
        with pytest.raises(ConfigError, match="Source 'e': 'select' does not work"):
            check(Build(load_recipe(str(path)), Workspace(tmp_path / "out")))
        assert not out.exists()


def test_a_good_select_still_reads_every_source(tmp_path: Path) -> None:
    for source in _sources(tmp_path):
        select = "WITH a AS (FROM raw) SELECT question, answer, current_date AS day FROM a -- done"
        assert check_source(source.model_copy(update={"select": select}))
        assert list(read_rows(source.model_copy(update={"select": select})))


def test_a_linked_source_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "blob").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "q.jsonl").symlink_to(tmp_path / "blob")
    (rows,) = read_rows(JsonlSource(name="t", path=str(tmp_path / "q.jsonl")))
    assert rows["answer"].to_list() == ["2"]


@pytest.mark.parametrize(
    "statement",
    [
        "INSTALL httpfs",
        "LOAD httpfs",
        "ATTACH 'FOLDER/x.db'",
        "EXPORT DATABASE 'FOLDER/x'",
        "SET enable_external_access = true",
        "SET allowed_directories = ['/']",
        "RESET lock_configuration",
        "COPY (SELECT 1) TO 'FOLDER/x.csv'",
    ],
)
def test_a_locked_connection_cannot_be_opened_again(statement: str, tmp_path: Path) -> None:
    import duckdb

    with connect() as connection:
        lock(connection)
        with pytest.raises(duckdb.Error):
            connection.execute(statement.replace("FOLDER", str(tmp_path)))
        assert connection.execute("SELECT 1").fetchall() == [(1,)]
    assert not list(tmp_path.iterdir())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    stage = tmp_path / "out" / "builds" / "r" / "ingest"
    stage.mkdir(parents=True)
    (stage / "stage.json").write_text("{}")
    pl.DataFrame({"id": ["a", "b"], "kind": ["x", "y"]}).write_parquet(stage / "kept.parquet")
    return tmp_path / "out"


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("COPY (SELECT 1) TO 'FOLDER/x.csv'", r"holds COPY, and `curate query` only reads"),
        ("SELECT 1; COPY samples TO 'FOLDER/x.csv'", "holds COPY"),
        ("EXPORT DATABASE 'FOLDER/x'", "holds EXPORT"),
        ("EXPLAIN ANALYZE COPY samples TO 'FOLDER/x.csv'", "holds EXPLAIN"),
        ("ATTACH 'FOLDER/x.db'", "holds ATTACH"),
        ("SET threads = 1", "holds SET"),
        ("SELECT * FROM read_text('/etc/hostname')", "The query failed: Permission Error"),
        ("FROM 'FOLDER/secret.csv'", r"The query failed: (Permission|Catalog) Error"),
    ],
)
def test_a_query_only_reads_the_workspace(sql: str, message: str, workspace: Path) -> None:
    folder = workspace.parent
    (folder / "secret.csv").write_text("a\nb\n")
    with pytest.raises(ConfigError, match=message):
        run_query(workspace, sql.replace("FOLDER", str(folder)))
    assert {p.name for p in folder.iterdir()} == {"out", "secret.csv"}


def test_queries_of_all_shapes_still_answer(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "samples" in run_query(workspace, "SHOW TABLES")
    assert "VARCHAR" in run_query(workspace, "DESCRIBE samples")
    assert "2" in run_query(workspace, "SELECT count(*) FROM samples;")
    assert "x" in run_query(workspace, "PIVOT samples ON kind USING count(*)")
    monkeypatch.chdir(workspace.parent)
    assert "b" in run_query(Path("out"), "FROM samples")


# --- images of a row ----------------------------------------------------------------------------------------------


def _rows(root: Path, images: list[Any], config: IngestConfig | None = None, **options: Any) -> Split:
    rows = [{"question": f"{n}?", "answer": "2", "image": image} for n, image in enumerate(images)]
    (root / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = JsonlSource(name="t", path=str(root / "q.jsonl"), **options)
    parts = list(ingest([source], MediaStore(root.parent / "media"), config))
    return Split(pl.concat([p.kept for p in parts]), pl.concat([p.dropped for p in parts]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """`data/` is a source's folder with one image, `private/` is none of its business."""
    for folder in ("data", "private"):
        (tmp_path / folder).mkdir()
        Image.new("RGB", (40, 30), "red").save(tmp_path / folder / "a.png")
    (tmp_path / "data" / "file.png").symlink_to(tmp_path / "private" / "a.png")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "private")
    (tmp_path / "data" / "near.png").symlink_to("a.png")
    return tmp_path / "data"


def test_a_row_names_only_what_lies_in_its_sources_folder(data: Path) -> None:
    private = data.parent / "private"
    outside = [
        "../private/a.png",
        str(private / "a.png"),
        "file.png",
        "folder/a.png",
        "x/../../private/a.png",
        "/etc/hostname",
        "/etc/no-such-file",
        "../private/no-such-file",
    ]
    split = _rows(data, outside)
    assert split.kept.is_empty()
    assert split.dropped["reason"].unique().to_list() == ["ingest:image_outside"]
    for evidence in map(json.loads, split.dropped["evidence"]):
        assert set(evidence) == {"source", "row", "question", "path", "error"}, "neither size nor existence is told"
        assert "image_root" in evidence["error"]


def test_links_and_absolute_paths_inside_are_read(data: Path) -> None:
    inside = ["a.png", "near.png", str(data / "a.png"), "x/../a.png", "./a.png"]
    (data / "x").mkdir()
    assert _rows(data, inside).kept.height == len(inside)


def test_image_root_opens_other_folders(data: Path) -> None:
    private = str(data.parent / "private")
    split = _rows(data, ["folder/a.png", "a.png", f"{private}/a.png"], image_root=[str(data), private])
    assert split.kept.height == 3
    moved = _rows(data, ["a.png", str(data / "a.png")], image_root=private)
    assert (moved.kept.height, moved.dropped["reason"].to_list()) == (1, ["ingest:image_outside"])


def test_a_source_of_bytes_opens_no_path() -> None:
    assert ScenesSource(n=1).image_folders == ()


def test_only_regular_files_are_opened(data: Path) -> None:
    os.mkfifo(data / "pipe.png")
    (data / "zero.png").symlink_to("/dev/zero")
    (data / "ring.png").symlink_to("ring.png")
    config = IngestConfig(max_bytes=10_000)
    images = ["pipe.png", "zero.png", "ring.png", "folder", "a.png"]
    split = _rows(data, images, config, image_root=[str(data), "/dev", str(data.parent / "private")])
    assert split.kept.height == 1
    assert split.dropped["reason"].unique().to_list() == ["ingest:image_missing"]


def test_no_more_of_a_file_is_read_than_is_allowed(data: Path) -> None:
    with (data / "hole.png").open("wb") as file:
        file.truncate(2**40)
    split = _rows(data, ["hole.png"], IngestConfig(max_bytes=1000))
    assert split.dropped["reason"].to_list() == ["ingest:image_too_large"]
    assert json.loads(split.dropped["evidence"][0])["bytes"] == 2**40


# --- the card -----------------------------------------------------------------------------------------------------


def _recipe(folder: Path, release: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "r.yaml"
    path.write_text(f"name: r\nsources:\n  - {{type: scenes, n: 1}}\n{release}\n")
    return path


def test_a_card_template_lies_beside_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("my-secret")
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "link.jinja").symlink_to(tmp_path / "secret.txt")
    (folder / "card.jinja").write_text("{{ name }}")
    outside = [str(tmp_path / "secret.txt"), "../secret.txt", "link.jinja", "x/../../secret.txt"]
    for card in outside:
        with pytest.raises(ConfigError, match=r"r.yaml:5: release.card: '.*' lies outside the recipe's folder"):
            load_recipe(str(_recipe(folder, f"release:\n  card: {card}")))
    merged = "release:\n  <<: {card: ../secret.txt}"
    with pytest.raises(ConfigError, match="the merge key << is not read"):
        load_recipe(str(_recipe(folder, merged)))
    assert load_recipe(str(_recipe(folder, "release: {card: card.jinja}"))).release.card == folder / "card.jinja"
    own = load_recipe(str(_recipe(folder, "")), [f"release.card={tmp_path / 'secret.txt'}"])
    assert own.release.card == tmp_path / "secret.txt", "what the user says on the command line stands"


def test_a_chat_template_lies_beside_its_recipe(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("my-secret")
    folder = tmp_path / "recipes"
    models = "models:\n  m: {{model: reference-vlm, args: {{chat_template: {}}}}}"
    for file in (str(tmp_path / "secret.txt"), "../secret.txt"):
        with pytest.raises(ConfigError, match=r"models.m.args.chat_template: '.*' lies outside the recipe's folder"):
            load_recipe(str(_recipe(folder, models.format(file))))
    beside = load_recipe(str(_recipe(folder, models.format("chat.jinja"))))
    assert beside.models["m"].args["chat_template"] == str(folder / "chat.jinja")
    inline = load_recipe(str(_recipe(folder, models.format("'{{ messages }}'"))))
    assert inline.models["m"].args["chat_template"] == "{{ messages }}"
    key = "models.m.args.chat_template"
    own = load_recipe(str(_recipe(folder, models.format("x"))), [f"{key}={tmp_path / 'secret.txt'}"])
    assert own.models["m"].args["chat_template"] == str(tmp_path / "secret.txt")


def test_a_release_from_elsewhere_names_no_file_here(tmp_path: Path) -> None:
    (tmp_path / "mine.jinja").write_text("{{ name }} by me")
    (tmp_path / "secret.txt").write_text("my-secret")
    recipe = load_recipe(str(_recipe(tmp_path, "split: {sft: 0, rl: 1, holdout: 0}\nrelease: {card: mine.jinja}")))
    run_build(Build(recipe, Workspace(tmp_path / "out")))
    release = find_release("r", tmp_path / "out")
    assert (release / "README.md").read_text().endswith("r by me\n")
    (tmp_path / "mine.jinja").unlink()
    card = pack(release, "me/r").files["README.md"]
    assert isinstance(card, bytes)
    assert card.endswith(b"r by me\n"), "the release keeps its own template"

    manifest = json.loads((release / "manifest.json").read_text())
    manifest["recipe"]["release"]["card"] = str(tmp_path / "secret.txt")
    manifest["card"] = None
    (release / "manifest.json").write_text(json.dumps(manifest))
    card = pack(release, "me/r").files["README.md"]
    assert isinstance(card, bytes)
    assert b"my-secret" not in card


def test_a_small_recipe_of_endless_aliases_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    for text in ("\n".join(levels), "a: &a [*a]", "[" * 3000 + "]" * 3000):
        path.write_text(text)
        with pytest.raises(
            ConfigError, match=r"r\.yaml:\d+: (not valid YAML: it is nested too deeply|there are more than 100,000 k)"
        ):
            load_recipe(str(path))
