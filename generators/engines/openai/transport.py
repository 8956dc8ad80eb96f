"""Requests over HTTP to the servers of one model: kept connections, few redirects, bounded replies, secrets for their own
server only.

Over aiohttp, without a client library in between: that took nine tenths of a request's processor time.
"""

import json
from collections.abc import Mapping, Sequence
from email.message import Message
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from generators.engines.openai.size import PACKINGS, read_body
from generators.engines.openai.surroundings import Proxies, make_room, trusted
from schemas.secrets import without_user

if TYPE_CHECKING:
    from yarl import URL

MAX_REDIRECTS = 3
"""A server that sends us on more often than this sends us in circles."""

KEEP_S = 4.0
"""Seconds for which an idle connection is kept: servers on uvicorn close theirs after 5, and what is sent at that moment is
lost."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SEE_OTHER = 303


class RedirectError(Exception):
    """A server sends us somewhere else without end."""


class Reply(NamedTuple):
    """What a server sent: `body` is unpacked; the names of `headers` have any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Asks the servers at `urls`. `headers` go to each of them, and to no other host; `most` is the most connections that a
    server gets at once. Belongs to the event loop that it was made in; close it there."""

    def __init__(self, urls: Sequence[str], key: str, headers: Mapping[str, str], most: int) -> None:
        """Raises FatalEngineError for a proxy in the environment that cannot be used, and for more connections than files
        that a process may open."""
        import aiohttp
        from multidict import CIMultiDict
        from yarl import URL

        from generators.engines.openai.body import body_of

        self._data = body_of
        self._proxies = Proxies()
        make_room(most * len(urls))
        self._secrets: dict[str, Mapping[str, str]] = {}
        for url in urls:
            self._secrets[url] = secrets = CIMultiDict(authorization=_authorization(URL(url), key))
            secrets.update(headers)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                limit_per_host=most,
                keepalive_timeout=KEEP_S,
                ssl=trusted() if any(url.lower().startswith("https") for url in urls) else True,
            ),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            headers={"accept": "application/json", "accept-encoding": PACKINGS, "user-agent": "curate"},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def close(self) -> None:
        await self._session.close()

    async def get(self, server: str, path: str, most: int) -> Reply:
        """See `post`."""
        return await self._ask("GET", server, path, (), most)

    async def post(self, server: str, path: str, body: Sequence[bytes], most: int) -> Reply:
        """What the server at a URL says to JSON (in pieces) posted to `path` below it, whatever its status is.

        Raises:
            ReplyTooLargeError: the reply has more than `most` bytes.
            RedirectError: there is no end of redirects.
            Exception: any of aiohttp or zlib, where there was no whole reply.
        """
        return await self._ask("POST", server, path, body, most)

    async def _ask(self, method: str, server: str, path: str, body: Sequence[bytes], most: int) -> Reply:
        url, headers = _below(server, path), self._secrets[server]
        for _ in range(MAX_REDIRECTS + 1):
            sent: Mapping[str, str] = {**headers, "content-type": "application/json"} if body else headers
            proxy, proxy_auth = self._proxies.of(url)
            async with self._session.request(
                method,
                url,
                data=self._data(body) if body else None,
                headers=sent,
                allow_redirects=False,
                proxy=proxy,
                proxy_auth=proxy_auth,
            ) as response:
                if response.status not in _REDIRECTS or "location" not in response.headers:
                    return Reply(response.status, response.headers, await read_body(response, most))
                there = _target(url, response.headers["location"])
                if response.status == _SEE_OTHER:
                    method, body = "GET", ()
            if not _same_server(url, there):
                headers = {}
            url = there
        raise RedirectError(f"it sends us on more than {MAX_REDIRECTS} times")


@lru_cache(maxsize=4096)
def _below(server: str, path: str) -> "URL":
    """The address of a path below a base URL, whose query it keeps."""
    from yarl import URL

    parts = urlsplit(without_user(server))
    return URL(parts._replace(path=f"{parts.path.rstrip('/')}/{path}").geturl())


def _authorization(url: "URL", key: str) -> str:
    """What a server is sent as `Authorization`: name and password where its URL holds them, else the key."""
    from aiohttp import BasicAuth

    return BasicAuth(url.user or "", url.password or "").encode() if url.user or url.password else f"Bearer {key}"


def _target(url: "URL", location: str) -> "URL":
    """Where a redirect leads. Raises ValueError where that is no address of HTTP."""
    from yarl import URL

    there = url.join(URL(location)).with_fragment(None)
    if there.scheme not in ("http", "https") or not there.host:
        raise ValueError("it redirects to what is no address of HTTP")
    return there.with_user(None)


def _same_server(one: "URL", other: "URL") -> bool:
    """Whether secrets for one address may go to the other: the same origin, or the same host, from http to https."""
    return one.origin() == other.origin() or (
        one.host == other.host and (one.scheme, one.port, other.scheme, other.port) == ("http", 80, "https", 443)
    )


def text_of(reply: Reply) -> str:
    """The text of a reply, in UTF-8 where the charset that it names cannot read it."""
    kind = Message()
    kind["content-type"] = reply.headers.get("content-type", "")
    try:
        return reply.body.decode(str(kind.get_param("charset", "utf-8")), "replace")
    except Exception:  # a server may name any codec of Python, also those that are none of text
        return reply.body.decode("utf-8", "replace")


def content_of(reply: Reply) -> Any:
    """A reply as JSON or, where it is none, as text."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        pass
    text = text_of(reply)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
