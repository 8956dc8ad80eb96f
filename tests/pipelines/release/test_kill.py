"""Kill -9 while releases are written, twenty times: whatever stands under a version is whole, and the next write goes on."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.release.write import released

KILLS = 20
CHILD = """
import json, sys
from pathlib import Path
import polars as pl
from pipelines.store.media import MediaStore
from pipelines.release.write import Content, write_release
from pipelines.release.rows import ReleaseConfig

root, first = Path(sys.argv[1]), int(sys.argv[2])
media = MediaStore(root / "media")
pictures = [media.put(bytes([i]) * 20_000, "png") for i in range(40)]
for number in range(first, 10_000):
    rows = 400
    ids = [f"{number:016x}{i:016x}" for i in range(rows)]
    table = pl.DataFrame(
        {
            "id": ids,
            "question": ["What?"] * rows,
            "options": [["a", "b"]] * rows,
            "answer": [{"kind": "number", "raw": "1", "parsed": json.dumps({"kind": "number"})}] * rows,
            "verifier": [{"id": "number", "params": "{}"}] * rows,
            "media": [[{"sha256": pictures[i % 40], "kind": "image"}] for i in range(rows)],
            "source": [{"dataset": "d", "row": "0", "license": None}] * rows,
            **{c: ["x"] * rows for c in ("solution", "text", "group", "tags", "model", "band", "caption")},
            **{c: [1] * rows for c in ("k", "n", "index", "order")},
            "value": [0.5] * rows,
            "weight": [0.5] * rows,
            **{c: [False] * rows for c in ("control", "gold_visible")},
        }
    ).lazy()
    drops = pl.LazyFrame(schema=dict.fromkeys(("stage", "unit", "id", "sample_id", "reason", "evidence"), pl.String))
    release = {"images": "embed"}
    recipe = {"name": "r", "description": "", "seed": 0, "sources": [], "release": release, "caption": None}
    content = Content({"sft": table, "rl": table}, drops, {"recipe": recipe, "models": {}, "stages": []})
    print(write_release(content, ReleaseConfig(), media, root / "releases" / "r").name, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_at_any_moment_leaves_whole_releases_only(tmp_path: Path) -> None:
    chance, killed = random.Random(6), 0
    folder = tmp_path / "releases" / "r"
    for _ in range(KILLS):
        before = len(released(folder))
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(before)]
        child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stdout.readline().decode().strip() == f"v{before + 1}", "a write after a kill goes on"
        time.sleep(chance.random() * 0.6)
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
        killed += bool(list(folder.glob(".new-*")))
        versions = [p for p in folder.iterdir() if not p.name.startswith(".")]
        assert sorted(versions) == sorted(released(folder)), "a folder without a manifest would be half a release"
        for release in versions[-3:]:
            manifest = json.loads((release / "manifest.json").read_text())
            for file in manifest["files"]:
                data = (release / file["path"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == file["sha256"]
    assert killed, "no kill hit a write: the test has shown nothing"
