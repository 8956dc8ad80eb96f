"""Whether images arrive, by a server that counts the tokens of prompts or does not, and by what it answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import Asked, ChatServer
from PIL import Image
from recipe_build import write_recipe

from pipelines.explain.arrival import without_images
from pipelines.explain.preview import Preview, preview
from pipelines.job import compile_recipe, open_job
from pipelines.store.completions import CompletionsLog
from schemas.completion import ImagePart, Message, Request

Answer = Callable[[Asked, int], tuple[str, int | None]]
"""The text of a reply, and the tokens of its prompt, by the body and how many images it has; None: nobody counts."""


def try_out(folder: Path, answer: Answer, **section: Any) -> tuple[Preview, ChatServer]:
    """A preview of three rows about an image each, whose model is a server."""

    def reply(body: Asked) -> Any:
        seen = sum(isinstance(p, dict) and p["type"] == "image_url" for t in body["messages"] for p in t["content"])
        text, tokens = answer(body, seen)
        if text == "REFUSED":
            return 400, {}, {"error": {"message": "an image is needed"}}
        choices = [
            {"index": i, "message": {"content": text}, "finish_reason": "stop"} for i in range(body.get("n") or 1)
        ]
        usage = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "completion_tokens": 2}}
        return 200, {}, {"choices": choices, **usage}

    rows = []
    for i in range(4):
        Image.new("RGB", (32, 32), (60 * i, 0, 0)).save(folder / f"{i}.png")
        rows.append({"image": f"{i}.png", "question": f"How many in image {i}?", "answer": str(i)})
    with ChatServer(reply) as server:
        model = {"model": "m", "engine": "openai", "base_urls": [server.url]}
        steps = [
            {"rollout": {"model": "m", "n": 2, "system": "Look.", "tags": "plain", **section}},
            {"verify": {"of": "rollout", "tags": "plain"}},
            "difficulty",
            {"release": {"rl": {"of": "sample"}}},
        ]
        path = write_recipe(folder, steps, rows, models={"m": model}, driver={"max_retries": 0})
        job = open_job(compile_recipe(str(path), limit=3), folder / "out")
        return preview(job, lambda job: job.build.workspace.prepare(job.build.recipe.name)), server


def differs(body: Asked, seen: int) -> str:
    return "1" if seen else "0"


@pytest.mark.parametrize(
    ("answer", "arrived", "why"),
    [
        (lambda body, seen: ("1", 20 + 64 * seen), "yes", "64 tokens more with an image"),
        (lambda body, seen: ("1", 20), "no", "as many tokens with an image as without"),
        (lambda body, seen: (differs(body, seen), 20 + seen), "no", "as many tokens"),
        (lambda body, seen: ("1", None), "no", "all 3 answers are the same with the image and without it"),
        (lambda body, seen: ("1", 0), "no", "all 3 answers are the same"),
        (lambda body, seen: (differs(body, seen), None), "yes", "answers differ"),
        (lambda body, seen: ("1" if body["temperature"] == 0 else differs(body, seen), None), "no", "are the same"),
        (lambda body, seen: ("1" if seen else "REFUSED", 90), "unknown", "an image is needed"),
    ],
)
def test_whether_an_image_arrived(tmp_path: Path, answer: Answer, arrived: str, why: str) -> None:
    """By the tokens of the prompt where a server counts them, else by what is answered without it."""
    found, server = try_out(tmp_path, answer)
    (arrival,) = found.arrivals
    assert (arrival.step, arrival.model, arrival.arrived) == ("rollout", "m", arrived)
    assert why in arrival.why
    assert found.error is None
    assert all(call["max_tokens"] <= 16 for call in server.calls if call["temperature"] == 0), "a probe is cheap"


def test_the_log_answers_a_second_preview(tmp_path: Path) -> None:
    _, server = try_out(tmp_path, lambda body, seen: ("1", 20 + 64 * seen))
    assert len(server.calls) == 3 + 3
    assert CompletionsLog(tmp_path / "out" / "log" / "completions").scan().collect().height == 3 * 2 + 3
    again, server = try_out(tmp_path, lambda body, seen: ("other", 1))
    assert not server.calls
    assert again.arrivals[0].arrived == "yes"


def test_a_model_that_is_shown_nothing_is_not_asked_again(tmp_path: Path) -> None:
    found, server = try_out(tmp_path, lambda body, seen: ("1", 20), sees="nothing")
    assert found.arrivals == []
    assert len(server.calls) == 3


def test_a_request_without_its_images_is_otherwise_the_same() -> None:
    turns = (Message("system", ("Look.",)), Message("user", (ImagePart("a"), "Say", ImagePart("b"), "it")))
    blind = without_images(Request("x", turns, n=3, prefix="So"))
    assert blind == Request("x", (turns[0], Message("user", ("Say", "it"))), n=3, prefix="So")
