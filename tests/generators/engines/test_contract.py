"""What every engine promises, asserted alike over transformers, vLLM in-process, a vLLM server behind `openai`, and replicas
on a Ray cluster."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from vllm_args import vllm_args

from generators.embedded import reference_folder
from generators.engines.ray.engine import RayEngine
from generators.engines.select import make_engine
from schemas.completion import Completion, Constraint, Request
from schemas.engine import CountsCacheUse, Engine, ModelConfig
from schemas.errors import EngineDiedError, MediaError, PermanentEngineError

pytestmark = [pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]

COLOR = "What color is the shape?"
CAPTION = "Describe the image."
Ask = Callable[..., Request]


def config_of(kind: str, request: pytest.FixtureRequest) -> ModelConfig:
    common: dict[str, Any] = {"model": "reference-vlm", "engine": kind, "concurrency": 32}
    if kind == "openai":
        common["structured"] = ["choice", "json", "regex"]
        return ModelConfig(**common, base_urls=(request.getfixturevalue("vllm_server"),), api_key_env="NO_SUCH_KEY")
    if kind == "ray":
        request.getfixturevalue("ray_cluster")
        return ModelConfig.model_validate({**common, "ray": {"replicas": 2}, "args": {"dtype": "float32"}})
    return ModelConfig(**common, args=vllm_args() if kind == "vllm" else {"dtype": "float32"})


@pytest.fixture(
    scope="module",
    params=[
        "transformers",
        pytest.param("ray", marks=pytest.mark.slow),
        pytest.param("vllm", marks=pytest.mark.vllm),
        pytest.param("openai", marks=pytest.mark.vllm),
    ],
)
def engine(request: pytest.FixtureRequest, media: Any, run: Any) -> Iterator[Engine]:
    patch = pytest.MonkeyPatch()
    patch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    made = make_engine(config_of(request.param, request), media)
    run(made.start())
    yield made
    run(made.close())
    patch.undo()


def texts(completions: list[Completion]) -> dict[int, str]:
    return {c.index: c.text for c in completions}


def prompt_length(request: Request) -> int:
    """Tokens of a prompt, counted by the model's processor itself."""
    from PIL import Image
    from transformers import AutoProcessor

    processor = AutoProcessor.from_pretrained(reference_folder())
    parts = [
        {"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in request.messages[0].content
    ]
    text = processor.apply_chat_template([{"role": "user", "content": parts}], add_generation_prompt=True)
    images = [[Image.new("RGB", (64, 64), "red")]] if request.images else None
    return len(processor(text=[text], images=images)["input_ids"][0])


def test_each_wanted_index_is_answered_once(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    for seed in (None, 7):
        done = run(engine.complete(ask(CAPTION, media.red, max_tokens=24, seed=seed), [0, 2, 3, 9]))
        assert sorted(c.index for c in done) == [0, 2, 3, 9]
        assert all(c.finish_reason in ("stop", "length") and c.error is None for c in done)


def test_samples_differ_and_greedy_ones_do_not(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    drawn = run(engine.complete(ask(CAPTION, media.red, temperature=1.5, max_tokens=24, seed=1), range(8)))
    assert len(set(texts(drawn).values())) > 1
    greedy = ask(CAPTION, media.red, temperature=0, max_tokens=24)
    first, again = (texts(run(engine.complete(greedy, [0, 1, 4]))) for _ in range(2))
    assert first == again
    assert set(first) == {0, 1, 4}
    assert len(set(first.values())) == 1


def test_a_seed_fixes_a_sample_whatever_else_is_asked(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    request = ask(CAPTION, media.red, temperature=1, max_tokens=16, seed=11)
    together = texts(run(engine.complete(request, range(6))))
    apart = texts(run(engine.complete(request, [4]))) | texts(run(engine.complete(request, [1, 5])))
    assert apart == {i: together[i] for i in (1, 4, 5)}
    other = texts(run(engine.complete(ask(CAPTION, media.red, temperature=1, max_tokens=16, seed=12), range(6))))
    assert other != together


def test_truncation_is_an_outcome(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    (cut,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=3), [0]))
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 3)
    (whole,) = run(engine.complete(ask(COLOR, media.red, temperature=0, max_tokens=200), [0]))
    assert whole.finish_reason == "stop"
    assert whole.completion_tokens < 200


def test_stop_strings_end_the_reply_and_are_left_out(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    (free,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=30), [0]))
    words = free.text.split()
    assert len(words) > 4
    stop = f"{words[2]} {words[3]}"
    (stopped,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=30, stop=(stop,)), [0]))
    assert stopped.text == free.text[: free.text.index(stop)]
    assert stopped.finish_reason == "stop"
    assert 0 < stopped.completion_tokens < free.completion_tokens


def test_tokens_are_counted(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    with_image, text_only = ask(COLOR, media.blue, max_tokens=5, seed=0), ask(COLOR, max_tokens=5, seed=0)
    for request in (with_image, text_only):
        done = run(engine.complete(request, range(3)))
        assert {c.prompt_tokens for c in done} == {prompt_length(request)}
        assert all(1 <= c.completion_tokens <= 5 for c in done)
        assert all(c.completion_tokens == 5 for c in done if c.finish_reason == "length")


def test_logprobs_are_those_of_the_chosen_tokens(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    (plain,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=8), [0]))
    assert plain.logprobs is None
    done = run(engine.complete(ask(CAPTION, media.red, temperature=1, max_tokens=8, seed=2, logprobs=True), range(2)))
    for completion in done:
        assert completion.logprobs is not None
        assert len(completion.logprobs) == completion.completion_tokens
        assert all(p <= 1e-6 for p in completion.logprobs)
        assert sum(completion.logprobs) < 0


