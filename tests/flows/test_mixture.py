"""`curate mixture`, as a user meets it."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
import yaml
from typer.testing import CliRunner, Result

from flows.cli import app
from pipelines.job import compile_recipe, open_job

TRIALS = {"x": [1.0, 0.0, 0.5], "y": [0.0, 1.0, 0.5], "score": [0.2, 0.4, 0.6]}
"""Two sources: .2 and .4 alone, .6 half and half; the highest point of that quadratic is at x = 1 / 2.4."""


def curate(*args: str) -> Result:
    return CliRunner().invoke(app, ["mixture", *args])


def written(folder: Path, trials: Mapping[str, object], name: str = "trials.csv") -> str:
    table, path = pl.DataFrame(trials), folder / name
    if path.suffix == ".csv":
        table.write_csv(path)
    elif path.suffix == ".jsonl":
        table.write_ndjson(path)
    else:
        table.write_parquet(path)
    return str(path)


@pytest.mark.parametrize("name", ["trials.csv", "trials.jsonl", "trials.parquet"])
def test_a_quadratic_by_hand(name: str, tmp_path: Path) -> None:
    done = curate(written(tmp_path, TRIALS, name), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["weights"] == {"x": 0.4167, "y": 0.5833}
    assert told["predicted"] == pytest.approx(0.4 - 0.2 / 2.4 + 1.2 / 2.4 * (1 - 1 / 2.4), abs=1e-6)
    assert (told["best_score"], told["best_trial"], told["determined"]) == (0.6, {"x": 0.5, "y": 0.5}, True)
    assert told["score_spread"] == pytest.approx((0.08 / 3) ** 0.5)


def test_words_hold_a_step_of_a_recipe_and_a_warning(tmp_path: Path) -> None:
    said = curate(written(tmp_path, TRIALS)).stdout
    (step,) = yaml.safe_load(said[said.index("- select:") :])
    assert step == {"select": {"quotas": {"by": ["source"], "shares": {"x": 0.4167, "y": 0.5833}, "short": "stop"}}}
    assert "do not trust these weights" in said, "a left-out trial of three is missed by more than their spread"


def test_a_recipe_takes_the_step_as_it_is_printed(tmp_path: Path) -> None:
    said = curate(written(tmp_path, TRIALS)).stdout
    (step,) = yaml.safe_load(said[said.index("- select:") :])
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(24)]
    for name, mine in (("x", rows[:12]), ("y", rows[12:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mine))
    step["select"] |= {"rule": "base_fails", "budget": 12}  # the model knows nothing of sums
    sampling = {"max_tokens": 4, "seed": 0}
    steps = [
        {"rollout": {"model": "m", "n": 2, "sees": "nothing", "tags": "plain", "sampling": sampling}},
        {"verify": {"of": "rollout", "tags": "plain"}},
        {"difficulty": {"no_answer": "wrong", "truncated": "wrong"}},
        step,
    ]
    sources = [{"type": "jsonl", "name": n, "path": str(tmp_path / f"{n}.jsonl"), "kind": "number"} for n in ("x", "y")]
    head = {"name": "mixed", "models": {"m": {"model": "reference-vlm"}}}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({**head, "sources": sources, "steps": steps}))
    job = open_job(compile_recipe(str(tmp_path / "r.yaml")), tmp_path / "out")
    job.run()
    chosen = Counter(row["dataset"] for row in job.rows("sample", ["source"])["source"])
    assert chosen == {"x": 5, "y": 7}


def test_counts_of_samples_and_other_columns(tmp_path: Path) -> None:
    trials = {"run": [7, 8, 9], "x": [1000, 0, 1000], "y": [0, 1000, 1000], "gain": [0.2, 0.4, 0.6]}
    path = written(tmp_path, trials)
    done = curate(path, "--sources", "x, y", "--score", "gain", "--counts", "--json")
    assert json.loads(done.stdout)["weights"] == {"x": 0.4167, "y": 0.5833}


def test_a_file_of_no_trials(tmp_path: Path) -> None:
    (tmp_path / "trials.csv").write_text("x,y,score\n")
    done = curate(str(tmp_path / "trials.csv"))
    assert done.exit_code == 2
    assert "holds no trials: a row each" in done.output


@pytest.mark.parametrize(
    ("change", "args", "sentence"),
    [
        ({"score": None}, (), "has no column 'score'; it has x, y."),
        ({}, ("--sources", "x,z"), "has no column 'z'; it has x, y, score."),
        ({}, ("--sources", "x,score"), "--sources names a column twice, or the column of scores."),
        (
            {"run": ["a", "b", "c"]},
            (),
            "column 'run' does not hold numbers; name the columns of weights with --sources.",
        ),
        ({"y": [0.0, 0.8, 0.5]}, (), "the weights of trial 2 sum to 0.8 and not to 1; if they are counts"),
        ({"x": [0.5, None, 0.5]}, (), "trial 2 has no finite number in column 'x'."),
        ({"z": [0.0, 0.0, 0.0]}, (), "3 sources need 6 trials or more, and there are 3; train each source alone"),
        ({"x": [1.0, 1.0, 1.0], "y": [0.0, 0.0, 0.0]}, (), "the trials are too alike and settle 1 of 3 numbers;"),
        ({"score": [0.1, None, 0.3]}, (), "trial 2 has no finite number in column 'score'."),
    ],
)
def test_a_mistake_is_one_sentence(
    change: Mapping[str, object], args: tuple[str, ...], sentence: str, tmp_path: Path
) -> None:
    trials = {name: column for name, column in {**TRIALS, **change}.items() if column is not None}
    done = curate(written(tmp_path, trials), *args)
    assert (done.exit_code, len(done.stderr.strip().splitlines())) == (2, 1)
    assert sentence in done.stderr


def test_a_guess_says_that_it_is_one(tmp_path: Path) -> None:
    path = written(tmp_path, TRIALS | {"z": [0.0, 0.0, 0.0]})
    assert "A guess: the trials settle 3 of 6 numbers." in curate(path, "--undetermined").stdout


def test_files_that_are_none(tmp_path: Path) -> None:
    assert "trials are read from .csv, .jsonl, .parquet files." in curate(str(tmp_path / "a.xlsx")).stderr
    assert f"There is no file {tmp_path / 'a.csv'}." in curate(str(tmp_path / "a.csv")).stderr
    (tmp_path / "b.parquet").write_text("no parquet")
    assert "b.parquet cannot be read:" in curate(str(tmp_path / "b.parquet")).stderr


def test_the_search_names_the_package_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, TRIALS)
    monkeypatch.setitem(sys.modules, "cma", None)
    assert "pip install 'curate-multimodal[mixture]'" in curate(path).stderr
    assert curate(path, "--search", "gaussian").exit_code == 0
