"""Exports of chosen rows and configs: part of what an export is, and sentences for what cannot be chosen."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hostile_sql import TABLES
from typer.testing import CliRunner

from flows.cli import app
from pipelines.export.catalogue import exporter_of
from pipelines.export.rows import open_release
from pipelines.export.sheets import choose
from pipelines.export.write import default_target, export
from schemas.errors import ConfigError

Stored = Callable[[Path, str], list[dict[str, Any]]]


def chosen(release: Path, trainer: str, where: str | None = None, *configs: str) -> Any:
    return choose(open_release(str(release), Path()), exporter_of(trainer), where, configs)


def made(release: Path, trainer: str, target: Path, where: str | None = None, *configs: str) -> dict[str, Any]:
    return export(chosen(release, trainer, where, *configs), exporter_of(trainer), target)


def ids(target: Path, sheet: str) -> list[str]:
    found: list[str] = pq.read_table(target / sheet, columns=["id"])["id"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ("k >= 2", lambda row: row["k"] >= 2),
        ("verifier = 'number' OR len(images) > 1", lambda row: row["verifier"] == "number" or len(row["images"]) > 1),
        ("len(images) = 0", lambda row: not row["images"]),
        ("prompt[1].content LIKE '%seven%'", lambda row: "seven" in row["prompt"][0]["content"]),
        ("true", lambda row: True),
    ],
)
def test_rows_that_meet_a_condition(
    shapes: Path, stored: Stored, where: str, keeps: Callable[[dict[str, Any]], bool], tmp_path: Path
) -> None:
    found = made(shapes, "verl", tmp_path / "out", where, "rl")
    wanted = [row for row in stored(shapes, "rl") if keeps(row)]
    assert 0 < len(wanted) <= found["rows"]["train"] == len(ids(tmp_path / "out", "train"))
    assert ids(tmp_path / "out", "train") == [row["id"] for row in wanted]
    left = {"not_chosen": len(stored(shapes, "rl")) - len(wanted), "undecided": 0}
    assert found["selection"] == {"configs": ["rl"], "where": where, "left_out": {"train": left}}
    sees = any(row["images"] for row in wanted)
    assert ("images" in pq.read_schema(tmp_path / "out" / "train" / "part-00000.parquet").names) == sees
    assert where in (tmp_path / "out" / "README.md").read_text("utf-8")
    assert not (tmp_path / "out" / "sft").exists() and not (tmp_path / "out" / "sft.sh").exists()


def test_a_row_that_null_does_not_decide_stays_behind_and_is_counted(
    shapes: Path, stored: Stored, tmp_path: Path
) -> None:
    rows = stored(shapes, "rl")
    found = made(shapes, "trl", tmp_path / "out", "CASE WHEN k > 0 THEN true END", "rl")
    none = sum(row["k"] == 0 for row in rows)
    assert found["selection"]["left_out"] == {"grpo": {"not_chosen": 0, "undecided": none}} and none
    assert found["rows"]["grpo"] == len(rows) - none


def test_the_same_selection_writes_nothing_and_another_is_another_export(shapes: Path, tmp_path: Path) -> None:
    whole = made(shapes, "trl", tmp_path / "whole")
    first = made(shapes, "trl", tmp_path / "out", "k >= 2", "rl")
    stamp = (tmp_path / "out").stat().st_ino
    assert made(shapes, "trl", tmp_path / "out", " k >= 2 ", "rl", "rl") == first
    assert (tmp_path / "out").stat().st_ino == stamp and first["key"] != whole["key"]
    for where, configs in ((None, ()), ("k >= 2", ()), ("k >= 1", ("rl",)), ("k >= 2", ("rl", "sft"))):
        with pytest.raises(ConfigError, match=r"of shapes/v1 for trl, of other rows\. Name another folder with --out"):
            made(shapes, "trl", tmp_path / "out", where, *configs)
    with pytest.raises(ConfigError, match="of other rows"):
        made(shapes, "trl", tmp_path / "whole", "k >= 2")
    targets = {
        default_target(chosen(shapes, "trl", *choice), "trl", tmp_path)
        for choice in ((), ("k >= 2",), ("k >= 2", "rl"), ("k >= 2", "rl", "sft"), ("k >= 2", "sft", "rl"))
    }
    assert len(targets) == 4 and tmp_path / "exports" / "shapes" / "v1" / "trl" in targets


@pytest.mark.parametrize(
    ("where", "configs", "sentence"),
    [
        (None, ("rls",), r"shapes/v1 has no config 'rls'; it has sft, rl, .*Did you mean 'rl'\?"),
        (None, ("preference",), r"verl has no use for rows such as those of config 'preference'"),
        (
            "kk > 2",
            ("rl",),
            r"--where, of the rows of 'rl': `kk > 2` reads kk, which nothing gives\. Did you mean 'k'\?",
        ),
        ("completion = 'a'", (), r"of the rows of 'rl': .*reads completion"),
        ("k >", (), r"--where: `k >`"),
        ("k", (), r"is no condition"),
        ("k > 'many'", (), r"--where, of the rows of 'rl': `k > 'many'`"),
        ("k > 100", (), r"no row of shapes/v1 meets `k > 100`"),
        ("k IN (SELECT 1)", (), r"--where: `k IN \(SELECT 1\)`"),
    ],
)
def test_what_cannot_be_chosen_is_a_sentence(
    shapes: Path, where: str | None, configs: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        chosen(shapes, "verl", where, *configs)


@pytest.mark.parametrize("table", TABLES)
def test_a_condition_reads_nothing_but_its_row(shapes: Path, tmp_path: Path, table: str) -> None:
    (tmp_path / "secret.csv").write_text("a\nplanted\n")
    filled = table.replace("SECRET", str(tmp_path / "secret.csv")).replace("OUT", str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="--where: "):
        chosen(shapes, "verl", f"EXISTS (FROM {filled.replace('FOLDER', str(tmp_path))})")
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_a_set_to_compare_with_is_exported_where_it_is_named(make_release: Any, stored: Stored, tmp_path: Path) -> None:
    release = make_release()
    assert "grpo_control" not in made(release, "trl", tmp_path / "all")["rows"]
    assert made(release, "trl", tmp_path / "out", None, "control")["rows"] == {
        "grpo_control": len(stored(release, "rl"))
    }
    assert "grpo_control/part-00000.parquet" in (tmp_path / "out" / "grpo_control.yaml").read_text()


def test_the_command_takes_a_condition_and_configs(shapes: Path, tmp_path: Path) -> None:
    workspace = str(shapes.parent.parent.parent)
    command = ["export", "shapes", "trl", "-w", workspace, "--where", "k >= 2", "--config", "rl", "--config", "sft"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0 and "dpo" not in done.output, done.output
    assert set(json.loads((tmp_path / "out" / "export.json").read_text())["rows"]) == {"sft", "sft_messages", "grpo"}
    done = CliRunner().invoke(app, [*command, "--where", "kk > 1"])
    assert done.exit_code == 2 and "Did you mean 'k'?" in done.output.replace("\n", " ")
