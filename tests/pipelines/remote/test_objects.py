"""Objects of a store: conditional writes, pieces, lists of more than a page, and a sentence for each failure."""

import errno
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from object_store import ObjectStore, working_copy

from pipelines.remote.address import parsed
from pipelines.remote.objects import Objects
from pipelines.remote.ranged import Ranged
from pipelines.remote.trouble import ChangedError, GoneError
from pipelines.store.causes import shortages
from schemas.errors import ConfigError, StoreError


def test_conditional_writes(address: str) -> None:
    objects = Objects(parsed(address))
    first = objects.swap("a", b"1", None)
    with pytest.raises(ChangedError):
        objects.swap("a", b"2", None)
    second = objects.swap("a", b"2", first)
    with pytest.raises(ChangedError):
        objects.swap("a", b"3", first)
    data, found = objects.get("a")
    assert (data, found.etag) == (b"2", second)
    assert 0 <= found.age < 60


def test_files_and_lists(address: str, tmp_path: Path, store: ObjectStore) -> None:
    objects = Objects(parsed(address))
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 100)
    objects.send("log/x/part-1.parquet", source)
    objects.send("log/part-2.parquet", source)
    assert list(objects.list("log")) == ["part-2.parquet"]
    assert {name: one.size for name, one in objects.list("log", deep=True).items()} == {
        "part-2.parquet": 1000,
        "x/part-1.parquet": 1000,
    }
    objects.fetch("log/part-2.parquet", tmp_path / "new" / "part-2.parquet")
    assert (tmp_path / "new" / "part-2.parquet").read_bytes() == source.read_bytes()
    with pytest.raises(GoneError):
        objects.fetch("log/part-3.parquet", tmp_path / "part-3.parquet")
    assert not list(tmp_path.glob(".part-3*"))
    assert objects.beginning("log/part-") == "log/part-2.parquet"
    assert objects.beginning("log/q") is None
    objects.move("log/part-2.parquet", "log/aside.parquet")
    objects.move("log/part-2.parquet", "log/other.parquet")
    assert list(objects.list("log")) == ["aside.parquet"]
    objects.delete(["log/aside.parquet", "log/none"])
    assert store.keys(address.split("/")[2]) == ["work/log/x/part-1.parquet"]


def test_a_piece_of_an_object_is_read_alone(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.remote.ranged._END", 10)
    objects, data = Objects(parsed(address)), bytes(range(100))
    objects.put("a", data)
    spans, span = [], objects.span
    monkeypatch.setattr(objects, "span", lambda name, start, end: spans.append((start, end)) or span(name, start, end))
    file = Ranged(objects, "a", 100)
    file.seek(-8, 2)
    assert file.read(4) == data[92:96]
    assert file.read() == data[96:]
    file.seek(5)
    assert file.read(3) == data[5:8]
    file.seek(85)
    assert file.read() == data[85:]
    assert file.read() == b""
    assert spans == [(90, 100), (5, 8), (85, 100)]


def test_what_is_not_there_or_not_allowed_is_a_sentence(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="s3://nowhere is no bucket at http"):
        Objects(parsed("s3://nowhere/x")).list("heads")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StoreError, match=r"s3://somewhere cannot be reached at http://127\.0\.0\.1:9"):
        Objects(parsed("s3://somewhere/x")).list("heads")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(ConfigError, match="s3://somewhere needs credentials; set AWS_ACCESS_KEY_ID"):
        Objects(parsed("s3://somewhere/x")).put("a", b"")


@pytest.mark.parametrize(
    ("code", "status", "kind", "sentence"),
    [
        ("SlowDown", 503, StoreError, r"cannot be reached .*\(SlowDown\). Nothing is lost"),
        ("Odd", 500, StoreError, r"cannot be reached .*\(Odd\). Nothing is lost"),
        ("TooManyRequests", 429, StoreError, r"cannot be reached .*\(TooManyRequests\)"),
        ("InvalidArgument", 400, ConfigError, r"refuses this request .*\(InvalidArgument\)\.$"),
        ("EntityTooLarge", 400, ConfigError, r"refuses this request .*\(EntityTooLarge\)"),
        ("NotImplemented", 501, StoreError, r"\(NotImplemented\)"),
        ("RequestTimeTooSkewed", 403, ConfigError, r"of another time .*set this machine's clock"),
        ("PermanentRedirect", 301, ConfigError, r"lies in another region .*set AWS_DEFAULT_REGION"),
        ("AccessDenied", 403, ConfigError, r"is not given to these credentials .*\(AccessDenied\)"),
        ("KMS.DisabledException", 403, ConfigError, r"is not given to these credentials .*\(KMS.DisabledException\)"),
    ],
)
def test_what_a_store_refuses_is_told_as_what_it_is(
    address: str, monkeypatch: pytest.MonkeyPatch, code: str, status: int, kind: type[Exception], sentence: str
) -> None:
    answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}

    def refuse(self: Objects, method: str, **options: Any) -> Any:
        try:
            raise ClientError(answer, "PutObject")
        except ClientError as error:
            raise OSError(errno.EIO, "as its client says it") from error

    monkeypatch.setattr(Objects, "_call", refuse)
    with pytest.raises(kind, match=sentence):
        Objects(parsed(address)).put("a", b"")


def test_what_this_machine_refuses_is_not_told_of_the_store(address: str, tmp_path: Path) -> None:
    objects = Objects(parsed(address))
    objects.put("a", b"1")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file") as error:
        objects.fetch("a", tmp_path / "file" / "a")
    assert not isinstance(error.value, ConfigError)


def test_a_full_disk_is_told_of_the_file_that_it_has_no_room_for(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(parsed(address))
    objects.put("a", b"1")

    def full(*paths: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(objects.files, "get_file", full)
    with (
        pytest.raises(StoreError, match=f"Cannot go on in {tmp_path}/a: the disk is full"),
        shortages(Path("/elsewhere")),
    ):
        objects.fetch("a", tmp_path / "a")


def test_an_object_below_the_name_of_an_image_is_no_image(address: str) -> None:
    copy = working_copy(address)
    copy.objects.put("media/ab/cd/x.png/y", b"1")
    assert copy.fetch_like(copy.root / "media" / "ab" / "cd" / "x.") is None
    assert not (copy.root / "media").exists()


@pytest.mark.parametrize("ignored", ["IfMatch", "IfNoneMatch"])
def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written(
    address: str, store: ObjectStore, monkeypatch: pytest.MonkeyPatch, ignored: str
) -> None:
    call = Objects._call

    def deaf(self: Objects, method: str, **options: Any) -> Any:
        options.pop(ignored, None)
        return call(self, method, **options)

    monkeypatch.setattr(Objects, "_call", deaf)
    with pytest.raises(ConfigError, match="nothing would keep two builds apart"):
        working_copy(address).begin()
    assert not store.keys(parsed(address).bucket)


def test_names_that_lead_elsewhere_are_nobodys(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objects, real = Objects(parsed(address)), Objects._call
    objects.put("heads/builds/fine.json", b"{}")

    def hostile(self: Objects, method: str, **options: Any) -> Any:
        found = real(self, method, **options)
        [known] = found["Contents"]
        names = ("heads/builds/../../../x.json", "heads/builds//x.json", "heads/./x.json")
        return {**found, "Contents": [known, *({**known, "Key": self.address.key(name)} for name in names)]}

    monkeypatch.setattr(Objects, "_call", hostile)
    assert objects.list("heads", deep=True).keys() == {"builds/fine.json"}
