"""What chat servers reply, from the wire to the release: traces that are thoughts, rewritten ones, rows with pictures."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipelines.build import run_build
from pipelines.recipe import load_recipe
from pipelines.stage import Build
from pipelines.stages import road
from pipelines.workspace import Workspace

Message = dict[str, Any]
Serve = Callable[[Callable[[str], Message]], str]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a chat server on this machine that answers each prompt (its messages as JSON) with one message."""
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    servers = []

    def start(answer: Callable[[str], Message]) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self.send({"object": "list", "data": [{"id": "m", "object": "model"}]})

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                message = {"role": "assistant", **answer(json.dumps(asked["messages"], ensure_ascii=False))}
                finish = message.pop("finish_reason", "stop")
                choices = [
                    {"index": i, "message": message, "finish_reason": finish} for i in range(asked.get("n") or 1)
                ]
                usage = {"prompt_tokens": 5, "completion_tokens": 30, "total_tokens": 35}
                head = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
                self.send({**head, "choices": choices, "usage": usage})

            def send(self, body: Any) -> None:
                data = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/v1"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def make(folder: Path, url: str, rows: list[Message], sections: str) -> Build:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "r.yaml").write_text(
        f"name: r\nmodels:\n  m: {{model: m, engine: openai, base_urls: ['{url}']}}\n"
        f"sources:\n  - {{type: jsonl, name: rows, path: {folder / 'rows.jsonl'}}}\n"
        f"split: {{sft: 1.0, rl: 0.0, holdout: 0.0}}\n{sections}"
    )
    return Build(load_recipe(str(folder / "r.yaml")), Workspace(folder / "out"))


def sums(number: int) -> list[Message]:
    return [
        {"question": f"What is {i} plus {i}?", "answer": str(2 * i), "kind": "number"} for i in range(1, number + 1)
    ]


def test_a_model_rewrites_the_traces_that_leak(tmp_path: Path, serve: Serve) -> None:
    """The reply to a rewrite has a `reasoning` of its own (here none), which is not the trace's."""

    def answer(prompt: str) -> Message:
        if "Rewrite it" in prompt:
            return {"content": "The image shows two. So the answer is 2."}
        if "What is 1" in prompt:
            return {"content": "The caption says two. So the answer is 2."}
        return {"content": "Two and two are four. So the answer is 4."}

    build = make(tmp_path, serve(answer), sums(2), "distill: {model: m}\nrewrite: {model: m}\n")
    told = {r["stage"]: r for r in run_build(build)}
    assert told["rewrite"]["rows_in"] == told["rewrite"]["kept"] == 1
    mended = road(build).table("rewrite").collect()
    assert mended["reasoning"].to_list() == ["The image shows two. So the answer is 2."]
    sft = pl.read_parquet(next((tmp_path / "out" / "releases" / "r").glob("v*")) / "sft" / "*.parquet")
    texts = sft["completion"].list.first().struct.field("content")
    assert texts.str.contains("caption").sum() == 0
    assert texts.str.contains("The image shows two.", literal=True).sum() == 1
