"""What workers of a cluster are given of Prefect's settings."""

import ssl

import certifi
import pytest
from prefect.context import serialize_context
from prefect.settings import PREFECT_API_SSL_CERT_FILE, PREFECT_API_URL, temporary_settings

from flows.cluster import _one_server

pytestmark = pytest.mark.usefixtures("quiet_prefect")


def settings() -> dict[str, object]:
    """What goes to a worker with each task."""
    found: dict[str, dict[str, object]] = serialize_context()["settings_context"]["settings"]
    return found["api"]


def test_workers_here_load_one_certificate_where_the_server_knows_no_tls() -> None:
    own = PREFECT_API_SSL_CERT_FILE.value()
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        with _one_server(here=True) as api:
            assert settings()["url"] == api == "http://127.0.0.1:9/api/"
            context = ssl.create_default_context(cafile=str(settings()["ssl_cert_file"]))
            assert context.cert_store_stats()["x509"] == 1
        with _one_server(here=False):
            assert settings().get("ssl_cert_file") in (None, own), "another machine does not have another file"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/api", "https://127.0.0.1:9/api"])
def test_certificates_that_are_wanted_stay(url: str) -> None:
    own = certifi.where() if url.startswith("http:") else PREFECT_API_SSL_CERT_FILE.value()
    with temporary_settings({PREFECT_API_URL: url, PREFECT_API_SSL_CERT_FILE: own}), _one_server(here=True):
        assert PREFECT_API_SSL_CERT_FILE.value() == own
