"""Pushing with the real `huggingface_hub` client over HTTP to a loopback server that speaks the Hub's wire protocol."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
import release_shapes
from hub_server import REPO, TOKEN, Hub, serving

from flows import push as pushing
from flows.push import pack, push
from pipelines.release.write import Content, Look, write_release
from schemas.errors import ConfigError, StoreError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A server on this machine, and an environment that holds a token for it."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    # The Xet protocol needs a storage service of its own; LFS is the protocol that a Hub without one is spoken to in.
    monkeypatch.setattr("huggingface_hub._commit_api.is_xet_available", lambda: False)
    monkeypatch.setattr(pushing, "PAUSE_S", 0.01)
    with serving() as state:
        yield state


class NoMedia:
    """A media reader for rows without images."""

    def path(self, sha256: str) -> Path:
        raise KeyError(sha256)

    def read(self, sha256: str) -> bytes:
        raise KeyError(sha256)


def release(folder: Path, rows: int = 4, license: str = "mit", config: str = "sft") -> Path:
    """A release of text-only rows, as `write_release` writes it; `config` is the name of the one of completions."""
    made = [
        release_shapes.row(
            f"{i:032x}",
            f"What is {i} + {i}?",
            answer={"kind": "number", "raw": str(2 * i), "parsed": json.dumps({"kind": "number"})},
            verifier={"id": "number", "params": "{}"},
            source={"dataset": "sums", "row": "0", "license": license},
            text="<think>Twice.</think>",
        )
        for i in range(rows)
    ]
    kinds = {"options": pl.List(pl.String), "media": pl.List(pl.Struct({"sha256": pl.String})), "weight": pl.Float64}
    kinds |= {"prompt:options": pl.List(pl.String), "prompt:media": pl.List(pl.Struct({"sha256": pl.String}))}
    nulls = dict.fromkeys(("solution", "split_group"), pl.String)
    table = (
        pl.DataFrame(made, schema_overrides={**kinds, **nulls}).lazy()
        if made
        else pl.LazyFrame(schema={"id": pl.String})
    )
    drops = pl.LazyFrame(schema=dict.fromkeys(("step", "unit", "id", "sample_id", "reason", "evidence"), pl.String))
    recipe = {
        "name": "sums",
        "description": "Sums.",
        "seed": 0,
        "sources": [{"name": "sums", "license": license}],
        "steps": [],
    }
    source = {"name": "sums", "license": license, "url": None, "rows": rows, "content": "0"}
    shapes = release_shapes.shapes(NoMedia())
    names = {config: "sft", "rl": "rl", "holdout": "holdout", "control": "control"}
    facts = {"of": "sample", "holds": "completions", "sides": None, "where": None}
    content = Content(
        {name: table.head(0) if name == "holdout" else table for name in names},
        {name: shapes[like] for name, like in names.items()},
        drops,
        {
            "recipe": recipe, "models": {}, "steps": [], "sources": [source], "encoders": [], "images": "embed",
            "configs": dict.fromkeys(names, facts), "facts": {"captions": False},
        },
    )  # fmt: skip
    return write_release(content, Look(), NoMedia(), folder)


def test_a_release_arrives_whole_in_one_commit_with_its_tag(hub: Hub, tmp_path: Path) -> None:
    parcel = pack(release(tmp_path), REPO)
    url = push(parcel, endpoint=hub.url)
    assert url.endswith("/tree/v1")
    assert hub.private is True
    assert len(hub.commits) == 2, "the one that made the dataset, and ours"
    assert hub.tags == {"v1": 1}
    for name, found in parcel.files.items():
        assert hub.commits[1][name] == (found if isinstance(found, bytes) else found.read_bytes())
    assert "control/part-00000.parquet" not in hub.commits[1], "extras go only where they are asked for"


def test_the_tag_names_our_commit_also_where_another_came_right_after(hub: Hub, tmp_path: Path) -> None:
    hub.others_commit = True
    push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert (len(hub.commits), hub.tags) == (3, {"v1": 1})


def test_what_was_pushed_loads_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    path = release(tmp_path)
    push(pack(path, REPO), endpoint=hub.url)
    code = (
        "from datasets import load_dataset\n"
        f"for config in ('sft', 'rl'):\n"
        f"    rows = load_dataset({REPO!r}, config, split='train', revision='v1')\n"
        "    print(config, list(rows['id']), rows[0]['prompt'])\n"
    )
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    ids = pl.read_parquet(path / "sft" / "*.parquet")["id"].to_list()
    assert f"sft {ids}" in done.stdout
    assert "What is 0 + 0?" in done.stdout


def test_pushing_again_sends_nothing_and_a_new_release_replaces_the_old_one(hub: Hub, tmp_path: Path) -> None:
    push(pack(release(tmp_path), REPO), endpoint=hub.url)
    sent, commits = hub.sent, len(hub.commits)
    push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert (hub.sent, len(hub.commits)) == (sent, commits)
    second = release(tmp_path, rows=6)
    assert second.name == "v2"
    push(pack(second, REPO, extras=True), endpoint=hub.url)
    assert hub.tags == {"v1": 1, "v2": 2}
    assert "control/part-00000.parquet" in hub.commits[2]
    push(pack(release(tmp_path, rows=8), REPO), endpoint=hub.url)
    assert "control/part-00000.parquet" not in hub.commits[3], "what the new release has not got is gone"


def test_a_config_of_any_name_goes_when_the_next_release_has_it_no_more(hub: Hub, tmp_path: Path) -> None:
    push(pack(release(tmp_path, config="cold"), REPO), endpoint=hub.url)
    assert "cold/part-00000.parquet" in hub.commits[-1]
    push(pack(release(tmp_path, config="warm"), REPO), endpoint=hub.url)
    assert "warm/part-00000.parquet" in hub.commits[-1] and "cold/part-00000.parquet" not in hub.commits[-1]


@pytest.mark.parametrize(
    ("where", "statuses"),
    [
        ("POST /api/repos/create", [429, 503]),
        ("POST .*/preupload", [500]),
        ("POST .*/commit/", [412]),
        ("POST .*/commit/", [503, 429, 500]),
        ("PUT /lfs/", [500]),
        ("POST .*/tag/", [502]),
        ("GET .*/refs", [504]),
        ("POST /api/validate-yaml", [503]),
    ],
)
def test_a_busy_hub_is_asked_again(hub: Hub, tmp_path: Path, where: str, statuses: list[int]) -> None:
    hub.fail[where] = list(statuses)
    push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert not hub.fail[where]
    assert (len(hub.commits), hub.tags) == (2, {"v1": 1})


def test_a_push_that_broke_goes_on_from_there(hub: Hub, tmp_path: Path) -> None:
    hub.fail["POST .*/commit/"] = [503] * pushing.TRIES
    parcel = pack(release(tmp_path), REPO)
    with pytest.raises(StoreError, match="the same command goes on"):
        push(parcel, endpoint=hub.url)
    assert (len(hub.commits), hub.tags) == (1, {}), "nothing of a release that is not whole can be seen"
    sent = hub.sent
    hub.fail = {"POST .*/tag/": [503] * pushing.TRIES}
    with pytest.raises(StoreError):
        push(parcel, endpoint=hub.url)
    push(parcel, endpoint=hub.url)
    assert hub.sent == sent, "no file was sent twice"
    assert (len(hub.commits), hub.tags) == (2, {"v1": 1})


def test_a_tag_with_other_content_is_not_moved(hub: Hub, tmp_path: Path) -> None:
    push(pack(release(tmp_path / "a"), REPO), endpoint=hub.url)
    with pytest.raises(ConfigError, match=r"has a tag v1 already, with other content"):
        push(pack(release(tmp_path / "b", rows=5), REPO), endpoint=hub.url)
    assert len(hub.commits) == 2


def test_a_hub_out_of_reach_is_not_taken_for_one_without_the_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the Hub's own client waits before it asks again, too
    push(pack(release(tmp_path), REPO), endpoint=hub.url)
    hub.tags.clear()
    hub.fail = {"HEAD .*/manifest.json": [503] * 100}
    with pytest.raises(StoreError, match="did not take my-lab/shapes \\(503\\)"):
        push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert len(hub.commits) == 2


def test_a_card_that_the_hub_refuses_is_one_sentence(hub: Hub, tmp_path: Path) -> None:
    parcel = pack(release(tmp_path), REPO)
    parcel.files["README.md"] = b"---\nlicense: MIT\n---\n"
    with pytest.raises(ConfigError, match=r'does not take the card .* "license" must be one of'):
        push(parcel, endpoint=hub.url)
    assert not hub.tags


@pytest.mark.parametrize("license", ["MIT", "my own, see LICENSE | <b>"])
def test_a_licence_is_named_as_the_hub_names_it(hub: Hub, tmp_path: Path, license: str) -> None:
    push(pack(release(tmp_path, license=license), REPO), endpoint=hub.url)
    assert hub.tags == {"v1": 1}


def test_a_refusal_is_not_asked_again_and_says_why(hub: Hub, tmp_path: Path) -> None:
    hub.fail["POST .*/commit/"] = [400] * pushing.TRIES
    with pytest.raises(StoreError, match=r"The Hub refused my-lab/shapes \(400\): .+ Nothing is lost") as caught:
        push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert len(hub.fail["POST .*/commit/"]) == pushing.TRIES - 1 and "tries" not in str(caught.value)


@pytest.mark.parametrize("change", ["edited", "removed"])
def test_a_release_that_somebody_changed_is_not_pushed(tmp_path: Path, change: str) -> None:
    path = release(tmp_path)
    shard = path / "sft" / "part-00000.parquet"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    if change == "edited":
        shard.write_bytes(data)
    else:
        shard.unlink()
    with pytest.raises(ConfigError, match=r"sft/part-00000.parquet is (damaged or was changed|gone)"):
        pack(path, REPO)


def test_a_release_without_rows_is_not_pushed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no row"):
        pack(release(tmp_path, rows=0), REPO)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("shapes", "write ORGANISATION/NAME"), ("../x", "no dataset name"), ("lab/a--b", "no dataset name")],
)
def test_a_name_that_the_hub_does_not_take(tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        pack(release(tmp_path), name)


def test_without_a_token(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="export HF_TOKEN"):
        push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert not hub.requests


@pytest.mark.parametrize(
    ("token", "sentence"), [(TOKEN, "may not write to my-lab/shapes"), ("hf_wrong", "does not know")]
)
def test_a_token_without_rights_is_one_sentence_that_does_not_show_it(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, sentence: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    hub.writes = False
    with pytest.raises(StoreError, match=sentence) as caught:
        push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", ["hf_a token", "hf_t\u00f6ken", "hf_a\nb"])
def test_a_token_that_cannot_be_one_is_not_sent(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(ConfigError, match="HF_TOKEN holds blanks") as caught:
        push(pack(release(tmp_path), REPO), endpoint=hub.url)
    assert token not in str(caught.value)
    assert not hub.requests


def test_a_hub_that_does_not_answer_is_one_sentence(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "TRIES", 2)
    said: list[str] = []
    with pytest.raises(StoreError, match=r"does not answer at http://127\.0\.0\.1:9 \(ConnectError\) in 2 tries"):
        push(pack(release(tmp_path), REPO), endpoint="http://127.0.0.1:9", say=said.append)
    assert said == ["The Hub answered nothing; trying again (1 of 1)"]


def curate(hub: Hub, folder: Path, *args: str, answer: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from flows.cli import app; app()", "push", *args]
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        command, check=False, env=env, capture_output=True, text=True, input=answer, cwd=folder, timeout=120
    )


def test_the_command_asks_before_it_publishes_and_a_dry_run_sends_nothing(hub: Hub, tmp_path: Path) -> None:
    path = str(release(tmp_path))
    dry = curate(hub, tmp_path, path, REPO, "--dry-run")
    assert "sft/part-00000.parquet" in dry.stdout
    assert "Would push" in dry.stdout
    no = curate(hub, tmp_path, path, REPO, answer="n\n")
    assert "Nothing was pushed." in no.stdout
    assert not hub.requests
    yes = curate(hub, tmp_path, path, REPO, "--public", answer="y\n")
    assert yes.returncode == 0, yes.stderr
    assert "/tree/v1" in yes.stdout
    assert hub.private is False
    assert TOKEN not in yes.stdout + yes.stderr + no.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_push_killed_at_any_request_goes_on(hub: Hub, tmp_path: Path) -> None:
    """Killed at its first request, at its second, … until one ends: there is one commit, and no blob is sent in vain."""
    path, kills = str(release(tmp_path)), 0
    command = [sys.executable, "-c", "from flows.cli import app; app()", "push", path, REPO, "--yes"]
    env = os.environ | {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
    for number in range(1, 100):
        first = len(hub.requests)
        child = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

        def kill(count: int, at: int = first + number, child: "subprocess.Popen[bytes]" = child) -> None:
            if count == at:
                child.kill()

        hub.before = kill
        said = child.communicate(timeout=120)[1].decode()
        if child.returncode == 0:
            break
        assert child.returncode == -9, said
        kills += 1
    assert child.returncode == 0
    assert (len(hub.commits), hub.tags) == (2, {"v1": 1})
    assert hub.sent <= len(hub.blobs) + kills
    print(f"push: {kills} kills, {hub.sent} blobs sent of {len(hub.blobs)}")  # noqa: T201
    assert kills >= 6
