"""Images on their way to a server: each encoded once while it is in use, and few large ones at hand."""

from pathlib import Path

from generators.engines.openai.chat import DataUrls


class Media:
    """Images of a thousand bytes that counts how often each is read."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    def path(self, sha256: str) -> Path:
        raise NotImplementedError

    def read(self, sha256: str) -> bytes:
        self.reads.append(sha256)
        return sha256.encode() * 1000


def test_what_is_kept_is_bounded_in_bytes() -> None:
    media = Media()
    urls = DataUrls(media, most=3000)  # of 1,358 characters each
    for sha256 in "abacab":
        assert urls.url(sha256) == urls.url(sha256)
    assert media.reads == ["a", "b", "c", "b"]


def test_an_image_that_is_larger_than_all_that_is_kept_is_sent() -> None:
    urls = DataUrls(media := Media(), most=1)
    assert urls.url("a") == urls.url("a")
    assert media.reads == ["a"]
