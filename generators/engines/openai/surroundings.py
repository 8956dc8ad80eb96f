"""What the environment says of the way to a server: proxies, whom to trust, and how many connections there may be."""

import os
import resource
import ssl
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

from schemas.errors import FatalEngineError
from schemas.secrets import without_user

if TYPE_CHECKING:
    from aiohttp import BasicAuth
    from yarl import URL

OTHER_FILES = 256
"""What a build has open beside its connections, generously."""


class Proxies:
    """The proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `ALL_PROXY`, but for the hosts of `NO_PROXY`, in either case."""

    def __init__(self) -> None:
        """Raises FatalEngineError for one that is no proxy of HTTP."""
        from aiohttp import BasicAuth
        from yarl import URL

        found = {name: given if "://" in given else f"http://{given}" for name, given in getproxies().items() if given}
        self._found: dict[str, tuple[URL, BasicAuth | None]] = {}
        for scheme in ("http", "https"):
            given = found.get(scheme, found.get("all"))
            if given is None:
                continue
            try:
                url = URL(given)
                usable = url.scheme in ("http", "https") and bool(url.host)
            except ValueError:
                usable = False
            if not usable:
                raise FatalEngineError(
                    f"the environment names {without_user(given)} as the proxy for {scheme}://, and only proxies that start "
                    "with http:// or https:// can be used. Set another one, or NO_PROXY to the hosts of base_urls."
                )
            auth = BasicAuth(url.user or "", url.password or "") if url.user or url.password else None
            self._found[scheme] = url.with_user(None), auth

    def of(self, url: "URL") -> tuple["URL | None", "BasicAuth | None"]:
        """The proxy for an address and what it wants to be sent, if there is one."""
        if url.scheme not in self._found or proxy_bypass(f"{url.host}:{url.port}") or proxy_bypass(str(url.host)):
            return None, None
        return self._found[url.scheme]


def trusted() -> ssl.SSLContext:
    """The certificates of `SSL_CERT_FILE` and `SSL_CERT_DIR`, else those of the system, else those of certifi."""
    context = ssl.create_default_context()
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    folder = ssl.get_default_verify_paths().capath
    if not named and not context.cert_store_stats()["x509_ca"] and not (folder and any(Path(folder).iterdir())):
        import certifi

        context.load_verify_locations(certifi.where())
    return context


def make_room(connections: int) -> None:
    """Let this process open so many connections beside its files. Raises FatalEngineError where the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise FatalEngineError(
            f"{connections:,} requests at once need as many connections, and this system lets a process open {hard:,} files "
            f"(ulimit -Hn). Lower the concurrency of the model to {max(1, hard - OTHER_FILES):,} over all its servers, or "
            "raise that limit."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
