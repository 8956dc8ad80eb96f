"""Which addresses can hold a workspace, and one sentence for each that cannot."""

from pathlib import Path

import pytest

from pipelines.remote.address import Address, is_address, local_path, parsed
from schemas.errors import ConfigError


def test_addresses() -> None:
    assert parsed("s3://bucket/a/b/") == Address("s3", "bucket", "a/b")
    assert str(parsed("s3://bucket")) == "s3://bucket"
    assert parsed("s3://bucket").key("heads/x") == "heads/x"
    assert parsed("s3://bucket/a").key("heads/x") == "a/heads/x"
    assert is_address("s3://bucket")
    assert not is_address("curate_out")


def test_a_file_address_is_the_path_that_it_names() -> None:
    assert local_path("file:///data/x") == Path("/data/x")
    assert local_path("file://localhost/data/x") == Path("/data/x")
    with pytest.raises(ConfigError, match=r"'file://host/x' names the machine 'host'.*write file:///host/x"):
        local_path("file://host/x")
    with pytest.raises(ConfigError, match="names the machine 'curate_out'"):
        local_path("file://curate_out")
    with pytest.raises(ConfigError, match="names no folder"):
        local_path("file://localhost")


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ("s4://bucket/a", "'s4://' is not supported; there are paths, s3:// and file://. Did you mean 's3'?"),
        ("ftp://host/a", "'ftp://' is not supported"),
        ("gs://bucket/a", "no conditional write"),
        ("hf://datasets/a/b", "`curate push`"),
        ("memory://a", "gone with this process"),
        ("s3://key:secret@bucket/a", "has credentials in its address"),
        ("s3://KEY:se/cret@bucket/a", "has credentials in its address"),
        ("s3://KEY:secret", "has credentials in its address"),
        ("s3://bucket/*", "no '*' in its name"),
        ("s3://bucket/a?X-Amz-Signature=secret", "no '?' in its name"),
        ("s3://bucket/a[1]", "no '[' in its name"),
        ("s3://", "names no place; write s3://BUCKET/FOLDER"),
        ("s3://bucket/../x", "names no place"),
    ],
)
def test_others_are_refused_in_a_sentence(where: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        parsed(where)
    assert sentence in str(error.value)
    assert not any(secret in str(error.value) for secret in ("secret", "cret@", "KEY:"))
