"""An S3 store on loopback (moto, whose conditional writes are enforced), and machines with working copies of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.remote import places
from pipelines.remote.places import copy_of, place
from pipelines.remote.working_copy import WorkingCopy

REGION = "us-east-1"
ACCESS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": REGION}


class ObjectStore:
    """A running server; every bucket is a store of its own."""

    def __init__(self) -> None:
        self.port = self._buckets = 0
        self.start()

    def start(self) -> None:
        """Serve at the port that it had, with the buckets that it had."""
        from moto.server import ThreadedMotoServer

        self._server = ThreadedMotoServer("127.0.0.1", self.port, verbose=False)
        self._server.start()
        self.port = int(self._server.get_host_and_port()[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop()

    def environment(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return {
            **ACCESS,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def bucket(self) -> str:
        """A new bucket's name."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        self.client().create_bucket(Bucket=name)
        return name

    def client(self) -> Any:
        import boto3

        return boto3.client("s3", endpoint_url=self.endpoint, region_name=REGION, aws_access_key_id="key",
                            aws_secret_access_key="secret")  # fmt: skip

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """The keys of a bucket."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def empty(self, bucket: str) -> None:
        for key in self.keys(bucket):
            self.client().delete_object(Bucket=bucket, Key=key)

    def read(self, bucket: str, key: str) -> bytes:
        return bytes(self.client().get_object(Bucket=bucket, Key=key)["Body"].read())

    def write(self, bucket: str, key: str, data: bytes) -> None:
        self.client().put_object(Bucket=bucket, Key=key, Body=data)


@contextmanager
def machine(cache: Path) -> Iterator[None]:
    """Another machine: a process with no working copy but those below `cache`."""
    before, known = os.environ.get("CURATE_CACHE"), dict(places._COPIES)
    os.environ["CURATE_CACHE"] = str(cache)
    places._COPIES.clear()
    try:
        yield
    finally:
        places._COPIES.clear()
        places._COPIES.update(known)
        if before is None:
            del os.environ["CURATE_CACHE"]
        else:
            os.environ["CURATE_CACHE"] = before


def working_copy(address: str) -> WorkingCopy:
    """The working copy of a workspace, as this machine has it."""
    found = copy_of(place(address))
    assert found is not None
    return found


def use(store: ObjectStore, patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Have this process use a store, as a machine with an empty cache."""
    for name, value in {**store.environment(), "CURATE_CACHE": str(cache)}.items():
        patch.setenv(name, value)
    patch.setattr(places, "_COPIES", {})
