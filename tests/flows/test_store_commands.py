"""Every command takes the address of a workspace, on a machine that never saw it, and says the same as of a folder."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from object_store import ObjectStore, machine, use
from served_build import Server, built
from typer.testing import CliRunner

from flows.cli import app
from pipelines.remote.places import place

STEPS = """\
  - verify: {of: rollout}
  - difficulty
  - release: {rl: {of: sample}, trainer: null}
"""
COMMANDS = (
    ("releases",),
    (
        "query",
        "SELECT question, count(*) FROM samples JOIN rollouts ON rollouts.sample_id = samples.id GROUP BY ALL ORDER BY ALL",
    ),
    ("query", "SELECT text FROM completions"),
    ("verify-release", "r"),
    ("diff", "r/v1", "r"),
    ("export", "r", "hugging_face"),
    ("report", "r"),
    ("card", "r", "--out", "cards"),
    ("plan", "r.yaml"),
    ("build", "r.yaml"),
    ("why", "ID"),
)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    store = ObjectStore()
    use(store, monkeypatch, tmp_path / "cache")
    yield store.bucket()
    store.stop()


def told(workspace: str, *command: str) -> str:
    """What a command says and how it ends, without times, lines and what is the workspace's own name."""
    found = CliRunner().invoke(app, [*command, "-w", workspace])
    text = "".join(found.output.split())
    for own in (workspace, str(place(workspace).resolve()), str(place(workspace))):
        text = text.replace(own, "W")
    return f"{text} {found.exit_code}"


@pytest.mark.slow
def test_every_command_takes_an_address(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"s3://{bucket}/work"
    monkeypatch.chdir(tmp_path)
    with Server() as server:
        here = built(tmp_path, server, steps=STEPS)
        built(tmp_path, server, steps=STEPS, out=place(address))
        some = here.rows("sample", [])["id"][0]
        for number, command in enumerate(COMMANDS):
            command = tuple(some if word == "ID" else word for word in command)  # noqa: PLW2901
            expected = told(str(tmp_path / "out"), *command)
            assert expected.endswith(" 0"), expected
            with machine(tmp_path / f"machine-{number}"):
                assert told(address, *command) == expected, command
            shutil.rmtree(tmp_path / "cards", ignore_errors=True)


def test_what_is_no_place_is_a_sentence(bucket: str) -> None:
    for where, sentence in {
        "s4://bucket/x": "curate: --workspace: 's4://' is not supported",
        "s3://nowhere/x": "curate: s3://nowhere is no bucket",
    }.items():
        found = CliRunner().invoke(app, ["releases", "-w", where])
        assert found.output.startswith(sentence)
        assert found.output.count("\n") == 1
        assert found.exit_code == 2
