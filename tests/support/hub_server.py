"""A server on loopback that speaks the Hub's wire protocol.

It keeps commits as maps from paths to bytes, and large files by their hash, as the Hub does. It can be told to fail.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_a-token-that-nobody-may-print"
REPO = "my-lab/shapes"


class Hub:
    """The state behind the server: one dataset, its commits, its tags, and the answers that it gives instead of its own."""

    def __init__(self) -> None:
        self.url = ""
        self.private: bool | None = None
        self.commits: list[dict[str, bytes]] = []
        self.tags: dict[str, int] = {}
        self.blobs: dict[str, bytes] = {}
        self.sent = 0
        self.requests: list[str] = []
        self.fail: dict[str, list[int]] = {}
        self.writes = True
        self.others_commit = False
        self.before: Callable[[int], None] = lambda number: None
        """Called with the number of each request before it is answered."""

    def at(self, revision: str) -> int | None:
        if revision == "main":
            return len(self.commits) - 1
        if revision in self.tags:
            return self.tags[revision]
        return next((i for i in range(len(self.commits)) if self.sha(i) == revision), None)

    def sha(self, number: int) -> str:
        return hashlib.sha1(f"commit {number}".encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """The wire protocol."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None: ...

    def do_GET(self) -> None:
        self._route("GET")

    def do_HEAD(self) -> None:
        self._route("HEAD")

    def do_POST(self) -> None:
        self._route("POST")

    def do_PUT(self) -> None:
        self._route("PUT")

    def _route(self, method: str) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{method} {path}")
        self.hub.before(len(self.hub.requests))
        for name, statuses in self.hub.fail.items():
            if re.search(name, f"{method} {path}") and statuses:
                return self._send(statuses.pop(0), b"<html>A proxy's page, told to fail</html>")
        if self.headers.get("Authorization") not in {f"Bearer {TOKEN}", None}:
            return self._send(401, {"error": "Invalid username or password."})
        for pattern, answer in ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found:
                return answer(self, body, *found.groups())
        return self._send(404, {"error": f"no route for {method} {path}"}, {"X-Error-Code": "EntryNotFound"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, value: Any, headers: dict[str, str] | None = None) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        if "Content-Length" not in (headers or {}):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def create(self, body: bytes) -> None:
        if not self.hub.writes:
            return self._send(403, {"error": "You don't have the rights to create a dataset under this namespace"})
        if self.hub.commits:
            return self._send(409, {"error": "You already created this dataset repo", "url": f"{self.hub.url}/{REPO}"})
        asked = json.loads(body)
        assert (asked["type"], asked["organization"], asked["name"]) == ("dataset", *REPO.split("/"))
        self.hub.private = asked.get("visibility") == "private" or asked.get("private") is True
        self.hub.commits.append({".gitattributes": b"*.parquet filter=lfs\n"})
        return self._send(200, {"url": f"{self.hub.url}/datasets/{REPO}", "name": REPO})

    def info(self, body: bytes, revision: str = "main") -> None:
        number = self.hub.at(revision)
        if number is None or number < 0:
            return self._send(404, {"error": "not found"}, {"X-Error-Code": "RepoNotFound"})
        files = [{"rfilename": name} for name in sorted(self.hub.commits[number])]
        facts = {"private": self.hub.private, "tags": [], "downloads": 0, "likes": 0, "disabled": False, "gated": False}
        return self._send(200, {"id": REPO, "sha": self.hub.sha(number), "siblings": files, **facts})

    def refs(self, body: bytes) -> None:
        head = self.hub.sha(len(self.hub.commits) - 1)
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": self.hub.sha(i)} for n, i in self.hub.tags.items()]
        branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": head}
        return self._send(200, {"branches": [branch], "converts": [], "tags": tags})

    def tree(self, body: bytes, revision: str, folder: str | None) -> None:
        number = self.hub.at(revision)
        if number is None:
            return self._send(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
        inside = (folder or "").strip("/")
        named = {n: d for n, d in self.hub.commits[number].items() if not inside or n.startswith(f"{inside}/")}
        if inside and not named:
            return self._send(404, {"error": "no such folder"}, {"X-Error-Code": "EntryNotFound"})
        depth = inside.count("/") + 1 + bool(inside)
        whole = "recursive=true" in urlsplit(self.path).query.lower()
        folders = {"/".join(n.split("/")[:i]) for n in named for i in range(depth, n.count("/") + 1)}
        shown = [
            {"type": "directory", "path": f, "oid": "0" * 40} for f in sorted(folders) if whole or f.count("/") < depth
        ]
        files = [self._entry(n, d) for n, d in sorted(named.items()) if whole or n.count("/") < depth]
        return self._send(200, shown + files)

    def paths(self, body: bytes, revision: str) -> None:
        number = self.hub.at(revision)
        asked = [unquote(part.partition(b"=")[2].decode().replace("+", " ")) for part in body.split(b"&")]
        files = self.hub.commits[number] if number is not None else {}
        return self._send(200, [self._entry(name, files[name]) for name in asked if name in files])

    def _entry(self, name: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        lfs = {"lfs": {"oid": digest, "size": len(data), "pointerSize": 130}} if name.endswith(".parquet") else {}
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest(), **lfs}

    def preupload(self, body: bytes, revision: str) -> None:
        asked = json.loads(body)["files"]
        modes = [
            {
                "path": f["path"],
                "uploadMode": "lfs" if f["path"].endswith((".parquet", ".png")) else "regular",
                "shouldIgnore": False,
            }
            for f in asked
        ]
        return self._send(200, {"files": modes})

    def batch(self, body: bytes) -> None:
        objects = []
        for wanted in json.loads(body)["objects"]:
            found = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.blobs:
                found["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}"}}
            objects.append(found)
        return self._send(200, {"transfer": "basic", "objects": objects})

    def put(self, body: bytes, oid: str) -> None:
        assert hashlib.sha256(body).hexdigest() == oid
        self.hub.blobs[oid] = body
        self.hub.sent += 1
        return self._send(200, {})

    def commit(self, body: bytes, revision: str) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        head, operations = lines[0]["value"], lines[1:]
        if head.get("parentCommit") != self.hub.sha(len(self.hub.commits) - 1):
            return self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(self.hub.commits[-1])
        for line in operations:
            key, value = line["key"], line["value"]
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        self.hub.commits.append(files)
        number = len(self.hub.commits) - 1
        if self.hub.others_commit:
            self.hub.commits.append({**files, "NOTES.md": b"by somebody else"})
        return self._send(200, {"commitUrl": f"{self.hub.url}/c/{number}", "commitOid": self.hub.sha(number)})

    def tag(self, body: bytes, revision: str) -> None:
        name = json.loads(body)["tag"]
        if name in self.hub.tags:
            return self._send(409, {"error": "Tag reference exists already"})
        number = self.hub.at(revision)
        assert number is not None
        self.hub.tags[name] = number
        return self._send(200, {})

    def resolve(self, body: bytes, revision: str, name: str) -> None:
        number = self.hub.at(revision)
        if number is None:
            return self._send(404, {"error": "no such revision"}, {"X-Error-Code": "RevisionNotFound"})
        data = self.hub.commits[number].get(name)
        if data is None:
            return self._send(404, {"error": "no such file"}, {"X-Error-Code": "EntryNotFound"})
        tags = {"X-Repo-Commit": self.hub.sha(number), "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        tags["Accept-Ranges"] = "bytes"
        tags["Content-Length"] = str(len(data))
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if span:
            part = data[int(span[1]) : int(span[2] or len(data) - 1) + 1]
            tags |= {"Content-Length": str(len(part)), "Content-Range": f"bytes {span[1]}-{span[2]}/{len(data)}"}
            return self._send(206, part, tags)
        return self._send(200, data, tags)

    def card(self, body: bytes) -> None:
        licence = re.search(r"^license: (.*)$", json.loads(body)["content"], re.MULTILINE)
        if licence and licence[1] not in {"mit", "other"}:
            return self._send(400, {"errors": [{"message": '"license" must be one of [mit, other]'}], "warnings": []})
        return self.fine(body)

    def fine(self, body: bytes) -> None:
        return self._send(200, {"errors": [], "warnings": [], "name": "me", "type": "user", "orgs": []})


_API = f"/api/datasets/{REPO}"
ROUTES: list[tuple[str, Any]] = [
    (r"POST /api/repos/create", Handler.create),
    (rf"GET {_API}", Handler.info),
    (rf"GET {_API}/revision/([^/]+)", Handler.info),
    (rf"GET {_API}/refs", Handler.refs),
    (rf"GET {_API}/tree/([^/]+)(/.*)?", Handler.tree),
    (rf"POST {_API}/paths-info/([^/]+)", Handler.paths),
    (rf"POST {_API}/preupload/([^/]+)", Handler.preupload),
    (rf"POST /datasets/{REPO}\.git/info/lfs/objects/batch", Handler.batch),
    (r"PUT /lfs/([0-9a-f]{64})", Handler.put),
    (rf"POST {_API}/commit/([^/]+)", Handler.commit),
    (rf"POST {_API}/tag/([^/]+)", Handler.tag),
    (rf"(?:GET|HEAD) /datasets/{REPO}/resolve/([^/]+)/(.+)", Handler.resolve),
    (r"POST /api/validate-yaml", Handler.card),
    (r"GET /api/whoami-v2", Handler.fine),
]


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub that answers at its `url`."""
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
