"""gc takes all that killed processes left and nothing that a build, a release or a claim needs."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from doors import Killed, dies_at, watched
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from recipe_build import sums, write_recipe
from scripted_engine import MODEL, Scripted, question_of
from tiny import digests

from pipelines.job import Job, compile_recipe, open_job
from pipelines.store import garbage
from pipelines.store.garbage import collect_garbage
from pipelines.store.workspace import Workspace
from schemas.completion import Request

STEPS: list[Any] = [
    {"rollout": {"model": "m", "n": 2, "sampling": {"temperature": 1.0, "max_tokens": 8}}},
    {"verify": {"of": "rollout"}},
    "difficulty",
    {"release": {"rl": {"of": "sample"}, "allow_empty": ["rl"]}},
]
NAMES = ("tiny", "fork")
Step = tuple[str, str, int]
"""What happens: build, kill a build at an operation, or gc; of which recipe; with how many rows, or at which operation."""


def says(request: Request, index: int) -> str:
    return f"\\boxed{{{len(question_of(request)) + index}}}"


def image(folder: Path, number: int) -> Path:
    path = folder / "images" / f"{number}.png"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (number * 20, 9, 9)).save(path)
    return path


def job(folder: Path, name: str, rows: int, *, out: str = "out", replay: bool = False) -> Job:
    models = {"m": {"model": MODEL.model, "engine": "transformers"}}
    recipe = folder / f"{name}-{rows}" / "recipe.yaml"
    if not recipe.exists():  # a source that is written again counts as another
        found = [{**row, "image": str(image(folder, n))} for n, row in enumerate(sums(rows))]
        write_recipe(recipe.parent, STEPS, found, models=models, driver={"workers": 1}, name=name)
    return open_job(compile_recipe(str(recipe)), folder / out, replay=replay)


def collect(folder: Path) -> None:
    if (folder / "out" / "log").exists():  # else there is no workspace yet
        collect_garbage(Workspace(folder / "out"))


def hidden(out: Path) -> list[str]:
    """Everything under a hidden name but locks, and homes of scratch that are empty."""
    found = (p for p in out.rglob(".*") if p.name != ".lock" and not (p.name == ".scratch" and not any(p.iterdir())))
    return sorted(str(p.relative_to(out)) for p in found)


def run(folder: Path, happens: Sequence[Step]) -> tuple[dict[str, int], set[str]]:
    """Let it happen; gives the rows of the latest build of each recipe that ended, and those killed since."""
    ended: dict[str, int] = {}
    killed: set[str] = set()
    for what, name, number in happens:
        if what == "build":
            job(folder, name, number).run()
            ended[name] = number
            killed.discard(name)
        elif what == "kill":
            rows = 3 + number % 4
            killed.add(name)
            with suppress(Killed, Exception), watched(folder / "out", dies_at(1 + number)):
                job(folder, name, rows).run()
                ended[name] = rows
                killed.discard(name)
        else:
            collect(folder)
            assert not hidden(folder / "out")
    return ended, killed


HAPPENS = st.one_of(
    st.tuples(st.just("build"), st.sampled_from(NAMES), st.integers(3, 6)),
    st.tuples(st.just("kill"), st.sampled_from(NAMES), st.integers(0, 250)),
    st.tuples(st.just("gc"), st.just(""), st.just(0)),
)


def law(folder: Path, happens: Sequence[Step]) -> None:
    """What stands after anything and a gc: releases as they were, builds that have nothing to do, logs that replay both."""
    ended, killed = run(folder, happens)
    out = folder / "out"
    before = digests(out / "releases") if (out / "releases").exists() else {}
    before = {path: digest for path, digest in before.items() if "/." not in f"/{path}"}
    collect(folder)
    if not (out / "log").exists():
        return
    assert not hidden(out)
    stored = {path.name.partition(".")[0] for path in (out / "media").glob("??/??/*")}
    assert stored == garbage._named(Workspace(out)), "images that are named, and no other"
    assert (digests(out / "releases") if (out / "releases").exists() else {}) == before
    for number, (name, rows) in enumerate(ended.items()):
        standing = job(folder, name, rows)
        assert name in killed or standing.up_to_date()
        standing.run()
        assert standing.release is not None
        shutil.copytree(out / "log", folder / f"replay-{number}" / "log")
        again = job(folder, name, rows, out=f"replay-{number}", replay=True)
        again.run()
        assert again.release is not None
        assert {p: d for p, d in digests(again.release).items() if p.startswith("rl")} == {
            p: d for p, d in digests(standing.release).items() if p.startswith("rl")
        }


@given(st.lists(HAPPENS, min_size=1, max_size=5))
@settings(
    max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
)
def test_gc_keeps_what_is_needed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, happens: list[Step]
) -> None:
    Scripted(says).install(monkeypatch)
    law(tmp_path_factory.mktemp("gc"), happens)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@given(st.lists(HAPPENS, min_size=2, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
def test_gc_keeps_what_is_needed_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, happens: list[Step]
) -> None:
    Scripted(says).install(monkeypatch)
    law(tmp_path_factory.mktemp("gc"), happens)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Scripted(says).install(monkeypatch)
    job(tmp_path, "tiny", 4).run()
    return tmp_path / "out"


def test_gc_takes_every_leftover(finished: Path) -> None:
    left = [
        "media/.probe-1", "log/completions/.probe-1", "builds/tiny/.probe-1", "releases/tiny/.probe-1",
        "builds/tiny/rollout/wanted.parquet", "builds/tiny/rollout/missing-elsewhere.parquet", "builds/tiny/text.npy",
        "builds/tiny/no_such_step/rows-0000.parquet", "log/completions/.spill/x.tmp",
        "log/completions/claims/claim-1-x.parquet",
        "log/completions/.journal-1-x.jsonl.tmp", "reports/.tiny-v1.html.999999999.tmp", "evaluation_sets/.reading-x/a",
        "releases/tiny/.new-7/rl/part.parquet", "exports/tiny/v1/.trl.new-7/x", "builds/old/step/rows-0000.parquet",
    ]  # fmt: skip
    (finished / "builds" / "old").mkdir()
    (finished / "builds" / "old" / "build.json").write_text('{"layout": 1, "steps": {}}')
    standing = {p for p in finished.rglob("*") if p.is_file() and "log" not in p.parts}
    for name in left:
        (finished / name).parent.mkdir(parents=True, exist_ok=True)
        (finished / name).write_bytes(b"x")
    collect_garbage(Workspace(finished))
    assert [name for name in left if (finished / name).exists()] == []
    assert all(p.exists() for p in standing)


def test_gc_leaves_what_is_anothers(finished: Path) -> None:
    """A report that is being written, an export that was about to be replaced, what a user keeps in an export."""
    kept = [
        f"reports/.tiny-v1.html.{os.getpid()}.tmp",
        "exports/tiny/v1/.trl.old-7/x",
        "exports/tiny/v1/verl/.git/x",
    ]
    for name in kept:
        (finished / name).parent.mkdir(parents=True, exist_ok=True)
        (finished / name).write_bytes(b"x")
    collect_garbage(Workspace(finished))
    assert all((finished / name).exists() for name in kept)


def test_gc_goes_on_where_a_table_is_damaged(finished: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What that table names is not known, so no image is removed."""
    stray = finished / "media" / "ab" / "cd" / f"{'ab' * 32}.png"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"stray")
    table = finished / "builds" / "tiny" / "ingest" / "rows-0000.parquet"
    whole = table.read_bytes()
    table.write_bytes(b"broken")
    (finished / "media" / ".probe-1").write_bytes(b"x")
    collect_garbage(Workspace(finished))
    assert stray.exists()
    assert not (finished / "media" / ".probe-1").exists()
    assert "No image is removed: " in caplog.text and "rows-0000.parquet is damaged" in caplog.text
    table.write_bytes(whole)
    collect_garbage(Workspace(finished))
    assert not stray.exists()
