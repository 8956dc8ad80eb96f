"""Images: encoded once for all samples of a request and for all requests that show them, and in order."""

from dataclasses import replace
from typing import Any

import pytest

from generators.engines.vllm.engine import VllmEngine
from schemas.completion import ImagePart, Message, Request, Sampling

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

LONG = "Look at all the shapes closely, and at their colors. " * 16


def encoded(engine: VllmEngine, run: Any) -> int:
    """How many images vLLM's encoder has seen since it was last asked, by its own count."""
    counts = run(engine._engine.collective_rpc("get_encoder_timing_stats"))
    return sum(int(one["num_encoder_calls"]) for worker in counts for one in worker.values())


def shown(*images: str, text: str = "Describe the images.", **sampling: Any) -> Request:
    return Request("row", (Message("user", (*(ImagePart(i) for i in images), text)),), Sampling(**sampling))


def test_an_image_is_encoded_once_for_all_that_is_asked_about_it(viewer: VllmEngine, run: Any, media: Any) -> None:
    encoded(viewer, run)
    before = viewer.cache_use()
    asked = shown(media.red, text=f"{LONG}Describe the image.", max_tokens=8, seed=3)
    done = run(viewer.complete(asked, range(8)))
    assert sorted(c.index for c in done) == list(range(8))
    assert encoded(viewer, run) == 1
    once = viewer.cache_use().since(before)
    assert (once.images, once.cached_images) == (1, 0)
    assert once.prompt_tokens == 8 * done[0].prompt_tokens
    assert once.cached_tokens > 7 * done[0].prompt_tokens / 2  # whole blocks of tokens are found, of 128 on a CPU
    assert once.cached_tokens <= 7 * done[0].prompt_tokens

    run(viewer.complete(replace(asked, messages=shown(media.red, text=f"{LONG}What color is it?").messages), range(8)))
    assert encoded(viewer, run) == 0
    twice = viewer.cache_use().since(before)
    assert (twice.images, twice.cached_images) == (2, 1)
    assert twice.cached_tokens - once.cached_tokens > 8 * done[0].prompt_tokens / 2


def test_another_image_is_not_taken_for_it(viewer: VllmEngine, run: Any, media: Any) -> None:
    color = {"text": f"{LONG}What color is the shape?", "temperature": 0, "max_tokens": 8}
    (red,), (blue,), (again,) = (
        run(viewer.complete(shown(image, **color), [0])) for image in (media.red, media.blue, media.red)
    )
    assert "red" in red.text
    assert "blue" in blue.text
    assert again == red


def test_several_images_are_seen_in_their_order(viewer: VllmEngine, run: Any, media: Any) -> None:
    asked = {"temperature": 0, "max_tokens": 60}
    (forth,), (back,) = (
        run(viewer.complete(shown(*images, **asked), [0]))
        for images in ((media.red, media.blue), (media.blue, media.red))
    )
    assert forth.text.index("red") < forth.text.index("blue")
    assert back.text.index("blue") < back.text.index("red")
    (one,) = run(viewer.complete(shown(media.red, **asked), [0]))
    assert forth.prompt_tokens - one.prompt_tokens >= 16  # an image has as many tokens
