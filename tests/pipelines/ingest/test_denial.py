"""Rows that cost more than they are worth cost themselves: in bounded memory, with their reason, and the build goes on."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from pipelines.ingest.image_file import MOST_SCANS, ImageFaultError, ImageLimits, decoding, read_image
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources.files import JsonlSource
from pipelines.store.media import MediaStore

PEAK = """
import sys
from pathlib import Path
from pipelines.ingest.ingest import IngestConfig, ingest
from pipelines.sources.files import JsonlSource
from pipelines.store.media import MediaStore
def resident(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1]) >> 10
root = Path(sys.argv[1])
source = JsonlSource(name="t", path=str(root / "small.jsonl"))
list(ingest([source], MediaStore(root / "first")))
Path("/proc/self/clear_refs").write_text("5")
before = resident("VmRSS")
source = JsonlSource(name="t", path=str(root / "large.jsonl"))
config = IngestConfig(threads=8, memory=256 << 20, max_bytes=4 << 20)
kept = [len(part.kept) for part in ingest([source], MediaStore(root / "media"), config)]
print(sum(kept), resident("VmHWM") - before)
"""


def test_many_threads_and_large_images_keep_to_the_budget(tmp_path: Path) -> None:
    """Five images of 4 million pixels with transparency take 480 MB where all are decoded at once."""
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("needs Linux")
    for n in range(5):
        Image.new("RGBA", (2000, 2000), (n, 0, 0, 9)).save(tmp_path / f"{n}.png", compress_level=1)
    Image.new("RGBA", (30, 30)).save(tmp_path / "small.png")
    row = {"question": "What?", "answer": "a"}
    (tmp_path / "small.jsonl").write_text(json.dumps({**row, "image": "small.png"}))
    (tmp_path / "large.jsonl").write_text("".join(json.dumps({**row, "image": f"{n}.png"}) + "\n" for n in range(5)))
    done = subprocess.run([sys.executable, "-c", PEAK, str(tmp_path)], capture_output=True, text=True, check=True)
    kept, peak = map(int, done.stdout.split())
    assert kept == 5 and peak < 256 + 64


def test_devices_pipes_sockets_and_folders_are_no_images(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for name, target in (("zero.png", "/dev/zero"), ("tty.png", "/dev/tty"), ("self.png", "self.png")):
        (tmp_path / name).symlink_to(target)
    (tmp_path / "huge.png").touch()
    os.truncate(tmp_path / "huge.png", 1 << 40)
    names = [
        "/dev/zero",
        "zero.png",
        "tty.png",
        "pipe.png",
        "folder.png",
        "self.png",
        "huge.png",
        "/proc/self/environ",
        "x\0.png",
    ]
    names += [
        "../private.png",
        "/etc/passwd",
        "file:///etc/passwd",
        "http://127.0.0.1:1/x.png",
        "HTTP:/127.0.0.1/x.png",
    ]
    rows = [{"question": f"What {n}?", "answer": "a", "image": name} for n, name in enumerate(names)]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (part,) = ingest([JsonlSource(name="t", path=str(tmp_path / "q.jsonl"))], MediaStore(tmp_path / "media"))
    assert part.kept.is_empty() and not (tmp_path / "media").exists()
    causes = dict(zip(names, part.dropped["reason"].str.strip_prefix("ingest:"), strict=True))
    assert set(causes.values()) <= {"image_missing", "image_outside", "image_too_large", "remote_image"}
    assert causes["pipe.png"] == "image_missing" and causes["huge.png"] == "image_too_large"
    assert (
        causes["/dev/zero"]
        == causes["zero.png"]
        == causes["../private.png"]
        == causes["/etc/passwd"]
        == "image_outside"
    )
    told = "".join(part.dropped["evidence"])
    assert "root:" not in told and "1294" not in told


def test_a_jpeg_of_passes_without_end_is_not_decoded() -> None:
    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "JPEG", progressive=True)
    data, scan = file.getvalue(), file.getvalue().rindex(b"\xff\xda")
    last = data[scan:-2]
    bomb = data[:-2] + last * (MOST_SCANS + 1) + data[-2:]
    with decoding(10**6), pytest.raises(ImageFaultError, match="image_too_large") as caught:
        read_image(bomb, ImageLimits(10**6))
    assert caught.value.evidence["max_scans"] == MOST_SCANS
    with decoding(10**6):
        assert read_image(data, ImageLimits(10**6)).width == 64


def test_deep_and_long_rows_cost_themselves(tmp_path: Path) -> None:
    deep = "[" * 50_000 + "]" * 50_000
    lines = [
        json.dumps({"question": "1 + 1?", "answer": "2"}),
        f'{{"question": "deep?", "answer": {deep}}}',
        json.dumps({"question": "x" * (20 << 20), "answer": "long"}),
        json.dumps({"question": "2 + 2?", "answer": "4"}),
    ]
    (tmp_path / "q.jsonl").write_text("\n".join(lines))
    source = JsonlSource(name="t", path=str(tmp_path / "q.jsonl"))
    parts = list(ingest([source], MediaStore(tmp_path / "media"), IngestConfig()))
    kept = pl.concat([part.kept for part in parts])
    assert {"1 + 1?", "2 + 2?"} <= set(kept["question"])
    assert sum(len(part.kept) + len(part.dropped) for part in parts) == 4
