"""The page on Python is run as it stands, from its first block to its last, and its entry point is loaded from a package."""

from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from doc_blocks import blocks

from pipelines.job import compile_recipe, open_job
from pipelines.run.one_step import run_step
from pipelines.steps.catalogue import step_types
from schemas.errors import ConfigError


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    code = blocks("docs/python.md", "python")
    assert len(code) >= 5
    for number, block in enumerate(code):
        exec(compile(block, f"docs/python.md, block {number}", "exec"), names)  # noqa: S102  (the page's own code)
    by_entry_point(tmp_path, monkeypatch)


def by_entry_point(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same step type, from an installed package that declares the page's entry point."""
    [table] = blocks("docs/python.md", "toml")
    header, line = table.strip().splitlines()
    name, _, target = line.partition(" = ")
    package = folder / "site" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "steps.py").write_text((folder / "my_steps.py").read_text())
    info = folder / "site" / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    group = header.removeprefix('[project.entry-points."').removesuffix('"]')
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {target.strip(chr(34))}\n")
    monkeypatch.syspath_prepend(str(folder / "site"))
    invalidate_caches()
    (folder / "packaged.yaml").write_text((folder / "loud.yaml").read_text().replace("my_steps.py", "my-package"))
    job = open_job(compile_recipe("packaged.yaml", trust=True), folder / "other")
    job.run()
    assert job.rows("sample", ["loud"])["loud"].to_list() == ["WHAT IS 2 + 2??!"]


def test_traces_have_their_samples_beside_them() -> None:
    answer = {"kind": "number", "raw": "4", "parsed": '{"kind": "number", "raw": "4", "value": "4"}'}
    samples = pl.DataFrame(
        {"id": ["s"], "answer": [answer], "verifier": [{"id": "number", "params": "{}"}], "options": [None]},
        schema_overrides={"options": pl.List(pl.String())},
    )
    traces = pl.DataFrame(
        {"id": ["a", "b"], "parent_id": ["s", "s"], "text": ["It is 4.", "It is 5."], "final": ["4", "5"]}
    )
    out = run_step(step_types(["verify"])["verify"], traces, {"of": "trace"}, samples=samples)
    assert out.rows is not None
    assert dict(out.rows.select("id", "correct").iter_rows()) == {"a": True, "b": False}


@pytest.mark.parametrize(
    ("name", "section", "sentence"),
    [
        ("drop", {"of": "sample", "if": {"long": "digit > 1"}}, "reads `digit`.*Did you mean 'digits'"),
        ("caption", {"model": "m", "prompt": "Describe.", "sees": "nothing"}, "asks models"),
        ("agree", {"between": ["a"]}, "reads `answer`, and no step before it gives that"),
    ],
)
def test_what_a_frame_cannot_do_is_refused(name: str, section: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run_step(step_types([name])[name], pl.DataFrame({"digits": [1, 2]}), section)
