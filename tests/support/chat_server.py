"""A chat server on loopback whose answers a test decides, for tests of what travels between a build and a server."""

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Asked = dict[str, Any]
"""The body of a request, as JSON."""
Answer = tuple[int, Mapping[str, str], Any]
"""Status, headers and body; bytes are sent as they are, anything else as JSON."""
Decide = Callable[[Asked], Answer]


class _Http(ThreadingHTTPServer):
    """Lets as many wait for a connection as the driver opens at once; the default of five is too few on a busy machine."""

    request_queue_size = 256
    daemon_threads = True


class ChatServer:
    """Answers every request with `answer(body)`, and keeps the requests in `calls` (with their `authorization`).

    A test may replace `answer` at any time, or send bytes of its own with `raw`, which gets the handler.
    """

    def __init__(self, answer: Decide | None = None) -> None:
        self.calls: list[Asked] = []
        self.answer: Decide = answer or completion
        self.raw: Callable[[BaseHTTPRequestHandler], None] | None = None
        self.models: Any = {"object": "list", "data": [{"id": "m", "object": "model"}]}
        self.lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._send(200, {}, outer.models)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer.lock:
                    outer.calls.append({**body, "authorization": self.headers["authorization"]})
                if outer.raw is not None:
                    return outer.raw(self)
                self._send(*outer.answer(body))
                return None

            def _send(self, status: int, headers: Mapping[str, str], body: Any) -> None:
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = _Http(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def __enter__(self) -> "ChatServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def completion(body: Asked, count: int | None = None, first: Mapping[str, Any] | None = None, **message: Any) -> Answer:
    """A usual reply of `n` choices (or `count`), each with `message`. `first` changes the first choice; a value of `...`
    takes its field away."""
    content = {"role": "assistant", "content": "4", **message}
    finish = content.pop("finish_reason", "stop")
    asked = body.get("n") or 1 if count is None else count
    choices = [{"index": i, "finish_reason": finish, "message": content} for i in range(asked)]
    if choices and first:
        choices[0] = {name: value for name, value in {**choices[0], **first}.items() if value is not ...}
    usage = {"prompt_tokens": 11, "completion_tokens": 5 * asked, "total_tokens": 11 + 5 * asked}
    whole = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}
    return 200, {}, whole


def refusal(status: int, body: Any = "no", **headers: str) -> Decide:
    """Refuses everything; a text as the body is the message of an error."""
    whole = {"error": {"message": body, "type": "error", "code": None}} if isinstance(body, str) else body
    return lambda asked: (status, {name.replace("_", "-"): value for name, value in headers.items()}, whole)


def saying(message: Callable[[str], Mapping[str, Any]]) -> Decide:
    """Answers with the message that a function gives for a prompt (its messages as JSON)."""
    return lambda body: completion(body, **message(json.dumps(body["messages"], ensure_ascii=False)))
