"""How long the command takes to see that a build has nothing to do: `python benchmarks/no_op.py [RECIPE] [--limit 24]
[--s3]`.

Builds a recipe (the quickstart) once in a scratch workspace, then runs `curate build` again, and prints the seconds of the
fastest of three runs, interpreter and imports included, beside the two seconds that it may take. On a busy machine the
seconds of processor time, which are printed too, say more. With `--s3` it then does the same in a workspace at s3:// on a
server of this machine (moto, a process of its own), with a working copy and without one, beside the three seconds that it
may take there.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ALLOWED = 2.0
ALLOWED_THERE = 3.0

SERVER = """
import time
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
time.sleep(86400)
"""


def build(recipe: str, workspace: str, *options: str) -> tuple[float, float]:
    """Seconds that `curate build` takes in a workspace, and those of processor time."""
    command = [str(Path(sys.executable).with_name("curate")), "build", recipe, "--workspace", workspace, *options]
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.monotonic() - started, busy


@contextmanager
def object_store() -> Iterator[str]:
    """An S3 server on this machine; the address of a workspace in it."""
    import boto3

    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            endpoint = f"http://127.0.0.1:{int(server.stdout.readline())}"
            access = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
            os.environ.update(access, AWS_ENDPOINT_URL=endpoint, AWS_EC2_METADATA_DISABLED="true")
            boto3.client("s3").create_bucket(Bucket="workspaces")
            yield "s3://workspaces/no-op"
        finally:
            server.kill()


def there(recipe: str, *options: str) -> None:
    """The same in an object store."""
    with object_store() as address, tempfile.TemporaryDirectory() as cache:
        os.environ["CURATE_CACHE"] = cache
        first, _ = build(recipe, address, *options)
        again, busy = min(build(recipe, address, *options) for _ in range(3))
        empty = []
        for number in range(3):
            os.environ["CURATE_CACHE"] = f"{cache}/other-{number}"
            empty.append(build(recipe, address, *options))
    for what, (seconds, work) in {"no-op": (again, busy), "no-op of an empty cache": min(empty)}.items():
        print(  # noqa: T201
            f"s3: first build {first:.1f} s, {what} {seconds:.2f} s ({work:.2f} s of processor time), "
            f"{seconds / ALLOWED_THERE:.2f} of the {ALLOWED_THERE:.0f} s allowed"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", nargs="?", default="quickstart")
    parser.add_argument("--limit", type=int, default=24, help="samples; 0 builds all of them")
    parser.add_argument("--s3", action="store_true", help="also in an object store")
    given = parser.parse_args()
    options = ["--limit", str(given.limit)] if given.limit else []
    with tempfile.TemporaryDirectory() as workspace:
        first, _ = build(given.recipe, workspace, *options)
        again, busy = min(build(given.recipe, workspace, *options) for _ in range(3))
    print(  # noqa: T201
        f"first build {first:.1f} s, no-op {again:.2f} s ({busy:.2f} s of processor time), {again / ALLOWED:.2f} of the "
        f"{ALLOWED:.0f} s allowed"
    )
    if given.s3:
        there(given.recipe, *options)


if __name__ == "__main__":
    main()
