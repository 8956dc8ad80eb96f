"""The step type and the source that CONTRIBUTING.md shows are real ones: its blocks are built and read."""

import re
from pathlib import Path
from runpy import run_path

import polars as pl
import pytest
from doc_blocks import ROOT, blocks

from pipelines.job import compile_recipe, open_job
from pipelines.sources.read import count_rows, read_rows
from schemas.errors import ConfigError


def test_the_step_of_the_page_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [code, _], [recipe] = blocks("CONTRIBUTING.md", "python"), blocks("CONTRIBUTING.md", "yaml")
    Path("terse.py").write_text(code)
    Path("recipe.yaml").write_text(recipe)
    rows = [{"question": "What is 2 + 2?", "answer": "4"}, {"question": "Six and three?", "answer": "9"}]
    pl.DataFrame(rows).write_ndjson("sums.jsonl")
    with pytest.raises(ConfigError, match="--trust"):
        compile_recipe("recipe.yaml")
    job = open_job(compile_recipe("recipe.yaml", trust=True), tmp_path / "workspace")
    assert job.run()[-1]["dropped"] == {"terse:wordy": 1}
    assert job.rows("sample", ["question", "words"]).select("question", "words").rows() == [("Six and three?", 3)]


def test_the_source_of_the_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(blocks("CONTRIBUTING.md", "python")[1])
    source = run_path(str(tmp_path / "sums.py"))["SumsSource"](n=3, limit=2)
    rows = pl.concat(read_rows(source))
    assert rows.select("question", "kind").unique().height == 2 == count_rows(source)
    assert set(rows["answer"]) < {"0", "2", "4"}


def test_what_the_page_says_lies_somewhere_does(tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `") and ".py` |" in line]
    support = {name for line in lines for name in re.findall(r"`(\w+\.py)`", line.split(" | ")[0])}
    assert support == {path.name for path in (ROOT / "tests" / "support").glob("*.py")}
    rooms = {line.split("`")[1].rstrip("/") for line in text.splitlines() if line.startswith("| `") and "/` |" in line}
    places = [ROOT, ROOT / "pipelines"]
    assert sorted(name for name in rooms if not any((place / name).is_dir() for place in places)) == []
