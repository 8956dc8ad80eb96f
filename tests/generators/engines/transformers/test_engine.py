"""What the transformers engine does beyond the contract: what it saves, and how it dies."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generators.engines.transformers.batch_decoder import Arrival, BatchDecoder
from generators.engines.transformers.engine import TransformersEngine
from generators.engines.transformers.prefix import EncodedPrompt
from generators.engines.transformers.sequence import Sample
from schemas.completion import Completion, Constraint, Request, Sampling
from schemas.engine import ModelConfig
from schemas.errors import ConfigError, EngineDiedError

pytestmark = pytest.mark.filterwarnings("ignore")

Ask = Callable[..., Request]
SHOTS = "a small red circle is left of a large blue square. how many shapes are there? two. " * 3


@pytest.fixture(scope="module")
def engine(tiny_llama: Path, media: Any, run: Any) -> Iterator[TransformersEngine]:
    config = ModelConfig(model=str(tiny_llama), engine="transformers", concurrency=12, args={"dtype": "float32"})
    made = TransformersEngine(config, media)
    run(made.start())
    yield made
    run(made.close())


def together(engine: TransformersEngine, requests: list[Request], run: Any) -> list[list[Completion]]:
    async def all_of_them() -> list[list[Completion]]:
        return await asyncio.gather(*(engine.complete(r, [0]) for r in requests))

    done: list[list[Completion]] = run(all_of_them())
    return done


def greedy(model: Any, prompt: tuple[int, ...], most: int, **settings: Any) -> tuple[int, ...]:
    """The library's own answer, one prompt at a time and without any of our cache."""
    import torch

    ids = torch.tensor([prompt])
    with torch.inference_mode():
        whole = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False, **settings
        )
    return tuple(whole[0, ids.shape[1] :].tolist())


def generated(engine: TransformersEngine, request: Request) -> str:
    loaded = engine._loaded
    tokens = greedy(loaded.model, engine._encode(request, loaded).ids, request.sampling.max_tokens)
    return str(loaded.prompts.tokenizer.decode(tokens, skip_special_tokens=True))


def test_batches_with_shared_prefix_answer_like_the_library_alone(engine: Any, run: Any, ask: Ask) -> None:
    requests = [
        ask(
            ("" if i % 4 == 3 else SHOTS) + "a blue square. " * (i % 3) + f"number {i}?",
            temperature=0,
            max_tokens=6 + 7 * (i % 4),
        )
        for i in range(30)
    ]
    done = together(engine, requests, run)
    assert engine._decoding._decoder._starts.known(engine._encode(requests[0], engine._loaded)) >= 60
    assert [d[0].text for d in done] == [generated(engine, r) for r in requests]


def test_a_known_prefix_is_not_computed_again(engine: Any, run: Any, ask: Ask) -> None:
    lengths = []
    handle = engine._loaded.model.model.embed_tokens.register_forward_hook(
        lambda _, args, __: lengths.append(tuple(args[0].shape))
    )
    for turn in range(2):
        together(engine, [ask(SHOTS + f"turn {turn} {i}", temperature=0, max_tokens=2) for i in range(8)], run)
    handle.remove()
    assert sum(rows == 1 and columns >= 60 for rows, columns in lengths) <= 1


@pytest.fixture
def prefilled(engine: Any) -> Iterator[list[int]]:
    """The tokens, with padding, of each pass over more than one column."""
    passes: list[int] = []
    handle = engine._loaded.model.model.embed_tokens.register_forward_hook(
        lambda _, args, __: passes.append(args[0].numel()) if args[0].shape[1] > 1 else None
    )
    yield passes
    handle.remove()


def distinct(engine: Any, requests: list[Request]) -> int:
    """The tokens that have to be computed where each start is computed once."""
    prompts = [engine._encode(request, engine._loaded).ids for request in requests]
    return len({ids[: at + 1] for ids in prompts for at in range(len(ids))})


def test_every_start_that_prompts_share_is_computed_once(engine: Any, prefilled: list[int], run: Any, ask: Ask) -> None:
    """Also where they share more than one, part in the middle of one, or come one after the other."""
    requests = [
        ask(f"{SHOTS[i % 3 * 20 :]} case {i % 5} " + "circle " * (i % 4) + f"case {i}", temperature=0, max_tokens=4)
        for i in range(48)
    ]
    done = together(engine, requests, run)
    needed = distinct(engine, requests)
    all_tokens = sum(len(engine._encode(request, engine._loaded).ids) for request in requests)
    assert all_tokens > 4 * needed
    assert sum(prefilled) < 1.5 * needed
    assert [d[0].text for d in done] == [generated(engine, r) for r in requests]


