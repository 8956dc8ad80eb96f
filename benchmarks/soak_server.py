"""A chat server on loopback that fails in every way that servers do, for `benchmarks/soak.py`.

`python benchmarks/soak_server.py RATE`: prints its port. A share RATE of all requests gets a 429, a 500, a connection that
is cut, a page instead of JSON, half of a body, one choice where several were asked for, or its answer in slow drips.
`GET /stats` tells what was given: answers that went out whole, and how many more than wanted (`?n=`) some prompt got.
"""

import asyncio
import hashlib
import json
import random
import re
import sys
from collections import Counter
from typing import Any

FAULTS = ("429", "500", "reset", "garbage", "half", "one", "drip")
_HEAD = "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{}\r\n"


class Server:
    """Counts what it gives by prompt."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.chance = random.Random(1)
        self.counts: Counter[str] = Counter()
        self.given: Counter[bytes] = Counter()

    def stats(self, n: int) -> dict[str, Any]:
        more = sum(max(0, count - n) for count in self.given.values())
        return {**self.counts, "given": self.given.total(), "prompts": len(self.given), "more_than_wanted": more}

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                path, length = line.decode().split(" ")[1], 0
                while (header := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.decode("latin1").partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                if path.startswith("/stats"):
                    await self._send(writer, 200, json.dumps(self.stats(int(path.partition("=")[2]))).encode())
                elif path.endswith("/models"):
                    await self._send(writer, 200, b'{"object": "list", "data": [{"id": "m", "object": "model"}]}')
                elif not await self._answer(writer, json.loads(body)):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, body: dict[str, Any]) -> bool:
        """Answer a request, or fail; False where the connection is over."""
        self.counts["requests"] += 1
        fault = self.chance.choice(FAULTS) if self.chance.random() < self.rate else ""
        if fault:
            self.counts[f"fault_{fault}"] += 1
        n = 1 if fault == "one" else body.get("n") or 1
        data = json.dumps(_reply(body, n)).encode()
        if fault == "429":
            await self._send(writer, 429, b'{"error": {"message": "slow down"}}', "retry-after-ms: 1\r\n")
        elif fault == "500":
            await self._send(writer, 500, b'{"error": {"message": "oops"}}')
        elif fault == "reset":
            writer.transport.abort()
            return False
        elif fault == "garbage":
            await self._send(writer, 200, b"<html>a page of a proxy</html>")
        elif fault == "half":
            writer.write(_HEAD.format(200, len(data), "").encode() + data[: len(data) // 2])
            await writer.drain()
            return False
        else:
            if fault == "drip":
                writer.write(_HEAD.format(200, len(data), "").encode())
                for start in range(0, len(data), 40):
                    writer.write(data[start : start + 40])
                    await writer.drain()
                    await asyncio.sleep(0.02)
            else:
                await self._send(writer, 200, data)
            self.given[_question(body)] += n
        return True

    @staticmethod
    async def _send(writer: asyncio.StreamWriter, status: int, data: bytes, more: str = "") -> None:
        writer.write(_HEAD.format(status, len(data), more).encode() + data)
        await writer.drain()


def _question(body: dict[str, Any]) -> bytes:
    return hashlib.blake2b(json.dumps(body["messages"]).encode(), digest_size=12).digest()


def _reply(body: dict[str, Any], n: int) -> dict[str, Any]:
    found = re.search(r"What is (\d+) plus (\d+)", json.dumps(body["messages"]))
    assert found is not None
    right = int(found[1]) + int(found[2])
    texts = [f"One by one, the sum is {right + i % 2}. \\boxed{{{right + i % 2}}}" for i in range(n)]
    choices = [
        {"index": i, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 10, "completion_tokens": 20 * n, "total_tokens": 10 + 20 * n}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": choices, "usage": usage}


async def _serve(rate: float) -> None:
    server = await asyncio.start_server(Server(rate).handle, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
