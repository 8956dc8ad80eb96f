"""How each trainer asks the reward of its export: with a row of the export as `load_dataset` gives it, and replies to it."""

import asyncio
import importlib
import importlib.util
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
Call = Callable[[Any, Record, Sequence[str]], Sequence[float | None]]
"""The export's reward, loaded; a row; replies: a score for each reply, None where it is unscored."""


def reward_of(export: Path, file: str) -> Any:
    """The reward, loaded as trainers load it: from its file, under a name that is in no `sys.modules`."""
    spec = importlib.util.spec_from_file_location("custom_reward_fn", export / file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _StandIn(types.ModuleType):
    """A module of a project that is not installed: each name in it is a class that takes anything, also as a decorator."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        made = type(name, (_Anything,), {})
        setattr(self, name, made)
        return made


class _Anything:
    def __init__(self, *args: Any, **facts: Any) -> None:
        self.__dict__.update(facts)

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __call__(self, decorated: Any) -> Any:
        return decorated


@contextmanager
def stand_ins(*names: str, **known: Mapping[str, Any]) -> Iterator[None]:
    """Modules of these names, and of all above them, while the block runs. `known` are real values in them."""
    modules = {".".join(name.split(".")[: i + 1]) for name in names for i in range(name.count(".") + 1)}
    made = {name: _StandIn(name) for name in sorted(modules)}
    for name, module in made.items():
        above, _, own = name.rpartition(".")
        if above:
            setattr(made[above], own, module)
    for name, values in known.items():
        made[name.replace("__", ".")].__dict__.update(values)
    kept = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _trl(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    said = [[{"role": "assistant", "content": reply}] for reply in replies]
    names = [name for name in row if name not in ("prompt", "completion", "completion_ids")]
    columns = {name: [row[name]] * len(said) for name in names}
    more: dict[str, Any] = {"trainer_state": None, "log_extra": lambda *_: None, "log_metric": lambda *_: None}
    prompts, ids = [row["prompt"]] * len(said), [[0]] * len(said)
    return module.reward(prompts=prompts, completions=said, completion_ids=ids, **columns, **more)  # type: ignore[no-any-return]


def _verl(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    more = {"reward_router_address": None, "reward_model_tokenizer": None}
    facts = {"data_source": row["data_source"], "ground_truth": row["reward_model"]["ground_truth"]}
    asked = [{**facts, "solution_str": reply, "extra_info": dict(row["extra_info"])} for reply in replies]
    return [module.compute_score(**one, **more)["score"] for one in asked]


def _easyr1(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    truth = row["ground_truth"]
    asked = [{"response": reply, "response_length": 9, "ground_truth": truth} for reply in replies]
    return [found["overall"] for found in module.compute_score(asked)]


def _ms_swift(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    columns = {name: [value] * len(replies) for name, value in row.items()}
    return module.orms["curate"](args=None)(list(replies), **columns)  # type: ignore[no-any-return]


def _openrlhf(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    found = []
    prompt = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"
    for reply in replies:  # one query a call, in threads
        found += module.reward_func([f"{prompt}{reply}<|im_end|>"], [prompt], [row["ground_truth"]])["rewards"].tolist()
    return found


def _openrlhf_m(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    queries = [f"<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n{reply}<|im_end|>" for reply in replies]
    truths = [row["ground_truth"]] * len(queries)
    return module.reward_func(queries, [row["message"]] * len(queries), truths).tolist()  # type: ignore[no-any-return]


def _nemo_rl(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    logs = [[{"role": "user", "content": "Q"}, {"role": "assistant", "content": reply}] for reply in replies]
    gold = {"ground_truth": row["ground_truth"]}
    return module.CurateEnvironment({}).step(logs, [gold] * len(logs))[3].tolist()  # type: ignore[no-any-return]


def _inspect(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    sample = module._sample(row)
    found = []
    for reply in replies:
        output = types.SimpleNamespace(choices=[reply], message=types.SimpleNamespace(content=reply))
        state = types.SimpleNamespace(output=output, metadata=sample.metadata, store={})
        score = asyncio.run(module.curate_reward()(state, sample.target))
        found.append(None if score.value is None else score.value["accuracy"])
    return found


def _verifiers(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    task = module.CurateTask()
    task.data = module.CurateData(ground_truth=row["ground_truth"])
    found = []
    for reply in replies:
        turn = types.SimpleNamespace(content=reply, reasoning_content=None)
        trace = types.SimpleNamespace(assistant_messages=[turn], record_metric=lambda *_: None)
        found.append(asyncio.run(task.accuracy(trace)))
    return found


def _slime(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    samples = [types.SimpleNamespace(response=reply, label=row["ground_truth"]) for reply in replies]
    alone: float = asyncio.run(module.reward(None, samples[0], evaluation=True))
    return [alone, *asyncio.run(module.reward(None, samples))[1:]]


class _Tokens:
    """A tokenizer whose tokens are the replies themselves."""

    def __init__(self, replies: Sequence[str]) -> None:
        self.replies = list(replies)

    def batch_decode(self, tokens: Any, skip_special_tokens: bool) -> list[str]:
        return self.replies


def _roll(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    return roll_scores(module, replies, {"ground_truth": [row["ground_truth"]] * len(replies)})


def roll_scores(module: Any, replies: Sequence[str], columns: Mapping[str, Any]) -> list[float]:
    """What ROLL's worker pays for the replies of a batch with these columns."""
    import torch

    worker = object.__new__(module.CurateRewardWorker)
    worker.tokenizer = _Tokens(replies)
    tokens = torch.zeros(len(replies), 3, dtype=torch.long)
    found = worker.compute_rewards(types.SimpleNamespace(batch={"responses": tokens}, non_tensor_batch=dict(columns)))
    scores: list[float] = found["response_level_rewards"].tolist()
    return scores


def _skyrl(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    return [module.CurateEnv(None, extras=dict(row)).step(reply).reward for reply in replies]


def _areal(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    return [module.reward_fn("prompt", reply, [0], [0], **row) for reply in replies]


def _rllm(module: Any, row: Record, replies: Sequence[str]) -> Sequence[float | None]:
    return [module.evaluate(row, {"output": reply})["reward"] for reply in replies]


CALLS: dict[str, Call] = {
    "trl": _trl,
    "verl": _verl,
    "easyr1": _easyr1,
    "ms_swift": _ms_swift,
    "openrlhf": _openrlhf,
    "openrlhf_m": _openrlhf_m,
    "slime": _slime,
    "roll": _roll,
    "skyrl": _skyrl,
    "areal": _areal,
    "nemo_rl": _nemo_rl,
    "rllm": _rllm,
    "inspect": _inspect,
    "verifiers": _verifiers,
}
"""By the name of the exporter."""


class _Score(_Anything):
    value: Any = None

    @classmethod
    def unscored(cls, **facts: Any) -> "_Score":
        return cls(**facts)


def _decorator(*args: Any, **facts: Any) -> Any:
    return args[0] if args and callable(args[0]) else lambda function: function


class _Names:
    def __getattr__(self, name: str) -> str:
        return name


class _Protocol:
    @staticmethod
    def from_dict(tensors: Any) -> Any:
        return tensors


NEEDED: dict[str, Callable[[], Any]] = {
    "ms_swift": lambda: stand_ins("swift.rewards", swift__rewards={"orms": {}}),
    "roll": lambda: stand_ins(
        *("roll.distributed.executor.worker", "roll.models.model_providers"),
        *("roll.distributed.scheduler.decorator", "roll.distributed.scheduler.protocol"),
        roll__distributed__scheduler__decorator={"Dispatch": _Names(), "register": _decorator},
        roll__distributed__scheduler__protocol={"DataProto": _Protocol},
    ),
    "skyrl": lambda: stand_ins("skyrl_gym.envs.base_text_env"),
    "inspect": lambda: stand_ins(
        *(f"inspect_ai.{name}" for name in ("dataset", "model", "scorer", "solver")),
        inspect_ai={"task": _decorator},
        inspect_ai__scorer={"Score": _Score, "scorer": _decorator, "mean": _decorator, "stderr": _decorator},
    ),
    "nemo_rl": lambda: stand_ins(
        "nemo_rl.environments.interfaces",
        "ray",
        nemo_rl__environments__interfaces={"EnvironmentReturn": lambda *parts: parts},
    ),
    "verifiers": lambda: stand_ins("verifiers.v1", verifiers__v1={"reward": _decorator}),
}
"""Projects that are not installed here, by the name of the exporter whose reward imports them."""
