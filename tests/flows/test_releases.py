"""Commands on releases: any name of a config, and tables of steps."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.job import compile_recipe, open_job

RECIPE = """\
name: small
models:
  m: {model: reference-vlm, engine: transformers}
sources:
  - {type: jsonl, name: sums, path: ROWS, kind: number}
steps:
  - distill: {model: m, n: 3, sees: nothing, prompt: "{{ question }}", sampling: {temperature: 1.0, max_tokens: 5}}
  - rollout: {model: m, n: 2, sees: nothing, sampling: {max_tokens: 4}}
  - verify: {of: rollout}
  - difficulty: {unmeasured: keep}
  - release:
      cold: {of: trace, where: "true"}
      drill: {of: sample}
      trainer: null
"""
ROWS = 6


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two releases; the second has fewer traces."""
    folder = tmp_path_factory.mktemp("small")
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(ROWS)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "r.yaml").write_text(RECIPE.replace("ROWS", str(folder / "rows.jsonl")))
    for overrides in ((), ("steps.distill.n=2",)):
        open_job(compile_recipe(str(folder / "r.yaml"), overrides), folder / "out").run()
    return folder / "out"


def told(out: Path, *args: str) -> Result:
    return CliRunner().invoke(app, [*args, "-w", str(out)])


def test_configs_are_listed_by_their_own_names(out: Path) -> None:
    listed = told(out, "releases").output
    header = next(line for line in listed.splitlines() if "release" in line)
    assert "cold" in header
    assert "drill" in header
    assert "small/v2" in listed


def test_a_damaged_release_does_not_hide_the_others(out: Path, tmp_path: Path) -> None:
    shutil.copytree(out / "releases" / "small", tmp_path / "releases" / "small")
    (tmp_path / "releases" / "small" / "v1" / "manifest.json").write_text("{")
    found = told(tmp_path, "releases")
    assert found.exit_code == 0 and "small/v2" in found.output and "small/v1 " not in found.stdout
    assert "v1/manifest.jsonisdamaged" in "".join(found.output.split())


@pytest.mark.parametrize(
    ("trainer", "sheets"),
    [
        ("trl", {"sft_cold": 18, "sft_messages_cold": 18, "grpo_drill": 6}),
        ("llama_factory", {"sft_cold": 18}),
        ("verl", {"sft_cold": 18, "train_drill": 6}),
        ("hugging_face", {"sft_cold": 18, "rl_drill": 6}),
    ],
)
def test_a_config_is_exported_by_its_shape(out: Path, tmp_path: Path, trainer: str, sheets: dict[str, int]) -> None:
    done = told(out, "export", "small/v1", trainer, "--out", str(tmp_path / "x"))
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "x" / "export.json").read_text())
    assert {name: found["rows"][name] for name in sheets} == sheets
    front = (tmp_path / "x" / "README.md").read_text()
    assert all(f"config_name: {name}\n" in front for name in sheets)
    if trainer == "llama_factory":
        info = json.loads((tmp_path / "x" / "dataset_info.json").read_text())
        assert info["sft_cold"]["columns"] == {"messages": "messages"}


def test_what_went_from_one_release_to_the_next(out: Path) -> None:
    done = told(out, "diff", "small/v1", "small/v2", "--out", str(out / "rows.parquet"))
    assert done.exit_code == 0, done.output
    assert "3 -> 2" in done.output
    rows = pl.read_parquet(out / "rows.parquet")
    assert set(rows["config"]) == {"cold"}
    assert rows.filter(change="went").height == ROWS


def test_a_report_shows_every_sample(out: Path) -> None:
    pytest.importorskip("altair")
    done = told(out, "report", "small/v2")
    assert done.exit_code == 0, done.output
    assert f"{ROWS} of {ROWS} samples shown" in done.output
    assert "are gone" not in done.output, "the tables of the build of the latest release are there"
    named = told(out, "report", str(out.with_name("r.yaml")))
    assert named.exit_code == 0, named.output
    assert told(out, "report", "missing.yaml").exit_code == 2
    older = told(out, "report", "small/v1")
    assert older.exit_code == 0, older.output
    assert "are gone, damaged or of another version" in older.output


def test_cards_and_parcels(out: Path, tmp_path: Path) -> None:
    done = told(out, "card", "small", "--out", str(tmp_path))
    assert done.exit_code == 0, done.output
    assert "drill" in (tmp_path / "small.md").read_text()
    parcel = told(out, "push", "small", "lab/sums", "--dry-run")
    assert parcel.exit_code == 0, parcel.output
    assert "drill/part-00000.parquet" in parcel.output


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--cron", "often"], "--cron 'often' is no cron line"),
        (
            ["--cron", "0 3 * * *", "--set", "steps.rolout.n=2"],
            "there is no step named 'rolout'. Did you mean 'rollout'?",
        ),
        (["--cron", "0 3 * * *", "--push", "lab/sums", "--limit", "2"], "a trial is not pushed"),
    ],
)
def test_mistakes_in_a_schedule_are_a_sentence(
    out: Path, args: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_made_up")
    from prefect.settings import PREFECT_API_URL, temporary_settings

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        done = told(out, "schedule", str(out.with_name("r.yaml")), *args)
    assert done.exit_code == 2
    assert sentence in " ".join(done.output.split())
