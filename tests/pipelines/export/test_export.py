"""What holds for every exporter."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import recipe_build
from flips import SLOW, in_turn
from sealing import resealed
from typer.testing import CliRunner

from filters.verify import reward as ours
from flows.cli import app
from generators.scenes import iter_scenes, render
from pipelines.export import write
from pipelines.export.catalogue import EXPORTERS, exporter_of
from pipelines.export.image_tokens import check_marks, escape, marked_question
from pipelines.export.rows import Image, Row, UnfitError, open_release, read_row
from pipelines.export.sheet import CURRICULUM, curriculum
from pipelines.export.write import export
from schemas.errors import ConfigError

TRAINERS = list(EXPORTERS)
Stored = Callable[[Path, str], list[dict[str, Any]]]


def made(release: Path, trainer: str, target: Path) -> dict[str, Any]:
    return export(open_release(str(release), Path()), exporter_of(trainer), target)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_datasets_reads_every_row_or_its_reason(shapes: Path, stored: Stored, trainer: str, tmp_path: Path) -> None:
    from datasets import load_dataset

    told = made(shapes, trainer, tmp_path / trainer)
    dropped = pq.read_table(tmp_path / trainer / "dropped.parquet").to_pylist()
    assert any(told["rows"].values())
    for sheet in EXPORTERS[trainer].sheets:
        wanted = [row["id"] for row in stored(shapes, sheet.split)]
        data = load_dataset(str(tmp_path / trainer), sheet.name, split="train", cache_dir=str(tmp_path / "cache"))
        gone = [row["id"] for row in dropped if row["sheet"] == sheet.name]
        assert [id_ for id_ in wanted if id_ not in gone] == data["id"][:]
        assert len(data) == told["rows"][sheet.name] == len(wanted) - len(gone)
        assert all(row["reason"].startswith("export:") for row in dropped)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_second_export_writes_nothing_and_one_by_other_code_is_written_anew(
    shapes: Path, trainer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(shapes, trainer, tmp_path / "out")
    stamp = (tmp_path / "out").stat().st_ino
    assert made(shapes, trainer, tmp_path / "out") == first
    assert (tmp_path / "out").stat().st_ino == stamp
    before = tree(tmp_path / "out")
    monkeypatch.setattr(write, "written_by", lambda: "other code")
    made(shapes, trainer, tmp_path / "out")
    after = tree(tmp_path / "out")
    assert {k: v for k, v in after.items() if k != "export.json"} == {
        k: v for k, v in before.items() if k != "export.json"
    }
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_change_of_any_exporter_is_other_code(tmp_path: Path) -> None:
    folder, written_by = shutil.copytree(Path(write.__file__).parent, tmp_path / "export"), write.written_by.__wrapped__
    assert written_by(folder) == write.written_by()
    seen = {write.written_by()}
    for path in sorted(folder.glob("*.py")):
        path.write_text(path.read_text("utf-8") + "\n# other\n", "utf-8")
        seen.add(written_by(folder))
    (folder / "more.py").write_text("")
    assert len(seen | {written_by(folder)}) == len(list(folder.glob("*.py"))) + 1


@pytest.mark.parametrize("how", ["flipped", "gone", "cut off", "summary"])
def test_a_damaged_export_is_written_anew(shapes: Path, tmp_path: Path, how: str) -> None:
    made(shapes, "trl", tmp_path / "out")
    before, path = tree(tmp_path / "out"), tmp_path / "out" / "grpo" / "part-00000.parquet"
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "summary":
        summary = json.loads((tmp_path / "out" / "export.json").read_text())
        (tmp_path / "out" / "export.json").write_text(json.dumps(summary | {"files": [{"path": 3}]}))
    else:
        path.write_bytes(data[:500] + bytes([data[500] ^ 1]) + (data[501:] if how == "flipped" else b""))
    made(shapes, "trl", tmp_path / "out")
    assert tree(tmp_path / "out") == before


def check_flips(release: Path, out: Path, number: int) -> None:
    """Whatever bit of an export flips, it is written anew, or it is said that it is none."""
    first = made(release, "trl", out)
    before = tree(out)
    files = [out / name for name in before]
    for path in in_turn(files, number, "export", "file of an export"):
        try:
            assert made(release, "trl", out) == first
        except ConfigError as error:
            assert path.name == "export.json", error
        else:
            assert path.name == "export.json" or tree(out) == before


def test_a_flipped_bit_of_an_export_is_found(shapes: Path, tmp_path: Path) -> None:
    check_flips(shapes, tmp_path / "out", 12)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_many_flipped_bits_of_an_export_are_found(shapes: Path, tmp_path: Path) -> None:
    check_flips(shapes, tmp_path / "out", SLOW["file of an export"])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_images_beside_the_parquet_are_exported_as_those_inside(
    shapes: Path, make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release(images="reference")
    assert all(i["bytes"] is None for row in pq.read_table(release / "rl").to_pylist() for i in row["images"])
    made(release, trainer, tmp_path / "out")
    beside = tree(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    made(shapes, trainer, tmp_path / "out")
    inside = tree(tmp_path / "out")
    del beside["export.json"], inside["export.json"]
    assert beside == inside


@pytest.mark.parametrize("trainer", TRAINERS)
def test_no_images_no_column(make_release: Callable[..., Path], trainer: str, tmp_path: Path) -> None:
    release = make_release([("What is one and one?", 0, "number", "2", [], "1 + 1 = 2")])
    made(release, trainer, tmp_path / "out")
    for path in (tmp_path / "out").glob("*/*.parquet"):
        assert "images" not in pq.read_schema(path).names
    for path in (tmp_path / "out").glob("*.jsonl"):
        assert all("images" not in json.loads(line) for line in path.read_text().splitlines())


@pytest.mark.parametrize("trainer", TRAINERS)
def test_order_and_worth_arrive_and_the_readme_names_the_switch(
    shapes: Path, stored: Stored, trainer: str, tmp_path: Path
) -> None:
    """Trainers shuffle: what the file's order alone said is lost, so it stands in every row of every sheet too."""
    from datasets import load_dataset

    made(shapes, trainer, tmp_path / "out")
    for sheet in EXPORTERS[trainer].sheets:
        release = {row["id"]: row for row in stored(shapes, sheet.split)}
        data = load_dataset(str(tmp_path / "out"), sheet.name, split="train", cache_dir=str(tmp_path / "cache"))
        told = data.select_columns(["id", *CURRICULUM]).to_list()
        assert told == [{"id": row["id"], **curriculum(release[row["id"]])} for row in told]
        if sheet.split == "rl":
            assert [row["order"] for row in told] == sorted(row["order"] for row in told)
            assert all(row["band"] == "medium" and row["value"] == 0.1 for row in told)
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert EXPORTERS[trainer].keeps_order in readme


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_file_that_the_readme_names_is_there(shapes: Path, trainer: str, tmp_path: Path) -> None:
    home = tmp_path / "out"
    made(shapes, trainer, home)
    readme = (home / "README.md").read_text("utf-8")
    named = re.findall(r"[\w./-]+\.(?:yaml|sh|py|txt|parquet|jsonl|jinja)\b", readme)
    assert all((home / path).exists() for path in named)
    assert str(tmp_path) not in readme


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_readme_says_which_of_its_names_have_no_rows(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release()
    gone = (
        ("rl", "preference") if any(sheet.split == "sft" for sheet in EXPORTERS[trainer].sheets) else ("sft", "holdout")
    )
    for config in gone:
        shutil.rmtree(release / config)
    resealed(release)
    told = made(release, trainer, tmp_path / "out")
    readme = (tmp_path / "out" / "README.md").read_text("utf-8")
    absent = [f"`{sheet.name}`" for sheet in EXPORTERS[trainer].sheets if not told["rows"][sheet.name]]
    assert (f"no rows for {', '.join(absent)}, so" in readme) == bool(absent)


@pytest.mark.parametrize("trainer", ["axolotl", "unsloth"])
def test_a_trainer_without_a_use_for_a_release_is_a_sentence_and_configs_left_behind_have_names(
    make_release: Callable[..., Path], trainer: str, tmp_path: Path
) -> None:
    release = make_release()
    told = made(release, trainer, tmp_path / "out")
    assert told["left_behind"] == ["rl", "preference", "holdout", "control", "unfiltered"]
    assert "nothing is here: `rl`, `preference`, `holdout`, `control`, `unfiltered`." in (
        tmp_path / "out" / "README.md"
    ).read_text("utf-8")
    for config in ("sft", "rl", "holdout"):
        shutil.rmtree(release / config)
    resealed(release)
    with pytest.raises(ConfigError, match=f"^{trainer} takes sft, and shapes/v1 has none of them; it has preference"):
        made(release, trainer, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_failure_leaves_the_old_export(shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(shapes, "trl", tmp_path / "out")
    before = tree(tmp_path / "out")
    monkeypatch.setattr(write, "written_by", lambda: "other code")
    monkeypatch.setattr(write, "render_readme", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(shapes, "trl", tmp_path / "out")
    assert tree(tmp_path / "out") == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_killed_export_leaves_nothing_half_and_the_next_one_clears_up(shapes: Path, tmp_path: Path) -> None:
    """Killed in the midst of writing, and between the two renames that put a new export in an old one's place."""
    target = tmp_path / "out"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from pipelines.export import write\n"
        "from pipelines.export.catalogue import exporter_of\n"
        "from pipelines.export.rows import open_release\n"
        "release, target, where = open_release(sys.argv[1], Path()), Path(sys.argv[2]), sys.argv[3]\n"
        "die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write.written_by = lambda: where\n"
        "if where == 'writing': write.render_readme = die\n"
        "else: Path.rename = lambda self, to, move=Path.rename: (move(self, to), die())\n"
        "write.export(release, exporter_of('trl'), target)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    def killed(where: str) -> None:
        command = [sys.executable, "-c", program, str(shapes), str(target), where]
        assert subprocess.run(command, check=False, env=environment).returncode == -signal.SIGKILL

    killed("writing")
    assert not target.exists() and list(tmp_path.iterdir())
    made(shapes, "trl", target)
    before = tree(target)
    killed("writing")
    assert tree(target) == before
    killed("renaming")
    assert not target.exists()
    made(shapes, "trl", target)
    assert [p.name for p in tmp_path.iterdir()] == ["out"] and tree(target) == before


def test_strangers_are_never_overwritten(shapes: Path, make_release: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("…")
    with pytest.raises(ConfigError, match=r"exists and is no export.*--out"):
        made(shapes, "trl", tmp_path / "mine")
    made(shapes, "trl", tmp_path / "out")
    with pytest.raises(ConfigError, match="holds the export of shapes/v1 for trl"):
        made(shapes, "hugging_face", tmp_path / "out")


def test_releases_are_found_by_folder_by_name_and_by_version(shapes: Path, tmp_path: Path) -> None:
    workspace = shapes.parent.parent.parent
    for name in (str(shapes), "shapes", "shapes/v1"):
        assert open_release(name, workspace).path == shapes
    for name in ("shapes/v2", "shape", "../..", ""):
        with pytest.raises(ConfigError, match=r"no release '.*: shapes/v1"):
            open_release(name, workspace)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(ConfigError, match="is damaged or was changed"):
        open_release(str(tmp_path), workspace)


def test_the_command(shapes: Path, tmp_path: Path) -> None:
    workspace = str(shapes.parent.parent.parent)
    said = CliRunner().invoke(app, ["export", "shapes", "trl", "--out", str(tmp_path / "out"), "-w", workspace])
    assert said.exit_code == 0 and "grpo: 6 rows" in said.output and (tmp_path / "out" / "README.md").is_file()
    said = CliRunner().invoke(app, ["export", "shapes", "torchtune", "-w", workspace])
    assert said.exit_code == 2 and "There is no exporter for 'torchtune'" in said.output


def test_a_built_release_loads_as_it_is_and_as_an_export(tmp_path: Path) -> None:
    from datasets import load_dataset

    rows = [{"question": f"What is {i} plus 1?", "answer": str(i + 1), "kind": "number"} for i in range(12)]
    for i, scene in enumerate(iter_scenes("curate", 6, seed=2, levels=(1,))):
        render(scene).save(tmp_path / f"{i}.png")
        rows[i]["image"] = str(tmp_path / f"{i}.png")
    steps = [
        {"split": {"rl": 0.7, "holdout": 0.3}},
        {"release": {side: {"of": "sample"} for side in ("rl", "holdout")}},
    ]
    recipe_build.built(recipe_build.write_recipe(tmp_path, steps, rows, name="sums"), tmp_path / "ws")
    release = open_release("sums", tmp_path / "ws")
    told = export(release, exporter_of("trl"), tmp_path / "out")
    for split, sheet in (("rl", "grpo"), ("holdout", "grpo_holdout")):
        inside = load_dataset(str(release.path), split, split="train", cache_dir=str(tmp_path / "cache"))
        outside = load_dataset(str(tmp_path / "out"), sheet, split="train", cache_dir=str(tmp_path / "cache"))
        assert len(inside) == told["rows"][sheet] > 0
        for name in ("id", "prompt", "solution", "answer", "options"):
            assert inside[name][:] == outside[name][:]
        for theirs, ours_ in zip(inside["images"][:], outside["images"][:], strict=True):
            assert [image.tobytes() for image in theirs] == [image.tobytes() for image in ours_]
    assert sum(told["rows"].values()) == len(rows)


def test_marks_are_disarmed_and_counted() -> None:
    assert (
        escape("a <image> b <|image_pad|><|vision_start|> <imagery>")
        == "a [image] b [image_pad][vision_start] <imagery>"
    )
    assert escape("no mark: <think> 1 < 2 </think>") == "no mark: <think> 1 < 2 </think>"
    row = Row(None, "See <image>.", (Image("a.png", b"x"), Image("b.png", b"y")), None, None, None, {})
    assert marked_question(row) == "<image><image>See [image]."
    check_marks(len(row.images), marked_question(row), "a reply")
    with pytest.raises(UnfitError, match="mark_count"):
        check_marks(len(row.images), marked_question(row), "a reply that says <image>")


def test_a_release_shows_no_files_but_its_own(make_release: Callable[..., Path], tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"not yours")
    release = make_release(images="reference")
    row = pq.read_table(release / "rl").to_pylist()[0]
    for path in (str(secret), os.path.relpath(secret, release)):
        with pytest.raises(UnfitError, match="no_image_bytes"):
            read_row({**row, "images": [{"bytes": None, "path": path}]}, release)
    assert read_row(row, release).images


def test_rows_that_no_format_can_hold_say_why() -> None:
    user = {"role": "user", "content": "Q"}
    good = {"prompt": [user], "images": [{"bytes": b"x", "path": "a.png"}]}
    assert read_row(good).images == (Image("a.png", b"x"),)
    assert read_row({"prompt": [user], "images": None}).images == ()
    assert read_row({**good, "chosen": "a", "rejected": [{"role": "assistant", "content": "b"}]}).rejected == "b"
    for broken, cause in [
        ({**good, "prompt": [user, {"role": "assistant", "content": "A"}, user]}, "conversation"),
        ({**good, "prompt": []}, "conversation"),
        ({**good, "images": [{"bytes": None, "path": "a.png"}]}, "no_image_bytes"),
        ({"prompt": [{"role": "user", "content": " "}], "images": []}, "empty_question"),
        ({**good, "completion": [user]}, "conversation"),
    ]:
        with pytest.raises(UnfitError, match=cause):
            read_row(broken)


def test_the_shipped_reward_is_our_verifier_and_needs_nothing_of_ours(
    shapes: Path, stored: Stored, tmp_path: Path
) -> None:
    made(shapes, "trl", tmp_path / "out")
    columns: dict[str, list[Any]] = {"completions": []}
    names = ("answer", "verifier", "verifier_params", "options", "tags")
    for row in stored(shapes, "rl"):
        gold = json.loads(row["answer"])["raw"]
        for said in (gold, "17", "it is " + gold, ""):
            columns["completions"].append(f"<think>…</think>\n<answer>\\boxed{{{said}}}</answer>")
            for name in names:
                columns.setdefault(name, []).append(row[name])
    expected = ours.reward(**columns)
    assert {0.0, 1.0} <= set(expected)
    program = (
        "import json, sys; sys.path.append(sys.argv[1]); from reward import reward\n"
        "print(json.dumps(reward(**json.load(sys.stdin))))\n"
        "assert not {'filters', 'schemas', 'pipelines'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(tmp_path / "out")],
        input=json.dumps(columns),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PATH": "", "PYTHONPATH": ""},
    )
    assert json.loads(done.stdout) == expected
