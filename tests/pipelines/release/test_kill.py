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
SUPPORT = Path(__file__).parents[2] / "support"
CHILD = """
import json, sys
from pathlib import Path
import polars as pl
from pipelines.store.media import MediaStore
from pipelines.release.write import Content, Look, write_release

root, first = Path(sys.argv[1]), int(sys.argv[2])
sys.path.append(sys.argv[3])
import release_shapes

media = MediaStore(root / "media")
images = [media.put(bytes([i]) * 20_000, "png") for i in range(40)]
shapes = release_shapes.shapes(media)
gold = {"kind": "number", "raw": "1", "parsed": json.dumps({"kind": "number"})}
facts = {"answer": gold, "verifier": {"id": "number", "params": "{}"}, "text": "x"}
texts = {name: pl.String for name in ("solution", "split_group")}
texts |= {name: pl.List(pl.String) for name in ("options", "prompt:options")}
for number in range(first, 10_000):
    rows = [
        release_shapes.row(
            f"{number:016x}{i:016x}",
            "What?",
            media=[{"sha256": images[i % 40], "kind": "image", "position": None}],
            **facts,
        )
        for i in range(400)
    ]
    table = pl.DataFrame(rows, schema_overrides=texts).lazy()
    drops = pl.LazyFrame(schema=dict.fromkeys(("step", "unit", "id", "sample_id", "reason", "evidence"), pl.String))
    manifest = {"recipe": {"name": "r", "description": "", "seed": 0, "sources": [], "steps": []}, "models": {}, "steps": []}
    manifest |= {"sources": [], "encoders": [], "facts": {"captions": False}, "images": "embed"}
    config = {"of": "sample", "holds": "prompts", "sides": None, "where": None}
    manifest["configs"] = dict.fromkeys(("sft", "rl"), config)
    content = Content({"sft": table, "rl": table}, shapes, drops, manifest)
    print(write_release(content, Look(), media, root / "releases" / "r").name, flush=True)
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_kill_at_any_moment_leaves_whole_releases_only(tmp_path: Path) -> None:
    chance, killed = random.Random(6), 0
    folder = tmp_path / "releases" / "r"
    for _ in range(KILLS):
        before = len(released(folder))
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(before), str(SUPPORT)]
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
