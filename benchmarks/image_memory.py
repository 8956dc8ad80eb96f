"""What decoding an image takes at most in memory, in bytes a pixel, for each mode and format of Pillow.

    python benchmarks/image_memory.py

Each image is decoded in a process of its own, whose resident memory at its highest is compared with that before (Linux).
"""

import subprocess
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from pipelines.ingest.image_file import ImageLimits, decoding, read_image

SIDE = 4000
KINDS = [
    "RGB JPEG",
    "L PNG",
    "RGB PNG",
    "RGBA PNG",
    "I;16 PNG",
    "RGB WEBP",
    "RGBA WEBP",
    "F TIFF",
    "RGBA AVIF",
    "RGB JPEG2000",
]


def resident(key: str) -> int:
    """Kilobytes of this process: `VmRSS` now, `VmHWM` at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


def measure(mode: str, form: str) -> float:
    file = BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(file, form)
    data = file.getvalue()
    del file
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    with decoding(10**9):
        read_image(data, ImageLimits(10**9))
    return (resident("VmHWM") - before) * 1024 / SIDE**2


def main() -> None:
    if len(sys.argv) == 3:
        sys.stdout.write(f"{measure(*sys.argv[1:]):.1f}\n")
        return
    for kind in KINDS:
        told = subprocess.run([sys.executable, __file__, *kind.split()], capture_output=True, text=True, check=True)
        sys.stdout.write(f"{kind:14} {told.stdout.strip():>5} bytes a pixel\n")


if __name__ == "__main__":
    main()