def test_a_turn_behind_a_reply_does_not_compute_the_reply_again(
    engine: Any, prefilled: list[int], run: Any, ask: Ask
) -> None:
    loaded = engine._loaded
    decoder = BatchDecoder(loaded.model, loaded.pad, True, 4096, 1 << 24)

    def replies(prompts: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        sampling = Sampling(temperature=0)
        arrivals = [
            Arrival(
                EncodedPrompt(ids, len(ids) - 1),
                [Sample(0, ids, sampling, 5 + at, loaded.prompts.tokenizer, frozenset())],
            )
            for at, ids in enumerate(prompts)
        ]
        decoder.choose_prefix([a.prompt for a in arrivals])
        decoder.admit(arrivals[:4])
        decoder.step()
        decoder.admit(arrivals[4:])
        while decoder.running:
            decoder.step()
        return [tuple(a.samples[0].tokens) for a in arrivals]

    first = [engine._encode(ask(SHOTS + "red " * at), loaded).ids for at in range(6)]
    later = [(*ids, *reply, 20, 21) for ids, reply in zip(first, replies(first), strict=True)]
    before = sum(prefilled)
    assert before < 1.3 * len({ids[: at + 1] for ids in first for at in range(len(ids))})
    done = replies(later)
    assert sum(prefilled) - before == 3 * len(later)  # the last token of a reply is not put through the model by itself
    for ids, reply in zip(later, done, strict=True):
        assert greedy(loaded.model, ids, len(reply), eos_token_id=-1) == reply


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_replies_do_not_depend_on_the_order_of_arrival(engine: Any, run: Any, ask: Ask, temperature: float) -> None:
    requests = [
        ask(SHOTS[: 40 * (i % 4)] + f"order {i}", temperature=temperature, seed=3, max_tokens=10 + i % 7)
        for i in range(40)
    ]
    first = {r.id: d[0].text for r, d in zip(requests, together(engine, requests, run), strict=True)}
    run(engine.close())
    run(engine.start())
    requests.sort(key=lambda r: r.id)
    again = {r.id: d[0].text for r, d in zip(requests, together(engine, requests, run), strict=True)}
    # Another order is another order of sums, so that a draw on the edge between two tokens may fall to the other side.
    assert sum(again[name] == text for name, text in first.items()) >= (40 if temperature == 0 else 36)


def test_one_prefill_serves_all_samples(engine: Any, run: Any, ask: Ask) -> None:
    shapes = []
    handle = engine._loaded.model.model.embed_tokens.register_forward_hook(
        lambda _, args, __: shapes.append(tuple(args[0].shape))
    )
    run(engine.complete(ask("count the shapes", max_tokens=5, seed=1), range(10)))
    handle.remove()
    prefills = [rows for rows, columns in shapes if columns > 1]
    assert prefills == [1]


def test_finished_sequences_leave_and_waiting_ones_join(engine: Any, run: Any, ask: Ask) -> None:
    ended: list[str] = []

    async def answer(request: Request, name: str) -> None:
        await engine.complete(request, [0])
        ended.append(name)

    async def story() -> None:
        long = [answer(ask(f"long {i}", max_tokens=300, temperature=0.5, seed=i), "long") for i in range(2)]
        short = [answer(ask(f"short {i}", max_tokens=2, seed=i), "short") for i in range(40)]
        await asyncio.gather(*long, *short)

    widths = []
    handle = engine._loaded.model.lm_head.register_forward_hook(lambda _, args, __: widths.append(args[0].shape[0]))
    run(story())
    handle.remove()
    assert ended[:40].count("short") >= 38
    assert max(widths) <= 12
    assert widths[-1] <= 2


def test_requests_that_nobody_waits_for_are_dropped(engine: Any, run: Any, ask: Ask) -> None:
    async def story() -> Completion:
        endless = [asyncio.create_task(engine.complete(ask(f"long {i}", max_tokens=450), [0])) for i in range(12)]
        await asyncio.sleep(0.3)
        for task in endless:
            task.cancel()
        (done,) = await engine.complete(ask("short", max_tokens=2), [0])
        return done

    steps = []
    handle = engine._loaded.model.lm_head.register_forward_hook(lambda *_: steps.append(1))
    assert run(story()).completion_tokens <= 2
    handle.remove()
    assert len(steps) < 400


def test_a_failing_model_is_a_death_that_a_restart_heals(engine: Any, run: Any, ask: Ask) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError("out of memory")

    engine._loaded.model.lm_head.register_forward_hook(explode)

    async def crash() -> list[Any]:
        return await asyncio.gather(*(engine.complete(ask(f"q {i}"), [0]) for i in range(20)), return_exceptions=True)

    failures = run(crash())
    assert all(isinstance(f, EngineDiedError) and "out of memory" in str(f) for f in failures)
    with pytest.raises(EngineDiedError):
        run(engine.complete(ask("q"), [0]))
    run(engine.start())
    assert len(run(engine.complete(ask("q", max_tokens=3), [0, 1]))) == 2


def test_a_full_context_ends_as_truncated(engine: Any, run: Any, ask: Ask) -> None:
    request = ask("red circle " * 60, temperature=1.0, seed=3, max_tokens=5000)
    (done,) = run(engine.complete(request, [0]))
    assert done.prompt_tokens + done.completion_tokens <= 512
    assert done.finish_reason == "stop" or done.prompt_tokens + done.completion_tokens == 512


def test_a_repetition_penalty_forbids_what_was_said(engine: Any, run: Any, ask: Ask) -> None:
    (free,) = run(engine.complete(ask("red", temperature=0, max_tokens=40), [0]))
    (bound,) = run(engine.complete(ask("red", temperature=0, max_tokens=40, repetition_penalty=50.0), [0]))
    kinds = [
        len(set(t)) / len(t) for t in (engine._loaded.prompts.tokenizer(c.text)["input_ids"] for c in (free, bound))
    ]
    assert kinds[1] > kinds[0]


def test_sixteen_rollouts_of_an_image_encode_it_once(run: Any, ask: Ask, media: Any) -> None:
    engine = TransformersEngine(ModelConfig(model="reference-vlm", engine="transformers"), media)
    run(engine.start())
    seen = []
    engine._loaded.model.model.vision_model.register_forward_hook(
        lambda _, args, kwargs, __: seen.append(kwargs), with_kwargs=True
    )
    done = run(engine.complete(ask("Describe the image.", media.red, max_tokens=8), range(16)))
    run(engine.close())
    assert len(done) == 16
    assert [call["pixel_values"].shape[0] for call in seen] == [1]


def test_unloadable_models_are_config_errors(tmp_path: Path, tiny_llama: Path, media: Any, run: Any) -> None:
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(tiny_llama, folder)
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="cannot load"):
        run(TransformersEngine(ModelConfig(model=str(folder)), media).start())
    shutil.copy(tiny_llama / "model.safetensors", folder)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match="chat template"):
        run(TransformersEngine(ModelConfig(model=str(folder)), media).start())
    with pytest.raises(ConfigError, match="cannot load"):
        run(TransformersEngine(ModelConfig(model=str(tiny_llama), args={"no_such_argument": 1}), media).start())


