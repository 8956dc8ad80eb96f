"""How long the command takes to see that a build has nothing to do: `python benchmarks/no_op.py [RECIPE] [--limit 24]`.

Builds a recipe (the quickstart) once in a scratch workspace, then runs `curate build` again, and prints the seconds of the
fastest of three runs, interpreter and imports included, beside the two seconds that it may take. On a busy machine the
seconds of processor time, which are printed too, say more.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ALLOWED = 2.0


def build(recipe: str, workspace: str, *options: str) -> tuple[float, float]:
    """Seconds that `curate build` takes in a workspace, and those of processor time."""
    command = [str(Path(sys.executable).with_name("curate")), "build", recipe, "--workspace", workspace, *options]
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.monotonic() - started, busy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="quickstart")
    parser.add_argument("--limit", type=int, default=24, help="samples; 0 builds all of them")
    given = parser.parse_args()
    options = ["--limit", str(given.limit)] if given.limit else []
    with tempfile.TemporaryDirectory() as workspace:
        first, _ = build(given.recipe, workspace, *options)
        again, busy = min(build(given.recipe, workspace, *options) for _ in range(3))
    print(  # noqa: T201
        f"first build {first:.1f} s, no-op {again:.2f} s ({busy:.2f} s of processor time), {again / ALLOWED:.2f} of the "
        f"{ALLOWED:.0f} s allowed"
    )


if __name__ == "__main__":
    main()
