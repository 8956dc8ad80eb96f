import resource
import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from generators.engines.openai import surroundings
from generators.engines.openai.surroundings import OTHER_FILES, Proxies, make_room, trusted
from schemas.errors import FatalEngineError


@pytest.mark.parametrize(
    ("soft", "hard", "most", "then"),
    [
        (1024, 4096, 64, None),
        (1024, 4096, 2048, 2048 + OTHER_FILES),
        (1024, resource.RLIM_INFINITY, 100_000, 100_000 + OTHER_FILES),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 100_000, None),
    ],
)
def test_the_limit_of_open_files_is_raised_where_it_may_be(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, most: int, then: int | None
) -> None:
    set_to: list[Any] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda which, to: set_to.append(to))
    make_room(most)
    assert set_to == ([] if then is None else [(then, hard)])


def test_more_connections_than_a_process_may_open_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    with pytest.raises(
        FatalEngineError, match=r"4,096 requests at once.*open 4,096 files.*Lower the concurrency .* to 3,840"
    ):
        make_room(4096)


@pytest.mark.parametrize(
    ("system", "named", "taken"), [([], "", True), (["ca.pem"], "", False), ([], "mine.pem", False)]
)
def test_certificates_of_certifi_are_trusted_only_where_there_are_no_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: list[str], named: str, taken: bool
) -> None:
    pytest.importorskip("certifi")  # which the Hub's library brings
    for name in system:
        (tmp_path / name).touch()
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(surroundings.ssl, "create_default_context", lambda: bare)
    monkeypatch.setattr(surroundings.ssl, "get_default_verify_paths", lambda: SimpleNamespace(capath=str(tmp_path)))
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", named)
    assert (trusted().cert_store_stats()["x509_ca"] > 0) == taken


@pytest.mark.parametrize(
    ("proxies", "no_proxy", "url", "found"),
    [
        ({"https_proxy": "proxy:3128"}, "", "https://api.example.com/v1", "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "", "http://api.example.com/v1", None),
        ({"ALL_PROXY": "http://proxy:1", "HTTP_PROXY": "http://other:2"}, "", "http://a/v1", "http://other:2"),
        ({"ALL_PROXY": "http://proxy:1"}, "example.com", "https://api.example.com/v1", None),
        ({"ALL_PROXY": "http://proxy:1"}, "a:8000", "http://a:8000/v1", None),
        ({"ALL_PROXY": "http://proxy:1"}, "a:8000", "http://a:8001/v1", "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1"}, "::1", "http://[::1]:8000/v1", None),
        ({"ALL_PROXY": "http://proxy:1"}, "*", "http://a/v1", None),
        ({"HTTP_PROXY": ""}, "", "http://a/v1", None),
    ],
)
def test_proxies_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, proxies: dict[str, str], no_proxy: str, url: str, found: str | None
) -> None:
    from yarl import URL

    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in {**proxies, "NO_PROXY": no_proxy}.items():
        monkeypatch.setenv(name, value)
    proxy, auth = Proxies().of(URL(url))
    assert (None if proxy is None else str(proxy), auth) == (found, None)