FORMS = (
    None,
    Constraint("choice", '["a circle", "a square", "a circle, and"]'),
    Constraint("regex", "[0-9]{1,3} shapes"),
    Constraint(
        "json", '{"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}'
    ),
)


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_free_and_held_replies_share_a_batch_and_do_not_depend_on_it(
    engine: Any, run: Any, ask: Ask, temperature: float
) -> None:
    requests = [
        replace(
            ask(SHOTS + f"number {i}?", temperature=temperature, seed=5, max_tokens=20, repetition_penalty=1 + i % 2),
            constraint=FORMS[i % len(FORMS)],
        )
        for i in range(24)
    ]
    batch = [done[0].text for done in together(engine, requests, run)]
    assert batch == [run(engine.complete(request, [0]))[0].text for request in requests]
    for text, request in zip(batch, requests, strict=True):
        if request.constraint is not None and request.constraint.kind == "regex":
            assert re.fullmatch("[0-9]{1,3} shapes", text)
    held = replace(requests[0], constraint=FORMS[2])
    assert run(engine.complete(held, [0]))[0].text != batch[0]


def test_log_probabilities_under_a_form_are_of_the_bare_model(engine: Any, run: Any, ask: Ask) -> None:
    """What the form left the model no choice about is no more likely for it."""
    request = replace(
        ask("hello", temperature=0, logprobs=True), constraint=Constraint("choice", '["how many shapes"]')
    )
    (done,) = run(engine.complete(request, [0]))
    assert done.text == "how many shapes"
    assert sum(done.logprobs) < -5


SCORED = {
    "type": "object",
    "properties": {"objects": {"type": "string", "maxLength": 40}, "count": {"enum": [0, 1, 2, 3]}},
    "required": ["objects", "count"],
    "additionalProperties": False,
}


@pytest.mark.slow  # a minute: the model is converted and loaded
def test_a_language_model_of_135_million_parameters_always_parses(run: Any, ask: Ask, media: Any) -> None:
    made = TransformersEngine(ModelConfig(model="smollm2-135m-instruct", engine="transformers"), media)
    forms = (
        Constraint("json", json.dumps(SCORED)),
        Constraint("choice", '["yes", "no"]'),
        Constraint("regex", "Score: ([0-9]|10)/10"),
    )
    requests = [
        replace(
            ask(f"There are {i} red dogs. Describe them.", temperature=i % 2, seed=i, max_tokens=60), constraint=form
        )
        for form in forms
        for i in range(20)
    ]
    run(made.start())
    texts = [done[0].text for done in together(made, requests, run)]
    run(made.close())
    for text in texts[:20]:
        said = json.loads(text)
        assert set(said) == {"objects", "count"}
        assert said["count"] in (0, 1, 2, 3)
    assert all(text in ("yes", "no") for text in texts[20:40])
    assert all(re.fullmatch("Score: ([0-9]|10)/10", text) for text in texts[40:])