def test_a_prefix_is_the_start_of_the_reply(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    (whole,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=40), [0]))
    words = whole.text.split(" ")
    prefix = " ".join(words[:3])
    (rest,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=40, prefix=prefix), [0]))
    assert prefix + rest.text == whole.text
    (forced,) = run(engine.complete(ask(CAPTION, media.red, temperature=0, max_tokens=40, prefix="9 shapes:"), [0]))
    assert forced.text != whole.text
    assert not forced.text.startswith("9 shapes:")


COUNTED = {
    "type": "object",
    "properties": {
        "color": {"type": "string", "maxLength": 24},
        "count": {"type": "integer", "maximum": 99, "minimum": 0},
    },
    "required": ["color", "count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("temperature", [0, 1.3])
@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        ("choice", '["yes", "no", "yes, but"]', "yes|no|yes, but"),
        ("regex", "Score: ([0-9]|10)", "Score: ([0-9]|10)"),
        ("regex", "<answer>[A-D]</answer>", "<answer>[A-D]</answer>"),
        ("json", json.dumps(COUNTED), None),
    ],
)
def test_a_reply_has_the_form_that_was_asked_for(
    engine: Engine, run: Any, ask: Ask, media: Any, kind: Any, value: str, pattern: str | None, temperature: float
) -> None:
    asked = ask(CAPTION, media.red, temperature=temperature, max_tokens=120, seed=3)
    request = replace(asked, constraint=Constraint(kind, value))
    done = run(engine.complete(request, range(20)))
    assert sorted(c.index for c in done) == list(range(20))
    for one in done:
        assert (one.finish_reason, one.error) == ("stop", None)
        if pattern is not None:
            assert re.fullmatch(pattern, one.text), one.text
            continue
        said = json.loads(one.text)
        assert set(said) == {"color", "count"}
        assert len(said["color"]) <= 24
        assert 0 <= said["count"] <= 99


def test_a_form_holds_for_what_follows_a_prefix(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    asked = ask(CAPTION, media.red, temperature=1, max_tokens=20, seed=3, prefix="The score is ")
    done = run(engine.complete(replace(asked, constraint=Constraint("regex", "[0-9] of 9")), range(4)))
    assert all(re.fullmatch("[0-9] of 9", c.text) for c in done), done


def test_a_form_that_none_can_enforce_is_permanent(engine: Engine, run: Any, ask: Ask) -> None:
    with pytest.raises(PermanentEngineError):
        run(engine.complete(replace(ask(CAPTION), constraint=Constraint("regex", "(")), [0]))


def test_the_image_decides(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    (red,), (blue,), (again,) = (
        run(engine.complete(ask(COLOR, image, temperature=0, max_tokens=8), [0]))
        for image in (media.red, media.blue, media.red)
    )
    assert red.text != blue.text
    assert red.text == again.text


def test_an_impossible_request_is_permanent(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    for request in (ask("word " * 4000, max_tokens=4), ask(COLOR, media.broken)):
        with pytest.raises(PermanentEngineError):
            run(engine.complete(request, [0]))
    with pytest.raises(MediaError):  # what lies on this disk is no reason to call a request refused
        run(engine.complete(ask(COLOR, "0" * 32), [0]))
    (fine,) = run(engine.complete(ask(COLOR, media.red, temperature=0, max_tokens=8), [0]))
    assert fine.text


def test_a_hundred_at_once_keep_their_answers_apart(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    requests = [
        ask(
            f"{COLOR} {'Look closely. ' * (i % 5)}{i}",
            (media.red, media.blue, None)[i % 3],
            temperature=0,
            max_tokens=4 + i % 9,
        )
        for i in range(100)
    ]

    async def all_of_them() -> list[list[Completion]]:
        return await asyncio.gather(*(engine.complete(r, [0]) for r in requests))

    together = run(all_of_them())
    assert all(len(done) == 1 and done[0].completion_tokens <= 4 + i % 9 for i, done in enumerate(together))
    assert [done[0].prompt_tokens for done in together[:6]] == [prompt_length(r) for r in requests[:6]]
    alone = [run(engine.complete(requests[i], [0]))[0].text for i in range(0, 100, 9)]
    assert [together[i][0].text for i in range(0, 100, 9)] == alone


def test_what_is_found_in_a_prefix_cache_is_counted(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    if not isinstance(engine, CountsCacheUse) or isinstance(engine, RayEngine):  # whose replicas run transformers here
        pytest.skip("it counts nothing")
    request = ask(f"{'Look at all the shapes closely. ' * 30}{COLOR}", media.blue, max_tokens=4, seed=0)
    counts = [engine.cache_use()]
    for _ in range(2):
        (one,) = run(engine.complete(request, [0]))
        counts.append(engine.cache_use())
    first, again = (later.since(earlier) for earlier, later in pairwise(counts))
    assert first.prompt_tokens == again.prompt_tokens == one.prompt_tokens
    assert again.prompt_tokens / 2 < again.cached_tokens < again.prompt_tokens
    assert first.cached_tokens < again.cached_tokens
    assert again.images == again.cached_images  # of an engine that does not count images, none


def test_an_engine_can_be_closed_and_started_again(engine: Engine, run: Any, ask: Ask, media: Any) -> None:
    request = ask(COLOR, media.blue, temperature=0, max_tokens=8)
    (before,) = run(engine.complete(request, [0]))
    run(engine.close())
    with pytest.raises(EngineDiedError):
        run(engine.complete(request, [0]))
    run(engine.start())
    (after,) = run(engine.complete(request, [0]))
    assert after == before
